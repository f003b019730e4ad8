//! Instruments of caches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Cache;

/// Instruments of all caches of a process.
#[derive(Clone, Debug)]
pub struct CacheMetrics {
    requests: Family<Name, Counter>,
    hits: Family<Name, Counter>,
    level_hits: Family<Level, Counter>,
    operations: Family<Operation, Counter>,
    failures: Family<Failure, Counter>,
    duration: Family<Operation, Histogram, fn() -> Histogram>,
}

/// Instruments of one cache.
#[derive(Clone, Debug)]
pub struct Instruments {
    name: &'static str,
    all: CacheMetrics,
}

/// Counts what is asked of a cache, and what it had.
#[derive(Debug)]
pub struct Metered {
    inner: Arc<dyn Cache>,
    requests: Counter,
    hits: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Level {
    name: &'static str,
    level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
    name: &'static str,
    backend: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    operation: &'static str,
    name: &'static str,
    backend: &'static str,
    reason: &'static str,
}

impl Default for CacheMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            hits: Family::default(),
            level_hits: Family::default(),
            operations: Family::default(),
            failures: Family::default(),
            duration: Family::new_with_constructor(durations),
        }
    }
}

fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 3.0, 9))
}

impl CacheMetrics {
    /// Registers the instruments. Those whose names Mimir's dashboards read have its names.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let known = registry.sub_registry_with_prefix("thanos_cache");
        known.register("requests", "Values asked of the cache", all.requests.clone());
        known.register("hits", "Values that the cache had", all.hits.clone());
        known.register("operations", "Operations of the cache's backend", all.operations.clone());
        known.register("operation_failures", "Operations of the cache's backend that failed", all.failures.clone());
        known.register("operation_duration_seconds", "Time of one operation of the cache's backend", all.duration.clone());
        registry.register("quartet_cache_level_hits", "Values that a level of the cache had", all.level_hits.clone());
        all
    }

    /// The instruments of the cache called `name`.
    #[must_use]
    pub fn of(&self, name: &'static str) -> Instruments {
        Instruments { name, all: self.clone() }
    }
}

impl Instruments {
    pub(super) fn level(&self, level: &'static str) -> Counter {
        self.all.level_hits.get_or_create(&Level { name: self.name, level }).clone()
    }

    /// An operation was done.
    pub(super) fn done(&self, backend: &'static str, operation: &'static str, took: Duration) {
        let labels = Operation { operation, name: self.name, backend };
        self.all.operations.get_or_create(&labels).inc();
        self.all.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// An operation was not done.
    pub(super) fn failed(&self, backend: &'static str, operation: &'static str, reason: &'static str) {
        self.failures(backend, operation, reason).inc();
    }

    pub(super) fn failures(&self, backend: &'static str, operation: &'static str, reason: &'static str) -> Counter {
        self.all.failures.get_or_create(&Failure { operation, name: self.name, backend, reason }).clone()
    }
}

impl Metered {
    /// Counts for `instruments`.
    #[must_use]
    pub fn new(inner: Arc<dyn Cache>, instruments: &Instruments) -> Self {
        let name = Name { name: instruments.name };
        let requests = instruments.all.requests.get_or_create(&name).clone();
        let hits = instruments.all.hits.get_or_create(&name).clone();
        Self { inner, requests, hits }
    }
}

impl Cache for Metered {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            self.requests.inc();
            let found = self.inner.get(key).await;
            self.hits.inc_by(u64::from(found.is_some()));
            found
        })
    }

    fn put(&self, key: &str, value: Bytes) {
        self.inner.put(key, value);
    }
}
