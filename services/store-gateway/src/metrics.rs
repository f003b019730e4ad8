//! Instruments of the store-gateway, by the names of Mimir's dashboards.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use runtime::Clock;
use signal::{Amount, ScanAccount, Stage};
use storage::catalog::Catalog;

/// Dashboards look for this label: in Mimir, other components had the names once.
const COMPONENT: (Cow<'static, str>, Cow<'static, str>) = (Cow::Borrowed("component"), Cow::Borrowed("store-gateway"));

/// How a histogram of a family is made.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The label of blocks that were queried.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Level {
    /// How often what is in the block was merged.
    level: u8,
}

/// What of a block was read, and why it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Data {
    /// `index`, `series` or `chunks`.
    data_type: &'static str,
    /// `fetched` or `returned` for chunks, empty for all else.
    stage: &'static str,
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    stage: &'static str,
}

/// The instruments.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    /// Blocks that were scanned.
    pub blocks: Counter,
    /// Blocks whose object was gone.
    pub gone: Counter,
    /// Blocks that could not be scanned.
    pub failed: Counter,
    /// Bytes of rows that were sent.
    pub bytes: Counter,
    /// Blocks of one request by their level.
    blocks_queried: Histograms<Level>,
    touched: Histograms<Data>,
    touched_bytes: Histograms<Data>,
    fetched: Histograms<Data>,
    fetched_bytes: Histograms<Data>,
    result_series: Histogram,
    stages: Histograms<Part>,
}

/// What this process knows of the bucket, by the names of Mimir's stores: looked up when it is asked for.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Known {
    /// Registers it.
    pub(crate) fn register(self, registry: &mut Registry) {
        registry.sub_registry_with_prefix("cortex_bucket_stores").sub_registry_with_label(COMPONENT).register_collector(Box::new(self));
    }
}

impl Collector for Known {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let tenants = i64::try_from(self.catalog.map().tenants().len()).unwrap_or(i64::MAX);
        let read = self.catalog.age_of_last_success();
        let read = read.map_or(0, |age| (self.clock.now_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX)).max(0) / 1000);
        for (name, help, value) in [
            ("tenants_discovered", "Tenants that have blocks", tenants),
            ("tenants_synced", "Tenants whose blocks this process can be asked for: all of them", tenants),
            ("blocks_last_successful_sync_timestamp_seconds", "When the catalog was last read, seconds since the Unix epoch", read),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// How long the role had to do with a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// For a thread.
    pub(crate) turn: Duration,
    /// For the network, or the querier behind it.
    pub(crate) sent: Duration,
}

impl GatewayMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("cortex_bucket_store").sub_registry_with_label(COMPONENT);
        registry.register("block_loads", "Blocks that were scanned", metrics.blocks.clone());
        registry.register("blocks_gone", "Blocks asked for whose object was gone", metrics.gone.clone());
        registry.register("block_load_failures", "Blocks that could not be scanned", metrics.failed.clone());
        registry.register("series_blocks_queried", "Blocks of one request, by their level", metrics.blocks_queried.clone());
        registry.register("series_data_sent_bytes", "Bytes of rows sent to queriers", metrics.bytes.clone());
        let data = [
            ("series_data_touched", "What one request looked at in blocks", &metrics.touched),
            ("series_data_size_touched_bytes", "Bytes of what one request looked at in blocks", &metrics.touched_bytes),
            ("series_data_fetched", "What one request read of blocks, from a cache or the bucket", &metrics.fetched),
            ("series_data_size_fetched_bytes", "Bytes that one request read of blocks, from a cache or the bucket", &metrics.fetched_bytes),
        ];
        for (name, help, family) in data {
            registry.register(name, help, family.clone());
        }
        registry.register("series_result_series", "Series of one request, those of each block counted", metrics.result_series.clone());
        registry.register("series_request_stage_duration_seconds", "Time of a request by stage", metrics.stages.clone());
        metrics
    }

    /// Counts the blocks of a request, by their levels.
    pub(crate) fn asked(&self, levels: impl Iterator<Item = u8>) {
        let mut counts = [0u32; u8::MAX as usize + 1];
        levels.for_each(|level| counts[usize::from(level)] += 1);
        for (level, count) in (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 0) {
            self.blocks_queried.get_or_create(&Level { level }).observe(f64::from(count));
        }
    }

    /// Shows what a request took that is over.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn answered(&self, account: &ScanAccount, waits: Waits) {
        let show = |counts: &Histograms<Data>, sizes: &Histograms<Data>, data_type, stage, amount: Amount| {
            let data = Data { data_type, stage };
            counts.get_or_create(&data).observe(amount.count as f64);
            sizes.get_or_create(&data).observe(amount.bytes as f64);
        };
        show(&self.fetched, &self.fetched_bytes, "index", "", account.indexes());
        if let Some(series) = account.groups() {
            self.result_series.observe(series as f64);
            self.touched.get_or_create(&Data { data_type: "series", stage: "" }).observe(series as f64);
            show(&self.fetched, &self.fetched_bytes, "chunks", "fetched", account.rows_read());
            show(&self.touched, &self.touched_bytes, "chunks", "returned", account.rows_returned());
        }
        for (stage, took) in [
            ("wait_max_concurrent", waits.turn),
            ("expand_postings", account.time(Stage::Select)),
            ("fetch_series_and_chunks", account.time(Stage::Read)),
            ("encode", account.time(Stage::Encode)),
            ("send", waits.sent),
        ] {
            self.stages.get_or_create(&Part { stage }).observe(took.as_secs_f64());
        }
    }
}

/// Instruments that nobody reads: for tests and tools.
impl Default for GatewayMetrics {
    fn default() -> Self {
        Self {
            blocks: Counter::default(),
            gone: Counter::default(),
            failed: Counter::default(),
            bytes: Counter::default(),
            blocks_queried: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 2.0, 12))),
            touched: Family::new_with_constructor(counts),
            touched_bytes: Family::new_with_constructor(sizes),
            fetched: Family::new_with_constructor(counts),
            fetched_bytes: Family::new_with_constructor(sizes),
            result_series: counts(),
            stages: Family::new_with_constructor(|| {
                Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0])
            }),
        }
    }
}

fn counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 8.0, 9))
}

fn sizes() -> Histogram {
    Histogram::new(exponential_buckets(1024.0, 8.0, 8))
}

#[cfg(test)]
mod tests;
