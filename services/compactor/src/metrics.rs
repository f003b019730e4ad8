//! Instruments of the compactor, by the names of Mimir's dashboards where there is one.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

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
    /// How long merges took, seconds.
    pub duration: Histogram,
    /// Blocks that merges took.
    pub blocks_in: Counter,
    /// Blocks that merges made.
    pub blocks_out: Counter,
}

impl CompactorMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            leader: Gauge::default(),
            jobs_waiting: Gauge::default(),
            merged: Counter::default(),
            failed: Counter::default(),
            duration: Histogram::new(exponential_buckets(0.1, 4.0, 8)),
            blocks_in: Counter::default(),
            blocks_out: Counter::default(),
        };
        let mimir = registry.sub_registry_with_prefix("cortex_compactor");
        mimir.register("group_compactions", "Merges that were done", metrics.merged.clone());
        mimir.register("group_compactions_failures", "Merges that failed", metrics.failed.clone());
        let own = registry.sub_registry_with_prefix("quartet_compactor");
        own.register("leader", "1 while this process leads", metrics.leader.clone());
        own.register("jobs_waiting", "Merges that wait for a worker", metrics.jobs_waiting.clone());
        own.register("merge_duration_seconds", "How long merges took", metrics.duration.clone());
        own.register("blocks_in", "Blocks that merges took", metrics.blocks_in.clone());
        own.register("blocks_out", "Blocks that merges made", metrics.blocks_out.clone());
        metrics
    }
}
