//! Instruments of the compactor, by the names of Mimir's dashboards where there is one.

use std::io;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tenancy::TenantId;

/// The instruments.
#[derive(Clone, Debug)]
pub struct CompactorMetrics {
    /// 1 while this process leads.
    pub leader: Gauge,
    /// Merges that wait for a worker.
    pub jobs_waiting: Gauge,
    /// Merges that were done.
    pub merged: Counter,
    /// Merges that failed.
    pub failed: Counter,
    /// Merges that failed since the disk was full.
    pub disk_full: Counter,
    /// How long merges took, seconds.
    pub duration: Histogram,
    /// Blocks that merges took.
    pub blocks_in: Counter,
    /// Blocks that merges made.
    pub blocks_out: Counter,
    /// Rounds of retention and planning that began.
    pub runs_started: Counter,
    /// Rounds that were done.
    pub runs_completed: Counter,
    /// Rounds that failed.
    pub runs_failed: Counter,
    /// When a round was last done, seconds since the Unix epoch.
    pub last_run: Gauge,
    /// Tenants that have blocks.
    tenants_discovered: Gauge,
    /// Tenants all of whose blocks are of signals that are not enabled here.
    tenants_skipped: Gauge,
    /// Tenants whose retention was looked after in the last round.
    tenants_succeeded: Gauge,
    /// 1 when the last round ended with the error of a tenant.
    tenants_failed: Gauge,
    /// Looks at the catalog.
    pub syncs: Counter,
    /// Looks that failed.
    pub sync_failures: Counter,
    /// How long they took, seconds.
    pub sync_duration: Histogram,
    /// Jobs of each tenant that could be done now.
    pub estimated_jobs: Family<JobsOf, Gauge>,
}

/// The labels of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobsOf {
    user: String,
    r#type: &'static str,
}

/// Instruments of uploads.
#[derive(Clone, Debug)]
pub struct UploadMetrics {
    /// Uploads that this process turns into blocks now.
    pub converting: Gauge,
    blocks: Family<UploadsOf, Counter>,
    bytes: Family<UploadsOf, Counter>,
    files: Family<UploadsOf, Counter>,
}

/// The label of uploads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UploadsOf {
    user: String,
}

impl UploadMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let (converting, blocks) = (Gauge::default(), Family::default());
        let metrics = Self { converting, blocks, bytes: Family::default(), files: Family::default() };
        let mimir = registry.sub_registry_with_prefix("cortex_block_upload");
        mimir.register("validations_in_progress", "Uploaded blocks that are checked and converted now", metrics.converting.clone());
        mimir.register("api_blocks", "Uploaded blocks that were taken over", metrics.blocks.clone());
        mimir.register("api_bytes", "Bytes of uploaded blocks that were taken over", metrics.bytes.clone());
        mimir.register("api_files", "Files of uploaded blocks that were taken over", metrics.files.clone());
        metrics
    }

    /// An upload of a tenant has become blocks.
    pub fn done(&self, tenant: &TenantId, files: u64, bytes: u64) {
        let of = UploadsOf { user: tenant.to_string() };
        self.blocks.get_or_create(&of).inc();
        self.bytes.get_or_create(&of).inc_by(bytes);
        self.files.get_or_create(&of).inc_by(files);
    }
}

