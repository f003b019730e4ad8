//! Pushes over HTTP and gRPC into a sink.

use std::io::Write;

use ::http::Request;
use axum::Router;
use axum::body::{Body, to_bytes};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use prost::Message as _;
use proto::google::rpc::Status;
use proto::opentelemetry::proto::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use proto::opentelemetry::proto::metrics::v1::metric::Data;
use proto::opentelemetry::proto::metrics::v1::number_data_point::Value;
use proto::opentelemetry::proto::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use runtime::config::ByteSize;
use runtime::grpc::{Channels, ClientConfig};
use runtime::{App, Compute, ErrorKind, ManualClock};
use signal::{InstanceLimit, Overloaded, Receivers, Refusal as WriteRefusal, Routes, WriteBatch, WriteError, WriteOutcome, WriteSink};
use tenancy::Overrides;
use tenancy::http::{AuthConfig, Door};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tower::ServiceExt;

use super::*;
use crate::Deps;
use crate::ingest::{IngestConfig, MetricsReceivers};
use crate::instruments::{Instruments, UserReason};
use crate::limits::MetricsLimits;
use crate::query::QueryConfig;

/// 2026-01-15T10:00:00Z, ms.
const NOW: i64 = 1_768_471_200_000;

/// A sink that remembers what it got and answers what it was told to.
#[derive(Default)]
struct Memory {
    got: Mutex<Vec<WriteBatch>>,
    refuse: Mutex<Option<WriteRefusal>>,
    fail: Mutex<Option<WriteError>>,
}

impl WriteSink for Memory {
    fn write(&self, batch: WriteBatch) -> BoxFuture<'static, Result<WriteOutcome, WriteError>> {
        self.got.lock().push(batch);
        let answer = match self.fail.lock().clone() {
            Some(err) => Err(err),
            None => Ok(WriteOutcome { refused: self.refuse.lock().iter().cloned().collect() }),
        };
        Box::pin(std::future::ready(answer))
    }

    fn live_writers(&self) -> usize {
        1
    }
}

struct World {
    sink: Arc<Memory>,
    instruments: Instruments,
    routes: Routes,
}

fn world(limits: MetricsLimits) -> World {
    let (sink, instruments) = (Arc::new(Memory::default()), Instruments::default());
    let deps = Deps {
        limits: Overrides::fixed(limits),
        clock: Arc::new(ManualClock::at(NOW * 1_000_000)),
        compute: Compute::new(1),
        instruments: instruments.clone(),
        ingest: IngestConfig { max_otlp_request_size: ByteSize(2000), ..IngestConfig::default() },
        ha: None,
        retention: crate::Retention::default(),
        query: QueryConfig::default(),
    };
    let mut routes = Routes::new(Door::new(&AuthConfig::default()).unwrap());
    MetricsReceivers::new(deps).mount(&mut routes, sink.clone());
    World { sink, instruments, routes }
}

/// An answer: status, content type, body.
type Answer = (u16, String, Vec<u8>);

struct Http {
    main: Router,
    own: Router,
    alias: Router,
}

impl World {
    fn http(self) -> (Http, Arc<Memory>, Instruments) {
        let (main, mut aliases) = self.routes.into_parts().0.into_parts();
        let mut port = |name| aliases.remove(name).unwrap();
        (Http { main, own: port("otlp_http"), alias: port("prometheus") }, self.sink, self.instruments)
    }
}

async fn push(router: &Router, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::post(path).header("X-Scope-OrgID", "a");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status().as_u16();
    (status, kind, to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
}

fn gauge(name: &str) -> ExportMetricsServiceRequest {
    let time_unix_nano = NOW.unsigned_abs() * 1_000_000;
    let point = NumberDataPoint { time_unix_nano, value: Some(Value::AsDouble(1.0)), ..NumberDataPoint::default() };
    let metric = Metric { name: name.to_owned(), data: Some(Data::Gauge(Gauge { data_points: vec![point] })), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }] }
}

const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The names of the metrics that came to the sink.
fn names(sink: &Memory) -> Vec<String> {
    let batches = sink.got.lock();
    let items = batches.iter().flat_map(|batch| batch.items.iter().map(|item| batch.bytes.slice(item.start as usize..item.end as usize)));
    let series = items.map(|bytes| proto::prometheus::TimeSeries::decode(bytes).unwrap());
    let mut names: Vec<String> = series.map(|one| one.labels.into_iter().find(|label| label.name == "__name__").unwrap().value).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn a_push_is_answered_in_what_it_was_written_in() {
    let (http, sink, _) = world(MetricsLimits::default()).http();
    let body = gauge("queue.depth").encode_to_vec();
    assert_eq!(push(&http.main, "/otlp/v1/metrics", &[PROTOBUF], body.clone()).await, (200, PROTOBUF.1.to_owned(), vec![]));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&body).unwrap();
    let answer = push(&http.own, "/v1/metrics", &[PROTOBUF, ("Content-Encoding", "gzip")], packed.finish().unwrap()).await;
    assert_eq!(answer, (200, PROTOBUF.1.to_owned(), vec![]));
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"other","gauge":{"dataPoints":[{"timeUnixNano":"1768471200000000000","asInt":"1"}]}}]}]}]}"#;
    assert_eq!(push(&http.own, "/v1/metrics", &[JSON], json.to_vec()).await, (200, JSON.1.to_owned(), b"{}".to_vec()));
    assert_eq!(names(&sink), ["other", "queue_depth"]);
}

