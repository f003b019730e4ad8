//! Pages for operators, of processes that run.

use serde_json::json;

use crate::client::{TENANT, Truth, until};
use crate::cluster::{Cluster, Town, now_ms};
use crate::replicas::times;

const SERIES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn all_user_stats_adds_up_what_the_ingesters_have() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    let path = "/distributor/all_user_stats";
    assert_eq!(client.page(cluster.distributor.http, path).await, json!([]));

    truth.write(&client, cluster.distributor.http, SERIES, &times(now)).await;
    // The slowest replica is not waited for.
    let page = until("all replicas have the series", async || {
        let page = client.page(cluster.distributor.http, path).await;
        (page[0]["numSeries"] == 3 * SERIES).then_some(page)
    })
    .await;
    assert_eq!(page.as_array().map(Vec::len), Some(1));
    assert_eq!((&page[0]["userID"], &page[0]["signal"], &page[0]["RuleIngestionRate"]), (&json!(TENANT), &json!("metrics"), &json!(0.0)));
    assert!(page[0]["ingestionRate"].as_f64() > Some(0.0) && page[0]["ingestionRate"] == page[0]["APIIngestionRate"], "{page}");
    let html = client.get(cluster.distributor.http, path, None).await;
    assert!(html.status == 200 && html.body.contains("<td>tenant") && html.body.contains("<td>60"), "{html:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compactors_show_tenants_and_the_merges_that_are_planned() {
    let mut town = Town::new();
    // Planned when the process starts and when it is asked for, and not in between: no worker takes a job before the pages were looked at.
    town.compactor.plan_period = runtime::config::HumanDuration::from_secs(3600);
    let cluster = Cluster::start(town).await;
    let (client, mut truth) = (cluster.town.client.clone(), Truth::default());
    // In the middle of a window, so that all of it becomes one block.
    let now = now_ms() / 7_200_000 * 7_200_000 - 3_600_000;
    truth.write(&client, cluster.distributor.http, SERIES, &times(now)).await;
    cluster.flush().await;

    let at = cluster.compactor.http;
    let planned = format!("/compactor/tenant/{TENANT}/planned_jobs");
    let tenants = until("the compactor knows the blocks", async || {
        let page = client.page(at, "/compactor/tenants").await;
        (page[0]["blocks"] == 3).then_some(page)
    })
    .await;
    assert_eq!((&tenants[0]["tenant"], &tenants[0]["planned_jobs"]), (&json!(TENANT), &json!(1)));
    assert!(tenants[0]["bytes"].as_u64() > Some(0), "{tenants}");
    let jobs = client.page(at, &planned).await;
    assert_eq!((&jobs[0]["signal"], &jobs[0]["blocks"]), (&json!("metrics"), &json!(3)), "{jobs}");
    assert_eq!(jobs[0]["names"].as_str().map(|names| names.split(", ").count()), Some(3));
    assert!(jobs[0]["from_ms"].as_i64() < jobs[0]["to_ms"].as_i64() && jobs[0]["to_ms"].as_i64() <= Some(now + 1), "{jobs}");
    let html = client.get(at, &planned, None).await;
    assert!(html.status == 200 && html.body.contains("Planned jobs of tenant"), "{html:?}");
    assert_eq!(client.page(at, "/compactor/tenant/nobody/planned_jobs").await, json!([]));
    let bad = client.get(at, "/compactor/tenant/a%20b/planned_jobs", None).await;
    assert_eq!(bad.status, 400, "{bad:?}");

    let compacted = client.post(at, "/compactor/compact", None, Vec::new()).await;
    assert_eq!(compacted.status, 200, "{compacted:?}");
    assert_eq!(client.page(at, &planned).await, json!([]), "nothing is left to do");
    let metrics = client.get(at, "/metrics", None).await.body;
    for line in [
        "cortex_compactor_blocks_marked_for_deletion_total{reason=\"compaction\"} 3",
        "cortex_compactor_group_compactions_total 1",
        "cortex_compactor_disk_out_of_space_errors_total 0",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not among\n{metrics}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_and_a_query_move_is_shown_by_each_role() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, SERIES, &times(now)).await;
    truth.check(&client, cluster.query_frontend.http, now, "from memory").await;
    cluster.flush().await;
    truth.check(&client, cluster.query_frontend.http, now, "from blocks").await;

    let ingester = cluster.ingesters[0].as_ref().expect("all ingesters run");
    until("the ingester has looked at what is active", async || {
        (ingester.gauge(&client, "cortex_ingester_active_series").await == Some(SERIES as f64)).then_some(())
    })
    .await;
    for (process, name, least) in [
        (ingester, "cortex_ingester_ingestion_rate_samples_per_second", SERIES as f64 / 65.0 - 0.001),
        (ingester, "cortex_ingester_local_limits", 1.0),
        (ingester, "cortex_ingester_instance_limits", 1.0),
        (ingester, "cortex_ingester_inflight_push_requests", 0.0),
        (ingester, "cortex_ingester_tsdb_appender_add_duration_seconds_count", 1.0),
        (ingester, "cortex_ingester_tsdb_appender_commit_duration_seconds_count", 1.0),
        (&cluster.distributor, "cortex_distributor_sample_delay_seconds_count", 1.0),
        (&cluster.distributor, "cortex_request_message_bytes_sum", 1.0),
        (&cluster.query_frontend, "cortex_response_message_bytes_sum", 1.0),
        (&cluster.querier, "cortex_distributor_query_duration_seconds_count", 2.0),
        (&cluster.querier, "cortex_querier_request_duration_seconds_count", 2.0),
        (&cluster.querier, "cortex_querier_blocks_consistency_checks_total", 1.0),
        (&cluster.querier, "cortex_querier_storegateway_instances_hit_per_query_sum", 1.0),
        (&cluster.querier, "prometheus_engine_query_duration_seconds_count", 6.0),
        (&cluster.querier, "prometheus_engine_queries_concurrent_max", 1.0),
        (&cluster.store_gateway, "cortex_bucket_store_series_blocks_queried_sum", 1.0),
        (&cluster.store_gateway, "cortex_bucket_stores_tenants_synced", 1.0),
        (&cluster.store_gateway, "cortex_bucket_stores_blocks_last_successful_sync_timestamp_seconds", (now / 1000 - 60) as f64),
        (&cluster.store_gateway, "cortex_bucket_store_series_data_size_fetched_bytes_sum", 1.0),
        (&cluster.store_gateway, "cortex_bucket_store_series_data_touched_sum", SERIES as f64),
        (&cluster.store_gateway, "cortex_bucket_store_series_data_size_touched_bytes_sum", 1.0),
        (&cluster.store_gateway, "cortex_bucket_store_series_result_series_sum", SERIES as f64),
        (&cluster.store_gateway, "cortex_bucket_store_series_request_stage_duration_seconds_count", 5.0),
    ] {
        let shown = process.gauge(&client, name).await;
        assert!(shown >= Some(least), "{name}: {shown:?}");
    }
    // A zone is spared by each query: of two queries each ingester but one answers at least one.
    let mut queries = 0.0;
    for ingester in cluster.ingesters.iter().flatten() {
        queries += ingester.gauge(&client, "cortex_ingester_queries_total").await.unwrap_or_default();
    }
    assert!(queries >= 4.0, "{queries}");
    cluster.stop().await;
}
