//! Small level-0 blocks of many tenants in one object.
//!
//! ```text
//! files of the blocks, one after the other
//! directory: zstd of a JSON list of entries
//! u32 LE     bytes of the directory
//! u32 LE     CRC-32 of the directory
//! "QPK1"
//! ```

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use tenancy::TenantId;
use ulid::Ulid;

use super::{BlockUpload, SignalId};
use crate::bucket::Bucket;
use crate::catalog::{Entry, FileRef};
use crate::codec::{self, CodecError};
use crate::error::StoreError;
use crate::layout;

const MAGIC: &[u8; 4] = b"QPK1";
const TRAILER: u64 = 12;
/// Of the end of an object that is read at first.
const GUESS: u64 = 64 << 10;
/// A directory that says that it is larger is not ours.
const MAX_DIRECTORY: u64 = 64 << 20;

/// Why a packed object's directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackedError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object does not end as a packed object does.
    #[error("{key} is no packed object")]
    Trailer {
        /// Its key.
        key: String,
    },
    /// The directory is damaged.
    #[error("the directory of {key}")]
    Directory {
        /// The object's key.
        key: String,
        /// What is wrong.
        source: CodecError,
    },
    /// The directory names another object, or bytes that the object does not have.
    #[error("the directory of {key} names what is not in it")]
    Foreign {
        /// The object's key.
        key: String,
    },
}

/// Puts small blocks of one signal into one object, in memory.
///
/// * Returns the object's bytes and an entry for each block, in the order given.
/// * Errors: those of files that cannot be read.
pub fn pack(signal: &SignalId, id: Ulid, blocks: &[(TenantId, BlockUpload)]) -> io::Result<(Bytes, Vec<Entry>)> {
    let object = layout::packed(signal, id);
    let mut bytes = BytesMut::new();
    let mut append = |file: &Bytes| {
        let place = FileRef { object: object.clone(), offset: bytes.len() as u64, len: file.len() as u64 };
        bytes.extend_from_slice(file);
        place
    };
    let mut entries = Vec::with_capacity(blocks.len());
    for (tenant, block) in blocks {
        let data = append(&block.data.to_bytes()?);
        let index = block.index.as_ref().map(&mut append);
        entries.push(block.entry(tenant, signal, data, index));
    }
    let directory = codec::compress(&entries);
    bytes.extend_from_slice(&directory);
    bytes.put_u32_le(u32::try_from(directory.len()).expect("entries of a few hundred small blocks are below 4 GiB"));
    bytes.put_u32_le(crc32fast::hash(&directory));
    bytes.extend_from_slice(MAGIC);
    Ok((bytes.freeze(), entries))
}

/// Uploads small blocks of one signal as one object. The entries that are returned are to be announced.
pub async fn upload(
    bucket: &dyn Bucket,
    signal: &SignalId,
    id: Ulid,
    blocks: &[(TenantId, BlockUpload)],
) -> Result<Vec<Entry>, StoreError> {
    let key = layout::packed(signal, id);
    let (bytes, entries) = pack(signal, id, blocks).map_err(|source| StoreError::Failed {
        operation: "read what goes up",
        key: key.clone(),
        source: Box::new(source),
    })?;
    bucket.put(&key, bytes).await?;
    Ok(entries)
}

/// Reads the directory of a packed object of `size` bytes: what a rebuilt catalog is made from.
pub async fn directory(bucket: &dyn Bucket, key: &str, size: u64) -> Result<Vec<Entry>, PackedError> {
    let not_packed = || PackedError::Trailer { key: key.to_owned() };
    if size < TRAILER {
        return Err(not_packed());
    }
    let from = size.saturating_sub(GUESS);
    let end = bucket.get_range(key, from..size).await?;
    let (len, crc) = trailer(&end).ok_or_else(not_packed)?;
    if len > MAX_DIRECTORY || len > size - TRAILER {
        return Err(not_packed());
    }
    let start = size - TRAILER - len;
    let directory = if start >= from {
        let skip = usize::try_from(start - from).map_err(|_| not_packed())?;
        end.slice(skip..end.len() - 12)
    } else {
        bucket.get_range(key, start..size - TRAILER).await?
    };
    let damaged = |source| PackedError::Directory { key: key.to_owned(), source };
    if crc32fast::hash(&directory) != crc {
        return Err(damaged(CodecError::Checksum));
    }
    let entries: Vec<Entry> = codec::decompress(&directory).map_err(damaged)?;
    let inside = |file: &FileRef| file.object == key && file.offset.checked_add(file.len).is_some_and(|end| end <= start);
    if entries.iter().all(|entry| inside(&entry.data) && entry.index.as_ref().is_none_or(inside)) {
        Ok(entries)
    } else {
        Err(PackedError::Foreign { key: key.to_owned() })
    }
}

fn trailer(end: &[u8]) -> Option<(u64, u32)> {
    let (rest, magic) = end.split_last_chunk::<4>()?;
    let (rest, crc) = rest.split_last_chunk::<4>()?;
    let (_, len) = rest.split_last_chunk::<4>()?;
    (magic == MAGIC).then(|| (u64::from(u32::from_le_bytes(*len)), u32::from_le_bytes(*crc)))
}

#[cfg(test)]
mod tests;
