//! Runs of numbers as pco compresses them.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};

use super::corrupt;
use crate::chunk::ChunkError;
use crate::wire::codec::Reader;

/// Compresses numbers; none where pco refuses them, which it does to none of the runs a chunk can hold.
pub(super) fn compress<T: Number>(numbers: &[T]) -> Option<Vec<u8>> {
    let file = FileCompressor::default();
    let mut out = file.write_header(Vec::new()).ok()?;
    let mut chunk = file.chunk_compressor(numbers, &ChunkConfig::default()).ok()?;
    out = chunk.write_meta(out).ok()?;
    chunk.write_page(0, out).ok()
}

/// Fills `into` with the numbers that stand in the rest of `from`, and uses that up.
pub(super) fn decompress<T: Number>(from: &mut Reader<'_>, into: &mut [T]) -> Result<(), ChunkError> {
    let wrong = |_| corrupt("numbers");
    let bytes = from.take(from.left()).map_err(|_| corrupt("numbers"))?;
    let (file, rest) = FileDecompressor::new(bytes).map_err(wrong)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(wrong)?;
    let mut page = chunk.page_decompressor(rest, into.len()).map_err(wrong)?;
    let progress = page.read(into).map_err(wrong)?;
    let ended = progress.n_processed == into.len() && page.into_src().is_empty();
    if ended { Ok(()) } else { Err(corrupt("numbers")) }
}
