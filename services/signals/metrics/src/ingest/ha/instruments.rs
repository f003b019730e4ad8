//! What is counted of high-availability pairs, by Mimir's names.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tenancy::TenantId;

use crate::instruments::User;

/// The labels `user` and `cluster`. As many as pairs, which a limit of the tenant bounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Pair {
    /// The pair.
    pub cluster: String,
    /// The tenant.
    pub user: String,
}

/// The instruments. Clones share the figures.
#[derive(Clone, Debug)]
pub struct HaInstruments {
    /// `cortex_distributor_deduped_samples_total`: samples of replicas that are not elected.
    pub deduped_samples: Family<Pair, Counter>,
    /// `cortex_distributor_non_ha_samples_received_total`: samples without the labels of a pair, of tenants that have pairs.
    pub non_ha_samples: Family<User, Counter>,
    changes: Family<Pair, Counter>,
    timestamp: Family<Pair, Gauge<f64, AtomicU64>>,
    propagation: Histogram,
    cas: Family<Pair, Counter>,
    groups: Family<User, Gauge>,
    pub(super) cleanup_started: Counter,
    pub(super) cleanup_marked: Counter,
    pub(super) cleanup_deleted: Counter,
    pub(super) cleanup_failed: Counter,
}

impl HaInstruments {
    /// Registers them in the registry whose prefix is `cortex`.
    pub fn register(&self, cortex: &mut Registry) {
        cortex.register("distributor_deduped_samples", "Samples of replicas that are not elected", self.deduped_samples.clone());
        cortex.register("distributor_non_ha_samples_received", "Samples without labels of a pair", self.non_ha_samples.clone());
        let tracker = cortex.sub_registry_with_prefix("ha_tracker");
        tracker.register("elected_replica_changes", "Elections of another replica", self.changes.clone());
        tracker.register("elected_replica_timestamp_seconds", "When the elected replica was last heard", self.timestamp.clone());
        tracker.register(
            "elected_replica_change_propagation_time_seconds",
            "Time until this distributor knew of an election",
            self.propagation.clone(),
        );
        tracker.register("kv_store_cas", "Attempts to elect a replica", self.cas.clone());
        tracker.register("user_replica_group_count", "High-availability pairs of a tenant", self.groups.clone());
        let cleanups = [
            ("replicas_cleanup_started", "Times that silent pairs were found", &self.cleanup_started),
            ("replicas_cleanup_marked_for_deletion", "Silent pairs that were to be forgotten", &self.cleanup_marked),
            ("replicas_cleanup_deleted", "Silent pairs that were forgotten", &self.cleanup_deleted),
            ("replicas_cleanup_delete_failed", "Silent pairs that could not be forgotten", &self.cleanup_failed),
        ];
        for (name, help, counter) in cleanups {
            tracker.register(name, help, counter.clone());
        }
    }

    pub(super) fn cas(&self, tenant: &TenantId, cluster: &str) {
        self.cas.get_or_create(&Pair { cluster: cluster.to_owned(), user: tenant.as_str().to_owned() }).inc();
    }

    pub(super) fn elected(&self, pair: &Pair, changed: bool, at: i64, now: i64) {
        if changed {
            self.changes.get_or_create(pair).inc();
        }
        self.propagation.observe(seconds(now.saturating_sub(at).max(0)));
        self.received(pair, at);
    }

    pub(super) fn received(&self, pair: &Pair, at: i64) {
        self.timestamp.get_or_create(pair).set(seconds(at));
    }

    pub(super) fn count(&self, tenant: &TenantId, pairs: usize) {
        self.groups.get_or_create(&User::from(tenant)).set(i64::try_from(pairs).unwrap_or(i64::MAX));
    }

    pub(super) fn forget(&self, pair: &Pair) {
        self.changes.remove(pair);
        self.timestamp.remove(pair);
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of our time are exact")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// Instruments that nobody reads, until they are registered.
impl Default for HaInstruments {
    fn default() -> Self {
        Self {
            deduped_samples: Family::default(),
            non_ha_samples: Family::default(),
            changes: Family::default(),
            timestamp: Family::default(),
            propagation: Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            cas: Family::default(),
            groups: Family::default(),
            cleanup_started: Counter::default(),
            cleanup_marked: Counter::default(),
            cleanup_deleted: Counter::default(),
            cleanup_failed: Counter::default(),
        }
    }
}
