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
    let bytes = config.max_inflight_push.0;
    for line in [
        "cortex_ingester_inflight_push_requests 2".to_owned(),
        "cortex_ingester_queries_total 1".to_owned(),
        "cortex_ingester_instance_limits{limit=\"max_series\"} 0".to_owned(),
        format!("cortex_ingester_instance_limits{{limit=\"max_inflight_push_requests_bytes\"}} {bytes}"),
    ] {
        assert!(shown(&registry).lines().any(|shown| shown == line), "{line}");
    }
    drop((first, second));
    assert!(shown(&registry).contains("cortex_ingester_inflight_push_requests 0\n"));
}
