//! What is older than anybody needs: numbers below an old snapshot, parts that no snapshot names, deletes whose time is over.

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _};
use tracing::debug;

use super::Leader;
use crate::catalog::entry::{Change, Record};
use crate::catalog::error::CatalogError;
use crate::catalog::log::{self, Root};
use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::layout::{self, Key};

/// Requests that are under way at once.
const REQUESTS: usize = 16;

impl Leader {
    /// Removes logs, roots and parts below the newest snapshot that is older than `catalog.history`.
    pub(super) async fn forget_history(&self, store_now_ms: i64) -> Result<(), CatalogError> {
        let bucket = &*self.catalog.bucket;
        let old_ms = store_now_ms.saturating_sub(self.catalog.config.history.as_ms());
        let roots: Vec<(u64, i64)> = bucket
            .list(layout::ROOT, None)
            .await?
            .into_iter()
            .filter_map(|object| match layout::parse(&object.key) {
                Some(Key::Root(number)) => Some((number, object.last_modified_ms)),
                _ => None,
            })
            .collect();
        let Some(base) = roots.iter().filter(|(_, written_ms)| *written_ms <= old_ms).map(|(number, _)| *number).max() else {
            return Ok(());
        };
        let mut superfluous: Vec<String> =
            roots.iter().filter(|(number, _)| *number < base).map(|(number, _)| layout::root(*number)).collect();
        for object in bucket.list(layout::LOG, None).await? {
            if matches!(layout::parse(&object.key), Some(Key::Log(number)) if number <= base) {
                superfluous.push(object.key);
            }
        }
        let named = self.named_parts(roots.iter().map(|(number, _)| *number).filter(|number| *number >= base)).await?;
        for object in bucket.list(layout::PART, None).await? {
            // A young part that nobody names belongs to a snapshot in the making.
            if let Some(Key::Part { number, part }) = layout::parse(&object.key)
                && object.last_modified_ms <= old_ms
                && !named.contains(&(number, part))
            {
                superfluous.push(object.key);
            }
        }
        debug!(base, objects = superfluous.len(), "old numbers of the catalog are removed");
        self.delete_all(superfluous).await?;
        self.forget_deletes(store_now_ms).await
    }

    async fn named_parts(&self, roots: impl Iterator<Item = u64>) -> Result<HashSet<(u64, u8)>, CatalogError> {
        let bucket = &*self.catalog.bucket;
        let keys: Vec<String> = roots.map(layout::root).collect();
        let mut read =
            futures::stream::iter(keys).map(|key| async move { log::read::<Root>(bucket, Kind::Root, &key).await }).buffered(REQUESTS);
        let mut named = HashSet::new();
        while let Some(root) = read.try_next().await? {
            let parts = root.into_iter().flat_map(|root| (0..=u8::MAX).zip(root.parts));
            named.extend(parts.filter_map(|(index, stored)| Some((stored?, index))));
        }
        Ok(named)
    }

    /// Keeps the deletes of rows that settled records carry apart from the log, for a catalog that is rebuilt.
    pub(super) async fn keep_deletes(&self, records: &[Record]) -> Result<(), StoreError> {
        let map = self.catalog.map();
        let ids: HashSet<_> = records
            .iter()
            .filter_map(|record| match &record.change {
                Change::DeleteRows(delete) => Some(delete.id),
                _ => None,
            })
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        for (number, deletes) in map.deletes_by_number() {
            let ours = |record: &Record| matches!(&record.change, Change::DeleteRows(delete) if ids.contains(&delete.id));
            if deletes.iter().any(ours) {
                self.catalog.bucket.put(&layout::deletes(number), codec::encode(Kind::Deletes, &deletes)).await?;
            }
        }
        Ok(())
    }

    async fn forget_deletes(&self, store_now_ms: i64) -> Result<(), CatalogError> {
        let bucket = &*self.catalog.bucket;
        let mut over = Vec::new();
        for object in bucket.list(layout::DELETES, None).await? {
            if !matches!(layout::parse(&object.key), Some(Key::Deletes(_))) {
                continue;
            }
            let records: Option<Vec<Record>> = log::read(bucket, Kind::Deletes, &object.key).await?;
            let is_over = |record: &Record| match &record.change {
                Change::DeleteRows(delete) => delete.keep_until_ms < store_now_ms,
                _ => false,
            };
            if records.is_some_and(|records| records.iter().all(is_over)) {
                over.push(object.key);
            }
        }
        Ok(self.delete_all(over).await?)
    }

    pub(super) async fn delete_all(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let bucket = &*self.catalog.bucket;
        futures::stream::iter(keys).map(Ok).try_for_each_concurrent(REQUESTS, |key| async move { bucket.delete(&key).await }).await
    }
}
