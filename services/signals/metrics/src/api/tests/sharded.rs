//! Queries that several queriers compute in shards.

use super::*;

/// Sixteen threads of queriers, for which every sample is worth a shard.
const SIXTEEN: Cluster = Cluster { parallelism: 16, samples_per_shard: 1, caches: false };

const QUERIES: [&str; 9] = [
    "sum(up)",
    "sum by (job) (rate(requests_total[5m]))",
    "avg(requests_total) / on() group_left() count(up)",
    "topk(1, requests_total)",
    "histogram_quantile(0.9, sum by (le) (rate(requests_total[5m])))",
    "max by (kind) (special) or up",
    "count_values(\"v\", up)",
    "min(requests_total @ end())",
    "sum(nothing)",
];

#[tokio::test]
async fn the_answer_is_that_of_one_querier() {
    let (one, several) = (Server::new(), Server::of(MetricsLimits::default(), SIXTEEN));
    for query in QUERIES {
        let query = escape(query);
        for path in [
            format!("query?query={query}&time=1768474800"),
            format!("query_range?query={query}&start=1768470000&end=1768475000&step=60"),
            format!("query_range?query={query}&start=1768474000&end=1768475000&step=60&stats=all"),
        ] {
            let (whole, sharded) = (one.get(&path).await, several.get(&path).await);
            let peaks = |(status, body): (StatusCode, String)| {
                // What is held at once is less where each holds its share.
                let body = body.split_once(",\"peakSamples\"").map_or(body.clone(), |(before, _)| before.to_owned());
                (status, body)
            };
            assert_eq!(peaks(whole), peaks(sharded), "{path}");
        }
    }
    assert_eq!(several.instruments.sharding_attempted.get(), 27);
    assert_eq!(several.instruments.sharding_succeeded.get(), 25, "a query without any sample is found to be worth nothing");
    assert_eq!(one.instruments.sharding_succeeded.get(), 0, "one querier has nobody to share with");
}

#[tokio::test]
async fn limits_are_those_of_the_whole_query() {
    let limits = MetricsLimits { max_fetched_series_per_query: 4, ..MetricsLimits::default() };
    let server = Server::of(limits, SIXTEEN);
    let path = |query: &str| format!("query?query={}&time=1768474800", escape(query));
    let (status, body) = server.get_as("limited", &path("sum(special)")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert!(body.contains("err-mimir-max-series-per-query"), "{body}");
    assert_eq!(server.get_as("limited", &path("sum(up)")).await.0, StatusCode::OK);
    assert!(server.instruments.sharding_succeeded.get() >= 2, "both were sharded");
}

#[tokio::test]
async fn a_query_that_reads_little_is_sharded_once() {
    let server = Server::of(MetricsLimits::default(), Cluster { samples_per_shard: 1000, ..SIXTEEN });
    for _ in 0..3 {
        assert_eq!(server.get("query?query=sum(up)&time=1768474800").await.0, StatusCode::OK);
    }
    assert_eq!(server.instruments.sharding_succeeded.get(), 1, "its first time tells that it is not worth it");
}

#[tokio::test]
async fn a_limit_turns_it_off() {
    let limits = MetricsLimits { query_sharding_total_shards: 0, ..MetricsLimits::default() };
    let server = Server::of(limits, SIXTEEN);
    assert_eq!(server.get_as("limited", "query?query=sum(up)&time=1768474800").await.0, StatusCode::OK);
    assert_eq!(server.instruments.sharding_attempted.get(), 0);
}
