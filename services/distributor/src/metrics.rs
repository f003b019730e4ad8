//! Instruments of the distributor.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The instruments.
#[derive(Clone, Debug)]
pub struct DistributorMetrics {
    /// Batches that are being replicated.
    pub inflight: Gauge,
    /// Time until a batch was decided, seconds.
    pub duration: Histogram,
    /// Pushes to ingesters that failed.
    pub failures: Counter,
    /// Batches refused since too many bytes were in flight.
    pub rejected: Counter,
}

impl DistributorMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry, replication_factor: usize) -> Self {
        let metrics = Self {
            inflight: Gauge::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            failures: Counter::default(),
            rejected: Counter::default(),
        };
        let factor = Gauge::<i64>::default();
        factor.set(i64::try_from(replication_factor).unwrap_or(i64::MAX));
        let registry = registry.sub_registry_with_prefix("cortex_distributor");
        registry.register("replication_factor", "Replicas of each item", factor);
        registry.register("inflight_push_requests", "Batches that are being replicated", metrics.inflight.clone());
        registry.register("replication_duration_seconds", "Time until a batch had its quorum", metrics.duration.clone());
        registry.register("ingester_push_failures", "Pushes to ingesters that failed", metrics.failures.clone());
        registry.register("rejected_batches", "Batches refused since too many bytes were in flight", metrics.rejected.clone());
        metrics
    }
}
