use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::to_bytes;
use axum::http::Method;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use runtime::ErrorKind;
use runtime::config::ByteSize;
use runtime::server::Peer;
use runtime::{Compute, ManualClock};
use signal::{Refusal, WriteBatch, WriteError, WriteOutcome, WriteSink};
use tenancy::overrides::Limits;
use tenancy::{Overrides, Tenants};

use super::*;
use crate::ingest::request::tests::{NOW, request as body_of, series};
use crate::ingest::{FORMAT, IngestConfig};
use crate::instruments::{Instruments, User};
use crate::limits::MetricsLimits;
use crate::query::QueryConfig;
use crate::{Deps, NAME};

/// A sink that remembers what it got and answers what it was told to.
#[derive(Default)]
struct Memory {
    got: Mutex<Vec<WriteBatch>>,
    answer: Mutex<Option<Result<WriteOutcome, WriteError>>>,
    writers: AtomicUsize,
}

impl WriteSink for Memory {
    fn write(&self, batch: WriteBatch) -> BoxFuture<'static, Result<WriteOutcome, WriteError>> {
        self.got.lock().push(batch);
        let answer = self.answer.lock().clone().unwrap_or(Ok(WriteOutcome::default()));
        Box::pin(std::future::ready(answer))
    }

    fn live_writers(&self) -> usize {
        self.writers.load(Ordering::SeqCst)
    }
}

struct World {
    sink: Arc<Memory>,
    clock: Arc<ManualClock>,
    instruments: Instruments,
    receiver: Receiver,
}

fn world(limits: MetricsLimits) -> World {
    let sink = Arc::new(Memory::default());
    let clock = Arc::new(ManualClock::at(NOW * 1_000_000));
    let instruments = Instruments::default();
    let limits = Overrides::new(Limits { defaults: Arc::new(limits), tenants: Default::default() });
    let ingest = IngestConfig {
        max_recv_msg_size: ByteSize(10_000),
        max_inflight_push_requests: 3,
        max_inflight_push_requests_bytes: ByteSize(15_000),
        ..IngestConfig::default()
    };
    let deps = Deps {
        limits,
        clock: clock.clone(),
        compute: Compute::new(1),
        instruments: instruments.clone(),
        ingest,
        ha: None,
        retention: crate::Retention::default(),
        query: QueryConfig::default(),
    };
    let receiver = Receiver::new(Arc::new(Intake::new(deps, sink.clone())));
    World { sink, clock, instruments, receiver }
}

const SERIES: &[(&[u8], &[u8])] = &[(b"__name__", b"m"), (b"job", b"t")];

fn snappy(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).unwrap()
}

fn good() -> Vec<u8> {
    snappy(&body_of(&[series(SERIES, &[(NOW, 1.0)])]))
}

impl World {
    async fn push(&self, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, String) {
        let response = self.respond("a", headers, body).await;
        let status = response.status().as_u16();
        let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    async fn respond(&self, tenant: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let mut request = Request::builder().method(Method::POST).uri("/api/v1/push");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(Tenants::parse(tenant).unwrap());
        request.extensions_mut().insert(Peer("10.0.0.7:4711".parse().unwrap()));
        self.receiver.push(request, StatusCode::OK).await
    }
}

#[tokio::test]
async fn a_good_push_goes_to_the_sink_as_it_came() {
    let world = world(MetricsLimits::default());
    assert_eq!(
        world.push(&[("content-type", "application/x-protobuf"), ("content-encoding", "snappy")], good()).await,
        (200, String::new())
    );
    let got = world.sink.got.lock();
    assert_eq!((got[0].tenant.as_str(), got[0].signal, got[0].format, got[0].items.len()), ("a", NAME, FORMAT, 1));
    assert_eq!(got[0].bytes, body_of(&[series(SERIES, &[(NOW, 1.0)])]));
    let user = User { user: "a".to_owned() };
    assert_eq!(world.instruments.received_samples.get_or_create(&user).get(), 1);
    assert_eq!(world.instruments.latest_sample.get_or_create(&user).get(), NOW as f64 / 1000.0);
}

#[tokio::test]
async fn the_age_of_samples_is_counted_before_they_are_checked() {
    let world = world(MetricsLimits::default());
    let (second, day) = (1000, 86_400_000);
    // The last is of the future, which is no age, and refused.
    let samples = [NOW - day - second, NOW - 30 * second, NOW - second, NOW, NOW + day];
    let body = body_of(&[series(SERIES, &samples.map(|t| (t, 1.0)))]);
    assert_eq!(world.push(&[], snappy(&body)).await.0, 400);
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("delay", "Of samples", world.instruments.sample_delays.clone());
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &registry).unwrap();
    for line in ["sum 86432.0", "count 3", "bucket{le=\"30.0\"} 2", "bucket{le=\"86400.0\"} 2", "bucket{le=\"+Inf\"} 3"] {
        assert!(shown.contains(&format!("delay_{line}\n")), "{line}: {shown}");
    }
}

