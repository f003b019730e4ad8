use std::collections::HashMap;
use std::sync::Arc;

use runtime::config::HumanDuration;
use signal::Policy;
use tenancy::overrides::Limits;

use super::*;

#[test]
fn limits_of_a_tenant_are_told_and_follow_a_reload() {
    let own = MetricsLimits {
        ingestion_tenant_shard_size: 3,
        store_gateway_tenant_shard_size: 2,
        compactor_blocks_retention_period: HumanDuration::from_secs(3600),
        max_query_parallelism: 0,
        max_estimated_memory_consumption_per_query: 7,
        ..MetricsLimits::default()
    };
    let (named, other) = (TenantId::parse("named").unwrap(), TenantId::parse("other").unwrap());
    let tenants = HashMap::from([(named.clone(), Arc::new(own))]);
    let limits = Overrides::new(Limits { defaults: Arc::default(), tenants });
    let policy = MetricsPolicy::new(limits.clone());
    assert_eq!((policy.ingest_shard(&named), policy.store_shard(&named), policy.max_query_bytes(&named)), (3, 2, 7));
    assert_eq!((policy.retention(&named), policy.retention(&other)), (Some(Duration::from_secs(3600)), None));
    assert_eq!((policy.max_parallelism(&named), policy.max_parallelism(&other)), (1, 14));
    limits.replace(Limits { defaults: Arc::default(), tenants: HashMap::new() });
    assert_eq!(policy.ingest_shard(&named), 0);
}
