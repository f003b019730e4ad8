//! What the signal counts, by the names that the dashboards of Mimir's mixin read.

mod delays;
mod engine;
mod exemplars;
mod heads;
mod queries;
mod trackers;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tenancy::TenantId;

use std::sync::atomic::AtomicU64;

use crate::ingest::IngestConfig;
use crate::ingest::ha::instruments::HaInstruments;
pub use delays::{Delays, SampleDelays};
pub use engine::{EngineDurations, Slice};
pub use exemplars::HeadExemplars;
pub use heads::{HeadInstruments, UserLimit};
pub use queries::{QueryInstruments, Rejection};
pub use trackers::TrackerInstruments;

/// The label `user`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct User {
    /// The tenant.
    pub user: String,
}

/// The labels `user` and `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UserReason {
    /// Why.
    pub reason: String,
    /// The tenant.
    pub user: String,
}

impl From<&TenantId> for User {
    fn from(tenant: &TenantId) -> Self {
        Self { user: tenant.as_str().to_owned() }
    }
}

/// The labels `user` and `sharded`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UserSharded {
    /// `true` for a query that was answered in shards.
    pub sharded: &'static str,
    /// The tenant.
    pub user: String,
}

/// The label `reason` of requests that this distributor does not take.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// Which limit.
    pub reason: &'static str,
}

/// The label `limit`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Limit {
    /// Which limit.
    pub limit: &'static str,
}

/// A limit of this distributor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Pushes that are on their way.
    Inflight,
    /// Bytes of pushes that are on their way.
    Bytes,
    /// Samples per second.
    Rate,
}

/// The label `request_type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestType {
    /// `query_range`.
    pub request_type: &'static str,
}

/// A counter per tenant.
pub type PerUser = Family<User, Counter>;

/// A counter per tenant and reason.
pub type PerReason = Family<UserReason, Counter>;

/// Everything that the signal counts. Clones share the figures.
#[derive(Clone, Debug)]
pub struct Instruments {
    /// `cortex_discarded_samples_total`: counted where a sample was refused, by distributors and by ingesters.
    pub discarded_samples: PerReason,
    /// `cortex_discarded_exemplars_total`.
    pub discarded_exemplars: PerReason,
    /// `cortex_discarded_metadata_total`.
    pub discarded_metadata: PerReason,
    /// `cortex_discarded_requests_total`.
    pub discarded_requests: PerReason,
    /// `cortex_distributor_requests_in_total`: every push.
    pub requests_in: PerUser,
    /// `cortex_distributor_received_requests_total`: pushes that were decoded and not refused as a whole.
    pub received_requests: PerUser,
    /// `cortex_distributor_samples_in_total`: before validation.
    pub samples_in: PerUser,
    /// `cortex_distributor_received_samples_total`: after validation.
    pub received_samples: PerUser,
    /// `cortex_distributor_exemplars_in_total`: before validation.
    pub exemplars_in: PerUser,
    /// `cortex_distributor_received_exemplars_total`: after validation.
    pub received_exemplars: PerUser,
    /// `cortex_distributor_metadata_in_total`: before validation.
    pub metadata_in: PerUser,
    /// `cortex_distributor_received_metadata_total`: after validation.
    pub received_metadata: PerUser,
    /// `cortex_distributor_latest_seen_sample_timestamp_seconds`.
    pub latest_sample: Family<User, Gauge<f64, AtomicU64>>,
    /// `cortex_distributor_instance_rejected_requests_total`: refused since this distributor is at a limit of its own.
    pub instance_rejected: Family<Reason, Counter>,
    /// `cortex_distributor_instance_limits`.
    pub instance_limits: Family<Limit, Gauge<f64, AtomicU64>>,
    /// What is counted of high-availability pairs.
    pub ha: HaInstruments,
    /// `cortex_distributor_sample_delay_seconds`: how old samples were when they came.
    pub sample_delays: SampleDelays,
    /// `cortex_labels_per_sample`: labels of a series.
    pub labels_per_series: Histogram,
    /// `cortex_ingester_memory_series`.
    pub memory_series: Gauge,
    /// `cortex_ingester_memory_users`.
    pub memory_users: Gauge,
    /// `cortex_ingester_memory_series_created_total`.
    pub series_created: PerUser,
    /// `cortex_ingester_memory_series_removed_total`.
    pub series_removed: PerUser,
    /// `cortex_ingester_ingested_samples_total`.
    pub ingested_samples: PerUser,
    /// `cortex_ingester_ingested_samples_failures_total`.
    pub ingested_samples_failures: PerUser,
    /// `cortex_ingester_ingested_exemplars_total`.
    pub ingested_exemplars: Counter,
    /// `cortex_ingester_ingested_exemplars_failures_total`.
    pub ingested_exemplars_failures: Counter,
    /// `cortex_ingester_ingested_metadata_total`.
    pub ingested_metadata: Counter,
    /// `cortex_ingester_ingested_metadata_failures_total`.
    pub ingested_metadata_failures: Counter,
    /// What is active in heads, and what is read of them.
    pub heads: HeadInstruments,
    /// What is told of the exemplars of heads.
    pub head_exemplars: HeadExemplars,
    /// Queries that were refused, and how long range queries took.
    pub queries: QueryInstruments,
    /// `prometheus_engine_query_duration_seconds`: what queriers spend on a query.
    pub engine: EngineDurations,
    /// `cortex_query_seconds_total`: counted by query-frontends, as all that follow.
    pub query_seconds: Family<UserSharded, Counter<f64, AtomicU64>>,
    /// `cortex_query_fetched_series_total`.
    pub fetched_series: PerUser,
    /// `cortex_query_fetched_chunks_total`.
    pub fetched_chunks: PerUser,
    /// `cortex_query_fetched_chunk_bytes_total`.
    pub fetched_chunk_bytes: PerUser,
    /// `cortex_frontend_split_queries_total`: parts that range queries were split into.
    pub split_queries: Counter,
    /// `cortex_frontend_query_sharding_rewrites_attempted_total`: queries that were looked at for sharding.
    pub sharding_attempted: Counter,
    /// `cortex_frontend_query_sharding_rewrites_succeeded_total`: queries of which something was sharded.
    pub sharding_succeeded: Counter,
    /// `cortex_frontend_sharded_queries_per_query`: sub-queries over shards of a query of which something was sharded.
    pub sharded_queries: Histogram,
    /// `cortex_frontend_query_result_cache_requests_total`: parts of range queries that were looked for in the cache of results.
    pub result_cache_requests: Family<RequestType, Counter>,
    /// `cortex_frontend_query_result_cache_hits_total`: those of which something was found.
    pub result_cache_hits: Family<RequestType, Counter>,
    /// `cortex_frontend_query_result_cache_skipped_total`: those that may not be cached.
    pub result_cache_skipped: Family<Reason, Counter>,
}

