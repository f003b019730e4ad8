use super::*;

#[test]
fn defaults_are_mimirs() {
    let limits = MetricsLimits::default();
    assert_eq!(limits.max_label_names_per_series, 30);
    assert_eq!(limits.max_global_series_per_user, 150_000);
    assert_eq!(limits.ingestion_burst_size, 200_000);
    assert_eq!(limits.creation_grace_period.get().as_secs(), 600);
}

/// What Mimir's operators set for roles that are not here does not keep the rest of their file from being read.
#[test]
fn limits_of_absent_roles_are_read() {
    let text = r#"{"ruler_max_rules_per_rule_group": 50, "ruler_evaluation_delay_duration": "2m", "alertmanager_notification_rate_limit": 1.5,
        "compactor_split_groups": 4, "compactor_tenant_shard_size": 1, "split_instant_queries_by_interval": "3h", "ingestion_rate": 7}"#;
    let limits: MetricsLimits = serde_json::from_str(text).expect("all of them are known");
    assert!((limits.ingestion_rate - 7.0).abs() < f64::EPSILON);
    assert_eq!((limits.ruler_max_rules_per_rule_group, limits.ruler_max_rule_groups_per_tenant), (50, 70));
}