/// A body under each compression, by its name.
fn compressed(body: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    // A frame of LZ4 with one block that is stored as it is.
    let mut lz4 = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    lz4.extend((u32::try_from(body.len()).unwrap() | 1 << 31).to_le_bytes());
    lz4.extend(body.iter().chain(&[0; 4]));
    [("", body.to_vec()), ("gzip", gzip.finish().unwrap()), ("zstd", zstd::bulk::compress(body, 1).unwrap()), ("lz4", lz4)]
}

#[tokio::test]
async fn every_door_takes_every_form() {
    let (http, sink, _) = world(MetricsLimits::default()).http();
    let mut expected = Vec::new();
    for (door, router, path) in
        [("main", &http.main, "/otlp/v1/metrics"), ("own", &http.own, "/v1/metrics"), ("alias", &http.alias, "/api/v1/otlp/v1/metrics")]
    {
        let points = r#"[{"timeUnixNano":"1768471200000000000","asDouble":1}]"#;
        let json = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"{door}_json","gauge":{{"dataPoints":{points}}}}}]}}]}}]}}"#
        );
        let bodies = [(PROTOBUF, gauge(&format!("{door}_protobuf")).encode_to_vec()), (JSON, json.into_bytes())];
        for (kind, body) in bodies {
            for (compression, body) in compressed(&body) {
                let (status, answered, _) = push(router, path, &[kind, ("Content-Encoding", compression)], body).await;
                assert_eq!((status, answered.as_str()), (200, kind.1), "{door} {compression}");
            }
        }
        expected.extend([format!("{door}_json"), format!("{door}_protobuf")]);
    }
    expected.sort();
    assert_eq!((names(&sink), sink.got.lock().len()), (expected, 24));
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_status() {
    let (http, sink, _) = world(MetricsLimits::default()).http();
    let refused = async |headers: &[(&str, &str)], body: &[u8]| push(&http.main, "/otlp/v1/metrics", headers, body.to_vec()).await;
    let (status, kind, body) = refused(&[JSON], b"{not json").await;
    assert_eq!((status, kind.as_str()), (400, JSON.1));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["code"], 3);
    let (status, kind, body) = refused(&[PROTOBUF], b"\xff").await;
    assert_eq!((status, kind.as_str()), (400, PROTOBUF.1));
    assert_eq!(Status::decode(body.as_slice()).unwrap().code, Code::InvalidArgument as i32);
    let (status, kind, body) = refused(&[("Content-Type", "text/plain")], b"").await;
    assert_eq!((status, kind.as_str()), (415, "text/plain; charset=utf-8"));
    assert_eq!(body, b"unsupported content type: text/plain, supported: [application/json, application/x-protobuf]\n");
    assert_eq!(refused(&[PROTOBUF, ("Content-Encoding", "br")], b"").await.0, 415);
    let (status, _, body) = refused(&[JSON, ("Content-Length", "2001")], &[b' '; 2001]).await;
    let told = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["message"].as_str().unwrap().to_owned();
    assert_eq!(status, 413);
    assert_eq!(
        told,
        "the incoming OTLP request has been rejected because its message size of 2001 bytes is larger than the allowed limit of 2000 bytes \
         (err-mimir-distributor-max-otlp-request-size). To adjust the related limit, configure -distributor.max-otlp-request-size, or contact \
         your service administrator."
    );
    assert!(sink.got.lock().is_empty());
}

#[tokio::test]
async fn what_cannot_be_translated_is_told_and_the_rest_is_stored() {
    let (http, sink, instruments) = world(MetricsLimits::default()).http();
    let mut request = gauge("good");
    request.resource_metrics[0].scope_metrics[0].metrics.push(Metric { name: "untyped".to_owned(), ..Metric::default() });
    let (status, _, body) = push(&http.main, "/otlp/v1/metrics", &[PROTOBUF], request.encode_to_vec()).await;
    assert_eq!((status, Status::decode(body.as_slice()).unwrap().message.as_str()), (400, "otlp parse error: unsupported metric type"));
    assert_eq!(names(&sink), ["good"]);
    let labels = UserReason { user: "a".to_owned(), reason: "otlp_parse_error".to_owned() };
    assert_eq!(instruments.discarded_samples.get_or_create(&labels).get(), 1);
}

