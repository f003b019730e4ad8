//! Splits the chunks of one series at windows of time, and leaves each sample once.

use std::collections::BTreeMap;

use crate::chunk::packed::PACKED_SAMPLES;
use crate::chunk::{Chunk, ChunkError, Encoding, MAX_SAMPLES, encode_histogram_run, encode_run, pack_run};
use crate::merge;

/// Aligned windows of data time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Nanoseconds, at least 1.
    width: i128,
}

impl Windows {
    /// Windows that begin at the multiples of so many nanoseconds.
    pub(super) fn new(window_ns: i64) -> Self {
        Self { width: i128::from(window_ns.max(1)) }
    }

    /// The number of the window that a time in milliseconds lies in; also before 1970, and where nanoseconds have no 64 bits.
    pub(super) fn of(self, ms: i64) -> i128 {
        (i128::from(ms) * 1_000_000).div_euclid(self.width)
    }
}

/// How the chunks of a block are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As the head encoded them: most are passed on untouched, and a cut is soon merged.
    Cut,
    /// As small as can be, in long chunks: what merges write.
    Packed,
}

/// Chunks of one window, sorted, without overlaps.
pub(super) type Split = (i128, Vec<Chunk>);

/// Arranges the chunks of a series, in any order, with overlaps and copies, by windows.
///
/// A chunk of the wanted form that overlaps no other and crosses no border passes as it is. The others are decoded, merged by the rule
/// of [`crate::merge`] and encoded again; so are neighbours that fit into fewer chunks together.
pub(super) fn arrange(mut chunks: Vec<Chunk>, windows: Windows, form: Form) -> Result<Vec<Split>, ChunkError> {
    merge::distinct(&mut chunks);
    if chunks.iter().all(|chunk| chunk.encoding != Encoding::Histogram) {
        return arrange_floats(chunks, windows, form);
    }
    let (histograms, mut floats): (Vec<_>, Vec<_>) = chunks.into_iter().partition(|chunk| chunk.encoding == Encoding::Histogram);
    let mixed = floats.iter().any(|float| histograms.iter().any(|histogram| histogram.overlaps(float.min_t, float.max_t)));
    let histograms = if mixed {
        // A time may stand in both kinds.
        let merged = merge::merge_all(floats.into_iter().chain(histograms).collect())?;
        floats = encode_run(&merged.samples).collect();
        encode_histogram_run(&merged.histograms).collect()
    } else {
        histograms
    };
    let mut arranged: BTreeMap<i128, Vec<Chunk>> = arrange_floats(floats, windows, form)?.into_iter().collect();
    for (window, chunks) in arrange_histograms(histograms, windows)? {
        arranged.entry(window).or_default().extend(chunks);
    }
    arranged.values_mut().for_each(|chunks| chunks.sort_by_key(|chunk| chunk.min_t));
    Ok(arranged.into_iter().collect())
}

/// Arranges chunks of histograms, sorted by time: as they are where each is of one window and none overlaps another.
fn arrange_histograms(chunks: Vec<Chunk>, windows: Windows) -> Result<Vec<Split>, ChunkError> {
    let mut arranged = Vec::new();
    let overlap = chunks.windows(2).any(|pair| pair[1].min_t <= pair[0].max_t);
    let full =
        chunks.windows(2).all(|pair| pair[0].count + pair[1].count > MAX_SAMPLES || windows.of(pair[0].min_t) != windows.of(pair[1].max_t));
    if !overlap && full && chunks.iter().all(|chunk| windows.of(chunk.min_t) == windows.of(chunk.max_t)) {
        for chunk in chunks {
            put(&mut arranged, windows.of(chunk.min_t), std::iter::once(chunk));
        }
        return Ok(arranged);
    }
    let samples = merge::merge_all(chunks)?.histograms;
    for run in samples.chunk_by(|one, next| windows.of(one.t) == windows.of(next.t)) {
        put(&mut arranged, windows.of(run[0].t), encode_histogram_run(run));
    }
    Ok(arranged)
}

/// Arranges float chunks, sorted by time.
fn arrange_floats(chunks: Vec<Chunk>, windows: Windows, form: Form) -> Result<Vec<Split>, ChunkError> {
    let mut arranged = Vec::new();
    let mut group = Group { form, chunks: Vec::new(), max_t: i64::MIN, samples: 0, overlaps: false };
    for chunk in chunks {
        if !group.takes(&chunk, windows) {
            group.close(windows, &mut arranged)?;
        }
        group.push(chunk);
    }
    group.close(windows, &mut arranged)?;
    Ok(arranged)
}

/// Chunks that belong together.
struct Group {
    form: Form,
    chunks: Vec<Chunk>,
    max_t: i64,
    samples: usize,
    /// True when two of them share an instant.
    overlaps: bool,
}

impl Group {
    fn takes(&self, chunk: &Chunk, windows: Windows) -> bool {
        let Some(first) = self.chunks.first() else { return true };
        let overlaps = chunk.min_t <= self.max_t;
        let small = match self.form {
            Form::Cut => self.samples + usize::from(chunk.count) <= usize::from(MAX_SAMPLES),
            Form::Packed => true,
        };
        overlaps || small && windows.of(first.min_t) == windows.of(chunk.max_t)
    }

    fn push(&mut self, chunk: Chunk) {
        self.overlaps |= !self.chunks.is_empty() && chunk.min_t <= self.max_t;
        self.max_t = if self.chunks.is_empty() { chunk.max_t } else { self.max_t.max(chunk.max_t) };
        self.samples += usize::from(chunk.count);
        self.chunks.push(chunk);
    }

    fn close(&mut self, windows: Windows, into: &mut Vec<Split>) -> Result<(), ChunkError> {
        let may_pass = self.may_pass(windows);
        (self.samples, self.overlaps) = (0, false);
        let mut chunks = std::mem::take(&mut self.chunks);
        if may_pass && let Some(first) = chunks.first() {
            put(into, windows.of(first.min_t), chunks.drain(..));
            return Ok(());
        }
        let samples = merge::merge_chunks(chunks)?;
        for run in samples.chunk_by(|one, next| windows.of(one.t) == windows.of(next.t)) {
            match self.form {
                Form::Cut => put(into, windows.of(run[0].t), encode_run(run)),
                Form::Packed => put(into, windows.of(run[0].t), pack_run(run)),
            }
        }
        Ok(())
    }

    /// True when the chunks are what encoding them again would make, about.
    fn may_pass(&self, windows: Windows) -> bool {
        let wanted = match self.form {
            Form::Cut => self.chunks.len() == 1,
            Form::Packed => {
                self.chunks.len() == self.samples.div_ceil(PACKED_SAMPLES)
                    && self.chunks.iter().all(|chunk| chunk.encoding == Encoding::Packed)
            }
        };
        let first = self.chunks.first().map(|chunk| windows.of(chunk.min_t));
        wanted && !self.overlaps && first == Some(windows.of(self.max_t))
    }
}

fn put(into: &mut Vec<Split>, window: i128, chunks: impl Iterator<Item = Chunk>) {
    match into.last_mut() {
        Some((last, known)) if *last == window => known.extend(chunks),
        _ => into.push((window, chunks.collect())),
    }
}
