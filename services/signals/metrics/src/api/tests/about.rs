//! Which routes there are, and what a process says of itself.

use super::*;

#[tokio::test]
async fn routes_are_complete_and_strict() {
    let server = Server::new();
    for (method, path, status) in [
        (Method::GET, "/prometheus/api/v1/status/buildinfo", 200),
        (Method::GET, "/api/v1/status/buildinfo", 200),
        (Method::GET, "/prometheus/api/v1/status/config", 200),
        (Method::GET, "/prometheus/api/v1/status/flags", 200),
        (Method::GET, "/prometheus/api/v1/status/runtimeinfo", 200),
        (Method::GET, "/prometheus/api/v1/targets", 501),
        (Method::GET, "/prometheus/api/v1/targets/metadata", 501),
        (Method::GET, "/prometheus/api/v1/scrape_pools", 501),
        (Method::GET, "/prometheus/api/v1/alertmanagers", 501),
        (Method::GET, "/prometheus/federate", 501),
        (Method::GET, "/federate", 404),
        (Method::GET, "/prometheus/api/v1/status/tsdb", 200),
        (Method::GET, "/prometheus/api/v1/status/tsdb?limit=0", 400),
        (Method::GET, "/prometheus/api/v1/user_stats", 200),
        (Method::GET, "/api/v1/user_stats", 200),
        (Method::GET, "/api/v1/user_limits", 200),
        (Method::GET, "/prometheus/api/v1/metadata", 200),
        (Method::GET, "/prometheus/api/v1/query_exemplars?query=up", 200),
        (Method::GET, "/prometheus/api/v1/rules", 200),
        (Method::GET, "/prometheus/api/v1/alerts", 200),
        (Method::DELETE, "/prometheus/api/v1/query", 405),
        (Method::POST, "/prometheus/api/v1/label/job/values", 405),
        (Method::GET, "/prometheus/api/v1/read", 405),
        (Method::POST, "/prometheus/api/v1/read", 400),
        (Method::POST, "/prometheus/config/v1/rules/namespace", 501),
        (Method::GET, "/prometheus/config/v1/rules", 501),
        (Method::GET, "/api/v1/alerts", 501),
        (Method::GET, "/alertmanager/api/v2/status", 501),
        (Method::GET, "/ruler/rule_groups", 501),
        (Method::GET, "/multitenant_alertmanager/status", 501),
        (Method::GET, "/query-scheduler/ring", 501),
        (Method::GET, "/overrides-exporter/ring", 501),
        (Method::GET, "/prometheus/api/v1/nope", 404),
        (Method::GET, "/prometheus/api/v2/query", 404),
    ] {
        let request = Request::builder().method(method).uri(path).header("X-Scope-OrgID", "team").body(Body::empty()).unwrap();
        assert_eq!(Server::send(&server.router, request).await.0.as_u16(), status, "{path}");
    }
    let request = Request::get("/api/v1/query?query=sum(up)&time=1768474800").header("X-Scope-OrgID", "team").body(Body::empty()).unwrap();
    let (status, body) = Server::send(&server.alias, request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_process_says_what_prometheus_says_of_one() {
    let server = Server::new();
    server.clock.advance(90_500_000_000);
    // Whoever asks whether a Prometheus is up names no tenant.
    let request = Request::get("/api/v1/status/runtimeinfo").body(Body::empty()).unwrap();
    let (status, body) = Server::send(&server.alias, request).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (StatusCode::OK, &"success".into()));
    let data = body["data"].as_object().unwrap();
    for (field, expected) in [
        ("startTime", Value::from("2026-01-15T12:00:00Z")),
        ("serverTime", "2026-01-15T12:01:30.5Z".into()),
        ("lastConfigTime", "2026-01-15T12:00:00Z".into()),
        ("reloadConfigSuccess", true.into()),
        ("corruptionCount", 0.into()),
        ("GOMEMLIMIT", i64::MAX.into()),
        ("GOGC", "".into()),
        ("GODEBUG", "".into()),
        ("storageRetention", "".into()),
    ] {
        assert_eq!(data[field], expected, "{field}");
    }
    assert!(data["goroutineCount"].is_u64() && data["GOMAXPROCS"].as_u64() > Some(0), "{data:?}");
    assert!(data["CWD"].as_str().is_some_and(|path| path.starts_with('/')) && data["hostname"].is_string(), "{data:?}");
    assert_eq!(data.len(), 13, "{data:?}");
}
