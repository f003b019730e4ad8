//! Reads of several tenants, of a part of one, and of what belongs to its metrics.

use super::*;

#[tokio::test]
async fn tenants_stay_apart() {
    let server = Server::new();
    let (status, body) = server.get_as("other", "query?query=up&time=1768474800").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#));
    let request = Request::get("/prometheus/api/v1/query?query=up").body(Body::empty()).unwrap();
    assert_eq!(Server::send(&server.router, request).await, (StatusCode::UNAUTHORIZED, "no org id\n".to_owned()));
}

#[tokio::test]
async fn queries_over_several_tenants_tell_them_apart() {
    let server = Server::new();
    let ask = async |path: &str| server.get_as("team|limited", path).await.1;
    let success = |data: &str| format!(r#"{{"status":"success","data":{data}}}"#);
    assert_eq!(
        ask("query?query=count+by+(__tenant_id__)(up)&time=1768474800").await,
        success(
            r#"{"resultType":"vector","result":[{"metric":{"__tenant_id__":"limited"},"value":[1768474800,"2"]},{"metric":{"__tenant_id__":"team"},"value":[1768474800,"2"]}]}"#
        )
    );
    let only = "{__name__=\"up\",__tenant_id__=~\"te.*\",job=\"api\"}";
    assert_eq!(
        ask(&format!("series?match[]={}", escape(only))).await,
        success(r#"[{"__name__":"up","__tenant_id__":"team","job":"api"}]"#)
    );
    assert_eq!(ask("labels?match[]=up").await, success(r#"["__name__","__tenant_id__","job"]"#));
    assert_eq!(ask("label/__tenant_id__/values").await, success(r#"["limited","team"]"#));
    assert_eq!(ask(&format!("label/__tenant_id__/values?match[]={}", escape(only))).await, success(r#"["team"]"#));
    assert_eq!(ask("label/original___tenant_id__/values").await, success("[]"));
    assert_eq!(
        server.get_as("a|b|c", "query?query=up").await,
        (StatusCode::UNPROCESSABLE_ENTITY, "too many tenant IDs present. max: 2 actual: 3\n".to_owned())
    );
}

#[tokio::test]
async fn label_policies_hide_series_from_every_read() {
    let server = Server::new();
    let ask = async |policy: &str, path: &str| {
        let request =
            Request::get(format!("/prometheus/api/v1/{path}")).header("X-Scope-OrgID", "team").header("X-Prom-Label-Policy", policy);
        Server::send(&server.router, request.body(Body::empty()).unwrap()).await
    };
    let api = format!("team:{}", escape(r#"{job="api"}"#));
    let either = format!("{api},team:{}", escape(r#"{kind="inf"}"#));
    for (policy, path, data) in [
        (&api, "query?query=count(up)&time=1768474800", r#"{"resultType":"vector","result":[{"metric":{},"value":[1768474800,"1"]}]}"#),
        (&api, "query?query=count(special)&time=1768474800", r#"{"resultType":"vector","result":[]}"#),
        (
            &either,
            "query?query=count(special)&time=1768474800",
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1768474800,"1"]}]}"#,
        ),
        (
            &either,
            "query?query=count({__name__=~%22.*%22,__name__!=%22%22})&time=1768474800",
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1768474800,"3"]}]}"#,
        ),
        (&api, "labels", r#"["__name__","job"]"#),
        (&either, "labels", r#"["__name__","job","kind"]"#),
        (&api, "label/job/values", r#"["api"]"#),
        (&api, "series?match[]=up&match[]=special", r#"[{"__name__":"up","job":"api"}]"#),
    ] {
        assert_eq!(ask(policy, path).await, (StatusCode::OK, format!(r#"{{"status":"success","data":{data}}}"#)), "{policy} {path}");
    }
    // The policy of another tenant says nothing of this one.
    assert_eq!(
        ask(&format!("other:{}", escape(r#"{a="b"}"#)), "label/job/values").await.1,
        r#"{"status":"success","data":["api","node"]}"#
    );
    for malformed in ["team", "team:%7Bjob", "team:%7Bjob%3D~%22(%22%7D"] {
        assert_eq!(ask(malformed, "query?query=up").await.0, StatusCode::BAD_REQUEST, "{malformed}");
    }
}

#[tokio::test]
async fn label_policies_hold_in_shards_and_splits_and_for_what_is_no_query() {
    let limits = MetricsLimits { cardinality_analysis_enabled: true, ..MetricsLimits::default() };
    let server = Server::of(limits, Cluster { parallelism: 16, ..Cluster::default() });
    let ask = async |policy: &str, path: &str| {
        let request =
            Request::get(format!("/prometheus/api/v1/{path}")).header("X-Scope-OrgID", "limited").header("X-Prom-Label-Policy", policy);
        Server::send(&server.router, request.body(Body::empty()).unwrap()).await.1
    };
    let policy = |selector: &str| format!("limited:{}", escape(selector));
    let (api, rest, all) = (policy(r#"{job="api"}"#), policy(r#"{job!="node"}"#), policy("{}"));
    let count = "query_range?query=count({__name__=~%22up%7Cspecial%22})&start=1768470000&end=1768475000&step=2500";
    let three = |count: u8| {
        let value = |time: u32| format!(r#"[{time},"{count}"]"#);
        let values = [1_768_470_000, 1_768_472_500, 1_768_475_000].map(value).join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}}}"#)
    };
    let exemplars = "query_exemplars?query=up&start=1768474800&end=1768474801";
    let values = "cardinality/label_values?label_names[]=job";
    for (policy, path, expected) in [
        (&api, count, three(1)),
        (&rest, count, three(6)),
        (&all, count, three(7)),
        (
            &policy(r#"{job!="api"}"#),
            exemplars,
            r#"{"status":"success","data":[{"seriesLabels":{"__name__":"up","job":"node"},"exemplars":[{"labels":{"trace_id":"abc"},"value":"0.5","timestamp":1768474800.500}]}]}"#.to_owned(),
        ),
        (
            &rest,
            values,
            r#"{"labels":[{"cardinality":[{"label_value":"api","series_count":2}],"label_name":"job","label_values_count":1,"series_count":2}],"series_count_total":8}"#.to_owned(),
        ),
        (&api, "cardinality/active_series?selector=up", r#"{"data":[{"__name__":"up","job":"api"}]}"#.to_owned()),
    ] {
        assert_eq!(ask(policy, path).await, expected, "{policy} {path}");
    }
    assert!(server.instruments.sharding_succeeded.get() > 0, "counts were sharded");
}

/// A `prometheus.ReadRequest` of all samples of `up` at one time.
fn read_request(form: u8) -> Vec<u8> {
    use crate::ingest::protobuf::{put_bytes, put_varint};
    let (mut matcher, mut query, mut request) = (Vec::new(), Vec::new(), Vec::new());
    put_bytes(&mut matcher, 2, b"__name__");
    put_bytes(&mut matcher, 3, b"up");
    for field in [1, 2] {
        query.push(field << 3);
        put_varint(&mut query, 1_768_474_800_000);
    }
    put_bytes(&mut query, 3, &matcher);
    put_bytes(&mut request, 1, &query);
    request.extend([2 << 3, form]);
    snap::raw::Encoder::new().compress_vec(&request).unwrap()
}

#[tokio::test]
async fn label_policies_hold_for_remote_read() {
    let server = Server::new();
    for form in [0, 1] {
        let read = async |policy: Option<&str>| {
            let request = Request::post("/prometheus/api/v1/read").header("X-Scope-OrgID", "team");
            let request = policy.into_iter().fold(request, |request, policy| request.header("X-Prom-Label-Policy", policy));
            let response = server.router.clone().oneshot(request.body(Body::from(read_request(form))).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = if form == 0 { snap::raw::Decoder::new().decompress_vec(&body).unwrap() } else { body.to_vec() };
            ["api", "node"].map(|job| body.windows(job.len()).any(|bytes| bytes == job.as_bytes()))
        };
        assert_eq!(read(None).await, [true, true], "{form}");
        assert_eq!(read(Some("team:%7Bjob%3D%22api%22%7D")).await, [true, false], "{form}");
        assert_eq!(read(Some("team:%7Bjob%21%3D%22api%22%7D")).await, [false, true], "{form}");
    }
}

#[tokio::test]
async fn metadata_and_exemplars_are_merged() {
    let server = Server::new();
    server
        .check(
            "metadata",
            expect![[r#"200 {"status":"success","data":{"requests":[{"type":"counter","help":"Requests \"served\".","unit":""},{"type":"counter","help":"Requests.","unit":""}],"up":[{"type":"counter","help":"Up.","unit":""}]}}"#]],
        )
        .await;
    server
        .check(
            "metadata?metric=requests&limit_per_metric=1",
            expect![[r#"200 {"status":"success","data":{"requests":[{"type":"counter","help":"Requests \"served\".","unit":""}]}}"#]],
        )
        .await;
    server.check("metadata?limit=0", expect![[r#"200 {"status":"success","data":{}}"#]]).await;
    server.check("metadata?limit=x", expect![[r#"400 {"status":"error","errorType":"bad_data","error":"limit must be a number"}"#]]).await;
    server
        .check(
            "query_exemplars?query=rate(up%7Bjob=%22api%22%7D[5m])&start=1768474800&end=1768474801",
            expect![[r#"200 {"status":"success","data":[{"seriesLabels":{"__name__":"up","job":"api"},"exemplars":[{"labels":{"trace_id":"abc"},"value":"0.5","timestamp":1768474800.500}]}]}"#]],
        )
        .await;
    server.check("query_exemplars?query=up&start=1&end=2", expect![[r#"200 {"status":"success","data":[]}"#]]).await;
    server.check("query_exemplars?query=1", expect!["204 "]).await;
}

#[tokio::test]
async fn metadata_is_shown_of_metrics_that_a_policy_shows() {
    let server = Server::new();
    let policy = format!("team:{}", escape(r#"{__name__="requests_total"}"#));
    let request = Request::get("/prometheus/api/v1/metadata?limit_per_metric=1&limit=1").header("X-Scope-OrgID", "team");
    let request = request.header("X-Prom-Label-Policy", policy).body(Body::empty()).unwrap();
    let (_, body) = Server::send(&server.router, request).await;
    assert_eq!(body, r#"{"status":"success","data":{"requests":[{"type":"counter","help":"Requests \"served\".","unit":""}]}}"#);
}

#[tokio::test]
async fn cardinality_is_counted_once_for_all_replicas() {
    let server = Server::with(MetricsLimits { cardinality_analysis_enabled: true, ..MetricsLimits::default() });
    let ask = async |path: &str| {
        let (status, body) = server.get_as("limited", &format!("cardinality/{path}")).await;
        format!("{} {body}", status.as_u16())
    };
    expect![[r#"200 {"cardinality":[{"label_name":"kind","label_values_count":5},{"label_name":"__name__","label_values_count":4}],"label_names_count":4,"label_values_count_total":12}"#]]
        .assert_eq(&ask("label_names?limit=2").await);
    expect![[r#"200 {"labels":[{"cardinality":[{"label_value":"special","series_count":5},{"label_value":"requests_total","series_count":2}],"label_name":"__name__","label_values_count":4,"series_count":10},{"cardinality":[{"label_value":"api","series_count":2},{"label_value":"node","series_count":2}],"label_name":"job","label_values_count":2,"series_count":4},{"cardinality":[],"label_name":"none","label_values_count":0,"series_count":0}],"series_count_total":10}"#]]
        .assert_eq(&ask("label_values?label_names[]=job&label_names[]=__name__&label_names[]=none&limit=2&count_method=active").await);
    expect![[r#"200 {"data":[{"__name__":"up","job":"api"},{"__name__":"up","job":"node"}]}"#]]
        .assert_eq(&ask("active_series?selector=up").await);
    expect![[r#"200 {"data":[{"avg_bucket_count":20.0,"bucket_count":40,"max_bucket_count":30,"metric":"latency","min_bucket_count":10,"series_count":2}]}"#]]
        .assert_eq(&ask("active_native_histogram_metrics").await);
    assert_eq!(ask("active_series").await, "400 missing 'selector' parameter\n");
    assert_eq!(ask("label_values").await, "400 'label_names[]' param is required\n");
    assert_eq!(ask("label_names?count_method=x").await, "400 invalid 'count_method' param 'x'. valid options are: [inmemory,active]\n");
    assert_eq!(
        server.get("cardinality/label_names").await,
        (StatusCode::BAD_REQUEST, "cardinality analysis is disabled for the tenant: team\n".to_owned())
    );
}
