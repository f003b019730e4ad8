//! Requests against the routes; queriers and leaves are in memory.

mod about;
mod caps;
mod leaf;
mod results;
mod sharded;
mod tenants;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use expect_test::{Expect, expect};
use futures::StreamExt;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use runtime::config::HumanDuration;
use runtime::{Compute, ErrorKind, ManualClock};
use serde_json::Value;
use signal::{InstanceLimit, PartialStream, Queries, QueryError, QueryExecutor, Routes, SignalName, SubQuery};
use tenancy::http::{AuthConfig, Door, FederationConfig};
use tenancy::overrides::Limits;
use tenancy::{Overrides, TenantId};
use tower::ServiceExt;

use self::leaf::MemoryLeaves;
use super::error::PromError;
use crate::Deps;
use crate::instruments::Instruments;
use crate::limits::{CommaList, MetricsLimits};
use crate::query::{MetricsQueries, QueryConfig};

/// The present: 2026-01-15T12:00:00Z.
const NOW: i64 = 1_768_478_400;

/// One querier for all queries.
struct Querier {
    queries: MetricsQueries,
    leaves: Arc<MemoryLeaves>,
    parallelism: usize,
    /// What is remembered, where anything is.
    results: Option<Mutex<HashMap<String, Bytes>>>,
    generation: AtomicU64,
}

impl QueryExecutor for Querier {
    fn run(&self, query: SubQuery) -> PartialStream {
        assert!(query.range.start <= query.range.end);
        self.queries.execute(query.clone(), self.leaves.of()).boxed()
    }

    fn parallelism(&self) -> usize {
        self.parallelism
    }

    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        let found = self.results.as_ref().and_then(|results| results.lock().get(key).cloned());
        Box::pin(std::future::ready(found))
    }

    fn remember(&self, key: &str, value: Bytes) {
        if let Some(results) = &self.results {
            results.lock().insert(key.to_owned(), value);
        }
    }

    fn generation(&self, _: &TenantId, _: SignalName, _: Duration) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

/// What of a cluster a test can choose.
struct Cluster {
    parallelism: usize,
    samples_per_shard: u64,
    /// Whether results are cached.
    caches: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { parallelism: 1, samples_per_shard: 1, caches: false }
    }
}

struct Server {
    router: Router,
    alias: Router,
    leaves: Arc<MemoryLeaves>,
    clock: Arc<ManualClock>,
    instruments: Instruments,
    querier: Arc<Querier>,
}

impl Server {
    fn new() -> Self {
        Self::with(MetricsLimits::default())
    }

    /// With limits of the tenant `limited`.
    fn with(limited: MetricsLimits) -> Self {
        Self::of(limited, Cluster::default())
    }

    /// In a cluster.
    fn of(limited: MetricsLimits, cluster: Cluster) -> Self {
        let Cluster { parallelism, samples_per_shard, caches } = cluster;
        let clock = Arc::new(ManualClock::at(NOW * 1_000_000_000));
        let instruments = Instruments::default();
        let tenants = HashMap::from([(TenantId::parse("limited").unwrap(), Arc::new(limited))]);
        let deps = Deps {
            limits: Overrides::new(Limits { defaults: Arc::default(), tenants }),
            clock: clock.clone(),
            compute: Compute::new(2),
            instruments: instruments.clone(),
            ingest: crate::ingest::IngestConfig::default(),
            ha: None,
            retention: crate::Retention::default(),
            query: QueryConfig { split_interval: HumanDuration::from_secs(1800), samples_per_shard, ..QueryConfig::default() },
        };
        let leaves = Arc::new(MemoryLeaves::new(NOW * 1000));
        let auth = AuthConfig { label_access_control_enabled: true, ..AuthConfig::default() };
        let door = Door::new(&auth).unwrap().for_reads(&FederationConfig { enabled: true, max_tenants: 2 });
        let mut routes = Routes::new(door);
        let queries = MetricsQueries::new(&deps);
        let querier = Arc::new(Querier {
            queries: MetricsQueries::new(&deps),
            leaves: leaves.clone(),
            parallelism,
            results: caches.then(Mutex::default),
            generation: AtomicU64::default(),
        });
        queries.mount(&mut routes, querier.clone());
        let (http, _) = routes.into_parts();
        let (router, mut aliases) = http.into_parts();
        Self { router, alias: aliases.remove("prometheus").unwrap(), leaves, clock, instruments, querier }
    }

