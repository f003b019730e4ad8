use super::*;

fn shown(registry: &Registry) -> Vec<String> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_request_is_shown_when_it_is_over() {
    let mut registry = Registry::default();
    let metrics = GatewayMetrics::register(&mut registry);
    metrics.asked([1, 2, 1].into_iter());
    let account = ScanAccount::default();
    account.add_index(1000);
    account.add_index(500);
    account.add_row_scan();
    account.add_read(Amount { count: 40, bytes: 4000 });
    account.add_returned(3, Amount { count: 30, bytes: 2500 });
    account.add_time(Stage::Select, Duration::from_millis(500));
    account.add_time(Stage::Read, Duration::from_millis(250));
    account.add_time(Stage::Read, Duration::from_millis(500));
    metrics.answered(&account, Waits { turn: Duration::from_secs(2), sent: Duration::from_secs(1) });
    let shown = shown(&registry);
    for line in [
        r#"series_blocks_queried_sum{component="store-gateway",level="1"} 2.0"#,
        r#"series_blocks_queried_sum{component="store-gateway",level="2"} 1.0"#,
        r#"series_data_fetched_sum{component="store-gateway",data_type="index",stage=""} 2.0"#,
        r#"series_data_size_fetched_bytes_sum{component="store-gateway",data_type="index",stage=""} 1500.0"#,
        r#"series_data_size_fetched_bytes_sum{component="store-gateway",data_type="chunks",stage="fetched"} 4000.0"#,
        r#"series_data_touched_sum{component="store-gateway",data_type="series",stage=""} 3.0"#,
        r#"series_data_touched_sum{component="store-gateway",data_type="chunks",stage="returned"} 30.0"#,
        r#"series_data_size_touched_bytes_sum{component="store-gateway",data_type="chunks",stage="returned"} 2500.0"#,
        r#"series_result_series_sum{component="store-gateway"} 3.0"#,
        r#"series_request_stage_duration_seconds_sum{component="store-gateway",stage="wait_max_concurrent"} 2.0"#,
        r#"series_request_stage_duration_seconds_sum{component="store-gateway",stage="expand_postings"} 0.5"#,
        r#"series_request_stage_duration_seconds_sum{component="store-gateway",stage="fetch_series_and_chunks"} 0.75"#,
        r#"series_request_stage_duration_seconds_sum{component="store-gateway",stage="send"} 1.0"#,
    ] {
        let line = format!("cortex_bucket_store_{line}");
        assert!(shown.contains(&line), "{line}: {shown:#?}");
    }
}

#[test]
fn a_request_that_wants_no_rows_counts_no_series() {
    let mut registry = Registry::default();
    let metrics = GatewayMetrics::register(&mut registry);
    let account = ScanAccount::default();
    account.add_index(1000);
    metrics.answered(&account, Waits::default());
    let shown = shown(&registry);
    assert!(
        shown.iter().any(|line| line == r#"cortex_bucket_store_series_result_series_count{component="store-gateway"} 0"#),
        "{shown:#?}"
    );
    assert!(!shown.iter().any(|line| line.contains("data_type=\"chunks\"")), "{shown:#?}");
}
