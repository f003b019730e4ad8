//! Limits of a tenant, by the names that Mimir's operators know. Limits that say "no effect yet" are read, so that an
//! existing overrides file loads as it is, and wait for the issue that needs them.

mod list;
mod queries;
mod retention;
mod trackers;

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::config::HumanDuration;
use runtime::{setting_enum, settings};
use tenancy::{Overrides, Tenants};

use crate::ingest::relabel::RelabelConfigs;

pub use crate::ingest::otlp::TranslationStrategy;
pub use list::CommaList;
pub use queries::{BlockedQueries, BlockedQuery, LimitedQueries, LimitedQuery, Stepping};
pub use retention::{RetentionRule, RetentionRules};
pub use trackers::{CustomTrackers, Tracked};

setting_enum! {
    /// Which names of metrics and labels are accepted.
    pub enum NameValidation {
        /// Letters, digits, underscores, and colons in metric names.
        Legacy = "legacy",
        /// Any UTF-8.
        Utf8 = "utf8",
    }
}

setting_enum! {
    /// What becomes of a label's value that is too long.
    pub enum OverLength {
        /// Its series is refused.
        Error = "error",
        /// It is cut, and a hash of the whole of it stands at its end.
        Truncate = "truncate",
        /// A hash of it stands in its place.
        Drop = "drop",
    }
}

