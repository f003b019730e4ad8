//! Files of uploads: each is a list of parts, so that none is ever whole in memory and each part is written with the patience of the
//! bucket.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use signal::DepotError;
use storage::block::Ranged;
use storage::bucket::Bucket;
use storage::error::StoreError;
use ulid::Ulid;

/// Bytes of a part.
pub(super) const PART_BYTES: u64 = 8 << 20;

/// What the bucket says of a file that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileNote {
    /// Its length in bytes.
    len: u64,
    /// Length of each of its parts but the last.
    part_len: u64,
    /// The folder of its parts.
    parts: Ulid,
}

/// A file over its parts.
#[derive(Clone, Debug)]
struct Parts {
    bucket: Arc<dyn Bucket>,
    /// The folder of the upload, ending in `/`.
    folder: Arc<str>,
    note: FileNote,
}

/// Writes what comes as parts of at most `part_len` bytes below a name of their own. Parts of a body that fails are removed again.
///
/// * `len`: the bytes that `body` has to have.
pub(super) async fn write(
    bucket: &dyn Bucket,
    folder: &str,
    len: u64,
    part_len: u64,
    parts: Ulid,
    body: Body,
) -> Result<FileNote, DepotError> {
    let note = FileNote { len, part_len: part_len.max(1), parts };
    let mut written = 0;
    let done = write_parts(bucket, folder, note, body, &mut written).await;
    if done.is_err() {
        for number in 0..=written {
            bucket.delete(&part(folder, parts, number)).await?;
        }
    }
    done.map(|()| note)
}

async fn write_parts(bucket: &dyn Bucket, folder: &str, note: FileNote, body: Body, number: &mut u64) -> Result<(), DepotError> {
    let wrong = || DepotError::Length { expected: note.len };
    let whole = usize::try_from(note.part_len).unwrap_or(usize::MAX);
    let (mut pieces, mut waiting, mut total) = (body.into_data_stream(), BytesMut::new(), 0u64);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(DepotError::Body)?;
        total = total.saturating_add(piece.len() as u64);
        if total > note.len {
            return Err(wrong());
        }
        waiting.extend_from_slice(&piece);
        while waiting.len() >= whole {
            bucket.put(&part(folder, note.parts, *number), waiting.split_to(whole).freeze()).await?;
            *number += 1;
        }
    }
    if total != note.len {
        return Err(wrong());
    }
    if !waiting.is_empty() {
        bucket.put(&part(folder, note.parts, *number), waiting.freeze()).await?;
    }
    Ok(())
}

/// Removes the parts of a file.
pub(super) async fn remove(bucket: &dyn Bucket, folder: &str, note: FileNote) -> Result<(), StoreError> {
    for number in 0..note.len.div_ceil(note.part_len.max(1)) {
        bucket.delete(&part(folder, note.parts, number)).await?;
    }
    Ok(())
}

/// The key of a part.
fn part(folder: &str, parts: Ulid, number: u64) -> String {
    format!("{folder}parts/{parts}/{number:06}")
}

/// Opens a file. Nothing is read.
pub(super) fn open(bucket: &Arc<dyn Bucket>, folder: &str, note: FileNote) -> Arc<dyn Ranged> {
    Arc::new(Parts { bucket: bucket.clone(), folder: folder.into(), note })
}

impl Ranged for Parts {
    fn len(&self) -> u64 {
        self.note.len
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        let Self { bucket, folder, note: FileNote { len, part_len, parts } } = self.clone();
        Box::pin(async move {
            if range.start > range.end || range.end > len {
                return Err(StoreError::Range { start: range.start, end: range.end, len });
            }
            let mut read = Vec::new();
            let mut at = range.start;
            while at < range.end {
                let number = at / part_len;
                let begin = number * part_len;
                let end = range.end.min(begin + part_len);
                read.push(bucket.get_range(&part(&folder, parts, number), at - begin..end - begin).await?);
                at = end;
            }
            Ok(match read.as_mut_slice() {
                [one] => std::mem::take(one),
                several => several.concat().into(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
