//! What roles must know of a tenant's limits without knowing the limits: each signal has a tree of its own.

use std::time::Duration;

use tenancy::TenantId;

use crate::RowDrop;

/// A signal's answers about one tenant, from its limits; they change when an overrides file does.
pub trait Policy: Send + Sync {
    /// How many ingesters hold the tenant's rows; 0 is all of them.
    fn ingest_shard(&self, tenant: &TenantId) -> usize;

    /// How many store-gateways serve the tenant's blocks; 0 is all of them.
    fn store_shard(&self, tenant: &TenantId) -> usize;

    /// How many queriers work for the tenant; 0 is all of them.
    fn querier_shard(&self, tenant: &TenantId) -> usize {
        let _ = tenant;
        0
    }

    /// How long rows are kept; `None` is for ever, or what the process says.
    fn retention(&self, tenant: &TenantId) -> Option<Duration>;

    /// How many parts of the tenant's queries run at once.
    fn max_parallelism(&self, tenant: &TenantId) -> usize;

    /// How many bytes one query may hold in a querier; 0 is no limit of the tenant's own.
    fn max_query_bytes(&self, tenant: &TenantId) -> u64;

    /// Rows whose own retention is over at `now_ns`, beside what [`Policy::retention`] says of all rows. The order and the words follow from
    /// the limits alone; with the time only the ends of the ranges move.
    fn drops(&self, tenant: &TenantId, now_ns: i64) -> Vec<RowDrop> {
        let _ = (tenant, now_ns);
        Vec::new()
    }

    /// Into how many shards the tenant's rows are split when blocks are merged; 0 and 1: into none.
    fn merge_shards(&self, tenant: &TenantId) -> u32 {
        let _ = tenant;
        0
    }
}
