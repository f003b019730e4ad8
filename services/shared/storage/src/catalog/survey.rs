//! A walk through the bucket: which files of blocks there are, whatever the catalog says.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};

use super::entry::Entry;
use super::error::CatalogError;
use crate::block::{BlockId, SignalId, files, packed};
use crate::bucket::{Bucket, ObjectMeta};
use crate::error::StoreError;
use crate::layout::{self, BlockFile, Key};
use tenancy::TenantId;

/// Requests that are under way at once.
const REQUESTS: usize = 16;

/// Files of blocks, folder by folder.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// With what their keys say.
    pub(super) ours: Vec<(Key, ObjectMeta)>,
    /// Objects between ours that are none of ours; nobody touches them.
    pub(super) foreign: u64,
}

/// A block, by the folder that its key names.
pub(super) type Name = (TenantId, SignalId, BlockId);

/// Blocks that are complete in the bucket.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) entries: BTreeMap<Name, Entry>,
    /// Objects that should say what a block is and do not.
    pub(super) damaged: Vec<String>,
}

/// Walks through the folders of blocks. Lists one tenant's signal at a time, so that no order of a store between folders matters.
pub(super) async fn files(bucket: &dyn Bucket) -> Result<Files, StoreError> {
    let mut folders = Vec::new();
    for tenant in bucket.folders(layout::TENANTS).await? {
        let tenant = format!("{}{tenant}/", layout::TENANTS);
        folders.extend(bucket.folders(&tenant).await?.into_iter().map(|signal| format!("{tenant}{signal}/")));
    }
    folders.extend(bucket.folders(layout::PACKED).await?.into_iter().map(|signal| format!("{}{signal}/", layout::PACKED)));
    let mut files = Files::default();
    let mut lists = futures::stream::iter(folders).map(|folder| async move { bucket.list(&folder, None).await }).buffered(REQUESTS);
    while let Some(objects) = lists.try_next().await? {
        for object in objects {
            match layout::parse(&object.key) {
                Some(key @ (Key::Block { .. } | Key::Packed { .. })) => files.ours.push((key, object)),
                _ => files.foreign += 1,
            }
        }
    }
    Ok(files)
}

/// Reads what the blocks say of themselves. A block whose files are not there as its meta says is not complete.
pub(super) async fn blocks(bucket: &dyn Bucket, files: &Files) -> Result<Blocks, CatalogError> {
    let sizes: BTreeMap<&str, u64> = files.ours.iter().map(|(_, object)| (object.key.as_str(), object.size)).collect();
    let tell = files.ours.iter().filter(|(key, _)| matches!(key, Key::Packed { .. } | Key::Block { file: BlockFile::Meta, .. }));
    let mut read = futures::stream::iter(tell)
        .map(|(key, object)| async move { Ok::<_, StoreError>((&object.key, read(bucket, key, object).await?)) })
        .buffered(REQUESTS);
    let mut blocks = Blocks::default();
    while let Some((key, entries)) = read.try_next().await? {
        let Some(entries) = entries else {
            blocks.damaged.push(key.clone());
            continue;
        };
        for entry in entries {
            let complete = [Some(&entry.data), entry.index.as_ref()].into_iter().flatten().all(|file| {
                let end = file.offset.saturating_add(file.len);
                sizes.get(file.object.as_str()).is_some_and(|size| if entry.is_packed() { end <= *size } else { end == *size })
            });
            if complete && entry.fault().is_none() {
                blocks.entries.insert((entry.tenant.clone(), entry.signal.clone(), entry.id), entry);
            } else {
                blocks.damaged.push(format!("{key} of block {}", entry.id));
            }
        }
    }
    Ok(blocks)
}

/// The entries that an object tells of; `None` when it cannot be read as what it is.
async fn read(bucket: &dyn Bucket, key: &Key, object: &ObjectMeta) -> Result<Option<Vec<Entry>>, StoreError> {
    if let Key::Block { tenant, signal, id, .. } = key {
        let ours = |entry: &Entry| (&entry.tenant, &entry.signal, &entry.id) == (tenant, signal, id);
        return match bucket.get(&object.key).await {
            Ok(bytes) => Ok(files::read_meta(&bytes).ok().filter(ours).map(|entry| vec![entry])),
            // Removed since it was listed.
            Err(StoreError::NotFound { .. }) => Ok(Some(Vec::new())),
            Err(err) => Err(err),
        };
    }
    match packed::directory(bucket, &object.key, object.size).await {
        Ok(entries) => Ok(Some(entries)),
        Err(packed::PackedError::Store(StoreError::NotFound { .. })) => Ok(Some(Vec::new())),
        Err(packed::PackedError::Store(err)) => Err(err),
        Err(_) => Ok(None),
    }
}
