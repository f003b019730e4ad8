//! Merging replicas: the one function that the querier and the compactor use.
//!
//! A row's identity is (series, timestamp). Of two samples with the same identity: equal bits are one; a stale marker
//! loses; a histogram wins over a float; else the greater bits win, of histograms the greater bytes as [`put_histogram`] writes them. The
//! winner does not depend on the order in which samples come. Exemplars are one when all of them is equal, and so is metadata.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::chunk::{Chunk, ChunkError, Encoding};
use crate::histogram::HistogramSample;
use crate::histogram::wire::put_histogram;
use crate::model::{Exemplar, Labels, Metadata, STALE_BITS, Sample};
use crate::wire::{MetadataEntry, MetricMetadata, SeriesChunks, SeriesExemplars};

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
        let Merged { mut samples, mut histograms } = merge_all(chunks)?;
        clamp(&mut samples, start, end, |sample| sample.t);
        clamp(&mut histograms, start, end, |sample| sample.t);
        if !samples.is_empty() || !histograms.is_empty() {
            merged.push(SeriesSamples { labels, samples, histograms });
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

/// The samples of one series: timestamps rise strictly in each list, and none stands in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// Float samples.
    pub samples: Vec<Sample>,
    /// Samples that are histograms.
    pub histograms: Vec<HistogramSample>,
}

/// Takes out chunks that stand twice, without decoding any, and sorts the others by time.
pub fn distinct(chunks: &mut Vec<Chunk>) {
    let mut seen = FxHashSet::default();
    // 64 bits of hash and the times and count beside them: two different chunks of a series that agree in all do not come up.
    chunks.retain(|chunk| seen.insert((chunk.min_t, chunk.max_t, chunk.count, xxhash_rust::xxh3::xxh3_64(&chunk.bytes))));
    chunks.sort_by_key(|chunk| (chunk.min_t, chunk.max_t));
}

/// The samples of all chunks of one series, of both kinds.
pub fn merge_all(chunks: Vec<Chunk>) -> Result<Merged, ChunkError> {
    let (with_histograms, floats): (Vec<_>, Vec<_>) = chunks.into_iter().partition(|chunk| chunk.encoding == Encoding::Histogram);
    let mut samples = merge_chunks(floats)?;
    if with_histograms.is_empty() {
        return Ok(Merged { samples, histograms: Vec::new() });
    }
    let mut histograms = merge_histogram_chunks(with_histograms)?;
    leave_one_kind(&mut samples, &mut histograms);
    Ok(Merged { samples, histograms })
}

/// The histograms of chunks of one series as one run with strictly rising timestamps.
fn merge_histogram_chunks(mut chunks: Vec<Chunk>) -> Result<Vec<HistogramSample>, ChunkError> {
    distinct(&mut chunks);
    let mut samples: Vec<HistogramSample> = Vec::with_capacity(chunks.iter().map(|chunk| usize::from(chunk.count)).sum());
    for chunk in &chunks {
        chunk.decode_histograms_into(&mut samples)?;
    }
    samples.sort_by_key(|sample| sample.t);
    samples.dedup_by(|next, kept| {
        let same = next.t == kept.t;
        if same && !next.h.same_bits(&kept.h) {
            *kept = histogram_winner(kept.clone(), next.clone());
        }
        same
    });
    Ok(samples)
}

/// Where a time stands in both lists, leaves it in one: in that of the histograms, unless that one is a stale marker and the float is none.
fn leave_one_kind(samples: &mut Vec<Sample>, histograms: &mut Vec<HistogramSample>) {
    let mut lost = Vec::new();
    samples.retain(|sample| match histograms.binary_search_by_key(&sample.t, |histogram| histogram.t) {
        Ok(at) if histograms[at].h.is_stale() && sample.v.to_bits() != STALE_BITS => {
            lost.push(at);
            true
        }
        Ok(_) => false,
        Err(_) => true,
    });
    // Times rise in both lists, and so do the places of those that lost.
    for at in lost.into_iter().rev() {
        histograms.remove(at);
    }
}

/// Which of two histograms of one series and timestamp stays.
#[must_use]
pub fn histogram_winner(one: HistogramSample, other: HistogramSample) -> HistogramSample {
    let rank = |sample: &HistogramSample| {
        let mut bytes = Vec::new();
        put_histogram(&mut bytes, &sample.h);
        (!sample.h.is_stale(), bytes)
    };
    if rank(&one) >= rank(&other) { one } else { other }
}

/// The float samples of chunks of one series that hold floats, as one run with strictly rising timestamps.
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

/// Merges the exemplars that leaves sent: per series, sorted by labels, those within `start..=end`, ms, sorted, each once. Series
/// without one are left out.
pub fn merge_exemplars(rows: impl IntoIterator<Item = SeriesExemplars>, start: i64, end: i64) -> Vec<SeriesExemplars> {
    let mut series: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
    for row in rows {
        let wanted = row.exemplars.into_iter().filter(|exemplar| (start..=end).contains(&exemplar.t));
        series.entry(row.labels).or_default().extend(wanted);
    }
    let merged = series.into_iter().map(|(labels, mut exemplars)| {
        exemplars.sort();
        exemplars.dedup();
        SeriesExemplars { labels, exemplars }
    });
    merged.filter(|one| !one.exemplars.is_empty()).collect()
}

/// Merges the metadata that leaves sent: per metric, sorted by name, each entry once, those received last first. Of each metric at
/// most `limit_per_metric` entries stay, of all metrics the first `limit`; 0 is all.
pub fn merge_metadata(rows: impl IntoIterator<Item = MetricMetadata>, limit: u64, limit_per_metric: u64) -> Vec<MetricMetadata> {
    let mut metrics: BTreeMap<String, BTreeMap<Metadata, i64>> = BTreeMap::new();
    for row in rows {
        let known = metrics.entry(row.metric).or_default();
        for entry in row.entries {
            let t = known.entry(entry.metadata).or_insert(entry.t);
            *t = (*t).max(entry.t);
        }
    }
    let at_most = |limit: u64| if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let merged = metrics.into_iter().map(|(metric, known)| {
        let mut entries: Vec<MetadataEntry> = known.into_iter().map(|(metadata, t)| MetadataEntry { t, metadata }).collect();
        // Stable: entries of one time stay in the order of what they say.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.t));
        entries.truncate(at_most(limit_per_metric));
        MetricMetadata { metric, entries }
    });
    merged.filter(|one| !one.entries.is_empty()).take(at_most(limit)).collect()
}

/// Leaves what lies within `start..=end`.
fn clamp<T>(samples: &mut Vec<T>, start: i64, end: i64, t: impl Fn(&T) -> i64) {
    samples.truncate(samples.partition_point(|sample| t(sample) <= end));
    let first = samples.partition_point(|sample| t(sample) < start);
    samples.drain(..first);
}

#[cfg(test)]
mod tests;