#[tokio::test]
async fn headers() {
    let world = world(MetricsLimits::default());
    let table = [
        ("application/json", "snappy", 415),
        ("text/plain", "snappy", 415),
        ("application/x-protobuf", "gzip", 415),
        ("application/x-protobuf", "zstd", 415),
        ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "gzip", 415),
        ("application/x-protobuf;proto", "snappy", 400),
        ("application/x-protobuf;proto=other.Message", "snappy", 400),
        ("application/x-protobuf; proto=prometheus.WriteRequest", "snappy", 200),
        ("Application/X-Protobuf", "Snappy", 200),
        ("", "", 200),
    ];
    for (content_type, encoding, status) in table {
        let headers: &[(&str, &str)] = &[("content-type", content_type), ("content-encoding", encoding)];
        assert_eq!(world.push(headers, good()).await.0, status, "{content_type} {encoding}");
    }
    assert_eq!(world.push(&[], good()).await.0, 200);
    let (_, text) = world.push(&[("content-type", "text/plain")], good()).await;
    assert_eq!(text, "expected application/x-protobuf as the first (media) part, got text/plain content-type\n");
}

#[tokio::test]
async fn bodies() {
    let world = world(MetricsLimits::default());
    let whole = good();
    let table: [(Vec<u8>, &str); 6] = [
        (b"this is not snappy".to_vec(), "snappy: corrupt input\n"),
        (Vec::new(), "snappy: corrupt input\n"),
        (b"\x05\x10hello!!!".to_vec(), "snappy: corrupt input\n"),
        (whole[..whole.len() - 3].to_vec(), "snappy: corrupt input\n"),
        // It says that it has 9 999 bytes, which three cannot have.
        (b"\x8f\x4e\x00".to_vec(), "snappy: corrupt input\n"),
        (snappy(b"\xff\xff"), "unexpected EOF\n"),
    ];
    for (body, text) in table {
        assert_eq!(world.push(&[], body).await, (400, text.to_owned()));
    }
    for body in [vec![0; 10_001], b"\x80\x80\x80\xc0\x01\x00a".to_vec()] {
        let (status, text) = world.push(&[], body).await;
        assert_eq!(status, 400);
        assert!(text.contains("(err-mimir-distributor-max-write-message-size)"), "{text}");
    }
    assert!(world.sink.got.lock().is_empty());
}

#[tokio::test]
async fn several_tenants_cannot_write() {
    let world = world(MetricsLimits::default());
    assert_eq!(world.respond("a|b", &[], good()).await.status(), 400);
}

#[tokio::test]
async fn a_mixed_batch_stores_its_good_part() {
    let world = world(MetricsLimits::default());
    let bad = series(&[(b"job", b"t")], &[(NOW, 1.0)]);
    let body = snappy(&body_of(&[bad, series(SERIES, &[(NOW, 1.0)])]));
    let (status, text) = world.push(&[], body).await;
    let expected = "received series has no metric name (err-mimir-missing-metric-name). The affected series is {job=\"t\"}. \
                    The request was sent by 10.0.0.7:4711\n";
    assert_eq!((status, text.as_str()), (400, expected));
    assert_eq!(world.sink.got.lock()[0].items.len(), 1);
}

#[tokio::test]
async fn nothing_good_is_not_written() {
    let world = world(MetricsLimits::default());
    let (status, _) = world.push(&[], snappy(&body_of(&[series(&[(b"job", b"t")], &[(NOW, 1.0)])]))).await;
    assert_eq!(status, 400);
    assert!(world.sink.got.lock().is_empty());
}

#[tokio::test]
async fn refusals_of_ingesters_come_first() {
    let world = world(MetricsLimits::default());
    let refusal = |item, text: &str| Refusal { item, kind: ErrorKind::BadInput, reason: "x".to_owned(), text: text.to_owned(), rows: 1 };
    let refused = vec![refusal(1, "second"), refusal(0, "first")];
    *world.sink.answer.lock() = Some(Ok(WriteOutcome { refused }));
    let agent = [("user-agent", "Prometheus/3.5")];
    let expected = "failed pushing to ingester: user=a: first. The request was sent by 10.0.0.7:4711, user agent \"Prometheus/3.5\"\n";
    assert_eq!(world.push(&agent, good()).await, (400, expected.to_owned()));
}

