//! Instruments of the ingester, by the names of Mimir's dashboards where there is one.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use signal::{InstanceLimit, TimeRange};

use crate::config::IngesterConfig;
use crate::store::SignalStore;

/// The label that names a signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SignalLabel {
    /// The signal.
    pub signal: &'static str,
}

/// The label `limit`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// Which limit.
    pub limit: &'static str,
}

/// The label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Which limit was reached.
    pub reason: &'static str,
}

/// The instruments.
#[derive(Clone, Debug)]
pub struct IngesterMetrics {
    /// Blocks that readers were seen to find.
    pub uploads: Counter,
    /// Uploads that failed and were tried again.
    pub upload_failures: Counter,
    /// Objects that hold small blocks of several tenants.
    pub packed_objects: Counter,
    /// Blocks in them.
    pub packed_blocks: Counter,
    /// Pushes that are on their way into heads.
    pub inflight_pushes: Gauge,
    /// Scans of heads that were asked for.
    pub queries: Counter,
    /// Limits of this ingester; 0 is none.
    pub limits: Family<LimitLabel, Gauge<f64, AtomicU64>>,
    /// Pushes and scans that were refused since one of them was reached.
    pub rejected: Family<ReasonLabel, Counter>,
    /// Series, streams or live traces in memory.
    pub series: Family<SignalLabel, Gauge>,
    /// Tenants with a head.
    pub users: Family<SignalLabel, Gauge>,
    /// Bytes of heads.
    pub bytes: Family<SignalLabel, Gauge>,
    /// When the oldest row in memory is dated, seconds since the Unix epoch; 0: there is none.
    oldest: Family<SignalLabel, Gauge<f64, AtomicU64>>,
    /// When the newest row is.
    newest: Family<SignalLabel, Gauge<f64, AtomicU64>>,
}

