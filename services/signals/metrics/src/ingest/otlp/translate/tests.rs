use proptest::prelude::*;
use prost::Message;
use proto::json::COLLECTOR_METRICS_EXPORT_METRICS_SERVICE_REQUEST as TABLE;
use proto::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest;
use serde_json::{Value, json};

use super::{RoomError, Translated};
use crate::ingest::otlp::settings::Translation;
use crate::ingest::protobuf::Message as Fields;
use crate::limits::CommaList;

const T: u64 = 1_768_471_200_000;

fn how() -> Translation {
    Translation { suffixes: true, ..Translation::default() }
}

fn request(attributes: Value, scope: Value, metrics: Value) -> ExportMetricsServiceRequest {
    let whole = json!({ "resourceMetrics": [{ "resource": { "attributes": attributes }, "scopeMetrics": [{ "scope": scope, "metrics": metrics }] }] });
    let bytes = otlp::json::to_protobuf(whole.to_string().as_bytes(), &TABLE).expect("good JSON");
    ExportMetricsServiceRequest::decode(bytes.as_slice()).expect("protobuf")
}

/// Attributes of texts.
fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

fn translate(request: &ExportMetricsServiceRequest, how: &Translation) -> Translated {
    let mut memory = tenancy::Budget::process("test", None).reserve(0).expect("no limit");
    super::translate(request, how, &mut memory).expect("there is room")
}

fn translated(metrics: Value, how: &Translation) -> Translated {
    translate(&request(json!([]), json!({ "name": "lib" }), metrics), how)
}

/// A series as text: labels, then samples, histograms (their bytes in hexadecimal digits would say nothing: their number) and exemplars.
fn lines(translated: &Translated) -> Vec<String> {
    let body = &translated.body;
    let mut lines = Vec::new();
    let mut message = Fields::whole(body);
    while let Some(field) = message.next().expect("protobuf") {
        let place = field.value.bytes("a message").expect("a message");
        if field.number == 1 {
            lines.push(series(&body[place]));
        } else {
            let metadata = proto::prometheus::MetricMetadata::decode(&body[place]).expect("metadata");
            lines.push(format!(
                "# {} {} {:?} {:?}",
                metadata.metric_family_name,
                metadata.r#type().as_str_name(),
                metadata.help,
                metadata.unit
            ));
        }
    }
    lines
}

fn series(bytes: &[u8]) -> String {
    let series = proto::prometheus::TimeSeries::decode(bytes).expect("a series");
    let labels = |labels: &[proto::prometheus::Label]| {
        assert!(labels.windows(2).all(|pair| pair[0].name < pair[1].name), "{labels:?}");
        labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect::<Vec<_>>().join(" ")
    };
    let mut line = labels(&series.labels);
    for sample in &series.samples {
        line += &format!(" | {}@{}", sample.value, sample.timestamp - i64::try_from(T).expect("small"));
    }
    for exemplar in &series.exemplars {
        line +=
            &format!(" | {{{}}} {}@{}", labels(&exemplar.labels), exemplar.value, exemplar.timestamp - i64::try_from(T).expect("small"));
    }
    line
}

fn nanos(after_ms: u64) -> String {
    ((T + after_ms) * 1_000_000).to_string()
}

#[test]
fn a_gauge_of_a_resource_with_target_info() {
    let resource =
        attributes(&[("service.name", "shop"), ("service.namespace", "eu"), ("service.instance.id", "i-1"), ("host.arch", "arm64")]);
    let metrics = json!([{ "name": "queue.depth", "unit": "1", "description": "Depth", "gauge": { "dataPoints": [
        { "timeUnixNano": nanos(0), "asInt": "5", "attributes": attributes(&[("queue.name", "a"), ("job", "own")]) },
        { "timeUnixNano": nanos(200_000), "asDouble": 2.5 },
    ] } }]);
    assert_eq!(
        lines(&translate(&request(resource, json!({}), metrics), &how())),
        [
            "__name__=queue_depth_ratio instance=i-1 job=eu/shop queue_name=a | 5@0",
            "__name__=queue_depth_ratio instance=i-1 job=eu/shop | 2.5@200000",
            "__name__=target_info host_arch=arm64 instance=i-1 job=eu/shop | 1@0 | 1@150000 | 1@200000",
            "# queue_depth_ratio GAUGE \"Depth\" \"\"",
            "# target_info GAUGE \"Target metadata\" \"\"",
        ]
    );
}

