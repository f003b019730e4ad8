//! How the catalog's objects are written: a head that tells a damaged or foreign object at once, then compressed JSON.
//!
//! ```text
//! "QC"       two bytes
//! u8         kind of the object
//! u8         version of the format
//! u32 LE     CRC-32 of the rest
//! rest       zstd of JSON
//! ```

use std::io::Read as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: &[u8; 2] = b"QC";
/// Version that this release writes and reads.
const VERSION: u8 = 1;
const HEAD: usize = 8;
const LEVEL: i32 = 3;
/// No object of ours is larger when it is unpacked.
const MAX_UNPACKED: u64 = 2 << 30;

/// What an object of the catalog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// `catalog/inbox/<ulid>`.
    Inbox = 1,
    /// `catalog/log/<seq>`.
    Log = 2,
    /// `catalog/part/<seq>/<part>`.
    Part = 3,
    /// `catalog/root/<seq>`.
    Root = 4,
    /// `catalog/deletes/<seq>`.
    Deletes = 5,
}

/// Why bytes are not an object of the catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Too short, or another thing.
    #[error("it does not begin as it should")]
    Head,
    /// Written by a later release.
    #[error("it has format version {0}, this release reads up to {VERSION}")]
    Version(u8),
    /// The checksum does not fit.
    #[error("its checksum does not fit")]
    Checksum,
    /// The compressed bytes cannot be unpacked.
    #[error("it cannot be unpacked")]
    Unpack(#[source] std::io::Error),
    /// It unpacks to more than any object of ours.
    #[error("it unpacks to more than {MAX_UNPACKED} bytes")]
    TooLarge,
    /// The JSON inside is not what it should be.
    #[error("its content is not readable")]
    Json(#[source] serde_json::Error),
}

/// Writes an object of the catalog.
pub(crate) fn encode<T: Serialize>(kind: Kind, value: &T) -> Bytes {
    let body = compress(value);
    let mut bytes = BytesMut::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.put_u8(kind as u8);
    bytes.put_u8(VERSION);
    bytes.put_u32_le(crc32fast::hash(&body));
    bytes.extend_from_slice(&body);
    bytes.freeze()
}

/// Reads an object of the catalog.
pub(crate) fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, CodecError> {
    let (head, body) = bytes.split_first_chunk::<HEAD>().ok_or(CodecError::Head)?;
    let [q, c, of_kind, version, crc @ ..] = *head;
    if [q, c] != *MAGIC || of_kind != kind as u8 {
        return Err(CodecError::Head);
    }
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    if u32::from_le_bytes(crc) != crc32fast::hash(body) {
        return Err(CodecError::Checksum);
    }
    decompress(body)
}

/// JSON, compressed.
pub(crate) fn compress<T: Serialize>(value: &T) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("our types have no map with other keys than text");
    zstd::bulk::compress(&json, LEVEL).expect("zstd compresses any bytes into memory")
}

/// The value of compressed JSON, at most [`MAX_UNPACKED`] bytes of it.
pub(crate) fn decompress<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let unpack = zstd::stream::read::Decoder::with_buffer(bytes).map_err(CodecError::Unpack)?;
    let mut json = Vec::new();
    unpack.take(MAX_UNPACKED + 1).read_to_end(&mut json).map_err(CodecError::Unpack)?;
    if json.len() as u64 > MAX_UNPACKED {
        return Err(CodecError::TooLarge);
    }
    serde_json::from_slice(&json).map_err(CodecError::Json)
}

#[cfg(test)]
mod tests;