impl CompactorMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            leader: Gauge::default(),
            jobs_waiting: Gauge::default(),
            merged: Counter::default(),
            failed: Counter::default(),
            disk_full: Counter::default(),
            duration: Histogram::new(exponential_buckets(0.1, 4.0, 8)),
            blocks_in: Counter::default(),
            blocks_out: Counter::default(),
            runs_started: Counter::default(),
            runs_completed: Counter::default(),
            runs_failed: Counter::default(),
            last_run: Gauge::default(),
            tenants_discovered: Gauge::default(),
            tenants_skipped: Gauge::default(),
            tenants_succeeded: Gauge::default(),
            tenants_failed: Gauge::default(),
            syncs: Counter::default(),
            sync_failures: Counter::default(),
            sync_duration: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            estimated_jobs: Family::default(),
        };
        let mimir = registry.sub_registry_with_prefix("cortex_compactor");
        mimir.register("group_compactions", "Merges that were done", metrics.merged.clone());
        mimir.register("group_compactions_failures", "Merges that failed", metrics.failed.clone());
        mimir.register("disk_out_of_space_errors", "Merges that failed since the disk was full", metrics.disk_full.clone());
        mimir.register("runs_started", "Rounds of retention and planning that began", metrics.runs_started.clone());
        mimir.register("runs_completed", "Rounds of retention and planning that were done", metrics.runs_completed.clone());
        mimir.register("runs_failed", "Rounds of retention and planning that failed", metrics.runs_failed.clone());
        mimir.register("last_successful_run_timestamp_seconds", "When a round was last done", metrics.last_run.clone());
        mimir.register("tenants_discovered", "Tenants that have blocks", metrics.tenants_discovered.clone());
        let skipped = metrics.tenants_skipped.clone();
        mimir.register("tenants_skipped", "Tenants all of whose blocks are of signals that are not enabled", skipped);
        let succeeded = metrics.tenants_succeeded.clone();
        mimir.register("tenants_processing_succeeded", "Tenants that the last round was done with", succeeded);
        mimir.register("tenants_processing_failed", "Tenants at which the last round failed", metrics.tenants_failed.clone());
        mimir.register("meta_syncs", "Looks at the catalog", metrics.syncs.clone());
        mimir.register("meta_sync_failures", "Looks at the catalog that failed", metrics.sync_failures.clone());
        mimir.register("meta_sync_duration_seconds", "How long looks at the catalog took", metrics.sync_duration.clone());
        registry.sub_registry_with_prefix("cortex").register(
            "bucket_index_estimated_compaction_jobs",
            "Merges that could be done now",
            metrics.estimated_jobs.clone(),
        );
        let prometheus = registry.sub_registry_with_prefix("prometheus_tsdb");
        prometheus.register("compactions", "Merges that were done", metrics.merged.clone());
        prometheus.register("compaction_duration_seconds", "How long merges took", metrics.duration.clone());
        let own = registry.sub_registry_with_prefix("quartet_compactor");
        own.register("leader", "1 while this process leads", metrics.leader.clone());
        own.register("jobs_waiting", "Merges that wait for a worker", metrics.jobs_waiting.clone());
        own.register("merge_duration_seconds", "How long merges took", metrics.duration.clone());
        own.register("blocks_in", "Blocks that merges took", metrics.blocks_in.clone());
        own.register("blocks_out", "Blocks that merges made", metrics.blocks_out.clone());
        metrics
    }

    /// A merge has failed.
    pub fn merge_failed(&self, err: &(dyn std::error::Error + 'static)) {
        self.failed.inc();
        if is_disk_full(err) {
            self.disk_full.inc();
        }
    }

    /// A look at the catalog has ended.
    pub fn synced(&self, took: Duration, good: bool) {
        self.syncs.inc();
        self.sync_duration.observe(took.as_secs_f64());
        if !good {
            self.sync_failures.inc();
        }
    }

    /// So many tenants have blocks, and of so many nothing can be done here.
    pub fn tenants(&self, all: usize, skipped: usize) {
        self.tenants_discovered.set(i64::try_from(all).unwrap_or(i64::MAX));
        self.tenants_skipped.set(i64::try_from(skipped).unwrap_or(i64::MAX));
    }

    /// The round that runs is done with so many tenants.
    pub fn tenants_processed(&self, tenants: usize) {
        self.tenants_succeeded.set(i64::try_from(tenants).unwrap_or(i64::MAX));
    }

    /// A round of retention has ended.
    pub fn run_ended(&self, good: bool, now_ms: i64) {
        self.tenants_failed.set(i64::from(!good));
        if good {
            self.runs_completed.inc();
            self.last_run.set(now_ms.div_euclid(1000));
        } else {
            self.runs_failed.inc();
        }
    }

    /// Jobs of a tenant that could be done now.
    ///
    /// * `shards`: of each, into how many shards its rows are split.
    pub fn estimate(&self, tenant: &TenantId, shards: impl Iterator<Item = u32>) {
        let of = |r#type| self.estimated_jobs.get_or_create_owned(&JobsOf { user: tenant.to_string(), r#type });
        // Shown also when there is nothing to do.
        let merge = of("merge");
        for shards in shards {
            if shards > 1 {
                of("split").inc()
            } else {
                merge.inc()
            };
        }
    }
}

/// True when an error, or one of its causes, says that a disk has no room.
fn is_disk_full(err: &(dyn std::error::Error + 'static)) -> bool {
    let full = |err: &(dyn std::error::Error + 'static)| {
        let kind = err.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    };
    std::iter::successors(Some(err), |err| err.source()).any(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("merge")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_full_disk_is_found_among_the_causes() {
        let metrics = CompactorMetrics::register(&mut Registry::default());
        metrics.merge_failed(&Outer(io::ErrorKind::StorageFull.into()));
        metrics.merge_failed(&Outer(io::ErrorKind::NotFound.into()));
        assert_eq!((metrics.failed.get(), metrics.disk_full.get()), (2, 1));
    }
}
