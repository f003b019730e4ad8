//! What roles are told of a tenant's limits.

use std::time::Duration;

use tenancy::{Overrides, TenantId};

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

    fn retention(&self, tenant: &TenantId) -> Option<Duration> {
        let kept = self.limits.of(tenant).compactor_blocks_retention_period;
        (!kept.is_zero()).then(|| kept.get())
    }

    fn max_parallelism(&self, tenant: &TenantId) -> usize {
        count(self.limits.of(tenant).max_query_parallelism).max(1)
    }

    fn max_query_bytes(&self, tenant: &TenantId) -> u64 {
        self.limits.of(tenant).max_estimated_memory_consumption_per_query
    }
}

/// A limit as a number of things; more than can be counted is all.
fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
