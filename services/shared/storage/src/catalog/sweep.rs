//! Files that belong to nothing: of uploads that were never announced, of merges that came too late.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use tenancy::TenantId;
use tracing::{error, info, warn};
use ulid::Ulid;

use super::error::CatalogError;
use super::map::{Map, Status};
use super::metrics::LeaderMetrics;
use super::probe;
use super::reader::Catalog;
use super::survey;
use crate::block::BlockId;
use crate::error::StoreError;
use crate::layout::{BlockFile, Key};

/// Requests that are under way at once.
const REQUESTS: usize = 16;
/// Orphans above both of these stop the collection: something is wrong with the catalog, not with the files.
const MANY: usize = 100;
const SHARE: usize = 100;

/// Looks through the bucket for files that belong to nothing. The leader's process runs it now and then, beside its steps; what it
/// decides rests on the newest map alone, so a process that has just lost the office does no harm.
#[derive(Debug)]
pub struct Sweeper {
    catalog: Arc<Catalog>,
    metrics: LeaderMetrics,
    last: Option<Last>,
}

/// What the last sweep saw.
#[derive(Clone, Copy, Debug)]
struct Last {
    live: usize,
    at_ms: i64,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files of blocks in the bucket.
    pub objects: usize,
    /// Those that belong to nothing and are old.
    pub orphans: usize,
    /// Those that were removed.
    pub removed: usize,
    /// Why nothing was removed.
    pub halted: Option<Halt>,
}

/// Why a sweep removes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Too many files belong to nothing.
    Orphans,
    /// The map lost more than a tenth of its blocks, and nobody took them out.
    Shrunk,
    /// There is no catalog at all.
    NoCatalog,
    /// The clocks of this process and the store differ.
    Clock,
}

impl Sweeper {
    /// A sweeper over the catalog of this process.
    #[must_use]
    pub const fn new(catalog: Arc<Catalog>, metrics: LeaderMetrics) -> Self {
        Self { catalog, metrics, last: None }
    }

    /// Looks through the bucket once.
    pub async fn sweep(&mut self) -> Result<Swept, CatalogError> {
        let bucket = self.catalog.bucket.clone();
        let now_ms = self.catalog.clock.now_ms();
        let name = Ulid::from_parts(u64::try_from(now_ms).unwrap_or(0), rand::random());
        let ahead_ms = probe::clock(&*bucket, &*self.catalog.clock, name).await?;
        let files = survey::files(&*bucket).await?;
        // After the list: whatever was announced before it is in the map.
        self.catalog.refresh_from_roots().await?;
        let map = self.catalog.map();
        let old_ms = now_ms.saturating_add(ahead_ms).saturating_sub(self.catalog.config.orphans_after.as_ms());
        let packed = known_packed(&map);
        let orphan = |key: &Key| match key {
            Key::Block { tenant, id, .. } => map.status(tenant, *id) == Status::Unknown,
            Key::Packed { .. } => !packed.contains(key.to_string().as_str()),
            _ => false,
        };
        let old = files.ours.iter().filter(|(key, object)| object.last_modified_ms < old_ms && orphan(key));
        let orphans: Vec<String> = old.map(|(_, object)| object.key.clone()).collect();
        let halted = if ahead_ms.abs() > self.catalog.config.max_clock_skew.as_ms() {
            Some(Halt::Clock)
        } else {
            self.doubt(&map, orphans.len(), files.ours.len())
        };
        self.metrics.partial(&partial(&files, &map));
        let mut swept = Swept { objects: files.ours.len(), orphans: orphans.len(), removed: 0, halted };
        self.metrics.orphans.set(i64::try_from(swept.orphans).unwrap_or(i64::MAX));
        self.metrics.halted.set(i64::from(matches!(halted, Some(Halt::Orphans | Halt::Shrunk | Halt::NoCatalog))));
        if let Some(halt) = halted {
            error!(
                ?halt,
                objects = swept.objects,
                orphans = swept.orphans,
                "nothing is removed from the bucket: look at it with `catalog verify`"
            );
            return Ok(swept);
        }
        self.last = Some(Last { live: map.entries().count(), at_ms: now_ms });
        swept.removed = swept.orphans;
        futures::stream::iter(orphans)
            .map(Ok)
            .try_for_each_concurrent(REQUESTS, |key| {
                let bucket = &bucket;
                async move {
                    warn!(key, "a file that belongs to nothing is removed");
                    bucket.delete(&key).await
                }
            })
            .await
            .map_err(|err: StoreError| err)?;
        self.metrics.removed_orphans.inc_by(swept.removed as u64);
        info!(objects = swept.objects, removed = swept.removed, "the bucket is swept");
        Ok(swept)
    }

    /// Reasons to believe the files rather than the catalog.
    fn doubt(&self, map: &Map, orphans: usize, objects: usize) -> Option<Halt> {
        if map.number() == 0 && orphans > 0 {
            return Some(Halt::NoCatalog);
        }
        if let Some(last) = self.last {
            let taken_out = map.tombstones().filter(|(.., gone)| gone.at_ms >= last.at_ms).count();
            if (map.entries().count() + taken_out) * 10 < last.live * 9 {
                return Some(Halt::Shrunk);
            }
        }
        (orphans > MANY && orphans * SHARE > objects).then_some(Halt::Orphans)
    }
}

/// How many blocks of each tenant have files, but not the one that is written last, and are unknown to the catalog.
fn partial(files: &survey::Files, map: &Map) -> BTreeMap<TenantId, usize> {
    let mut whole: BTreeMap<(&TenantId, BlockId), bool> = BTreeMap::new();
    for (key, _) in &files.ours {
        if let Key::Block { tenant, id, file, .. } = key {
            *whole.entry((tenant, *id)).or_default() |= *file == BlockFile::Meta;
        }
    }
    let mut counts = BTreeMap::new();
    for ((tenant, id), whole) in whole {
        if !whole && map.status(tenant, id) == Status::Unknown {
            *counts.entry(tenant.clone()).or_default() += 1;
        }
    }
    counts
}

/// Packed objects with a block that is live or was taken out not long ago.
fn known_packed(map: &Map) -> HashSet<&str> {
    let live = map.entries().filter(|entry| entry.is_packed()).map(|entry| entry.data.object.as_str());
    live.chain(map.tombstones().filter_map(|(.., gone)| gone.packed.as_deref())).collect()
}

#[cfg(test)]
mod tests;