    async fn send(router: &Router, request: Request<Body>) -> (StatusCode, String) {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get_as(&self, tenant: &str, path: &str) -> (StatusCode, String) {
        let request = Request::get(format!("/prometheus/api/v1/{path}")).header("X-Scope-OrgID", tenant);
        Self::send(&self.router, request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.get_as("team", path).await
    }

    async fn check(&self, path: &str, expected: Expect) {
        let (status, body) = self.get(path).await;
        expected.assert_eq(&format!("{} {body}", status.as_u16()));
    }
}

/// A parameter's value.
fn escape(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[tokio::test]
async fn instant_queries_answer_with_vectors_scalars_texts_and_matrices() {
    let server = Server::new();
    server
        .check(
            "query?query=up&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[1768474800,"1"]},{"metric":{"__name__":"up","job":"node"},"value":[1768474800,"1"]}]}}"#]],
        )
        .await;
    server
        .check(
            "query?query=time()/8&time=1768474800.5",
            expect![[r#"200 {"status":"success","data":{"resultType":"scalar","result":[1768474800.500,"221059350.0625"]}}"#]],
        )
        .await;
    server
        .check(
            "query?query=%22%C3%BC%22&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"string","result":[1768474800,"ü"]}}"#]],
        )
        .await;
    server
        .check(
            "query?query=up%7Bjob=%22api%22%7D[30s]&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"api"},"values":[[1768474785,"1"],[1768474800,"1"]]}]}}"#]],
        )
        .await;
    server.check("query?query=nothing", expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[]}}"#]]).await;
    server
        .check(
            "query?query=special&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"special","kind":"huge"},"value":[1768474800,"100000000000000000000000"]},{"metric":{"__name__":"special","kind":"inf"},"value":[1768474800,"-Inf"]},{"metric":{"__name__":"special","kind":"nan"},"value":[1768474800,"NaN"]},{"metric":{"__name__":"special","kind":"tiny"},"value":[1768474800,"0.0000001"]},{"metric":{"__name__":"special","kind":"zero"},"value":[1768474800,"-0"]}]}}"#]],
        )
        .await;
}

#[tokio::test]
async fn range_queries_answer_alike_whole_and_split() {
    let server = Server::new();
    server
        .check(
            "query_range?query=sum(up)&start=1768474800&end=1768478400&step=20m",
            expect![[r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1768474800,"2"],[1768476000,"2"],[1768477200,"2"],[1768478400,"2"]]}]}}"#]],
        )
        .await;
    assert!(server.leaves.scans() > 2, "one hour is more than one part");
    // `unsplit` adds what keeps a query in one piece and says nothing.
    for query in ["up", "rate(requests_total[5m])", "sum by (job) (increase(requests_total[10m]))", "max_over_time(requests_total[1h:3m])"]
    {
        let times = "start=1768471201&end=1768478399&step=37";
        let whole = format!("{query} or (up @ start() > 5)");
        let (status, split) = server.get(&format!("query_range?query={}&{times}", escape(query))).await;
        let (_, whole) = server.get(&format!("query_range?query={}&{times}", escape(&whole))).await;
        assert_eq!((status, &split), (StatusCode::OK, &whole), "{query}");
        assert!(split.len() > 1000, "{split}");
    }
}

#[tokio::test]
async fn replicas_are_merged() {
    let server = Server::new();
    server
        .check(
            "query?query=count_over_time(up%7Bjob=%22api%22%7D[1h])%20%2B%20count(up)&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[]}}"#]],
        )
        .await;
    server
        .check(
            "query?query=sum(count_over_time(up[1h]))&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1768474800,"480"]}]}}"#]],
        )
        .await;
}