settings! {
    /// Limits of one tenant for metrics.
    pub struct MetricsLimits {
        /// Push requests per second over all distributors; 0 is no limit.
        pub request_rate: f64 = 0.0,
        /// Push requests that may come at once; 0 is no limit.
        pub request_burst_size: u64 = 0,
        /// Whether a push above one of these rates is answered with 529, and not with 429.
        pub service_overload_status_code_on_rate_limit_enabled: bool = false,
        /// Samples and metadata per second over all distributors.
        pub ingestion_rate: f64 = 10_000.0,
        /// Samples and metadata that may come at once.
        pub ingestion_burst_size: u64 = 200_000,
        /// If it is above 0: how many seconds of `ingestion_rate` may come at once, whatever `ingestion_burst_size` says.
        pub ingestion_burst_factor: f64 = 0.0,
        /// Series with recent samples over all ingesters; 0 is no limit.
        pub max_global_series_per_user: u64 = 150_000,
        /// Series that got a sample within twenty minutes, over all ingesters: others are answered with 429. 0 is no limit.
        pub max_active_series_per_user: u64 = 0,
        /// Series of one metric with recent samples over all ingesters; 0 is no limit.
        pub max_global_series_per_metric: u64 = 0,
        /// Selectors by name, as `dev: '{namespace="dev"}'`: ingesters show how many active series each of them selects.
        pub active_series_custom_trackers: CustomTrackers = CustomTrackers::default(),
        /// More of them, beside those that hold for all tenants. Of two with one name this one holds.
        pub active_series_additional_custom_trackers: CustomTrackers = CustomTrackers::default(),
        /// Labels of a series, the name included.
        pub max_label_names_per_series: usize = 30,
        /// Labels of a series whose metric name ends in `_info`, the name included.
        pub max_label_names_per_info_series: usize = 80,
        /// Bytes of a label's name.
        pub max_label_name_length: usize = 1024,
        /// Bytes of a label's value.
        pub max_label_value_length: usize = 2048,
        /// What becomes of a label's value that is too long. Other than `error` needs a `max_label_value_length` of 71 at least.
        pub label_value_length_over_limit_strategy: OverLength = OverLength::Error,
        /// Bytes of a metric's name in metadata; longer help texts are cut.
        pub max_metadata_length: usize = 1024,
        /// Accepted names.
        pub name_validation_scheme: NameValidation = NameValidation::Utf8,
        /// How far in the future a sample may be dated.
        pub creation_grace_period: HumanDuration = HumanDuration::from_secs(600),
        /// How far in the past a sample may be dated, beyond the out-of-order window; `0s` is no limit.
        pub past_grace_period: HumanDuration = HumanDuration::from_secs(0),
        /// How much older than the newest sample of its series a sample may be; `0s` refuses all that are older.
        pub out_of_order_time_window: HumanDuration = HumanDuration::from_secs(0),
        /// Exemplars that all ingesters together keep; the oldest go first. 0 stores none.
        pub max_global_exemplars_per_user: u64 = 100_000,
        /// Exemplars of one series in one push; those after them are left out. 0 is no limit.
        pub max_exemplars_per_series_per_request: usize = 0,
        /// Whether a push is told nothing of exemplars that are older than the newest of their series.
        pub ignore_ooo_exemplars: bool = false,
        /// Metrics that have metadata over all ingesters; 0 is no limit.
        pub max_global_metadata_per_user: u64 = 0,
        /// Metadata entries of one metric over all ingesters; 0 is no limit.
        pub max_global_metadata_per_metric: u64 = 0,
        /// Whether native histograms are stored; else they are dropped silently.
        pub native_histograms_ingestion_enabled: bool = true,
        /// No effect: native histograms may come as late as other samples.
        pub ooo_native_histograms_ingestion_enabled: bool = false,
        /// Buckets of a native histogram; 0 is no limit.
        pub max_native_histogram_buckets: u64 = 0,
        /// Whether a native histogram with too many buckets is brought to a coarser resolution; else it is refused.
        pub reduce_native_histogram_over_max_buckets: bool = true,
        /// Whether the time at which a counter began, as remote write 2.0 tells it, becomes a sample with the value 0.
        pub created_timestamp_zero_ingestion_enabled: bool = false,
        /// Rules that change or drop series before they are checked, as Prometheus's `metric_relabel_configs`.
        pub metric_relabel_configs: RelabelConfigs = RelabelConfigs::default(),
        /// Whether those rules are applied.
        pub metric_relabeling_enabled: bool = true,
        /// Labels that are taken off every series.
        pub drop_labels: Vec<String> = Vec::new(),
        /// Whether samples of high-availability pairs are told apart: those of one replica of each pair are stored.
        pub accept_ha_samples: bool = false,
        /// The label that names a high-availability pair.
        pub ha_cluster_label: String = "cluster".to_owned(),
        /// The label that names a replica of a pair; it is taken off the series.
        pub ha_replica_label: String = "__replica__".to_owned(),
        /// High-availability pairs of a tenant; 0 is no limit.
        pub ha_max_clusters: u64 = 100,
        /// Whether OTLP metrics get suffixes of type and unit.
        pub otel_metric_suffixes_enabled: bool = false,
        /// How names of OTLP become names of Prometheus; empty: escaped, with suffixes by `otel_metric_suffixes_enabled`.
        pub otel_translation_strategy: TranslationStrategy = TranslationStrategy::Auto,
        /// Whether labels that begin with one underscore after escaping get `key` in front.
        pub otel_label_name_underscore_sanitization: bool = true,
        /// Whether runs of underscores in labels are kept when names are escaped.
        pub otel_label_name_preserve_multiple_underscores: bool = false,
        /// Attributes of an OTLP resource that become labels of all its series: a list, or a text with commas.
        pub promote_otel_resource_attributes: CommaList = CommaList::default(),
        /// Whether `target_info` keeps the attributes that `job` and `instance` are made of.
        pub otel_keep_identifying_resource_attributes: bool = false,
        /// Whether name, version, schema and attributes of an OTLP scope become labels `otel_scope_…` of its series.
        pub otel_promote_scope_metadata: bool = false,
        /// Whether OTLP sums and histograms of delta temporality are stored as they come; else they are refused.
        pub otel_native_delta_ingestion: bool = false,
        /// Whether OTLP histograms with explicit bounds become native histograms with custom buckets.
        pub otel_convert_histograms_to_nhcb: bool = false,
        /// Whether the time at which an OTLP counter began becomes a sample with the value 0.
        pub otel_created_timestamp_zero_ingestion_enabled: bool = false,
        /// Ingesters that hold a tenant's series; 0 is all.
        pub ingestion_tenant_shard_size: u64 = 0,
        /// Store-gateways that serve a tenant's blocks. No effect: any of them may own a block, whoever's it is.
        pub store_gateway_tenant_shard_size: u64 = 0,
        /// How far back ingesters are asked. No effect: a range is asked of every ingester that may hold it.
        pub query_ingesters_within: HumanDuration = HumanDuration::from_secs(13 * 3600),
        /// Series that one query may fetch; 0 is no limit.
        pub max_fetched_series_per_query: u64 = 0,
        /// Chunks that one query may fetch; 0 is no limit.
        pub max_fetched_chunks_per_query: u64 = 2_000_000,
        /// Bytes of chunks that one query may fetch; 0 is no limit.
        pub max_fetched_chunk_bytes_per_query: u64 = 0,
        /// Bytes of memory that one query may hold; 0 is no limit of its own.
        pub max_estimated_memory_consumption_per_query: u64 = 0,
        /// `end - start` of a query; `0s` is no limit.
        pub max_total_query_length: HumanDuration = HumanDuration::from_secs(0),
        /// `end - start` of a part of a query after splitting; `0s` is no limit.
        pub max_partial_query_length: HumanDuration = HumanDuration::from_secs(0),
        /// How far back a query may look; older data is left out silently. `0s` is no limit.
        pub max_query_lookback: HumanDuration = HumanDuration::from_secs(0),
        /// `end - start` of a query for labels or series; longer ones are cut silently. `0s` is no limit.
        pub max_labels_query_length: HumanDuration = HumanDuration::from_secs(0),
        /// Bytes of a query's text; 0 is no limit.
        pub max_query_expression_size_bytes: u64 = 0,
        /// Parts of a query that run at once.
        pub max_query_parallelism: u64 = 14,
        /// Shards of an aggregation at most; 0 and 1: none.
        pub query_sharding_total_shards: u64 = 16,
        /// Sub-queries over shards that a query has at most; 0 is no limit.
        pub query_sharding_max_sharded_queries: u64 = 128,
        /// Whether start and end of a range query are moved back to multiples of its step.
        pub align_queries_with_step: bool = false,
        /// Values younger than this are not cached.
        pub max_cache_freshness: HumanDuration = HumanDuration::from_secs(600),
        /// How long values are cached that no sample can change any more: they are older than the two hours and the
        /// `past_grace_period` and `out_of_order_time_window` before now. Without a `past_grace_period` there are none.
        pub results_cache_ttl: HumanDuration = HumanDuration::from_secs(7 * 86_400),
        /// How long values are cached that a late sample may still change.
        pub results_cache_ttl_for_out_of_order_time_window: HumanDuration = HumanDuration::from_secs(600),
        /// Whether range queries are cached whose start is no multiple of their step.
        pub cache_unaligned_requests: bool = false,
        /// Queriers that work for a tenant, always the same ones; 0 is all.
        pub max_queriers_per_tenant: u64 = 0,
        /// Experimental functions and aggregations of PromQL that queries may use; `all` is each of them.
        pub enabled_promql_experimental_functions: CommaList = CommaList::new(["all"]),
        /// Experimental modifiers of selectors, `anchored` and `smoothed`, that queries may use; `all` is both.
        pub enabled_promql_extended_range_selectors: CommaList = CommaList::new(["all"]),
        /// Queries that are refused: a list of `pattern`, `regex`, `reason`, `time_range_longer_than`, `step_size_shorter_than`.
        pub blocked_queries: BlockedQueries = BlockedQueries::default(),
        /// Queries that may run only so often: a list of `query` and `allowed_frequency`.
        pub limited_queries: LimitedQueries = LimitedQueries::default(),
        /// Whether the cardinality of labels may be asked for.
        pub cardinality_analysis_enabled: bool = false,
        /// Names of labels of one question for the cardinality of values.
        pub label_values_max_cardinality_label_names_per_request: usize = 100,
        /// Names of labels that an answer may hold; 0 is no limit.
        pub max_label_names_limit: u64 = 0,
        /// Values of a label that an answer may hold; 0 is no limit.
        pub max_label_values_limit: u64 = 0,
        /// Series that an answer to a question for series may hold; 0 is no limit.
        pub max_series_query_limit: u64 = 0,
        /// Items of one list that the cardinality of labels may be asked for; 0 is no limit.
        pub cardinality_analysis_max_results: u64 = 0,
        /// How long blocks are kept; `0s` is for ever.
        pub compactor_blocks_retention_period: HumanDuration = HumanDuration::from_secs(0),
        /// How long some series are kept, whatever is said of all: a list of `selector`, `period` (`0s` is for ever) and `priority` (the highest holds).
        pub retention_series: RetentionRules = RetentionRules::default(),
        /// Into how many shards the rows of a tenant are split by merges of `compactor.split_from_bytes` and more; 0 is into none.
        pub compactor_split_and_merge_shards: u64 = 0,
        /// No effect: all compactors work on the jobs of all tenants.
        pub compactor_tenant_shard_size: u64 = 0,
        /// No effect: a merge reads all blocks of its window.
        pub compactor_split_groups: u64 = 1,
        /// How long an uploaded block (`mimirtool backfill`) is kept that nobody goes on with, or that could not be taken over; `0s`, and all below
        /// 4 hours: for ever. Files of Quartet's own blocks that belong to none go after `catalog.orphans_after`.
        pub compactor_partial_block_deletion_delay: HumanDuration = HumanDuration::from_secs(86_400),
        /// Whether blocks of Prometheus and Mimir may be uploaded to compactors (`mimirtool backfill`).
        pub compactor_block_upload_enabled: bool = false,
        /// Whether an uploaded block is refused whose files are not as its `meta.json` says, or whose index tells of chunks that overlap within a
        /// series or are outside the times of the block. Else all is taken over that can be read.
        pub compactor_block_upload_validation_enabled: bool = true,
        /// Whether, where uploaded blocks are checked at all, their samples must be in order and within the times of their chunks.
        pub compactor_block_upload_verify_chunks: bool = true,
        /// Bytes of all files of an uploaded block; 0 is no limit.
        pub compactor_block_upload_max_block_size_bytes: u64 = 0,
        /// No effect: instant queries are split by series, not by time.
        pub split_instant_queries_by_interval: HumanDuration = HumanDuration::from_secs(0),
        /// No effect: queries for labels and series are answered from indexes.
        pub results_cache_ttl_for_labels_query: HumanDuration = HumanDuration::from_secs(0),
        /// No effect: cardinalities are counted when they are asked for.
        pub results_cache_ttl_for_cardinality_query: HumanDuration = HumanDuration::from_secs(0),
        /// No effect: `ingest.metrics.ha_tracker_update_timeout` holds for all tenants.
        pub ha_tracker_update_timeout: HumanDuration = HumanDuration::from_secs(15),
        /// No effect: `ingest.metrics.ha_tracker_update_timeout_jitter_max` holds for all tenants.
        pub ha_tracker_update_timeout_jitter_max: HumanDuration = HumanDuration::from_secs(5),
        /// No effect: `ingest.metrics.ha_tracker_failover_timeout` holds for all tenants.
        pub ha_tracker_failover_timeout: HumanDuration = HumanDuration::from_secs(30),
        /// No effect: replicas are elected by when their samples come, not by the times of these.
        pub ha_tracker_sample_failover_timeout: HumanDuration = HumanDuration::from_secs(0),
        /// No effect: metadata without the name of a metric is always refused.
        pub enforce_metadata_metric_name: bool = true,
        /// No effect: counters of what is refused have no label `group`.
        pub separate_metrics_group_label: String = String::new(),
        /// No effect: heads are cut by their age and size.
        pub early_head_compaction_owned_series_threshold: u64 = 0,
        /// No effect: heads are cut by their age and size.
        pub early_head_compaction_min_estimated_series_reduction_percentage: u64 = 15,
        /// No effect: blocks have no labels.
        pub out_of_order_blocks_external_label_enabled: bool = false,
        /// No effect: there are no partitions.
        pub ingestion_partitions_tenant_shard_size: u64 = 0,
        /// No effect: a write that was answered is read at once.
        pub ingest_storage_read_consistency: String = "eventual".to_owned(),
        /// No effect: what a query fetches is counted, not estimated.
        pub max_estimated_fetched_chunks_per_query_multiplier: f64 = 0.0,
        /// No effect: regular expressions of any length are matched in shards.
        pub query_sharding_max_regexp_size_bytes: u64 = 4096,
        /// No effect: errors are not cached.
        pub results_cache_ttl_for_errors: HumanDuration = HumanDuration::from_secs(300),
        /// No effect: names of metrics go where a function or operator drops them.
        pub enable_delayed_name_removal: bool = false,
        /// No effect: subqueries run within their query.
        pub subquery_spin_off_enabled: bool = false,
        /// No effect: questions for labels are asked as they came.
        pub labels_query_optimizer_enabled: bool = true,
        /// No effect: answers take of the memory of queries.
        pub label_names_and_values_results_max_size_bytes: u64 = 400 << 20,
        /// No effect: answers take of the memory of queries.
        pub active_series_results_max_size_bytes: u64 = 400 << 20,
        /// No effect: there is no attribution of costs.
        pub max_cost_attribution_cardinality: u64 = 2000,
        /// No effect: there is no attribution of costs.
        pub cost_attribution_cooldown: HumanDuration = HumanDuration::from_secs(0),
        /// No effect: shards of store-gateways span all zones.
        pub store_gateway_tenant_shard_size_per_zone: u64 = 0,
        /// No effect: blocks of any age are merged.
        pub compactor_max_lookback: HumanDuration = HumanDuration::from_secs(0),
        /// No effect: how many blocks go up at once is a matter of the process.
        pub compactor_max_per_block_upload_concurrency: u64 = 8,
        /// No effect yet: there is no ruler.
        pub ruler_evaluation_consistency_max_delay: HumanDuration = HumanDuration::from_secs(0),
        /// No effect yet: there is no ruler.
        pub ruler_recording_rules_evaluation_enabled: bool = true,
        /// No effect yet: there is no ruler.
        pub ruler_alerting_rules_evaluation_enabled: bool = true,
        /// No effect yet: there is no ruler.
        pub ruler_sync_rules_on_changes_enabled: bool = true,
        /// No effect yet: there is no ruler.
        pub ruler_max_rules_per_rule_group_by_namespace: BTreeMap<String, u64> = BTreeMap::new(),
        /// No effect yet: there is no ruler.
        pub ruler_max_rule_groups_per_tenant_by_namespace: BTreeMap<String, u64> = BTreeMap::new(),
        /// No effect yet: there is no ruler.
        pub ruler_protected_namespaces: CommaList = CommaList::default(),
        /// No effect yet: there is no ruler.
        pub ruler_max_independent_rule_evaluation_concurrency_per_tenant: u64 = 4,
        /// No effect yet: there is no ruler.
        pub ruler_min_rule_evaluation_interval: HumanDuration = HumanDuration::from_secs(0),
        /// No effect yet: there is no ruler.
        pub ruler_max_rule_evaluation_results: u64 = 0,
        /// No effect yet: there is no ruler.
        pub ruler_evaluation_delay_duration: HumanDuration = HumanDuration::from_secs(60),
        /// No effect yet: there is no ruler.
        pub ruler_max_rules_per_rule_group: u64 = 20,
        /// No effect yet: there is no ruler.
        pub ruler_max_rule_groups_per_tenant: u64 = 70,
        /// No effect yet: there is no ruler.
        pub ruler_tenant_shard_size: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_config_size_bytes: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_notification_rate_limit: f64 = 0.0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_notification_rate_limit_per_integration: BTreeMap<String, f64> = BTreeMap::new(),
        /// No effect: there is no Alertmanager.
        pub alertmanager_receivers_firewall_block_cidr_networks: CommaList = CommaList::default(),
        /// No effect: there is no Alertmanager.
        pub alertmanager_receivers_firewall_block_private_addresses: bool = false,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_silences_count: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_silence_size_bytes: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_templates_count: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_template_size_bytes: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_dispatcher_aggregation_groups: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_alerts_count: u64 = 0,
        /// No effect: there is no Alertmanager.
        pub alertmanager_max_alerts_size_bytes: u64 = 0,
    }
}