#[tokio::test]
async fn a_failed_write_is_the_servers_fault_and_says_when_to_come_again() {
    let world = world(MetricsLimits::default());
    *world.sink.answer.lock() = Some(Err(WriteError::new(ErrorKind::Unavailable, "no quorum")));
    let response = world.respond("a", &[("retry-attempt", "3")], good()).await;
    assert_eq!(response.status(), 503);
    let seconds: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((12..=36).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_rate_of_samples_is_divided_among_distributors() {
    let limits = MetricsLimits { ingestion_rate: 2.0, ingestion_burst_size: 2, ..MetricsLimits::default() };
    let world = world(limits);
    world.sink.writers.store(2, Ordering::SeqCst);
    assert_eq!(world.push(&[], good()).await.0, 200);
    assert_eq!(world.push(&[], good()).await.0, 200);
    let (status, text) = world.push(&[], good()).await;
    assert_eq!(status, 429);
    assert!(text.contains("exceeded the ingestion rate limit, set to 2 items/s with a maximum allowed burst of 2."), "{text}");
    world.clock.advance(500_000_000);
    assert_eq!(world.push(&[], good()).await.0, 429, "half of 2/s is 1/s");
    world.clock.advance(500_000_000);
    assert_eq!(world.push(&[], good()).await.0, 200);
    let three = snappy(&body_of(&[series(SERIES, &[(NOW, 1.0), (NOW + 1, 1.0), (NOW + 2, 1.0)])]));
    let (status, text) = world.push(&[], three).await;
    assert_eq!(status, 429);
    assert!(text.contains("exceeded the ingestion burst size limit, set to 2, with 3 items."), "{text}");
}

#[tokio::test]
async fn bursts_may_be_seconds_of_the_rate() {
    let limits = MetricsLimits { ingestion_rate: 2.0, ingestion_burst_factor: 2.0, ingestion_burst_size: 1, ..MetricsLimits::default() };
    let world = world(limits);
    world.sink.writers.store(2, Ordering::SeqCst);
    let three = snappy(&body_of(&[series(SERIES, &[(NOW, 1.0), (NOW + 1, 1.0), (NOW + 2, 1.0)])]));
    let (status, text) = world.push(&[], three).await;
    assert!(status == 429 && text.contains("exceeded the ingestion burst size limit, set to 2, with 3 items."), "{text}");
    assert_eq!([world.push(&[], good()).await.0, world.push(&[], good()).await.0], [200, 200]);
    let (status, text) = world.push(&[], good()).await;
    assert!(status == 429 && text.contains("set to 2 items/s with a maximum allowed burst of 4."), "{text}");
}

#[tokio::test]
async fn the_rate_of_requests() {
    let world = world(MetricsLimits { request_rate: 1.0, request_burst_size: 1, ..MetricsLimits::default() });
    assert_eq!(world.push(&[], good()).await.0, 200);
    let (status, text) = world.push(&[], good()).await;
    assert_eq!(status, 429);
    assert!(text.contains("(err-mimir-tenant-max-request-rate)"), "{text}");
}

#[tokio::test]
async fn series_above_the_limit_of_active_ones_are_told_together() {
    let world = world(MetricsLimits { max_active_series_per_user: 7, ..MetricsLimits::default() });
    let refusal = |item, reason: &str, kind| Refusal { item, kind, reason: reason.to_owned(), text: "said".to_owned(), rows: 1 };
    let active = |item| refusal(item, "per_user_active_series_limit", ErrorKind::RateLimited);
    *world.sink.answer.lock() = Some(Ok(WriteOutcome { refused: vec![active(0), active(2)] }));
    let names: [&[u8]; 3] = [b"a", b"b", b"c"];
    let body = snappy(&body_of(&names.map(|name| series(&[(b"__name__", name)], &[(NOW, 1.0)]))));
    let response = world.respond("a", &[], body.clone()).await;
    assert!(response.status() == 429 && response.headers().contains_key(header::RETRY_AFTER));
    let (_, text) = world.push(&[], body.clone()).await;
    assert!(text.contains("series limit, set to 7. 2 series were rejected from this request of a total of 3 (err-"), "{text}");
    // What else an ingester refuses comes first, as in Mimir.
    *world.sink.answer.lock() = Some(Ok(WriteOutcome { refused: vec![active(0), refusal(1, "x", ErrorKind::BadInput)] }));
    let (status, text) = world.push(&[], body).await;
    assert!(status == 400 && text.starts_with("failed pushing to ingester: user=a: said"), "{text}");
}

#[tokio::test]
async fn a_push_without_room_in_memory_is_to_come_again() {
    let world = world(MetricsLimits::default());
    let held = world.receiver.intake.budget.reserve(14_950).unwrap();
    for headers in [&[("content-length", "49")][..], &[]] {
        let response = world.respond("a", headers, good()).await;
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
    drop(held);
    assert_eq!(world.push(&[], good()).await.0, 200);
    assert_eq!(world.receiver.intake.budget.used(), 0, "all of it is given back");
}

#[test]
fn snappy_never_panics_and_never_exceeds_its_limit() {
    use proptest::prelude::*;
    proptest!(|(block in prop::collection::vec(any::<u8>(), 0..100))| {
        if let Ok(body) = snappy::decompress(&block, 500) {
            prop_assert!(body.len() <= 500);
        }
    });
}

const VERSION_2: &[(&str, &str)] =
    &[("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"), ("content-encoding", "snappy")];

/// Status, and the samples, histograms and exemplars that are said to be stored.
async fn push_version_2(world: &World, request: &crate::ingest::version2::tests::Request) -> (u16, [String; 3]) {
    let response = world.respond("a", VERSION_2, snappy(&request.body())).await;
    (response.status().as_u16(), WRITTEN.map(|name| response.headers()[name].to_str().unwrap().to_owned()))
}

#[tokio::test]
async fn version_2_is_told_what_is_stored() {
    let world = world(MetricsLimits::default());
    let mut request = crate::ingest::version2::tests::Request::default();
    assert_eq!(push_version_2(&world, &request).await, (200, ["0", "0", "0"].map(str::to_owned)));
    request.add(&[("__name__", "m")], &[(NOW, 1.0), (NOW + 1, 1.0)], |_, _| {});
    assert_eq!(push_version_2(&world, &request).await, (200, ["2", "0", "0"].map(str::to_owned)));
    request.add(&[("job", "t")], &[(NOW, 1.0)], |_, _| {});
    assert_eq!(push_version_2(&world, &request).await, (400, ["2", "0", "0"].map(str::to_owned)), "a bad series");
    let refusal = Refusal { item: 0, kind: ErrorKind::BadInput, reason: "x".to_owned(), text: "x".to_owned(), rows: 1 };
    *world.sink.answer.lock() = Some(Ok(WriteOutcome { refused: vec![refusal] }));
    assert_eq!(push_version_2(&world, &request).await, (400, ["1", "0", "0"].map(str::to_owned)), "an ingester refused a sample");
    *world.sink.answer.lock() = Some(Err(WriteError::new(ErrorKind::Unavailable, "no quorum")));
    assert_eq!(push_version_2(&world, &request).await, (503, ["0", "0", "0"].map(str::to_owned)));
}

#[tokio::test]
async fn where_a_counter_began_is_refused_silently() {
    let world = world(MetricsLimits { created_timestamp_zero_ingestion_enabled: true, ..MetricsLimits::default() });
    let mut request = crate::ingest::version2::tests::Request::default();
    request.add(&[("__name__", "m")], &[(NOW, 1.0)], |_, series| {
        crate::ingest::protobuf::put_varint(series, 6 << 3);
        crate::ingest::protobuf::put_varint(series, (NOW - 1).cast_unsigned());
    });
    let refusal = Refusal { item: 0, kind: ErrorKind::BadInput, reason: "x".to_owned(), text: "x".to_owned(), rows: 1 };
    *world.sink.answer.lock() = Some(Ok(WriteOutcome { refused: vec![refusal] }));
    assert_eq!(push_version_2(&world, &request).await, (200, ["1", "0", "0"].map(str::to_owned)));
    assert_eq!(world.sink.got.lock()[0].items.len(), 2);
}

#[tokio::test]
async fn pushes_on_their_way_are_limited() {
    let world = world(MetricsLimits::default());
    let tenants = Tenants::parse("a").unwrap();
    let admit = || world.receiver.intake.admit_as(&tenants, crate::ingest::caller::Caller::default());
    let held: Vec<_> = (0..3).map(|_| admit().unwrap()).collect();
    let (status, text) = world.push(&[], good()).await;
    assert_eq!(status, 503);
    assert!(text.contains("(err-mimir-distributor-max-inflight-push-requests)"), "{text}");
    drop(held);
    assert_eq!(world.push(&[], good()).await.0, 200);
}

#[tokio::test]
async fn a_distributor_has_a_rate_of_its_own() {
    let mut world = world(MetricsLimits::default());
    let mut deps = world.receiver.intake.deps.clone();
    deps.ingest.max_ingestion_rate = 1.0;
    world.receiver = Receiver::new(Arc::new(Intake::new(deps, world.sink.clone())));
    assert_eq!(world.push(&[], good()).await.0, 200);
    let (status, text) = world.push(&[], good()).await;
    assert_eq!(status, 503);
    assert!(text.contains("(err-mimir-distributor-max-ingestion-rate)"), "{text}");
    world.clock.advance(1_000_000_000);
    assert_eq!(world.push(&[], good()).await.0, 200);
}
