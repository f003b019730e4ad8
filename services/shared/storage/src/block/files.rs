//! Blocks in the bucket: uploaded file by file with `meta.json` last, opened from their entry, removed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tenancy::TenantId;

use super::{BlockFacts, BlockId, BlockReader, Contents, Ranged, SignalId};
use crate::bucket::Bucket;
use crate::catalog::{Entry, FileRef, RulesApplied, Shard};
use crate::error::StoreError;
use crate::layout::{self, BlockFile};
use crate::time::TimeRange;

/// Version of `meta.json` that this release writes.
const META_VERSION: u16 = 1;

/// A block that was made and goes up.
#[derive(Clone, Debug)]
pub struct BlockUpload {
    /// Its name, given before: an ingester's WAL has it already.
    pub id: BlockId,
    /// Facts, from the signal.
    pub facts: BlockFacts,
    /// `data.parquet`.
    pub data: Contents,
    /// `index`, where it serves something.
    pub index: Option<Bytes>,
    /// When its rows arrived, nanoseconds since the Unix epoch.
    pub arrival: TimeRange,
    /// The instant from which retention counts; `None`: the end of its data.
    pub retention_ns: Option<i64>,
    /// 0 for a cut; one above the highest of its parents for a merge.
    pub level: u8,
    /// Its share of the tenant's series.
    pub shard: Shard,
    /// Blocks that it replaces.
    pub parents: Vec<BlockId>,
    /// Deletes of rows up to this number are applied in it.
    pub delete_number: u64,
    /// Which rules for the retention of some rows are applied in it.
    pub rules: Option<RulesApplied>,
}

impl BlockUpload {
    /// A level-0 block: what an ingester cut.
    #[must_use]
    pub fn cut(id: BlockId, facts: BlockFacts, data: Contents, index: Option<Bytes>, arrival: TimeRange, delete_number: u64) -> Self {
        let (retention_ns, level, shard, parents) = (None, 0, Shard::WHOLE, Vec::new());
        Self { id, facts, data, index, arrival, retention_ns, level, shard, parents, delete_number, rules: None }
    }

    /// Its entry, with its files where the caller puts them.
    pub(super) fn entry(&self, tenant: &TenantId, signal: &SignalId, data: FileRef, index: Option<FileRef>) -> Entry {
        let Self { id, facts, data: _, index: _, arrival, retention_ns, level, shard, parents, delete_number, rules } = self;
        Entry {
            id: *id,
            tenant: tenant.clone(),
            signal: signal.clone(),
            retention_ns: retention_ns.unwrap_or(facts.range.end),
            facts: facts.clone(),
            data,
            index,
            arrival: *arrival,
            level: *level,
            shard: *shard,
            parents: parents.clone(),
            delete_number: *delete_number,
            rules: *rules,
        }
    }
}

/// `meta.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    version: u16,
    #[serde(flatten)]
    entry: Entry,
}

/// A `meta.json` that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// Not the JSON that it should be.
    #[error("meta.json is not readable")]
    Json(#[from] serde_json::Error),
    /// Written by a later release.
    #[error("meta.json has version {0}, this release reads up to {META_VERSION}")]
    Version(u16),
}

/// Uploads a block: its data, its index and, when they are there, `meta.json`. The block is then complete and still
/// unknown: the entry that is returned is to be announced.
///
/// Uploading the same block again after an error is harmless.
pub async fn upload(bucket: &dyn Bucket, tenant: &TenantId, signal: &SignalId, block: BlockUpload) -> Result<Entry, StoreError> {
    let whole = |file, len| FileRef { object: layout::block(tenant, signal, block.id, file), offset: 0, len };
    let data = whole(BlockFile::Data, block.data.len());
    let index = block.index.as_ref().map(|bytes| whole(BlockFile::Index, bytes.len() as u64));
    let entry = block.entry(tenant, signal, data, index);
    bucket.put_contents(&entry.data.object, block.data).await?;
    if let (Some(file), Some(bytes)) = (&entry.index, block.index) {
        bucket.put(&file.object, bytes).await?;
    }
    bucket.put(&layout::block(tenant, signal, entry.id, BlockFile::Meta), write_meta(&entry)).await?;
    Ok(entry)
}

/// The bytes of `meta.json`.
fn write_meta(entry: &Entry) -> Bytes {
    let meta = Meta { version: META_VERSION, entry: entry.clone() };
    serde_json::to_vec_pretty(&meta).expect("an entry has no map with other keys than text").into()
}

/// Reads `meta.json`.
pub fn read_meta(bytes: &[u8]) -> Result<Entry, MetaError> {
    let Meta { version, entry } = serde_json::from_slice(bytes)?;
    if version == META_VERSION { Ok(entry) } else { Err(MetaError::Version(version)) }
}

/// Opens a block. Nothing is read. Caches wrap the files of what is returned.
#[must_use]
pub fn open(bucket: &Arc<dyn Bucket>, entry: &Entry) -> BlockReader {
    let file = |file: &FileRef| -> Arc<dyn Ranged> { Arc::new(ObjectRange::new(bucket.clone(), file)) };
    BlockReader { id: entry.id, facts: entry.facts.clone(), data: file(&entry.data), index: entry.index.as_ref().map(file) }
}

/// Removes the files of a block that has objects of its own, `meta.json` first, so that no half of it looks whole.
pub async fn remove(bucket: &dyn Bucket, tenant: &TenantId, signal: &str, id: BlockId) -> Result<(), StoreError> {
    for file in [BlockFile::Meta, BlockFile::Index, BlockFile::Data] {
        bucket.delete(&layout::block(tenant, signal, id, file)).await?;
    }
    Ok(())
}

/// A file of a block inside an object of the bucket.
#[derive(Clone, Debug)]
pub struct ObjectRange {
    bucket: Arc<dyn Bucket>,
    object: Arc<str>,
    offset: u64,
    len: u64,
}

impl ObjectRange {
    /// The bytes that `file` names.
    #[must_use]
    pub fn new(bucket: Arc<dyn Bucket>, file: &FileRef) -> Self {
        Self { bucket, object: file.object.as_str().into(), offset: file.offset, len: file.len }
    }
}

impl Ranged for ObjectRange {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        let Self { bucket, object, offset, len } = self.clone();
        Box::pin(async move {
            if range.start > range.end || range.end > len {
                return Err(StoreError::Range { start: range.start, end: range.end, len });
            }
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            // `offset + len` was checked when the entry came in.
            bucket.get_range(&object, offset.saturating_add(range.start)..offset.saturating_add(range.end)).await
        })
    }
}

#[cfg(test)]
mod tests;
