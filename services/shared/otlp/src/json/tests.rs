use proptest::prelude::*;
use prost::Message as _;
use proto::json::{COLLECTOR_METRICS_EXPORT_METRICS_SERVICE_REQUEST as REQUEST, COMMON_ANY_VALUE as ANY};
use proto::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest;
use proto::opentelemetry::proto::common::v1::{AnyValue, any_value};
use proto::opentelemetry::proto::metrics::v1::{metric, number_data_point};

use super::to_protobuf;

fn any(text: &str) -> Result<AnyValue, String> {
    let bytes = to_protobuf(text.as_bytes(), &ANY).map_err(|err| err.to_string())?;
    AnyValue::decode(bytes.as_slice()).map_err(|err| err.to_string())
}

fn value(text: &str) -> any_value::Value {
    any(text).expect("a good value").value.expect("it is there")
}

#[test]
fn values_of_every_type() {
    assert_eq!(value(r#"{"stringValue": "a\n\u00e4"}"#), any_value::Value::StringValue("a\nä".to_owned()));
    assert_eq!(value(r#"{"boolValue": true}"#), any_value::Value::BoolValue(true));
    assert_eq!(value(r#"{"intValue": "-9223372036854775808"}"#), any_value::Value::IntValue(i64::MIN));
    assert_eq!(value(r#"{"intValue": 7}"#), any_value::Value::IntValue(7));
    assert_eq!(value(r#"{"intValue": 7.0}"#), any_value::Value::IntValue(7));
    assert_eq!(value(r#"{"int_value": 7}"#), any_value::Value::IntValue(7));
    assert_eq!(value(r#"{"doubleValue": "-Infinity"}"#), any_value::Value::DoubleValue(f64::NEG_INFINITY));
    assert_eq!(value(r#"{"doubleValue": 3}"#), any_value::Value::DoubleValue(3.0));
    assert_eq!(value(r#"{"bytesValue": "AQI="}"#), any_value::Value::BytesValue(vec![1, 2].into()));
    assert_eq!(value(r#"{"bytesValue": "-_8"}"#), any_value::Value::BytesValue(vec![0xfb, 0xff].into()));
    let list = value(r#"{"arrayValue": {"values": [{"intValue": 1}, {"arrayValue": {"values": []}}]}}"#);
    assert!(matches!(list, any_value::Value::ArrayValue(list) if list.values.len() == 2));
}

#[test]
fn null_and_unknown_keys_are_nothing() {
    assert_eq!(any(r#"{"stringValue": null, "other": {"deep": [1, {}]}}"#), Ok(AnyValue { value: None }));
    assert_eq!(any("{}"), Ok(AnyValue { value: None }));
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for text in [
        "",
        "{",
        "null",
        "[]",
        "{} {}",
        "{not json",
        r#"{"intValue": 1.5}"#,
        r#"{"intValue": "x"}"#,
        r#"{"intValue": 9223372036854775808}"#,
        r#"{"intValue": true}"#,
        r#"{"boolValue": 1}"#,
        r#"{"bytesValue": "*"}"#,
        r#"{"stringValue": 1}"#,
        r#"{"stringValue": {}}"#,
        r#"{"stringValue": ["a"]}"#,
        r#"{"arrayValue": []}"#,
        r#"{"arrayValue": {"values": {}}}"#,
        r#"{"arrayValue": {"values": [[{}]]}}"#,
    ] {
        assert!(any(text).is_err(), "{text}");
    }
    let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(200), "]}}".repeat(200));
    assert!(any(&deep).is_err());
}

#[test]
fn a_request_with_ids_enumerations_and_lists() {
    let text = r#"{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a", "sum": {
        "aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "isMonotonic": true,
        "dataPoints": [{"timeUnixNano": "1768471200000000000", "asInt": "-5", "flags": 1,
            "exemplars": [{"asDouble": 0.5, "traceId": "0AF7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}]}]}}]}]}]}"#;
    let bytes = to_protobuf(text.as_bytes(), &REQUEST).expect("a good request");
    let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).expect("protobuf");
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, true));
    let point = &sum.data_points[0];
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(-5)));
    assert_eq!((point.time_unix_nano, point.flags), (1_768_471_200_000_000_000, 1));
    assert_eq!(point.exemplars[0].trace_id[..2], [0x0a, 0xf7]);
    assert_eq!(point.exemplars[0].span_id.len(), 8);
    assert!(to_protobuf(text.replace("0AF7", "xAF7").as_bytes(), &REQUEST).is_err());
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_message(text in r#"[\[\]{}:,"a-z0-9.nul ]{0,60}"#) {
        if let Ok(bytes) = to_protobuf(text.as_bytes(), &ANY) {
            prop_assert!(AnyValue::decode(bytes.as_slice()).is_ok());
        }
    }

    #[test]
    fn numbers_survive(signed: i64, small: i32, float: f64) {
        prop_assert_eq!(value(&format!(r#"{{"intValue": "{signed}"}}"#)), any_value::Value::IntValue(signed));
        let text = format!(r#"{{"offset": {small}, "bucketCounts": [1, "2"]}}"#);
        let table = &proto::json::METRICS_EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS;
        let bytes = to_protobuf(text.as_bytes(), table).expect("good buckets");
        let buckets = proto::opentelemetry::proto::metrics::v1::exponential_histogram_data_point::Buckets::decode(bytes.as_slice());
        let buckets = buckets.expect("protobuf");
        prop_assert_eq!((buckets.offset, buckets.bucket_counts), (small, vec![1, 2]));
        if float.is_finite() {
            let any_value::Value::DoubleValue(read) = value(&format!(r#"{{"doubleValue": {float:e}}}"#)) else { panic!("a float") };
            prop_assert_eq!(read.to_bits(), float.to_bits());
        }
    }
}
