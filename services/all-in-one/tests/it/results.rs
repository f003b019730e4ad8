//! The cache of results: a dashboard that was cached shows what comes late.

use std::net::SocketAddr;

use runtime::config::HumanDuration;

use crate::client::{Client, TENANT, series, until};
use crate::cluster::{Cluster, Town, now_ms};

const MINUTE: i64 = 60_000;

/// Samples of a series at full minutes, `from` to `to` minutes before `now_ms`; neither end is left out.
async fn write(client: &Client, at: SocketAddr, name: &str, now_ms: i64, (from, to): (i64, i64)) {
    let samples: Vec<(i64, f64)> = (to..=from).rev().map(|minutes| (now_ms - minutes * MINUTE, 1.0)).collect();
    let answer = client.push(at, vec![series(&[("__name__", "m"), ("sender", name)], &samples)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// How many series the dashboard shows at each of its steps, from 150 to 15 minutes before `now_ms`.
async fn dashboard(client: &Client, at: SocketAddr, now_ms: i64) -> Vec<String> {
    let seconds = |minutes: i64| (now_ms - minutes * MINUTE) / 1000;
    let path = format!("/prometheus/api/v1/query_range?query=count(m)&start={}&end={}&step=60", seconds(150), seconds(15));
    let answer = client.get(at, &path, Some(TENANT)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("an answer is JSON");
    let values = body["data"]["result"][0]["values"].as_array().expect("one series");
    values.iter().map(|value| value[1].as_str().expect("a value").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hours_backlog_appears_in_a_dashboard_that_was_cached() {
    let mut town = Town::new();
    town.limits.out_of_order_time_window = HumanDuration::from_secs(2 * 3600);
    town.limits.results_cache_ttl_for_out_of_order_time_window = HumanDuration::from_secs(5);
    let cluster = Cluster::start(town).await;
    let (client, now) = (cluster.town.client.clone(), now_ms() / MINUTE * MINUTE);
    let (at, read) = (cluster.distributor.http, cluster.query_frontend.http);
    let count = async |what: &str| {
        let name = format!("cortex_frontend_query_result_cache_{what}_total");
        cluster.query_frontend.gauge(&client, &name).await.unwrap_or_default()
    };
    // True when an answer was looked for and found; at midnight it has two parts.
    let is_cached = async |expected: &[&str]| {
        let before = (count("requests").await, count("hits").await);
        assert_eq!(dashboard(&client, read, now).await, expected);
        let (asked, found) = (count("requests").await - before.0, count("hits").await - before.1);
        (asked > 0.0 && asked == found).then_some(())
    };

    // Both lose their connection 90 minutes ago. One has sent what is new already, the other sends everything in its order.
    write(&client, at, "new first", now, (150, 90)).await;
    write(&client, at, "in order", now, (150, 90)).await;
    write(&client, at, "new first", now, (29, 0)).await;
    let gap = dashboard(&client, read, now).await;
    assert!(gap.len() < 136, "an hour is missing but for what is looked back: {gap:?}");
    let gap: Vec<&str> = gap.iter().map(String::as_str).collect();
    until("the dashboard is cached", async || is_cached(&gap).await).await;

    write(&client, at, "new first", now, (89, 30)).await;
    write(&client, at, "in order", now, (89, 0)).await;
    let whole = vec!["2"; 136];
    until("the backlog is shown", async || (dashboard(&client, read, now).await == whole).then_some(())).await;
    cluster.flush().await;
    // Also from blocks.
    until("it is cached again", async || is_cached(&whole).await).await;
    cluster.stop().await;
}