impl Instruments {
    /// Makes the instruments and registers them. To be called once per registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        all.engine.register(registry);
        let cortex = registry.sub_registry_with_prefix("cortex");
        let reasons = [
            ("discarded_samples", "Samples that were refused", &all.discarded_samples),
            ("discarded_exemplars", "Exemplars that were not stored", &all.discarded_exemplars),
            ("discarded_metadata", "Metadata that was refused", &all.discarded_metadata),
            ("discarded_requests", "Requests that were refused as a whole", &all.discarded_requests),
        ];
        for (name, help, family) in reasons {
            cortex.register(name, help, family.clone());
        }
        let users = [
            ("distributor_requests_in", "Push requests, before anything is looked at", &all.requests_in),
            ("distributor_received_requests", "Push requests that were not refused as a whole", &all.received_requests),
            ("distributor_samples_in", "Samples, before validation", &all.samples_in),
            ("distributor_received_samples", "Samples, after validation", &all.received_samples),
            ("distributor_exemplars_in", "Exemplars, before validation", &all.exemplars_in),
            ("distributor_received_exemplars", "Exemplars, after validation", &all.received_exemplars),
            ("distributor_metadata_in", "Metadata entries, before validation", &all.metadata_in),
            ("distributor_received_metadata", "Metadata entries, after validation", &all.received_metadata),
            ("ingester_memory_series_created", "Series that came into memory", &all.series_created),
            ("ingester_memory_series_removed", "Series that left memory", &all.series_removed),
            ("ingester_ingested_samples", "Samples that were stored", &all.ingested_samples),
            ("ingester_ingested_samples_failures", "Samples that were refused", &all.ingested_samples_failures),
            ("query_fetched_series", "Series that queries read", &all.fetched_series),
            ("query_fetched_chunks", "Chunks that queries read", &all.fetched_chunks),
            ("query_fetched_chunk_bytes", "Bytes of chunks that queries read", &all.fetched_chunk_bytes),
        ];
        for (name, help, family) in users {
            cortex.register(name, help, family.clone());
        }
        cortex.register(
            "distributor_latest_seen_sample_timestamp_seconds",
            "Greatest timestamp of a sample, seconds since the Unix epoch",
            all.latest_sample.clone(),
        );
        let rejected = all.instance_rejected.clone();
        cortex.register(
            "distributor_instance_rejected_requests",
            "Pushes refused since this distributor is at a limit of its own",
            rejected,
        );
        cortex.register("distributor_instance_limits", "Limits of this distributor; 0 is none", all.instance_limits.clone());
        cortex.register("distributor_sample_delay_seconds", "How old samples were when they came", all.sample_delays.clone());
        all.ha.register(cortex);
        cortex.register("labels_per_sample", "Labels of a series", all.labels_per_series.clone());
        let counters = [
            ("ingester_ingested_exemplars", "Exemplars that were stored", &all.ingested_exemplars),
            ("ingester_ingested_exemplars_failures", "Exemplars that were refused", &all.ingested_exemplars_failures),
            ("ingester_ingested_metadata", "Metadata entries that were stored", &all.ingested_metadata),
            ("ingester_ingested_metadata_failures", "Metadata entries that were refused", &all.ingested_metadata_failures),
        ];
        for (name, help, counter) in counters {
            cortex.register(name, help, counter.clone());
        }
        cortex.register("ingester_memory_series", "Series in memory", all.memory_series.clone());
        cortex.register("ingester_memory_users", "Tenants in memory", all.memory_users.clone());
        cortex.register("query_seconds", "Time that queries took, in seconds", all.query_seconds.clone());
        cortex.register("frontend_split_queries", "Parts that range queries were split into", all.split_queries.clone());
        all.heads.register(cortex);
        all.head_exemplars.register(cortex);
        all.queries.register(cortex);
        all.register_frontend(cortex);
        all
    }

    fn register_frontend(&self, cortex: &mut Registry) {
        let frontend = cortex.sub_registry_with_prefix("frontend");
        let (attempted, succeeded) = (self.sharding_attempted.clone(), self.sharding_succeeded.clone());
        frontend.register("query_sharding_rewrites_attempted", "Queries that were looked at for sharding", attempted);
        frontend.register("query_sharding_rewrites_succeeded", "Queries of which something was sharded", succeeded);
        frontend.register("sharded_queries_per_query", "Sub-queries over shards of a sharded query", self.sharded_queries.clone());
        let (requests, hits) = (self.result_cache_requests.clone(), self.result_cache_hits.clone());
        frontend.register("query_result_cache_requests", "Parts of queries that were looked for in the cache of results", requests);
        frontend.register("query_result_cache_hits", "Parts of queries of which something was cached", hits);
        frontend.register("query_result_cache_skipped", "Parts of queries that may not be cached", self.result_cache_skipped.clone());
    }

    /// Counts a push that was refused since this distributor is at a limit of its own.
    pub fn reject(&self, limit: Rejected) {
        let reason = match limit {
            Rejected::Inflight => "distributor_max_inflight_push_requests",
            Rejected::Bytes => "distributor_max_inflight_push_requests_bytes",
            Rejected::Rate => "distributor_max_ingestion_rate",
        };
        self.instance_rejected.get_or_create(&Reason { reason }).inc();
    }

    /// Shows the limits of this distributor.
    #[allow(clippy::cast_precision_loss, reason = "limits far below 2^53")]
    pub fn show_instance_limits(&self, config: &IngestConfig) {
        let limits = [
            ("max_inflight_push_requests", config.max_inflight_push_requests as f64),
            ("max_inflight_push_requests_bytes", config.max_inflight_push_requests_bytes.0 as f64),
            ("max_ingestion_rate", config.max_ingestion_rate),
        ];
        for (limit, value) in limits {
            self.instance_limits.get_or_create(&Limit { limit }).set(value);
        }
    }

    /// Counts samples that were refused for one reason.
    pub fn discard_samples(&self, tenant: &TenantId, reason: &str, count: u64) {
        discard(&self.discarded_samples, tenant, reason, count);
    }
}

