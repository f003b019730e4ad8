//! Splits the chunks of one series at windows of time, and leaves each sample once.

use crate::chunk::{Chunk, ChunkError, MAX_SAMPLES, encode_run};
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

/// Chunks of one window, sorted, without overlaps.
pub(super) type Split = (i128, Vec<Chunk>);

/// Arranges the chunks of a series, in any order, with overlaps and copies, by windows.
///
/// A chunk that overlaps no other and crosses no border passes as it is. The others are decoded, merged by the rule of
/// [`crate::merge`] and encoded again; so are neighbours that fit into one chunk together.
pub(super) fn arrange(mut chunks: Vec<Chunk>, windows: Windows) -> Result<Vec<Split>, ChunkError> {
    merge::distinct(&mut chunks);
    let mut arranged = Vec::new();
    let mut group = Group::default();
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
#[derive(Default)]
struct Group {
    chunks: Vec<Chunk>,
    max_t: i64,
    samples: usize,
}

impl Group {
    fn takes(&self, chunk: &Chunk, windows: Windows) -> bool {
        let Some(first) = self.chunks.first() else { return true };
        let overlaps = chunk.min_t <= self.max_t;
        let small = self.samples + usize::from(chunk.count) <= usize::from(MAX_SAMPLES);
        overlaps || small && windows.of(first.min_t) == windows.of(chunk.max_t)
    }

    fn push(&mut self, chunk: Chunk) {
        self.max_t = if self.chunks.is_empty() { chunk.max_t } else { self.max_t.max(chunk.max_t) };
        self.samples += usize::from(chunk.count);
        self.chunks.push(chunk);
    }

    fn close(&mut self, windows: Windows, into: &mut Vec<Split>) -> Result<(), ChunkError> {
        self.samples = 0;
        let mut chunks = std::mem::take(&mut self.chunks);
        if let [only] = chunks.as_slice()
            && windows.of(only.min_t) == windows.of(only.max_t)
        {
            put(into, windows.of(only.min_t), chunks.drain(..));
            return Ok(());
        }
        let samples = merge::merge_chunks(chunks)?;
        for run in samples.chunk_by(|one, next| windows.of(one.t) == windows.of(next.t)) {
            put(into, windows.of(run[0].t), encode_run(run));
        }
        Ok(())
    }
}

fn put(into: &mut Vec<Split>, window: i128, chunks: impl Iterator<Item = Chunk>) {
    match into.last_mut() {
        Some((last, known)) if *last == window => known.extend(chunks),
        _ => into.push((window, chunks.collect())),
    }
}
