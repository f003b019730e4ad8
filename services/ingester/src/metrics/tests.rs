use super::*;

fn shown(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text
}

#[test]
fn pushes_queries_and_limits_are_shown() {
    let mut registry = Registry::default();
    let metrics = IngesterMetrics::register(&mut registry);
    let config = IngesterConfig::default();
    metrics.show_limits(&config);
    let first = metrics.push();
    let second = metrics.push();
    metrics.queries.inc();
    metrics.reject(InstanceLimit::Series);
    let bytes = config.max_inflight_push.0;
    for line in [
        "cortex_ingester_inflight_push_requests 2".to_owned(),
        "cortex_ingester_queries_total 1".to_owned(),
        "cortex_ingester_instance_limits{limit=\"max_series\"} 0.0".to_owned(),
        "cortex_ingester_instance_limits{limit=\"max_inflight_push_requests\"} 30000.0".to_owned(),
        format!("cortex_ingester_instance_limits{{limit=\"max_inflight_push_requests_bytes\"}} {bytes}.0"),
        "cortex_ingester_instance_rejected_requests_total{reason=\"ingester_max_series\"} 1".to_owned(),
        "cortex_ingester_instance_rejected_requests_total{reason=\"ingester_max_inflight_read_requests\"} 0".to_owned(),
    ] {
        assert!(shown(&registry).lines().any(|shown| shown == line), "{line}");
    }
    drop((first, second));
    assert!(shown(&registry).contains("cortex_ingester_inflight_push_requests 0\n"));
}

#[test]
fn the_times_of_rows_in_memory_are_shown() {
    let mut registry = Registry::default();
    let metrics = IngesterMetrics::register(&mut registry);
    let label = SignalLabel { signal: "metrics" };
    let range = |start: i64, end: i64| TimeRange { start: start * 1_000_000_000, end: end * 1_000_000_000 + 1_000_000 };
    metrics.show_times(&label, Some(around(range(5, 7), range(3, 6))));
    let has = |line: &str| shown(&registry).lines().any(|shown| shown == line);
    assert!(has("cortex_ingester_tsdb_head_min_timestamp_seconds{signal=\"metrics\"} 3.0"));
    assert!(has("cortex_ingester_tsdb_head_max_timestamp_seconds{signal=\"metrics\"} 7.0"));
    metrics.show_times(&label, None);
    assert!(has("cortex_ingester_tsdb_head_max_timestamp_seconds{signal=\"metrics\"} 0.0"));
}