#[tokio::test]
async fn forms_equal_addresses() {
    let server = Server::new();
    for (path, form) in [
        ("query", "query=sum(up)&time=1768474800"),
        ("query_range", "query=up&start=1768474800&end=1768475400&step=300"),
        ("labels", "match[]=up"),
        ("series", "match[]=up&match[]=special"),
        ("format_query", "query=sum(up)by(job)"),
        ("parse_query", "query=-up"),
    ] {
        let (status, got) = server.get(&format!("{path}?{form}")).await;
        let request = Request::post(format!("/prometheus/api/v1/{path}"))
            .header("X-Scope-OrgID", "team")
            .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        let posted = Server::send(&server.router, request.body(Body::from(form)).unwrap()).await;
        assert_eq!((status, &got), (StatusCode::OK, &posted.1), "{path}");
    }
    let request = Request::post("/prometheus/api/v1/query")
        .header("X-Scope-OrgID", "team")
        .header("Content-Type", "application/x-www-form-urlencoded");
    let large = Body::from(vec![b'a'; (10 << 20) + 1]);
    let (status, body) = Server::send(&server.router, request.body(large).unwrap()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body.contains("too_large_entry"), "{body}");
}

#[tokio::test]
async fn lists_are_merged_sorted_and_cut() {
    let server = Server::new();
    server.check("labels", expect![[r#"200 {"status":"success","data":["__name__","città","job","kind"]}"#]]).await;
    server.check("labels?match[]=up", expect![[r#"200 {"status":"success","data":["__name__","job"]}"#]]).await;
    server
        .check(
            "labels?limit=2",
            expect![[r#"200 {"status":"success","data":["__name__","città"],"warnings":["results truncated due to limit"]}"#]],
        )
        .await;
    server.check("labels?limit=4", expect![[r#"200 {"status":"success","data":["__name__","città","job","kind"]}"#]]).await;
    server.check("label/job/values", expect![[r#"200 {"status":"success","data":["api","node"]}"#]]).await;
    server.check("label/U__citt_e0_/values", expect![[r#"200 {"status":"success","data":["Zürich"]}"#]]).await;
    server.check("label/citt%C3%A0/values", expect![[r#"200 {"status":"success","data":["Zürich"]}"#]]).await;
    server.check("label/nothing/values", expect![[r#"200 {"status":"success","data":[]}"#]]).await;
    server
        .check(
            "series?match[]=up&match[]=%7Bkind=%22nan%22%7D&match[]=up%7Bjob=%22api%22%7D",
            expect![[r#"200 {"status":"success","data":[{"__name__":"special","kind":"nan"},{"__name__":"up","job":"api"},{"__name__":"up","job":"node"}]}"#]],
        )
        .await;
    server
        .check(
            "series?match[]=up&limit=1",
            expect![[r#"200 {"status":"success","data":[{"__name__":"up","job":"api"}],"warnings":["results truncated due to limit"]}"#]],
        )
        .await;
    server.check("series?match[]=up&end=5", expect![[r#"200 {"status":"success","data":[]}"#]]).await;
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let server = Server::new();
    let range = "query_range?query=up&start=1768474800";
    for (path, error) in [
        ("query?query=sum(".to_owned(), "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"),
        ("query".to_owned(), "invalid parameter \"query\": unknown position: parse error: no expression found in input"),
        (
            "query?query=up&time=abc".to_owned(),
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"abc\" to a valid timestamp",
        ),
        ("query?query=up&limit=-1".to_owned(), "invalid parameter \"limit\": limit must be non-negative"),
        ("query?query=up&limit=x".to_owned(), "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax"),
        ("query?query=up&timeout=x".to_owned(), "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration"),
        ("query?query=up&lookback_delta=x".to_owned(), "error parsing lookback delta duration: cannot parse \"x\" to a valid duration"),
        ("query?query=%zz".to_owned(), "error parsing form values: invalid URL escape \"%zz\""),
        (format!("{range}&step=15"), "invalid parameter \"end\": cannot parse \"\" to a valid timestamp"),
        (format!("{range}&end=1768474799&step=15"), "invalid parameter \"end\": end timestamp must not be before start time"),
        (format!("{range}&end=1768474900"), "invalid parameter \"step\": cannot parse \"\" to a valid duration"),
        (
            format!("{range}&end=1768474900&step=-5"),
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ),
        (
            format!("{range}&end=1768485801&step=1"),
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
        (
            "query_range?query=%22a%22&start=1&end=2&step=1".to_owned(),
            "invalid parameter \"query\": invalid expression type \"string\" for range query, must be Scalar or instant Vector",
        ),
        ("series".to_owned(), "no match[] parameter provided"),
        ("series?match[]=%7B%7D".to_owned(), "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher"),
        ("labels?match[]=%7B%7D".to_owned(), "match[] must contain at least one non-empty matcher"),
        ("labels?start=2&end=1".to_owned(), "invalid parameter \"end\": end timestamp must not be before start time"),
    ] {
        let (status, body) = server.get(&path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["errorType"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_data")), "{path}");
        assert_eq!(body["error"], error, "{path}");
    }
}

#[tokio::test]
async fn stats_count_what_is_looked_at() {
    let server = Server::new();
    server.check("query?query=up&time=1768474800&stats=all", expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[1768474800,"1"]},{"metric":{"__name__":"up","job":"node"},"value":[1768474800,"1"]}],"stats":{"samples":{"totalQueryableSamplesPerStep":[[1768474800,2]],"totalQueryableSamples":2,"peakSamples":2}}}}"#]]).await;
    server.check("query?query=sum(rate(up[1m]))%20%2B%20max_over_time(up[5m:1m])&time=1768474800&stats=1", expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[],"stats":{"samples":{"totalQueryableSamples":18,"peakSamples":11}}},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:10)"]}"#]]).await;
    // Two parts.
    server
        .check(
            "query_range?query=count(up)%20%2B%20count(up%20@%201768474800)&start=1768474800&end=1768477200&step=20m&stats=all",
            expect![[r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1768474800,"4"],[1768476000,"4"],[1768477200,"4"]]}],"stats":{"samples":{"totalQueryableSamplesPerStep":[[1768474800,4],[1768476000,4],[1768477200,4]],"totalQueryableSamples":12,"peakSamples":4}}}}"#]],
        )
        .await;
}

#[tokio::test]
async fn questions_for_exemplars_are_checked() {
    let server = Server::new();
    server
        .check(
            "query_exemplars?query=rate(",
            expect![[r#"400 {"status":"error","errorType":"bad_data","error":"1:6: parse error: unclosed left parenthesis"}"#]],
        )
        .await;
    assert_eq!(server.get("query_exemplars?query=up&start=2&end=1").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn failed_queries_are_told_apart() {
    let server = Server::new();
    server
        .check(
            "query?query=up%20%2B%20on()%20up&time=1768474800",
            expect![[r#"422 {"status":"error","errorType":"execution","error":"found duplicate series for the match group {} on the right hand-side of the operation: [{__name__=\"up\", job=\"api\"}, {__name__=\"up\", job=\"node\"}];many-to-many matching not allowed: matching labels must be unique on one side"}"#]],
        )
        .await;
    let unsupported = PromError::from(QueryError::new(ErrorKind::Unsupported, "no"));
    assert_eq!(unsupported.into_response().status(), StatusCode::NOT_IMPLEMENTED);
    let answer = |err: QueryError| {
        let err = PromError::from(err);
        format!("{} {err}", err.code())
    };
    let blocks = QueryError::new(ErrorKind::Unavailable, "The failed blocks are: A B (no store-gateway is there)");
    expect![
        "500 failed to fetch some blocks (err-mimir-store-consistency-check-failed). The failed blocks are: A B (no store-gateway is there)"
    ]
    .assert_eq(&answer(blocks.with_reason(QueryError::BLOCKS_UNANSWERED)));
    let crowded = QueryError::new(ErrorKind::Unavailable, "too few ingesters answered").with_reason(InstanceLimit::InflightReads.word());
    expect!["503 the read request has been rejected because the ingester exceeded the allowed number of inflight read requests (err-mimir-ingester-max-inflight-read-requests). To adjust the related limit, configure -ingester.read-reactive-limiter.max-limit, or contact your service administrator."]
        .assert_eq(&answer(crowded));
    server
        .check("query?query=up&timeout=1ns", expect![[r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"timeout\": cannot parse \"1ns\" to a valid duration"}"#]])
        .await;
    server.leaves.fail();
    server.check("query?query=up", expect![[r#"503 {"status":"error","errorType":"unavailable","error":"a leaf is missing"}"#]]).await;
}

#[tokio::test]
async fn remarks_are_shown() {
    let server = Server::new();
    server
        .check(
            "query?query=rate(up[5m])%20%3E%209&time=1768474800",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[]},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:6)"]}"#]],
        )
        .await;
    server
        .check(
            "query?query=quantile(2,up)&time=1768474800&limit=1",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1768474800,"+Inf"]}]},"warnings":["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"]}"#]],
        )
        .await;
    let (_, body) = server.get("query?query=up&time=1768474800&limit=1").await;
    assert!(body.ends_with(r#""warnings":["results truncated due to limit"]}"#), "{body}");
}

#[tokio::test]
async fn limits_of_the_tenant_hold() {
    let limited = MetricsLimits {
        max_fetched_series_per_query: 1,
        max_total_query_length: HumanDuration::from_secs(3600),
        max_query_expression_size_bytes: 60,
        max_query_lookback: HumanDuration::from_secs(7200),
        ..MetricsLimits::default()
    };
    let server = Server::with(limited);
    let (status, body) = server.get_as("limited", "query?query=count(up)&time=1768474800").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        body.contains("the query exceeded the maximum number of series (limit: 1 series) (err-mimir-max-series-per-query). "),
        "{body}"
    );
    let (status, _) = server.get_as("limited", "query?query=up%7Bjob=%22api%22%7D%20%2B%20up%7Bjob=%22api%22%7D&time=1768474800").await;
    assert_eq!(status, StatusCode::OK, "a series that is found twice is one");
    let one = "query=up%7Bjob=%22api%22%7D";
    let (status, body) = server.get_as("limited", &format!("query_range?{one}&start=1768474799&end=1768478400&step=60")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("(query length: 1h0m1s, limit: 1h0m0s) (err-mimir-max-total-query-length)"), "{body}");
    let (status, body) = server.get_as("limited", &format!("query?query={}", "1%2B".repeat(60))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("err-mimir-max-query-expression-size-bytes"), "{body}");
    // Two hours back from now is 10:00; older samples and steps are left out.
    let (_, body) = server.get_as("limited", &format!("query_range?{one}&start=1768471110&end=1768471330&step=60")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["data"]["result"][0]["values"], serde_json::json!([[1_768_471_230, "1"], [1_768_471_290, "1"]]));
    let (_, body) = server.get_as("limited", &format!("query?{one}&time=1768471190")).await;
    assert_eq!(body, r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#);
    let (_, body) = server.get_as("limited", "series?match[]=up&end=1768471190").await;
    assert_eq!(body, r#"{"status":"success","data":[]}"#);
    server.leaves.budget(1000);
    let (status, body) = server.get("query?query=up[1h]&time=1768474800").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, r#"{"status":"error","errorType":"execution","error":"no memory"}"#)
    );
}

#[tokio::test]
async fn experimental_parts_can_be_taken_from_a_tenant() {
    let limited = MetricsLimits {
        enabled_promql_experimental_functions: CommaList::new(["limitk"]),
        enabled_promql_extended_range_selectors: CommaList::default(),
        ..MetricsLimits::default()
    };
    let server = Server::with(limited);
    assert_eq!(server.get_as("limited", "query?query=limitk(1,up)&time=1768474800").await.0, StatusCode::OK);
    for (query, part) in [
        ("info(up)", r#"function \"info\""#),
        ("limit_ratio(1,up)", r#"aggregate \"limit_ratio\""#),
        ("rate(up[1m]%20smoothed)", r#"extended range selector modifier \"smoothed\""#),
    ] {
        assert_eq!(server.get(&format!("query?query={query}&time=1768474800")).await.0, StatusCode::OK, "{query}");
        let (status, body) = server.get_as("limited", &format!("query?query={query}&time=1768474800")).await;
        let error = format!(
            r#"{{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": {part} is not enabled for tenant limited"}}"#
        );
        assert_eq!((status, body), (StatusCode::BAD_REQUEST, error));
    }
}

#[tokio::test]
async fn blocked_queries_are_refused() {
    let blocked = serde_json::from_str(r#"[{"pattern": "up.*", "regex": true, "reason": "too dear"}]"#).unwrap();
    let limited = serde_json::from_str(r#"[{"query": "special", "allowed_frequency": "1m"}]"#).unwrap();
    let server = Server::with(MetricsLimits { blocked_queries: blocked, limited_queries: limited, ..MetricsLimits::default() });
    let text = "the request has been blocked by the cluster administrator: too dear (err-mimir-query-blocked)";
    let refused = (StatusCode::BAD_REQUEST, format!(r#"{{"status":"error","errorType":"bad_data","error":"{text}"}}"#));
    assert_eq!(server.get_as("limited", "query?query=up").await, refused);
    assert_eq!(server.get_as("limited", "query_range?query=up&start=1&end=2&step=1").await, refused);
    assert_eq!(server.get_as("team", "query?query=up").await.0, StatusCode::OK);
    assert_eq!(server.get_as("limited", "query?query=special").await.0, StatusCode::OK);
    let (status, body) = server.get_as("limited", "query?query=special").await;
    let text = "the query has been limited by the cluster administrator, and is being called more frequently than the allowed frequency 1m0s \
                (err-mimir-query-limited)";
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(body.contains(text), "{body}");
}

#[tokio::test]
async fn statistics_of_a_tenant() {
    let server = Server::new();
    let (status, body) = server.get("user_stats").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, serde_json::json!({"ingestionRate": 1.5, "numSeries": 4, "APIIngestionRate": 1.5, "RuleIngestionRate": 0}));

    let (status, body) = server.get("status/tsdb?limit=1").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let head = &body["data"]["headStats"];
    // Chunks are those of both heads.
    assert_eq!((&head["chunkCount"], &head["minTime"], &head["maxTime"]), (&6.into(), &(-5).into(), &7.into()));
    let (_, series) = server.get("query?query=count(%7B__name__!=%22%22%7D)&time=1768474800").await;
    assert!(series.contains(&format!("\"{}\"", head["numSeries"])), "{series} of {head}");
    for list in ["seriesCountByMetricName", "labelValueCountByLabelName", "memoryInBytesByLabelName", "seriesCountByLabelValuePair"] {
        assert_eq!(body["data"][list].as_array().map(Vec::len), Some(1), "{list}");
    }
    let text = "limit must not exceed 10000";
    let refused = (StatusCode::BAD_REQUEST, format!(r#"{{"status":"error","errorType":"bad_data","error":"{text}"}}"#));
    assert_eq!(server.get("status/tsdb?limit=10001").await, refused);
}

#[tokio::test]
async fn ranges_are_aligned_where_the_tenant_says_so() {
    let server = Server::with(MetricsLimits { align_queries_with_step: true, ..MetricsLimits::default() });
    let path = "query_range?query=time()&start=1003&end=1031&step=10";
    for (tenant, first, last) in [("limited", 1000, 1030), ("team", 1003, 1023)] {
        let body: Value = serde_json::from_str(&server.get_as(tenant, path).await.1).unwrap();
        let values = body["data"]["result"][0]["values"].as_array().unwrap().clone();
        assert_eq!((&values[0][0], &values[values.len() - 1][0]), (&first.into(), &last.into()), "{tenant}");
    }
}

#[tokio::test]
async fn expressions_are_described() {
    let server = Server::new();
    server.check("format_query?query=foo/bar", expect![[r#"200 {"status":"success","data":"foo / bar"}"#]]).await;
    server
        .check("parse_query?query=time()", expect![[r#"200 {"status":"success","data":{"args":[],"func":{"argTypes":[],"name":"time","returnType":"scalar","variadic":0},"type":"call"}}"#]])
        .await;
    server
        .check("parse_query?query=sum(", expect![[r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}"#]])
        .await;
}
