//! What is told of heads: what is active in them, how fast they are filled, and what is read of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tenancy::TenantId;

use super::{TrackerInstruments, User};

/// The labels `limit` and `user`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UserLimit {
    /// Which limit.
    pub limit: &'static str,
    /// The tenant.
    pub user: String,
}

impl UserLimit {
    /// This ingester's share of the limit of series of a tenant.
    #[must_use]
    pub fn series(tenant: &TenantId) -> Self {
        Self { limit: "max_global_series_per_user", user: tenant.as_str().to_owned() }
    }
}

/// The instruments. Clones share the figures.
#[derive(Clone, Debug)]
pub struct HeadInstruments {
    /// `cortex_ingester_active_series`: series that got a sample in the last twenty minutes.
    pub active: Family<User, Gauge>,
    /// `cortex_ingester_active_native_histogram_series`: those whose newest sample is a native histogram.
    pub active_histograms: Family<User, Gauge>,
    /// `cortex_ingester_active_native_histogram_buckets`: buckets of those samples.
    pub active_buckets: Family<User, Gauge>,
    /// What selectors of tenants count.
    pub trackers: TrackerInstruments,
    /// `cortex_ingester_local_limits`: this ingester's share of limits of the cluster; 0 is none.
    pub local_limits: Family<UserLimit, Gauge>,
    /// `cortex_ingester_queried_series`: of a scan.
    pub queried_series: Histogram,
    /// `cortex_ingester_queried_samples`: of a scan of a series' samples, in chunks that were sent.
    pub queried_samples: Histogram,
    /// `cortex_ingester_queried_exemplars`: of a scan of exemplars.
    pub queried_exemplars: Histogram,
    /// `cortex_ingester_tsdb_appender_add_duration_seconds`: to check a push and to encode what the log takes.
    pub add: Histogram,
    /// `cortex_ingester_tsdb_appender_commit_duration_seconds`: to make it visible.
    pub commit: Histogram,
    rate: Gauge<f64, AtomicU64>,
    /// Samples a second of all heads, in thousandths: sums of whole numbers stay exact.
    milli_rate: Arc<AtomicI64>,
}

impl HeadInstruments {
    /// Registers them below `cortex`.
    pub(super) fn register(&self, cortex: &mut Registry) {
        let ingester = cortex.sub_registry_with_prefix("ingester");
        ingester.register("active_series", "Series that got a sample in the last twenty minutes", self.active.clone());
        let histograms = self.active_histograms.clone();
        ingester.register("active_native_histogram_series", "Active series whose newest sample is a native histogram", histograms);
        let buckets = self.active_buckets.clone();
        ingester.register("active_native_histogram_buckets", "Buckets of the newest samples of those series", buckets);
        self.trackers.register(ingester);
        let limits = self.local_limits.clone();
        ingester.register("local_limits", "This ingester's share of limits of the whole cluster; 0 is none", limits);
        ingester.register("ingestion_rate_samples_per_second", "Samples a second, over the last minute", self.rate.clone());
        ingester.register("queried_series", "Series of a scan", self.queried_series.clone());
        ingester.register("queried_samples", "Samples of a scan", self.queried_samples.clone());
        ingester.register("queried_exemplars", "Exemplars of a scan", self.queried_exemplars.clone());
        let (add, commit) = (self.add.clone(), self.commit.clone());
        ingester.register("tsdb_appender_add_duration_seconds", "Time to check and to encode a push", add);
        ingester.register("tsdb_appender_commit_duration_seconds", "Time to make a push visible", commit);
    }

    /// Adds to the rate of all heads what one of them has more than before, in thousandths of a sample a second.
    pub fn add_rate(&self, milli: i64) {
        let all = self.milli_rate.fetch_add(milli, Ordering::Relaxed) + milli;
        self.rate.set(all as f64 / 1000.0);
    }

    /// The samples a second of all heads.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate.get()
    }

    /// Forgets a tenant whose head has gone.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        let user = User::from(tenant);
        self.active.remove(&user);
        self.active_histograms.remove(&user);
        self.active_buckets.remove(&user);
        self.local_limits.remove(&UserLimit::series(tenant));
    }
}

impl Default for HeadInstruments {
    fn default() -> Self {
        let seconds = || Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        Self {
            active: Family::default(),
            active_histograms: Family::default(),
            active_buckets: Family::default(),
            trackers: TrackerInstruments::default(),
            local_limits: Family::default(),
            queried_series: Histogram::new(exponential_buckets(10.0, 8.0, 6)),
            queried_samples: Histogram::new(exponential_buckets(10.0, 8.0, 8)),
            queried_exemplars: Histogram::new(exponential_buckets(10.0, 5.0, 5)),
            add: seconds(),
            commit: seconds(),
            rate: Gauge::default(),
            milli_rate: Arc::default(),
        }
    }
}
