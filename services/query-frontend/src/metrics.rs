//! Instruments of the query-frontend, by the names of Mimir's dashboards.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The label that names a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct User {
    /// The tenant.
    pub user: String,
}

/// The instruments.
#[derive(Clone, Debug)]
pub struct FrontendMetrics {
    /// Sub-queries that wait, by tenant.
    pub queue_length: Family<User, Gauge>,
    /// How long sub-queries waited, seconds.
    pub queue_duration: Histogram,
    /// Sub-queries refused since too many waited, by tenant.
    pub discarded: Family<User, Counter>,
    /// Sub-queries that wait or run.
    pub in_progress: Gauge,
    /// Sub-queries given to another querier.
    pub retries: Counter,
    /// Queriers that are connected.
    pub workers: Gauge,
}

impl FrontendMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            queue_length: Family::default(),
            queue_duration: Histogram::new(exponential_buckets(0.001, 4.0, 9)),
            discarded: Family::default(),
            in_progress: Gauge::default(),
            retries: Counter::default(),
            workers: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("cortex_query_frontend");
        registry.register("queue_length", "Sub-queries that wait in the queue", metrics.queue_length.clone());
        registry.register("queue_duration_seconds", "Time that sub-queries waited in the queue", metrics.queue_duration.clone());
        registry.register("discarded_requests", "Sub-queries refused since too many waited", metrics.discarded.clone());
        registry.register("queries_in_progress", "Sub-queries that wait or run", metrics.in_progress.clone());
        registry.register("retries", "Sub-queries given to another querier", metrics.retries.clone());
        registry.register("connected_clients", "Queriers that are connected", metrics.workers.clone());
        metrics
    }
}
