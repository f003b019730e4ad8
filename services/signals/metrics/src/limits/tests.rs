use super::*;

#[test]
fn defaults_are_mimirs() {
    let limits = MetricsLimits::default();
    assert_eq!(limits.max_label_names_per_series, 30);
    assert_eq!(limits.max_global_series_per_user, 150_000);
    assert!(!limits.compactor_block_upload_enabled && limits.compactor_block_upload_validation_enabled);
    assert!(limits.compactor_block_upload_verify_chunks && limits.compactor_block_upload_max_block_size_bytes == 0);
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

/// Names of limits that only tune what is not here, as files of Mimir 2 and 3 have them.
#[test]
fn limits_that_only_tune_what_is_not_here_are_read() {
    let text = r#"{"ha_tracker_failover_timeout": "1m", "early_head_compaction_owned_series_threshold": 1500000, "results_cache_ttl_for_errors": "5m",
        "ruler_max_rules_per_rule_group_by_namespace": {"a": 30}, "ruler_protected_namespaces": "a,b", "alertmanager_max_silences_count": 10,
        "alertmanager_notification_rate_limit_per_integration": {"email": 0.5}, "ingest_storage_read_consistency": "strong", "request_rate": 3}"#;
    let limits: MetricsLimits = serde_json::from_str(text).expect("all of them are known");
    assert!((limits.request_rate - 3.0).abs() < f64::EPSILON);
    let refused = serde_json::from_str::<MetricsLimits>(r#"{"blocked_requests": []}"#).expect_err("it would not be in force");
    assert!(refused.to_string().contains("unknown field `blocked_requests`"), "{refused}");
}