impl MetricsLimits {
    /// The limits of a query: its tenant's; of several tenants the least of each limit on reading that any of them has.
    #[must_use]
    pub fn of_all(limits: &Overrides<Self>, tenants: &Tenants) -> Arc<Self> {
        let first = limits.of(tenants.first());
        if tenants.all().len() == 1 {
            return first;
        }
        let mut least = Self::clone(&first);
        for tenant in &tenants.all()[1..] {
            least.read_like(&limits.of(tenant));
        }
        Arc::new(least)
    }

    /// Takes over each limit on reading that is stricter in `other`.
    fn read_like(&mut self, other: &Self) {
        let counts = [
            (&mut self.max_fetched_series_per_query, other.max_fetched_series_per_query),
            (&mut self.max_fetched_chunks_per_query, other.max_fetched_chunks_per_query),
            (&mut self.max_fetched_chunk_bytes_per_query, other.max_fetched_chunk_bytes_per_query),
            (&mut self.max_estimated_memory_consumption_per_query, other.max_estimated_memory_consumption_per_query),
            (&mut self.max_query_expression_size_bytes, other.max_query_expression_size_bytes),
            (&mut self.max_query_parallelism, other.max_query_parallelism),
            (&mut self.max_label_names_limit, other.max_label_names_limit),
            (&mut self.max_label_values_limit, other.max_label_values_limit),
            (&mut self.max_series_query_limit, other.max_series_query_limit),
        ];
        for (mine, others) in counts {
            // 0 is no limit.
            *mine = [*mine, others].into_iter().filter(|limit| *limit > 0).min().unwrap_or(0);
        }
        self.blocked_queries.0.extend(other.blocked_queries.0.iter().cloned());
        self.limited_queries.0.extend(other.limited_queries.0.iter().cloned());
        self.align_queries_with_step &= other.align_queries_with_step;
        self.cardinality_analysis_enabled &= other.cardinality_analysis_enabled;
        let durations = [
            (&mut self.max_total_query_length, other.max_total_query_length),
            (&mut self.max_partial_query_length, other.max_partial_query_length),
            (&mut self.max_query_lookback, other.max_query_lookback),
            (&mut self.max_labels_query_length, other.max_labels_query_length),
            (&mut self.compactor_blocks_retention_period, other.compactor_blocks_retention_period),
        ];
        for (mine, others) in durations {
            *mine = [*mine, others].into_iter().filter(|limit| !limit.is_zero()).min_by_key(|limit| limit.get()).unwrap_or(*mine);
        }
    }
}

#[cfg(test)]
mod tests;
