use std::collections::HashMap;
use std::sync::Arc;

use runtime::config::HumanDuration;
use signal::Policy;
use tenancy::overrides::Limits;

use super::*;
use crate::drops::Drops;
use crate::model::Labels;

#[test]
fn limits_of_a_tenant_are_told_and_follow_a_reload() {
    let own = MetricsLimits {
        ingestion_tenant_shard_size: 3,
        store_gateway_tenant_shard_size: 2,
        compactor_blocks_retention_period: HumanDuration::from_secs(3600),
        max_queriers_per_tenant: 4,
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
    assert_eq!((policy.querier_shard(&named), policy.querier_shard(&other)), (4, 0));
    limits.replace(Limits { defaults: Arc::default(), tenants: HashMap::new() });
    assert_eq!(policy.ingest_shard(&named), 0);
}

#[test]
fn of_several_rules_the_one_with_the_highest_priority_holds() {
    let day = 86_400_000;
    let rules = r#"[
        {"selector": "{env=\"dev\"}", "period": "1d"},
        {"selector": "{env=\"dev\",team=\"a\"}", "period": "10d", "priority": 5},
        {"selector": "audit", "period": "0s", "priority": 9}
    ]"#;
    let limits = MetricsLimits {
        retention_series: serde_json::from_str(rules).unwrap(),
        compactor_blocks_retention_period: HumanDuration::from_secs(3 * 86_400),
        ..MetricsLimits::default()
    };
    let policy = MetricsPolicy::new(Overrides::fixed(limits));
    let tenant = TenantId::anonymous();
    // One rule keeps rows for ever: no block goes as a whole.
    assert_eq!(policy.retention(&tenant), None);
    let now = 20 * day;
    let drops = Drops::compile(&policy.drops(&tenant, now * 1_000_000)).unwrap();
    let over = |pairs: &[(&str, &str)]| drops.of(&Labels::from_pairs(pairs.iter().copied())).first().map(|span| (now - span.1) / day);
    assert_eq!(over(&[("__name__", "up"), ("env", "dev")]), Some(1));
    assert_eq!(over(&[("__name__", "up"), ("env", "dev"), ("team", "a")]), Some(10));
    assert_eq!(over(&[("__name__", "audit"), ("env", "dev"), ("team", "a")]), None);
    assert_eq!(over(&[("__name__", "up"), ("env", "prod")]), Some(3));
    assert!(serde_json::from_str::<crate::limits::RetentionRules>(r#"[{"selector": "{", "period": "1d"}]"#).is_err());
}
