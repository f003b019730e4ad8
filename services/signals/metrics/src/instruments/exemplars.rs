//! What is told of the exemplars of heads.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::User;

/// The instruments. Clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct HeadExemplars {
    /// `cortex_ingester_tsdb_exemplar_exemplars_appended_total`.
    pub appended: Counter,
    /// `cortex_ingester_tsdb_exemplar_exemplars_in_storage`: those of all tenants.
    pub stored: Gauge,
    /// `cortex_ingester_tsdb_exemplar_series_with_exemplars_in_storage`.
    pub series: Family<User, Gauge>,
    /// `cortex_ingester_tsdb_exemplar_last_exemplars_timestamp_seconds`: the time of the one that goes next when there are too many.
    pub oldest: Family<User, Gauge<f64, AtomicU64>>,
}

impl HeadExemplars {
    /// Registers them below `cortex`.
    pub(super) fn register(&self, cortex: &mut Registry) {
        let registry = cortex.sub_registry_with_prefix("ingester_tsdb_exemplar");
        registry.register("exemplars_appended", "Exemplars that were stored", self.appended.clone());
        registry.register("exemplars_in_storage", "Exemplars in memory", self.stored.clone());
        registry.register("series_with_exemplars_in_storage", "Series that have exemplars in memory", self.series.clone());
        registry.register("last_exemplars_timestamp_seconds", "Time of the exemplar that came first", self.oldest.clone());
    }
}