#[tokio::test]
async fn what_ingesters_refuse_is_a_partial_success() {
    let (http, sink, _) = world(MetricsLimits::default()).http();
    let refusal =
        WriteRefusal { item: 0, kind: ErrorKind::BadInput, reason: "sample-out-of-order".to_owned(), text: "too late".to_owned(), rows: 1 };
    *sink.refuse.lock() = Some(refusal);
    let body = gauge("queue.depth").encode_to_vec();
    let (status, _, answer) = push(&http.main, "/otlp/v1/metrics", &[PROTOBUF], body.clone()).await;
    let partial = ExportMetricsServiceResponse::decode(answer.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!((status, partial.rejected_data_points), (200, 0));
    assert!(partial.error_message.contains("too late"), "{}", partial.error_message);
    let limits = MetricsLimits { max_label_names_per_series: 0, max_label_names_per_info_series: 0, ..MetricsLimits::default() };
    let (http, _, _) = world(limits).http();
    assert_eq!(push(&http.main, "/otlp/v1/metrics", &[PROTOBUF], body).await.0, 400);
}

#[tokio::test]
async fn failures_are_such_that_clients_come_again() {
    let (http, sink, _) = world(MetricsLimits { ingestion_burst_size: 1, ingestion_rate: 1.0, ..MetricsLimits::default() }).http();
    let mut request = gauge("a");
    request.resource_metrics.extend(gauge("b").resource_metrics);
    assert_eq!(push(&http.main, "/otlp/v1/metrics", &[PROTOBUF], request.encode_to_vec()).await.0, 429);
    assert!(sink.got.lock().is_empty());
    let (http, sink, _) = world(MetricsLimits::default()).http();
    *sink.fail.lock() = Some(WriteError::new(ErrorKind::Internal, "broken"));
    assert_eq!(push(&http.main, "/otlp/v1/metrics", &[PROTOBUF], request.encode_to_vec()).await.0, 503);
}

#[tokio::test]
async fn the_start_of_a_counter_is_a_zero_where_a_tenant_wants_it() {
    let limits = MetricsLimits { otel_created_timestamp_zero_ingestion_enabled: true, ..MetricsLimits::default() };
    let body = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"reqs","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
        {"startTimeUnixNano":"1768471140000000000","timeUnixNano":"1768471200000000000","asInt":"7"}]}}]}]}]}"#;
    let native = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"lat","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
        {"startTimeUnixNano":"1768471140000000000","timeUnixNano":"1768471200000000000","count":1,"positive":{"bucketCounts":[1]}}]}}]}]}]}"#;
    for (limits, items) in [(limits, 3), (MetricsLimits::default(), 2)] {
        for body in [&body[..], &native[..]] {
            let (http, sink, _) = world(limits.clone()).http();
            assert_eq!(push(&http.main, "/otlp/v1/metrics", &[JSON], body.to_vec()).await.0, 200);
            assert_eq!(sink.got.lock()[0].items.len(), items);
        }
    }
}

async fn client(app: App) -> (MetricsServiceClient<tonic::transport::Channel>, runtime::Running) {
    let running = app.serve().await;
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    let channel = channels.get(&running.aliases["otlp_grpc"].to_string()).unwrap();
    (MetricsServiceClient::new(channel), running)
}

#[tokio::test]
async fn pushes_over_grpc() {
    let World { sink, routes, .. } = world(MetricsLimits { max_label_name_length: 20, ..MetricsLimits::default() });
    let mut app = App::for_test("distributor").await.unwrap();
    let (http, grpc) = routes.into_parts();
    app.http.merge(http);
    app.grpc.merge(grpc);
    let (mut client, running) = client(app).await;
    let named = |request: ExportMetricsServiceRequest, tenant: Option<&str>| {
        let mut request = tonic::Request::new(request);
        if let Some(tenant) = tenant {
            request.metadata_mut().insert("x-scope-orgid", tenant.parse().unwrap());
        }
        request
    };
    assert_eq!(client.export(named(gauge("one"), Some("a"))).await.unwrap().into_inner().partial_success, None);
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    client.export(named(gauge("two"), Some("a"))).await.unwrap();
    assert_eq!(names(&sink), ["one", "two"]);
    assert_eq!(sink.got.lock()[0].tenant.as_str(), "a");

    let refused = client.export(named(gauge("one"), None)).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "no org id"));
    let refused = client.export(named(gauge("..."), Some("a"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("otlp parse error: normalization for metric"), "{}", refused.message());
    *sink.fail.lock() = Some(WriteError::new(ErrorKind::Unavailable, "away"));
    assert_eq!(client.export(named(gauge("one"), Some("a"))).await.unwrap_err().code(), Code::Unavailable);
    let overloaded = Overloaded { ingester: "ingester-a-0".to_owned(), limit: InstanceLimit::Series };
    *sink.fail.lock() = Some(WriteError { overloaded: Some(overloaded), ..WriteError::new(ErrorKind::Unavailable, "full") });
    let refused = client.export(named(gauge("one"), Some("a"))).await.unwrap_err();
    assert!(refused.code() == Code::Unavailable && refused.message().contains("(err-mimir-ingester-max-series)"), "{refused}");
    running.stop().await.unwrap();
}
