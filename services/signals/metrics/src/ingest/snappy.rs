//! Snappy blocks, with what they claim to be checked before anything is allocated.

/// Most bytes that one byte of a snappy block can stand for: three bytes copy at most 64.
const MAX_RATIO: usize = 22;

/// Why a body could not be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnappyError {
    /// Not a snappy block, or not a whole one.
    #[error("snappy: corrupt input")]
    Corrupt,
    /// It says that it is longer than what is allowed.
    #[error("declared length of {size} bytes exceeds {limit}")]
    TooLarge {
        /// What it says, bytes.
        size: usize,
        /// What is allowed, bytes.
        limit: usize,
    },
}

/// The length of what a block holds, as it says itself: at most `limit`, and no more than a block of its size can hold.
pub fn declared_len(block: &[u8], limit: usize) -> Result<usize, SnappyError> {
    if block.is_empty() {
        return Err(SnappyError::Corrupt);
    }
    let size = snap::raw::decompress_len(block).map_err(|_| SnappyError::Corrupt)?;
    if size > limit {
        return Err(SnappyError::TooLarge { size, limit });
    }
    if size > block.len().saturating_mul(MAX_RATIO) {
        return Err(SnappyError::Corrupt);
    }
    Ok(size)
}

/// Decompresses a block of at most `limit` bytes.
pub fn decompress(block: &[u8], limit: usize) -> Result<Vec<u8>, SnappyError> {
    let mut body = vec![0; declared_len(block, limit)?];
    let written = snap::raw::Decoder::new().decompress(block, &mut body).map_err(|_| SnappyError::Corrupt)?;
    body.truncate(written);
    Ok(body)
}
