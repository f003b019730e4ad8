//! What roles must know of a tenant's limits without knowing the limits: each signal has a tree of its own.

use std::time::Duration;

use tenancy::TenantId;

/// A signal's answers about one tenant, from its limits; they change when an overrides file does.
pub trait Policy: Send + Sync {
    /// How many ingesters hold the tenant's rows; 0 is all of them.
    fn ingest_shard(&self, tenant: &TenantId) -> usize;

    /// How many store-gateways serve the tenant's blocks; 0 is all of them.
    fn store_shard(&self, tenant: &TenantId) -> usize;

    /// How long rows are kept; `None` is for ever, or what the process says.
    fn retention(&self, tenant: &TenantId) -> Option<Duration>;

    /// How many parts of the tenant's queries run at once.
    fn max_parallelism(&self, tenant: &TenantId) -> usize;

    /// How many bytes one query may hold in a querier; 0 is no limit of the tenant's own.
    fn max_query_bytes(&self, tenant: &TenantId) -> u64;
}