/// Counts `count` things that were refused for one reason.
pub(crate) fn discard(family: &PerReason, tenant: &TenantId, reason: &str, count: u64) {
    if count > 0 {
        family.get_or_create(&UserReason { reason: reason.to_owned(), user: tenant.as_str().to_owned() }).inc_by(count);
    }
}

/// Instruments that nobody reads: for tests and tools.
impl Default for Instruments {
    fn default() -> Self {
        Self {
            discarded_samples: Family::default(),
            discarded_exemplars: Family::default(),
            discarded_metadata: Family::default(),
            discarded_requests: Family::default(),
            requests_in: Family::default(),
            received_requests: Family::default(),
            samples_in: Family::default(),
            received_samples: Family::default(),
            exemplars_in: Family::default(),
            received_exemplars: Family::default(),
            instance_rejected: Family::default(),
            ha: HaInstruments::default(),
            instance_limits: Family::default(),
            metadata_in: Family::default(),
            received_metadata: Family::default(),
            latest_sample: Family::default(),
            labels_per_series: Histogram::new([5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 75.0, 100.0]),
            sample_delays: SampleDelays::default(),
            memory_series: Gauge::default(),
            memory_users: Gauge::default(),
            series_created: Family::default(),
            series_removed: Family::default(),
            ingested_samples: Family::default(),
            ingested_samples_failures: Family::default(),
            ingested_exemplars: Counter::default(),
            ingested_exemplars_failures: Counter::default(),
            ingested_metadata: Counter::default(),
            ingested_metadata_failures: Counter::default(),
            heads: HeadInstruments::default(),
            head_exemplars: HeadExemplars::default(),
            queries: QueryInstruments::default(),
            engine: EngineDurations::default(),
            query_seconds: Family::default(),
            fetched_series: Family::default(),
            fetched_chunks: Family::default(),
            fetched_chunk_bytes: Family::default(),
            split_queries: Counter::default(),
            sharding_attempted: Counter::default(),
            sharding_succeeded: Counter::default(),
            sharded_queries: Histogram::new([0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            result_cache_requests: Family::default(),
            result_cache_hits: Family::default(),
            result_cache_skipped: Family::default(),
        }
    }
}
