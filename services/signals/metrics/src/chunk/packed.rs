//! Float samples for compacted blocks: times as runs of equal steps, values as whole numbers behind a power of ten, both compressed by pco.
//!
//! Measured against other encodings in `examples/encodings.rs`; docs/decisions/packed-chunks.md has the figures and the reasons.
//!
//! Format; *n* is a LEB128 varint, *s* a zigzag varint, other numbers are little-endian. The time of the first sample is the chunk's own.
//!
//! | times | |
//! | --- | --- |
//! | tag 0, runs | until all samples have a time: step in ms *n*, how many samples follow at this step *n* |
//! | tag 1, numbers | step in ms *n*, length *n*, numbers: per sample, milliseconds that it lies behind a grid of this step |
//!
//! | values | |
//! | --- | --- |
//! | tag 0, constant | the bits that all values have `u64` |
//! | tag 1, decimal | power of ten `u8`; exceptions: count *n*, for each its distance from the one before (the first: from sample 0) *n* and its bits `u64`; then numbers: each value times the power of ten, exactly; anything where an exception stands |
//! | tag 2, doubles | numbers: the values |
//! | tag 3, bits | per sample its bits `u64` |
//!
//! *Numbers* are the header of pco's wrapped format, which names its version, one chunk's metadata and its only page.
//!
//! Hot file: decoding allocates once for a chunk.

mod numbers;
mod times;
mod values;

use bytes::Bytes;

use super::ChunkError;
use crate::model::Sample;
use crate::wire::codec::Reader;

/// How many samples are put into one chunk: half a day at 15 s. Larger ones are hardly smaller for each sample, and a query decodes whole chunks.
pub const PACKED_SAMPLES: usize = 3072;

/// Encodes samples whose times rise strictly; at least one and at most 65 535 of them.
#[must_use]
pub fn encode(samples: &[Sample]) -> Bytes {
    let mut out = Vec::new();
    times::encode(samples, &mut out);
    values::encode(samples, &mut out);
    out.into()
}

/// Appends the samples of a chunk that begins at `first`, ms.
pub fn decode(bytes: &[u8], first: i64, count: u16, into: &mut Vec<Sample>) -> Result<(), ChunkError> {
    let from = into.len();
    let mut reader = Reader::new(bytes);
    times::decode(&mut reader, first, count, into)?;
    values::decode(&mut reader, &mut into[from..])?;
    if reader.is_empty() { Ok(()) } else { Err(corrupt("bytes after the last value")) }
}

/// Cuts a run into as few chunks of at most [`PACKED_SAMPLES`] as possible, all about as long.
pub fn cut(samples: &[Sample]) -> impl Iterator<Item = &[Sample]> {
    let chunks = samples.len().div_ceil(PACKED_SAMPLES).max(1);
    samples.chunks(samples.len().div_ceil(chunks).max(1))
}

fn corrupt(what: &'static str) -> ChunkError {
    ChunkError::Corrupt { what }
}

#[cfg(test)]
mod tests;