#[test]
fn target_info_needs_an_identity_and_something_to_say() {
    let metrics = json!([{ "name": "up", "gauge": { "dataPoints": [{ "timeUnixNano": nanos(0), "asInt": 1 }] } }]);
    let count = |resource: Value, how: &Translation| lines(&translate(&request(resource, json!({}), metrics.clone()), how)).len();
    assert_eq!(count(attributes(&[("service.name", "shop")]), &how()), 2);
    assert_eq!(count(attributes(&[("host.name", "h")]), &how()), 2);
    assert_eq!(count(attributes(&[("host.name", "h"), ("service.instance.id", "i")]), &how()), 4);
    let keep = Translation { keep_identifying: true, ..how() };
    let all = lines(&translate(&request(attributes(&[("host.name", "h"), ("service.name", "s")]), json!({}), metrics), &keep));
    assert_eq!(all[1], "__name__=target_info host_name=h job=s service_name=s | 1@0");
}

#[test]
fn target_info_of_a_point_dated_1970_is_bounded() {
    let metrics = json!([{ "name": "up", "gauge": { "dataPoints": [{ "timeUnixNano": "0", "asInt": 1 }, { "timeUnixNano": nanos(0), "asInt": 1 }] } }]);
    let resource = attributes(&[("service.name", "s"), ("host.name", "h")]);
    let info = lines(&translate(&request(resource, json!({}), metrics), &how())).remove(1);
    assert!(info.starts_with("__name__=target_info"), "{info}");
    assert_eq!(info.matches('|').count(), 1153);
    assert!(info.ends_with(" | 1@0"));
}

#[test]
fn sums_and_their_exemplars() {
    let point = |value: i64, at: u64, more: Value| json!({ "timeUnixNano": nanos(at), "asInt": value, "exemplars": more });
    let exemplar = json!([{ "timeUnixNano": nanos(1), "asDouble": 1.5, "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
        "filteredAttributes": attributes(&[("user", "u")]) }]);
    let sum = |monotonic: bool, temporality: i32| {
        json!([{ "name": "reqs", "unit": "By/s", "sum": { "aggregationTemporality": temporality,
        "isMonotonic": monotonic, "dataPoints": [point(25, 15_000, json!([])), point(10, 0, exemplar.clone())] } }])
    };
    assert_eq!(
        lines(&translated(sum(true, 2), &how())),
        [
            "__name__=reqs_bytes_per_second_total | 10@0 | 25@15000 | \
         {span_id=b7ad6b7169203331 trace_id=0af7651916cd43dd8448eb211c80319c user=u} 1.5@1",
            "# reqs_bytes_per_second_total COUNTER \"\" \"bytes_per_second\"",
        ]
    );
    assert!(lines(&translated(sum(false, 2), &how()))[1].starts_with("# reqs_bytes_per_second GAUGE"));
    for temporality in [0, 1, 7] {
        let refused = translated(sum(true, temporality), &how());
        assert!(refused.body.is_empty() && refused.dropped == 1);
        assert_eq!(refused.complaints[0].to_string(), "invalid temporality and type combination for metric \"reqs\"");
    }
    let delta = Translation { allow_delta: true, ..how() };
    assert_eq!(lines(&translated(sum(true, 1), &delta))[1], "# reqs_bytes_per_second_total UNKNOWN \"\" \"bytes_per_second\"");
    assert_eq!(translated(sum(true, 0), &delta).dropped, 1);
}

#[test]
fn a_long_exemplar_loses_its_attributes() {
    let exemplar = json!([{ "timeUnixNano": nanos(0), "asInt": "1", "spanId": "b7ad6b7169203331", "filteredAttributes": attributes(&[("long", &"x".repeat(120))]) }]);
    let metrics = json!([{ "name": "reqs", "sum": { "aggregationTemporality": 2, "dataPoints": [{ "timeUnixNano": nanos(0), "exemplars": exemplar }] } }]);
    assert_eq!(lines(&translated(metrics, &how()))[0], "__name__=reqs | 0@0 | {span_id=b7ad6b7169203331} 1@0");
}

