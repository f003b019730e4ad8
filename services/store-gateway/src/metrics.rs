//! Instruments of the store-gateway, by the names of Mimir's dashboards.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The instruments.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    /// Blocks that were scanned.
    pub blocks: Counter,
    /// Blocks whose object was gone.
    pub gone: Counter,
    /// Blocks that could not be scanned.
    pub failed: Counter,
    /// Blocks of one request.
    pub per_request: Histogram,
    /// Bytes of rows that were sent.
    pub bytes: Counter,
}

impl GatewayMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            blocks: Counter::default(),
            gone: Counter::default(),
            failed: Counter::default(),
            per_request: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            bytes: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("cortex_bucket_store");
        registry.register("block_loads", "Blocks that were scanned", metrics.blocks.clone());
        registry.register("blocks_gone", "Blocks asked for whose object was gone", metrics.gone.clone());
        registry.register("block_load_failures", "Blocks that could not be scanned", metrics.failed.clone());
        registry.register("series_blocks_queried", "Blocks of one request", metrics.per_request.clone());
        registry.register("series_data_sent_bytes", "Bytes of rows sent to queriers", metrics.bytes.clone());
        metrics
    }
}
