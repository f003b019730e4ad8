//! Queries that limits refuse, and how long range queries take.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Reason;

/// The limit that refused a query while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Series that were fetched.
    Series,
    /// Chunks that were fetched.
    Chunks,
    /// Bytes of chunks that were fetched.
    ChunkBytes,
    /// Memory.
    Memory,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Series, Self::Chunks, Self::ChunkBytes, Self::Memory];

    /// The label of the counter, and the word that goes with the error.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Series => "max-fetched-series-per-query",
            Self::Chunks => "max-fetched-chunks-per-query",
            Self::ChunkBytes => "max-fetched-chunk-bytes-per-query",
            Self::Memory => "max-estimated-memory-consumption-per-query",
        }
    }
}

/// The label `method`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Method {
    /// A step on the way of a range query.
    pub method: &'static str,
}

/// The labels of a request that a querier answered: those of the requests of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answered {
    pub method: &'static str,
    pub route: &'static str,
    pub status_code: u16,
    pub ws: &'static str,
}

/// The instruments. Clones share the figures.
#[derive(Clone, Debug)]
pub struct QueryInstruments {
    /// `cortex_querier_queries_rejected_total`: counted by queriers.
    rejected: Family<Reason, Counter>,
    /// `cortex_frontend_query_range_duration_seconds`: counted by query-frontends.
    range_duration: Family<Method, Histogram>,
    /// `cortex_querier_request_duration_seconds`: counted by queriers.
    requests: Family<Answered, Histogram>,
}

/// The step of which dashboards take the number of range queries that were split.
const SPLIT: Method = Method { method: "split_by_interval_and_results_cache" };

impl QueryInstruments {
    /// Registers them below `cortex`.
    pub(super) fn register(&self, cortex: &mut Registry) {
        cortex.register("querier_queries_rejected", "Queries that a limit refused while they ran", self.rejected.clone());
        let duration = self.range_duration.clone();
        cortex.register("frontend_query_range_duration_seconds", "Time that range queries took, by step on their way", duration);
        let requests = self.requests.clone();
        cortex.register("querier_request_duration_seconds", "Time to answer parts of queries, by the API that wants them", requests);
    }

    /// Counts a query that failed, if a limit refused it.
    ///
    /// * `reason`: the word that goes with the error.
    pub fn failed(&self, reason: &str) {
        if let Some(limit) = Rejection::ALL.into_iter().find(|limit| limit.reason() == reason) {
            self.rejected.get_or_create(&Reason { reason: limit.reason() }).inc();
        }
    }

    /// How many queries a limit has refused.
    #[must_use]
    pub fn rejected(&self, limit: Rejection) -> u64 {
        self.rejected.get_or_create(&Reason { reason: limit.reason() }).get()
    }

    /// Counts a part of a query that a querier answered.
    ///
    /// * `route`: that of the API for which it was answered.
    /// * `status_code`: what the API answers where nothing else happens.
    pub fn answered(&self, route: &'static str, status_code: u16, took: Duration) {
        let labels = Answered { method: "gRPC", route, status_code, ws: "false" };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a range query that was split, looked for in the cache and answered.
    pub fn range_query(&self, took: Duration) {
        self.range_duration.get_or_create(&SPLIT).observe(took.as_secs_f64());
    }
}

impl Default for QueryInstruments {
    fn default() -> Self {
        let make: fn() -> Histogram = || Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        let (range_duration, requests) = (Family::new_with_constructor(make), Family::new_with_constructor(make));
        let all = Self { rejected: Family::default(), range_duration, requests };
        // A rate needs a series that is there before the first refusal.
        for limit in Rejection::ALL {
            drop(all.rejected.get_or_create(&Reason { reason: limit.reason() }));
        }
        all
    }
}