fn histogram(flags: u32) -> Value {
    json!([{ "name": "lat", "unit": "s", "histogram": { "aggregationTemporality": 2, "dataPoints": [{
        "timeUnixNano": nanos(0), "count": "7", "sum": 9.5, "bucketCounts": ["1", "2", "4"], "explicitBounds": [0.0000001, 2.5], "flags": flags,
        "exemplars": [
            { "timeUnixNano": nanos(1), "asDouble": 2.0, "spanId": "01" }, { "timeUnixNano": nanos(2), "asDouble": 99, "spanId": "02" },
        ] }] } }])
}

#[test]
fn histograms_become_series_of_buckets() {
    assert_eq!(
        lines(&translated(histogram(0), &how())),
        [
            "__name__=lat_seconds_sum | 9.5@0",
            "__name__=lat_seconds_count | 7@0",
            "__name__=lat_seconds_bucket le=0.0000001 | 1@0",
            "__name__=lat_seconds_bucket le=2.5 | 3@0 | {span_id=01} 2@1",
            "__name__=lat_seconds_bucket le=+Inf | 7@0 | {span_id=02} 99@2",
            "# lat_seconds HISTOGRAM \"\" \"seconds\"",
        ]
    );
    let without_sum =
        json!([{ "name": "lat", "histogram": { "aggregationTemporality": 2, "dataPoints": [{ "timeUnixNano": nanos(0), "count": 3 }] } }]);
    assert_eq!(lines(&translated(without_sum, &how()))[..2], ["__name__=lat_count | 3@0", "__name__=lat_bucket le=+Inf | 3@0"]);
}

#[test]
fn a_point_without_a_value_is_a_staleness_marker() {
    let body = translated(histogram(1), &how()).body;
    let mut message = Fields::whole(&body);
    let mut stale = 0;
    while let Some(field) = message.next().expect("protobuf") {
        let place = field.value.bytes("a message").expect("a message");
        if field.number == 1 {
            let series = proto::prometheus::TimeSeries::decode(&body[place]).expect("a series");
            assert!(series.samples.iter().all(|sample| crate::model::is_stale(sample.value)));
            stale += series.samples.len();
        }
    }
    assert_eq!(stale, 5);
}

#[test]
fn summaries_become_series_of_quantiles() {
    let metrics = json!([{ "name": "rpc", "summary": { "dataPoints": [{ "timeUnixNano": nanos(0), "count": 4, "sum": 2.5,
        "quantileValues": [{ "quantile": 0.5, "value": 1.0 }, { "quantile": 1, "value": "NaN" }] }] } }]);
    assert_eq!(
        lines(&translated(metrics, &how())),
        [
            "__name__=rpc_sum | 2.5@0",
            "__name__=rpc_count | 4@0",
            "__name__=rpc quantile=0.5 | 1@0",
            "__name__=rpc quantile=1 | NaN@0",
            "# rpc SUMMARY \"\" \"\"",
        ]
    );
}

#[test]
fn scales_that_are_too_coarse_are_refused() {
    let metrics = |scale: i32| {
        json!([{ "name": "lat", "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [
        { "timeUnixNano": nanos(0), "count": 1, "scale": scale, "positive": { "offset": 0, "bucketCounts": [1] } }] } }])
    };
    for scale in [-4, 0, 8, 20, i32::MAX] {
        assert_eq!(translated(metrics(scale), &how()).complaints, [], "{scale}");
    }
    let text = translated(metrics(-5), &how()).complaints[0].to_string();
    assert_eq!(text, "cannot convert exponential to native histogram. Scale must be >= -4, was -5");
}

