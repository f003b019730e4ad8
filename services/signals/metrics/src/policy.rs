//! What roles are told of a tenant's limits.

use std::time::Duration;

use runtime::config::HumanDuration;
use signal::{RowDrop, TimeRange};
use syntax::LabelMatcher;
use tenancy::{Overrides, TenantId};

use crate::drops;
use crate::limits::MetricsLimits;

/// Answers from the limits as they are now.
#[derive(Clone, Debug)]
pub struct MetricsPolicy {
    limits: Overrides<MetricsLimits>,
}

impl MetricsPolicy {
    /// From these limits.
    #[must_use]
    pub const fn new(limits: Overrides<MetricsLimits>) -> Self {
        Self { limits }
    }
}

impl signal::Policy for MetricsPolicy {
    fn ingest_shard(&self, tenant: &TenantId) -> usize {
        count(self.limits.of(tenant).ingestion_tenant_shard_size)
    }

    fn store_shard(&self, tenant: &TenantId) -> usize {
        count(self.limits.of(tenant).store_gateway_tenant_shard_size)
    }

    fn querier_shard(&self, tenant: &TenantId) -> usize {
        count(self.limits.of(tenant).max_queriers_per_tenant)
    }

    fn retention(&self, tenant: &TenantId) -> Option<Duration> {
        let limits = self.limits.of(tenant);
        let kept = limits.retention_series.longest(limits.compactor_blocks_retention_period);
        (!kept.is_zero()).then(|| kept.get())
    }

    fn max_parallelism(&self, tenant: &TenantId) -> usize {
        count(self.limits.of(tenant).max_query_parallelism).max(1)
    }

    fn max_query_bytes(&self, tenant: &TenantId) -> u64 {
        self.limits.of(tenant).max_estimated_memory_consumption_per_query
    }

    fn drops(&self, tenant: &TenantId, now_ns: i64) -> Vec<RowDrop> {
        let limits = self.limits.of(tenant);
        if limits.retention_series.0.is_empty() {
            return Vec::new();
        }
        let mut before: Vec<Vec<LabelMatcher>> = Vec::new();
        let mut drops = Vec::new();
        let mut keep = |period: HumanDuration, what: String| {
            if !period.is_zero() {
                drops.push(RowDrop { range: TimeRange { start: i64::MIN, end: now_ns.saturating_sub(period.as_ns()) }, what });
            }
        };
        for rule in limits.retention_series.by_priority() {
            keep(rule.period, drops::encode_except(std::slice::from_ref(&rule.matchers), &before));
            before.push(rule.matchers.clone());
        }
        // Blocks are kept as long as any row of theirs: the rest goes by the period of all.
        keep(limits.compactor_blocks_retention_period, drops::encode_except(&[Vec::new()], &before));
        drops
    }

    fn merge_shards(&self, tenant: &TenantId) -> u32 {
        u32::try_from(self.limits.of(tenant).compactor_split_and_merge_shards).unwrap_or(u32::MAX)
    }
}

/// A limit as a number of things; more than can be counted is all.
fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
