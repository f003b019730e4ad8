//! Instruments of the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tenancy::TenantId;

use super::entry::{Change, Record};
use super::map::Map;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct User {
    user: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What a reader shows.
#[derive(Clone, Debug, Default)]
pub(super) struct CatalogMetrics {
    number: Gauge,
    last_success: Gauge,
}

impl CatalogMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("quartet_catalog");
        registry.register("number", "Number of the log up to which the catalog is known", metrics.number.clone());
        registry.register(
            "last_successful_read_timestamp_seconds",
            "When the log was last read to its end, in seconds since the Unix epoch",
            metrics.last_success.clone(),
        );
        metrics
    }

    pub(super) fn read(&self, map: &Map, now_ms: i64) {
        self.number.set(i64::try_from(map.number()).unwrap_or(i64::MAX));
        self.last_success.set(now_ms.div_euclid(1000));
    }
}

/// What a leader shows.
#[derive(Clone, Debug, Default)]
pub struct LeaderMetrics {
    pub(super) appended: Counter,
    pub(super) snapshots: Counter,
    pub(super) refused: Counter,
    pub(super) dropped: Counter,
    pub(super) removed_blocks: Counter,
    pub(super) removal_failures: Counter,
    pub(super) removed_orphans: Counter,
    pub(super) orphans: Gauge,
    pub(super) halted: Gauge,
    pub(super) skewed: Gauge,
    taken_out: Family<Reason, Counter>,
    partials: Family<User, Gauge>,
    blocks: Family<User, Gauge>,
    marked: Family<User, Gauge>,
    updated: Family<User, Gauge>,
    shown: Arc<Mutex<Vec<TenantId>>>,
}

impl LeaderMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let quartet = registry.sub_registry_with_prefix("quartet_catalog");
        quartet.register("appended", "Numbers written to the log", metrics.appended.clone());
        quartet.register("snapshots", "Snapshots made", metrics.snapshots.clone());
        quartet.register("refused_entries", "Announced entries that do not hold", metrics.refused.clone());
        quartet.register("dropped_announcements", "Announcements dropped for their age", metrics.dropped.clone());
        quartet.register("removed_orphans", "Objects removed that belonged to nothing", metrics.removed_orphans.clone());
        quartet.register("orphans", "Objects that belong to nothing", metrics.orphans.clone());
        quartet.register(
            "collection_halted",
            "1: so much is missing that nothing is removed, and a person must look",
            metrics.halted.clone(),
        );
        quartet.register("clock_skewed", "1: the clocks of leader and store are too far apart to remove anything", metrics.skewed.clone());
        let cortex = registry.sub_registry_with_prefix("cortex");
        cortex.register("compactor_blocks_cleaned", "Blocks whose files were removed", metrics.removed_blocks.clone());
        cortex.register("compactor_block_cleanup_failures", "Removals of blocks' files that failed", metrics.removal_failures.clone());
        let taken_out = metrics.taken_out.clone();
        cortex.register("compactor_blocks_marked_for_deletion", "Blocks that were taken out of the catalog", taken_out);
        let partials = metrics.partials.clone();
        cortex.register(
            "bucket_blocks_partials_count",
            "Blocks without meta.json that the catalog does not know, at the last sweep",
            partials,
        );
        cortex.register("bucket_blocks_count", "Live blocks", metrics.blocks.clone());
        cortex.register("bucket_blocks_marked_for_deletion_count", "Blocks taken out whose files remain", metrics.marked.clone());
        cortex.register(
            "bucket_index_last_successful_update_timestamp_seconds",
            "When the catalog of the tenant was last brought up to date, in seconds since the Unix epoch",
            metrics.updated.clone(),
        );
        metrics
    }

    /// Shows no tenant any more: another process leads.
    pub fn clear(&self) {
        self.count(&Map::default(), 0);
        self.partials.clear();
    }

    /// Records were written that take effect.
    pub(super) fn written(&self, records: &[Record]) {
        for record in records {
            let (reason, blocks) = match &record.change {
                Change::Replace { parents, .. } => ("compaction", parents.len()),
                Change::Remove { ids } => ("retention", ids.len()),
                _ => continue,
            };
            self.taken_out.get_or_create(&Reason { reason }).inc_by(blocks as u64);
        }
    }

    /// A sweep has found so many blocks of each tenant that are not whole.
    pub(super) fn partial(&self, counts: &BTreeMap<TenantId, usize>) {
        self.partials.clear();
        for (tenant, count) in counts {
            self.partials.get_or_create(&User { user: tenant.to_string() }).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// Counts the blocks of a map. Walks all of it.
    pub(super) fn count(&self, map: &Map, now_ms: i64) {
        let mut counts: BTreeMap<&TenantId, (i64, i64)> = BTreeMap::new();
        for entry in map.entries() {
            counts.entry(&entry.tenant).or_default().0 += 1;
        }
        for (tenant, _, gone) in map.tombstones() {
            counts.entry(tenant).or_default().1 += i64::from(!gone.files_gone);
        }
        let label = |tenant: &TenantId| User { user: tenant.to_string() };
        let mut shown = self.shown.lock();
        for tenant in shown.iter().filter(|tenant| !counts.contains_key(tenant)) {
            self.blocks.remove(&label(tenant));
            self.marked.remove(&label(tenant));
            self.updated.remove(&label(tenant));
        }
        for (tenant, (live, marked)) in &counts {
            self.blocks.get_or_create(&label(tenant)).set(*live);
            self.marked.get_or_create(&label(tenant)).set(*marked);
            self.updated.get_or_create(&label(tenant)).set(now_ms.div_euclid(1000));
        }
        *shown = counts.into_keys().cloned().collect();
    }
}