#[test]
fn attributes_of_resource_and_scope_are_promoted() {
    let how = Translation { promoted: CommaList::new(["k8s.pod", "queue.name", "absent"]), promote_scope: true, ..how() };
    let resource = attributes(&[("k8s.pod", "p-1"), ("queue.name", "of resource")]);
    let scope = json!({ "name": "lib", "version": "1.0", "attributes": attributes(&[("kind", "k"), ("name", "never seen")]) });
    let metrics = json!([{ "name": "up", "gauge": { "dataPoints": [{ "timeUnixNano": nanos(0), "asInt": 1, "attributes": attributes(&[("queue.name", "of point")]) }] } }]);
    assert_eq!(
        lines(&translate(&request(resource, scope, metrics), &how))[0],
        "__name__=up k8s_pod=p-1 otel_scope_kind=k otel_scope_name=lib otel_scope_version=1.0 queue_name=of point | 1@0"
    );
}

#[test]
fn attributes_that_become_one_label_are_joined() {
    let point = |attributes: Value| json!([{ "name": "up", "gauge": { "dataPoints": [{ "timeUnixNano": nanos(0), "asInt": 1, "attributes": attributes }] } }]);
    let collide = attributes(&[("a_b", "3"), ("a.b", "2"), ("a-b", "1"), ("9", "digit"), ("empty", "")]);
    assert_eq!(lines(&translated(point(collide), &how()))[0], "__name__=up a_b=1;2;3 key_9=digit | 1@0");
    let refused = translated(point(attributes(&[("...", "x")])), &how());
    assert!(refused.complaints[0].to_string().starts_with("normalization for label name"));
}

#[test]
fn a_small_request_that_becomes_large_is_refused() {
    let bounds: Vec<u32> = (0..2000).collect();
    let metrics = json!([{ "name": "h", "histogram": { "aggregationTemporality": 2, "dataPoints": [{
        "timeUnixNano": nanos(0), "count": 0, "bucketCounts": vec![0; 2001], "explicitBounds": bounds, "attributes": attributes(&[("long", &"x".repeat(50_000))]) }] } }]);
    let request = request(json!([]), json!({}), metrics);
    let budget = tenancy::Budget::process("test", Some(10 << 20));
    let mut memory = budget.reserve(0).expect("nothing yet");
    assert!(matches!(super::translate(&request, &how(), &mut memory), Err(RoomError::Busy(_))));
    let mut memory = tenancy::Budget::process("test", None).reserve(0).expect("no limit");
    assert!(matches!(super::translate(&request, &how(), &mut memory), Err(RoomError::TooLarge { .. })));
}

#[test]
fn metrics_without_points_or_type() {
    let nothing = translated(json!([{ "name": "empty", "gauge": {} }]), &how());
    assert!(nothing.body.is_empty() && nothing.dropped == 0);
    assert_eq!(translated(json!([{ "name": "untyped" }]), &how()).complaints[0].to_string(), "unsupported metric type");
}

proptest! {
    #[test]
    fn garbage_makes_a_readable_body_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), custom: bool) {
        let how = Translation { custom_buckets: custom, allow_delta: true, promote_scope: true, ..how() };
        if let Ok(request) = ExportMetricsServiceRequest::decode(bytes.as_slice()) {
            lines(&translate(&request, &how));
        }
    }

    #[test]
    fn points_of_any_shape_make_a_readable_body(
        counts in prop::collection::vec(any::<u64>(), 0..6),
        bounds in prop::collection::vec(any::<f64>(), 0..6),
        (count, scale, offset, time, custom) in any::<(u64, i32, i32, u64, bool)>(),
    ) {
        let point = |more: Value| {
            let mut point = json!({ "timeUnixNano": time.to_string(), "count": count.to_string() });
            point.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            json!({ "aggregationTemporality": 2, "dataPoints": [point] })
        };
        let bounds: Vec<String> = bounds.iter().map(|bound| if bound.is_nan() { "NaN".to_owned() } else if bound.is_infinite() { "Infinity".to_owned() } else { format!("{bound:e}") }).collect();
        let metrics = json!([
            { "name": "h", "histogram": point(json!({ "bucketCounts": counts, "explicitBounds": bounds })) },
            { "name": "e", "exponentialHistogram": point(json!({ "scale": scale, "positive": { "offset": offset, "bucketCounts": counts } })) },
        ]);
        lines(&translated(metrics, &Translation { custom_buckets: custom, ..how() }));
    }
}
