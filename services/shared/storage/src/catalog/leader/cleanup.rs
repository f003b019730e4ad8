//! Files of blocks that were taken out, after every reader had time to move on.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _};
use tenancy::TenantId;
use tokio::time::Instant;

use super::Leader;
use crate::block::{self, BlockId, SignalId};
use crate::catalog::entry::{Change, Record};
use crate::catalog::error::CatalogError;
use crate::catalog::map::Map;
use crate::error::StoreError;

/// Blocks whose files are removed in one round: the inbox waits meanwhile.
const AT_ONCE: usize = 500;
/// Requests that are under way at once.
const REQUESTS: usize = 16;

/// Blocks whose files may go.
#[derive(Debug, Default, PartialEq, Eq)]
struct Removable {
    /// Those that have objects of their own.
    own: Vec<(TenantId, SignalId, BlockId)>,
    /// Packed objects, with the blocks in them.
    packed: BTreeMap<String, Vec<(TenantId, SignalId, BlockId)>>,
}

impl Leader {
    pub(super) async fn remove_files_if_due(&mut self) -> Result<(), CatalogError> {
        let every = self.catalog.config.remove_every.get();
        let due = self.due.files.is_none_or(|at| at.elapsed() >= every);
        if !due || !self.clock_is_right() {
            return Ok(());
        }
        self.due.files = Some(Instant::now());
        let before_ms = self.catalog.clock.now_ms().saturating_sub(self.catalog.config.removal_delay.as_ms());
        let removable = removable(&self.catalog.map(), before_ms);
        let gone = self.remove_files(removable).await.inspect_err(|_| {
            self.metrics.removal_failures.inc();
        })?;
        if gone.is_empty() {
            return Ok(());
        }
        self.metrics.removed_blocks.inc_by(gone.len() as u64);
        let mut by_signal: BTreeMap<(TenantId, SignalId), Vec<BlockId>> = BTreeMap::new();
        for (tenant, signal, id) in gone {
            by_signal.entry((tenant, signal)).or_default().push(id);
        }
        let record = |((tenant, signal), ids)| Record { tenant, signal, change: Change::Removed { ids } };
        self.append(by_signal.into_iter().map(record).collect()).await.map(drop)
    }

    async fn remove_files(&self, removable: Removable) -> Result<Vec<(TenantId, SignalId, BlockId)>, StoreError> {
        let bucket = &*self.catalog.bucket;
        futures::stream::iter(&removable.own)
            .map(Ok)
            .try_for_each_concurrent(REQUESTS, |(tenant, signal, id)| block::remove(bucket, tenant, signal, *id))
            .await?;
        self.delete_all(removable.packed.keys().cloned().collect()).await?;
        let mut gone = removable.own;
        gone.extend(removable.packed.into_values().flatten());
        Ok(gone)
    }
}

/// Blocks that were taken out before `before_ms`; of a packed object only when that is true of all blocks in it.
fn removable(map: &Map, before_ms: i64) -> Removable {
    let mut removable = Removable::default();
    let mut kept: HashSet<&str> = HashSet::new();
    for (tenant, signal, gone) in map.tombstones().filter(|(.., gone)| !gone.files_gone) {
        let name = || (tenant.clone(), signal.clone(), gone.id);
        match &gone.packed {
            None if gone.at_ms <= before_ms && removable.own.len() < AT_ONCE => removable.own.push(name()),
            None => {}
            Some(object) if gone.at_ms <= before_ms => removable.packed.entry(object.clone()).or_default().push(name()),
            Some(object) => drop(kept.insert(object)),
        }
    }
    if !removable.packed.is_empty() {
        kept.extend(map.entries().filter(|entry| entry.is_packed()).map(|entry| entry.data.object.as_str()));
    }
    removable.packed.retain(|object, _| !kept.contains(object.as_str()));
    removable
}
