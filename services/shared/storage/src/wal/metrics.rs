//! Instruments of the WAL.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Instruments of the logs of all signals of a process; each log takes its own with [`WalMetrics::of`].
#[derive(Clone, Debug)]
pub struct WalMetrics {
    records: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    segments: Family<Labels, Gauge>,
    disk_bytes: Family<Labels, Gauge>,
    fsync: Family<Labels, Histogram, Durations>,
    corruptions: Family<Labels, Counter>,
    writes_failed: Family<Labels, Counter>,
    replay: Family<Labels, Histogram, Durations>,
    truncations: Family<Labels, Counter>,
    truncations_failed: Family<Labels, Counter>,
    truncate: Family<Labels, Histogram, Durations>,
}

/// Instruments of one log.
#[derive(Clone, Debug)]
pub struct Instruments {
    pub(super) records: Counter,
    pub(super) bytes: Counter,
    pub(super) segments: Gauge,
    pub(super) disk_bytes: Gauge,
    pub(super) fsync: Histogram,
    pub(super) corruptions: Counter,
    pub(super) writes_failed: Counter,
    pub(super) replay: Histogram,
    pub(super) truncations: Counter,
    pub(super) truncations_failed: Counter,
    pub(super) truncate: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    signal: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Durations {
    start: f64,
}

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(self.start, 4.0, 10))
    }
}

impl Default for WalMetrics {
    fn default() -> Self {
        let fast = || Family::new_with_constructor(Durations { start: 0.0005 });
        let slow = || Family::new_with_constructor(Durations { start: 0.01 });
        Self {
            records: Family::default(),
            bytes: Family::default(),
            segments: Family::default(),
            disk_bytes: Family::default(),
            fsync: fast(),
            corruptions: Family::default(),
            writes_failed: Family::default(),
            replay: slow(),
            truncations: Family::default(),
            truncations_failed: Family::default(),
            truncate: slow(),
        }
    }
}

impl WalMetrics {
    /// Registers the instruments. Those whose names Mimir's dashboards read have its names.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let own = registry.sub_registry_with_prefix("quartet_wal");
        own.register("records", "Records written to the log", all.records.clone());
        own.register("written_bytes", "Bytes of records written to the log", all.bytes.clone());
        own.register("segments", "Segments of the log on disk", all.segments.clone());
        own.register("disk_bytes", "Bytes of the log's segments on disk", all.disk_bytes.clone());
        own.register("fsync_duration_seconds", "Time of one fsync of the log", all.fsync.clone());
        let known = registry.sub_registry_with_prefix("cortex_ingester_tsdb_wal");
        known.register("corruptions", "Corrupt places found in the log", all.corruptions.clone());
        known.register("writes_failed", "Groups of records that could not be written", all.writes_failed.clone());
        known.register("replay_duration_seconds", "Time of one replay of the log", all.replay.clone());
        known.register("truncations", "Times the log was truncated", all.truncations.clone());
        known.register("truncations_failed", "Times the log could not be truncated", all.truncations_failed.clone());
        known.register("truncate_duration_seconds", "Time of one truncation of the log", all.truncate.clone());
        all
    }

    /// The instruments of the log of `signal`.
    #[must_use]
    pub fn of(&self, signal: &'static str) -> Instruments {
        let labels = Labels { signal };
        Instruments {
            records: self.records.get_or_create(&labels).clone(),
            bytes: self.bytes.get_or_create(&labels).clone(),
            segments: self.segments.get_or_create(&labels).clone(),
            disk_bytes: self.disk_bytes.get_or_create(&labels).clone(),
            fsync: self.fsync.get_or_create(&labels).clone(),
            corruptions: self.corruptions.get_or_create(&labels).clone(),
            writes_failed: self.writes_failed.get_or_create(&labels).clone(),
            replay: self.replay.get_or_create(&labels).clone(),
            truncations: self.truncations.get_or_create(&labels).clone(),
            truncations_failed: self.truncations_failed.get_or_create(&labels).clone(),
            truncate: self.truncate.get_or_create(&labels).clone(),
        }
    }
}
