//! Merging replicas: the one function that the querier and the compactor use.
//!
//! A row's identity is (series, timestamp). Of two samples with the same identity: equal bits are one; a stale marker
//! loses; else the greater bits win. The winner does not depend on the order in which samples come.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::chunk::{Chunk, ChunkError};
use crate::histogram::HistogramSample;
use crate::model::{Labels, STALE_BITS, Sample};
use crate::wire::SeriesChunks;

/// All samples of one series: timestamps rise strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSamples {
    /// Which series.
    pub labels: Labels,
    /// Its float samples.
    pub samples: Vec<Sample>,
    /// Its samples that are native histograms: no time stands in both.
    pub histograms: Vec<HistogramSample>,
}

/// Merges what all leaves sent of a query: per series, sorted by labels, one run of samples within `start..=end`, ms.
/// Series without a sample in the range are left out.
pub fn merge_replicas(rows: impl IntoIterator<Item = SeriesChunks>, start: i64, end: i64) -> Result<Vec<SeriesSamples>, ChunkError> {
    let mut merged = Vec::new();
    for (labels, chunks) in group(rows) {
        let mut samples = merge_chunks(chunks)?;
        clamp(&mut samples, start, end);
        if !samples.is_empty() {
            merged.push(SeriesSamples { labels, samples, histograms: Vec::new() });
        }
    }
    Ok(merged)
}

/// Brings the chunks of each series together, sorted by labels.
pub fn group(rows: impl IntoIterator<Item = SeriesChunks>) -> BTreeMap<Labels, Vec<Chunk>> {
    let mut series: BTreeMap<Labels, Vec<Chunk>> = BTreeMap::new();
    for row in rows {
        series.entry(row.labels).or_default().extend(row.chunks);
    }
    series
}

/// Takes out chunks that stand twice, without decoding any, and sorts the others by time.
pub fn distinct(chunks: &mut Vec<Chunk>) {
    let mut seen = FxHashSet::default();
    // 64 bits of hash and the times and count beside them: two different chunks of a series that agree in all do not come up.
    chunks.retain(|chunk| seen.insert((chunk.min_t, chunk.max_t, chunk.count, xxhash_rust::xxh3::xxh3_64(&chunk.bytes))));
    chunks.sort_by_key(|chunk| (chunk.min_t, chunk.max_t));
}

/// The samples of all chunks of one series as one run with strictly rising timestamps.
pub fn merge_chunks(mut chunks: Vec<Chunk>) -> Result<Vec<Sample>, ChunkError> {
    distinct(&mut chunks);
    let mut samples: Vec<Sample> = Vec::with_capacity(chunks.iter().map(|chunk| usize::from(chunk.count)).sum());
    let mut sorted = true;
    for chunk in &chunks {
        let before = samples.len();
        chunk.decode_into(&mut samples)?;
        sorted &= before == 0 || samples.get(before).is_none_or(|first| first.t > samples[before - 1].t);
    }
    if !sorted {
        sort_and_dedup(&mut samples);
    }
    Ok(samples)
}

/// Sorts samples by time and leaves one for each timestamp.
pub fn sort_and_dedup(samples: &mut Vec<Sample>) {
    // The stable sort takes runs as they are, and replicas are a few long runs.
    samples.sort_by_key(|sample| sample.t);
    samples.dedup_by(|next, kept| {
        let same = next.t == kept.t;
        if same {
            kept.v = winner(kept.v, next.v);
        }
        same
    });
}

/// Which of two values of one series and timestamp stays.
#[must_use]
pub fn winner(one: f64, other: f64) -> f64 {
    // A stale marker ranks below every other value.
    let rank = |value: f64| (value.to_bits() != STALE_BITS, value.to_bits());
    if rank(one) >= rank(other) { one } else { other }
}

/// Leaves what lies within `start..=end`.
fn clamp(samples: &mut Vec<Sample>, start: i64, end: i64) {
    samples.truncate(samples.partition_point(|sample| sample.t <= end));
    let first = samples.partition_point(|sample| sample.t < start);
    samples.drain(..first);
}

#[cfg(test)]
mod tests;