impl IngesterMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            uploads: Counter::default(),
            upload_failures: Counter::default(),
            packed_objects: Counter::default(),
            packed_blocks: Counter::default(),
            inflight_pushes: Gauge::default(),
            queries: Counter::default(),
            limits: Family::default(),
            rejected: Family::default(),
            series: Family::default(),
            users: Family::default(),
            bytes: Family::default(),
            oldest: Family::default(),
            newest: Family::default(),
        };
        let mimir = registry.sub_registry_with_prefix("cortex_ingester");
        mimir.register("shipper_uploads", "Blocks that readers were seen to find", metrics.uploads.clone());
        mimir.register("shipper_upload_failures", "Uploads that failed and were tried again", metrics.upload_failures.clone());
        mimir.register("inflight_push_requests", "Pushes that are on their way into heads", metrics.inflight_pushes.clone());
        mimir.register("queries", "Scans of heads that were asked for", metrics.queries.clone());
        mimir.register("instance_limits", "Limits of this ingester; 0 is none", metrics.limits.clone());
        let (oldest, newest) = (metrics.oldest.clone(), metrics.newest.clone());
        mimir.register("tsdb_head_min_timestamp_seconds", "Time of the oldest row in memory, seconds since the Unix epoch", oldest);
        mimir.register("tsdb_head_max_timestamp_seconds", "Time of the newest row in memory, seconds since the Unix epoch", newest);
        mimir.register("instance_rejected_requests", "Pushes and scans that a limit of this ingester refused", metrics.rejected.clone());
        // The signals say the same of themselves by the names of their dashboards.
        let own = registry.sub_registry_with_prefix("quartet_ingester");
        own.register("series", "Series, streams or live traces in memory", metrics.series.clone());
        own.register("packed_objects", "Objects uploaded that hold small blocks of several tenants", metrics.packed_objects.clone());
        own.register("packed_blocks", "Blocks uploaded in such objects", metrics.packed_blocks.clone());
        own.register("tenants", "Tenants with a head", metrics.users.clone());
        own.register("head_bytes", "Bytes of heads in memory", metrics.bytes.clone());
        metrics
    }

    /// Shows the limits of this ingester, and what they have refused: nothing yet.
    #[allow(clippy::cast_precision_loss, reason = "limits far below 2^53")]
    pub fn show_limits(&self, config: &IngesterConfig) {
        for limit in InstanceLimit::ALL {
            let (label, value) = match limit {
                InstanceLimit::IngestionRate => ("max_ingestion_rate", config.max_ingestion_rate),
                InstanceLimit::Tenants => ("max_tenants", config.max_tenants as f64),
                InstanceLimit::Series => ("max_series", config.max_series as f64),
                InstanceLimit::InflightPushes => ("max_inflight_push_requests", config.max_inflight_push_requests as f64),
                InstanceLimit::InflightPushBytes => ("max_inflight_push_requests_bytes", config.max_inflight_push.0 as f64),
                InstanceLimit::InflightReads => ("max_inflight_read_requests", config.max_inflight_reads as f64),
            };
            self.limits.get_or_create(&LimitLabel { limit: label }).set(value);
            self.rejected.get_or_create(&ReasonLabel { reason: reason(limit) }).inc_by(0);
        }
    }

    /// Counts a push or a scan that a limit of this ingester refused.
    pub(crate) fn reject(&self, limit: InstanceLimit) {
        self.rejected.get_or_create(&ReasonLabel { reason: reason(limit) }).inc();
    }

    /// Counts a push as on its way until it is dropped.
    pub(crate) fn push(&self) -> OnItsWay {
        self.inflight_pushes.inc();
        OnItsWay(self.inflight_pushes.clone())
    }

    /// Takes the figures of a store.
    pub fn observe(&self, store: &SignalStore) {
        let label = SignalLabel { signal: store.plugin.name.as_str() };
        let heads = store.heads();
        let (mut series, mut bytes, mut times) = (0u64, 0u64, None);
        for head in &heads {
            let stats = head.head.stats();
            series += stats.series;
            bytes += stats.bytes;
            times = match (times, stats.range) {
                (Some(all), Some(range)) => Some(around(all, range)),
                (one, other) => one.or(other),
            };
        }
        self.show_times(&label, times);
        let shown = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.series.get_or_create(&label).set(shown(series));
        self.bytes.get_or_create(&label).set(shown(bytes));
        self.users.get_or_create(&label).set(shown(heads.len() as u64));
    }
}

impl IngesterMetrics {
    /// Shows the times of the rows in memory.
    fn show_times(&self, label: &SignalLabel, times: Option<TimeRange>) {
        // To the millisecond, since a range of rows with such times ends with the millisecond.
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let seconds = |ns: i64| ns.div_euclid(1_000_000) as f64 / 1000.0;
        self.oldest.get_or_create(label).set(times.map_or(0.0, |times| seconds(times.start)));
        // The end does not belong to the range.
        self.newest.get_or_create(label).set(times.map_or(0.0, |times| seconds(times.end.saturating_sub(1))));
    }
}

/// The range that holds both.
fn around(one: TimeRange, other: TimeRange) -> TimeRange {
    TimeRange { start: one.start.min(other.start), end: one.end.max(other.end) }
}

/// A limit as the label `reason` of Mimir's dashboards has it.
const fn reason(limit: InstanceLimit) -> &'static str {
    match limit {
        InstanceLimit::IngestionRate => "ingester_max_ingestion_rate",
        InstanceLimit::Tenants => "ingester_max_tenants",
        InstanceLimit::Series => "ingester_max_series",
        InstanceLimit::InflightPushes => "ingester_max_inflight_push_requests",
        InstanceLimit::InflightPushBytes => "ingester_max_inflight_push_requests_bytes",
        InstanceLimit::InflightReads => "ingester_max_inflight_read_requests",
    }
}

/// A push on its way.
#[derive(Debug)]
pub(crate) struct OnItsWay(Gauge);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
