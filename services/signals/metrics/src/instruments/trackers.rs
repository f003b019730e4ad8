//! What is told of active series that selectors of a tenant count.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tenancy::TenantId;

/// The labels `name` and `user`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UserName {
    name: String,
    user: String,
}

/// The instruments. What is 0 is not shown, as in Mimir. Clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct TrackerInstruments {
    /// `cortex_ingester_active_series_custom_tracker`: active series.
    series: Family<UserName, Gauge>,
    /// `cortex_ingester_active_native_histogram_series_custom_tracker`: those whose newest sample is a native histogram.
    histograms: Family<UserName, Gauge>,
    /// `cortex_ingester_active_native_histogram_buckets_custom_tracker`: buckets of those samples.
    buckets: Family<UserName, Gauge>,
}

impl TrackerInstruments {
    /// Registers them below `cortex_ingester`.
    pub(super) fn register(&self, ingester: &mut Registry) {
        let all = [
            ("active_series_custom_tracker", "Active series that a selector of the tenant counts", &self.series),
            ("active_native_histogram_series_custom_tracker", "Those whose newest sample is a native histogram", &self.histograms),
            ("active_native_histogram_buckets_custom_tracker", "Buckets of the newest samples of those", &self.buckets),
        ];
        for (name, help, family) in all {
            ingester.register(name, help, family.clone());
        }
    }

    /// Shows what one selector of a tenant counted.
    pub fn show(&self, tenant: &TenantId, name: &str, series: u64, histograms: u64, buckets: u64) {
        let labels = UserName { name: name.to_owned(), user: tenant.as_str().to_owned() };
        for (family, count) in [(&self.series, series), (&self.histograms, histograms), (&self.buckets, buckets)] {
            if count == 0 {
                family.remove(&labels);
            } else {
                family.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}
