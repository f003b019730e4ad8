//! Instruments of the querier, by the names of Mimir's dashboards.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The labels of a question to ingesters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    /// Mimir's name of it.
    pub method: &'static str,
    /// `200`, or `500` where too few answered.
    pub status_code: &'static str,
}

/// The instruments. Clones share the figures.
#[derive(Clone, Debug)]
pub struct QuerierMetrics {
    /// How long it took until enough ingesters had answered a scan, seconds.
    heads: Family<Asked, Histogram, fn() -> Histogram>,
    /// Store-gateways that were asked for the blocks of a scan.
    gateways: Histogram,
    /// How often blocks of a scan were asked of another store-gateway, since one had not answered.
    refetches: Histogram,
    /// Scans of which it was looked whether every block was answered.
    checks: Counter,
    /// Those of which one was not.
    failed: Counter,
    /// Sub-queries that run.
    running: Gauge,
    /// How many may.
    most: Gauge,
}

/// A sub-query that runs, as long as this lives.
#[derive(Debug)]
pub(crate) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How the blocks of one scan were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// Store-gateways that were asked.
    pub(crate) gateways: usize,
    /// How often blocks were asked of other ones than before.
    pub(crate) refetches: usize,
    /// Whether every block was answered.
    pub(crate) whole: bool,
}

impl QuerierMetrics {
    /// Makes and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let cortex = registry.sub_registry_with_prefix("cortex");
        cortex.register("distributor_query_duration_seconds", "Time until enough ingesters had answered", metrics.heads.clone());
        let (gateways, refetches) = (metrics.gateways.clone(), metrics.refetches.clone());
        cortex.register("querier_storegateway_instances_hit_per_query", "Store-gateways that were asked for blocks", gateways);
        cortex.register("querier_storegateway_refetches_per_query", "How often blocks were asked for again elsewhere", refetches);
        let (checks, failed) = (metrics.checks.clone(), metrics.failed.clone());
        cortex.register("querier_blocks_consistency_checks", "Scans of which it was looked whether every block was answered", checks);
        cortex.register("querier_blocks_consistency_checks_failed", "Those of which a block was not answered", failed);
        let engine = registry.sub_registry_with_prefix("prometheus_engine");
        engine.register("queries", "Sub-queries that run", metrics.running.clone());
        engine.register("queries_concurrent_max", "Sub-queries that may run at once", metrics.most.clone());
        metrics
    }

    /// Shows how many sub-queries may run at once.
    pub(crate) fn show_most(&self, most: usize) {
        self.most.set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    /// A sub-query begins.
    pub(crate) fn begin(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    /// Counts a question to ingesters.
    pub(crate) fn heads_asked(&self, took: Duration, enough: bool) {
        let status_code = if enough { "200" } else { "500" };
        self.heads.get_or_create(&Asked { method: "Distributor.QueryStream", status_code }).observe(took.as_secs_f64());
    }

    /// Counts a scan whose blocks were asked for.
    pub(crate) fn blocks_asked(&self, gathered: Gathered) {
        self.gateways.observe(gathered.gateways as f64);
        self.refetches.observe(gathered.refetches as f64);
        self.checks.inc();
        if !gathered.whole {
            self.failed.inc();
        }
    }
}

/// Instruments that nobody reads: for tests and tools.
impl Default for QuerierMetrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0]);
        Self {
            heads: Family::new_with_constructor(seconds),
            gateways: Histogram::new([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]),
            refetches: Histogram::new([0.0, 1.0, 2.0]),
            checks: Counter::default(),
            failed: Counter::default(),
            running: Gauge::default(),
            most: Gauge::default(),
        }
    }
}

#[cfg(test)]
mod tests;
