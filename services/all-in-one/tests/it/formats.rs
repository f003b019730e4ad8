//! Other formats than remote write, through a whole cluster: three replicas, and none seen twice.

use serde_json::json;

use crate::cluster::{Cluster, Town, now_ms};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_by_otlp_are_found_from_memory_and_from_blocks() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now) = (cluster.town.client.clone(), now_ms());
    let (write, read) = (cluster.distributor.http, cluster.query_frontend.http);
    let nanos = format!("{now}000000");
    let metrics = json!([
        { "name": "http.requests", "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [{ "timeUnixNano": nanos, "asInt": "7" }] } },
        { "name": "size", "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [{ "timeUnixNano": nanos, "count": 3, "sum": 5.5, "scale": 0,
            "positive": { "offset": 0, "bucketCounts": [1, 2] } }] } },
        { "name": "never", "sum": { "aggregationTemporality": 1, "dataPoints": [{ "timeUnixNano": nanos, "asInt": "1" }] } },
    ]);
    let attributes =
        json!([{ "key": "service.name", "value": { "stringValue": "shop" } }, { "key": "host", "value": { "stringValue": "h" } }]);
    let body = json!({ "resourceMetrics": [{ "resource": { "attributes": attributes }, "scopeMetrics": [{ "metrics": metrics }] }] });
    let answer = client.send(write, "/otlp/v1/metrics", "application/json", body.to_string().into()).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains(r#"otlp parse error: invalid temporality and type combination for metric \"never\""#), "{answer:?}");
    for turn in ["from memory", "from blocks"] {
        for (query, expected) in [
            ("sum(http_requests{job='shop'})", r#""7"]"#),
            ("histogram_count(sum(size))", r#""3"]"#),
            ("histogram_sum(size)", r#""5.5"]"#),
            ("count(target_info{host='h'})", r#""1"]"#),
            ("count({__name__=~'.+'})", r#""3"]"#),
        ] {
            let answer = client.query(read, query, now).await;
            assert!(answer.body.contains(expected), "{turn}: {query}: {answer:?}");
        }
        cluster.flush().await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_influx_are_found() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now) = (cluster.town.client.clone(), now_ms());
    let lines = format!("cpu,host=a usage=1.5,idle=3i {now}\nbad\n");
    let path = "/api/v1/push/influx/write?precision=ms";
    let answer = client.send(cluster.distributor.http, path, "text/plain", lines.into()).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "error parsing points: unable to parse 'bad': missing fields\n"));
    let answer = client.query(cluster.query_frontend.http, "sum(cpu_usage{host='a',__mimir_source__='influx'})", now).await;
    assert!(answer.body.contains(r#""1.5"]"#), "{answer:?}");
    let answer = client.send(cluster.distributor.http, path, "text/plain", format!("mem free=1 {now}").into()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    cluster.stop().await;
}
