//! The cache of results.

use proptest::prelude::*;

use super::*;
use crate::model::{Labels, Sample};

/// A range query of the last `from` to `to` minutes before [`NOW`].
fn minutes(query: &str, from: i64, to: i64) -> String {
    format!("query_range?query={}&start={}&end={}&step=60", escape(query), NOW - from * 60, NOW - to * 60)
}

fn cached() -> Server {
    Server::of(MetricsLimits::default(), Cluster { caches: true, ..Cluster::default() })
}

#[tokio::test]
async fn what_was_computed_is_not_computed_again() {
    let (plain, server) = (Server::new(), cached());
    let query = "sum by (job) (rate(requests_total[5m]))";
    // Within one interval of half an hour; the last ten minutes are never cached.
    let mut scans = Vec::new();
    for (from, to) in [(60, 40), (60, 40), (55, 45), (60, 35), (60, 31), (60, 31)] {
        let path = minutes(query, from, to);
        let before = server.leaves.scans();
        assert_eq!(server.get(&path).await, plain.get(&path).await, "{path}");
        scans.push(server.leaves.scans() - before);
    }
    assert_eq!(scans, [1, 0, 0, 1, 1, 0], "each scan is of what was not asked for before");
    let path = minutes(query, 20, 1);
    for _ in 0..2 {
        let before = server.leaves.scans();
        assert_eq!(server.get(&path).await, plain.get(&path).await);
        assert_eq!(server.leaves.scans() - before, 1, "what is young is computed");
    }
    let hits = server.instruments.result_cache_hits.get_or_create(&RANGE).get();
    assert_eq!(hits, 6);
}

const RANGE: crate::instruments::RequestType = crate::instruments::RequestType { request_type: "query_range" };

#[tokio::test]
async fn what_may_not_be_cached_is_not() {
    let server = cached();
    let range = format!("start={}&end={}&step=60", NOW - 3600, NOW - 2400);
    let unaligned = format!("query_range?query=sum(up)&start={}&end={}&step=60", NOW - 3590, NOW - 2400);
    let stats = format!("query_range?query=sum(up)&{range}&stats=all");
    let future = format!("query_range?query={}&{range}", escape("sum(up offset -30m)"));
    let ends = format!("query_range?query={}&{range}", escape("sum(up @ end())"));
    for path in [unaligned, stats, future, ends] {
        for _ in 0..2 {
            let before = server.leaves.scans();
            assert_eq!(server.get(&path).await.0, StatusCode::OK, "{path}");
            assert!(server.leaves.scans() > before, "{path}");
        }
    }
    let path = format!("/prometheus/api/v1/query_range?query=sum(up)&{range}");
    for _ in 0..2 {
        let before = server.leaves.scans();
        let request = Request::get(&path).header("X-Scope-OrgID", "team").header("Cache-Control", "max-age=0, no-store");
        assert_eq!(Server::send(&server.router, request.body(Body::empty()).unwrap()).await.0, StatusCode::OK);
        assert!(server.leaves.scans() > before, "no-store is obeyed");
    }
    assert!(server.querier.results.as_ref().unwrap().lock().is_empty(), "nothing was remembered");
}

#[tokio::test]
async fn other_tenants_policies_and_generations_have_results_of_their_own() {
    let server = cached();
    let path = minutes("sum(up)", 60, 40);
    let scans = async |tenant: &str, policy: Option<&str>| {
        let before = server.leaves.scans();
        let mut request = Request::get(format!("/prometheus/api/v1/{path}")).header("X-Scope-OrgID", tenant);
        if let Some(policy) = policy {
            request = request.header("X-Prom-Label-Policy", policy);
        }
        let (status, body) = Server::send(&server.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        server.leaves.scans() - before
    };
    let policy = Some("team:%7Bjob%3D%22api%22%7D");
    assert_eq!((scans("team", None).await, scans("team", None).await), (1, 0));
    assert_eq!((scans("limited", None).await, scans("limited", None).await), (1, 0));
    assert_eq!((scans("team", policy).await, scans("team", policy).await), (1, 0));
    server.querier.generation.fetch_add(1, Ordering::Relaxed);
    assert_eq!((scans("team", None).await, scans("team", None).await), (1, 0));
}

#[tokio::test]
async fn a_backlog_appears_in_what_was_cached() {
    let server = cached();
    let path = minutes("sum(backlog)", 60, 31);
    let (_, before) = server.get(&path).await;
    assert!(before.contains("\"result\":[]"), "{before}");
    let labels = Labels::from_pairs([("__name__", "backlog")]);
    for minute in 31..=60 {
        server.leaves.store(&labels, Sample { t: (NOW - minute * 60) * 1000, v: 1.0 });
    }
    assert_eq!(server.get(&path).await.1, before, "it is cached");
    server.clock.advance(601_000_000_000);
    let (_, after) = server.get(&path).await;
    assert_eq!(after.matches(",\"1\"]").count(), 30, "{after}");
}

/// What happens to a tenant, one after the other.
#[derive(Clone, Debug)]
enum Event {
    /// A sample of a series so many minutes ago.
    Store { series: u8, minutes: i64, v: u8 },
    /// Time passes.
    Pass { seconds: i64 },
    /// A query over a range of minutes before the present.
    Ask { query: usize, from: i64, minutes: i64 },
}

const QUERIES: [&str; 3] = ["sum(m)", "max_over_time(m[7m])", "m > 3"];

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0..3_u8, 0..100_i64, 0..9_u8).prop_map(|(series, minutes, v)| Event::Store { series, minutes, v }),
        2 => (1..900_i64).prop_map(|seconds| Event::Pass { seconds }),
        6 => (0..QUERIES.len(), 0..100_i64, 0..60_i64).prop_map(|(query, from, minutes)| Event::Ask { query, from, minutes }),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// An answer is that without a cache, but for what was stored in the last ten minutes and does not appear yet.
    #[test]
    fn cached_answers_are_those_without_a_cache(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = cached();
            let mut now = NOW;
            let mut stored = 0;
            for event in events {
                match event {
                    Event::Store { series, minutes, v } => {
                        let labels = Labels::from_pairs([("__name__", "m".to_owned()), ("n", series.to_string())]);
                        server.leaves.store(&labels, Sample { t: (now - minutes * 60) * 1000, v: f64::from(v) });
                        stored = now;
                    }
                    Event::Pass { seconds } => {
                        server.clock.advance(seconds * 1_000_000_000);
                        now += seconds;
                    }
                    Event::Ask { query, from, minutes } => {
                        let start = (now - from * 60) / 60 * 60;
                        let path = format!("query_range?query={}&start={start}&end={}&step=60", escape(QUERIES[query]), start + minutes * 60);
                        let answer = server.get(&path).await;
                        if now - stored > 600 {
                            let uncached = Request::get(format!("/prometheus/api/v1/{path}")).header("X-Scope-OrgID", "team");
                            let uncached = uncached.header("Cache-Control", "no-store").body(Body::empty()).unwrap();
                            assert_eq!(answer, Server::send(&server.router, uncached).await, "{path}");
                        }
                    }
                }
            }
        });
    }
}
