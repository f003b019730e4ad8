mod exemplars;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use tenancy::{Budget, TenantId};

use super::*;
use crate::histogram::{self, Buckets, Histogram, HistogramSample, Span};
use crate::ingest::check::Counts;
use crate::ingest::labels;
use crate::ingest::protobuf::put_bytes;
use crate::ingest::series::RawLabel;
use crate::limits::{MetricsLimits, NameValidation};
use crate::model::{Sample, shard_key};

/// The time of the tests, ms.
pub(crate) const NOW: i64 = 1_768_471_200_000;

/// A `TimeSeries` message.
pub(crate) fn series(labels: &[(&[u8], &[u8])], samples: &[(i64, f64)]) -> Vec<u8> {
    let raw = RawSeries {
        labels: labels.iter().map(|(name, value)| RawLabel { name, value }).collect(),
        samples: samples.iter().map(|(t, v)| Sample { t: *t, v: *v }).collect(),
        ..RawSeries::default()
    };
    let mut out = Vec::new();
    raw.write(&mut out);
    out
}

/// A `WriteRequest` of series.
pub(crate) fn request(series: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for one in series {
        put_bytes(&mut out, 1, one);
    }
    out
}

fn metadata(metric: &str, unit: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 2, metric.as_bytes());
    put_bytes(&mut out, 5, unit.as_bytes());
    out
}

fn limits() -> MetricsLimits {
    MetricsLimits {
        max_label_names_per_series: 4,
        max_label_names_per_info_series: 5,
        max_label_name_length: 12,
        max_label_value_length: 20,
        max_metadata_length: 8,
        ..MetricsLimits::default()
    }
}

fn run(body: Vec<u8>, limits: &MetricsLimits) -> Checked {
    try_run(body, limits).unwrap()
}

fn try_run(body: Vec<u8>, limits: &MetricsLimits) -> Result<Checked, DecodeError> {
    let mut memory = Budget::process("test", None).reserve(0).unwrap();
    check(body, Rules { tenant: &TenantId::anonymous(), limits, now: NOW, replica_label: None }, &mut memory)
}

fn fault(checked: &Checked) -> Option<&str> {
    checked.faults.first().map(|fault| fault.text.as_str())
}

/// What the items hold, read again.
fn stored(checked: &Checked) -> Vec<(String, Vec<Sample>)> {
    let mut series = RawSeries::default();
    let items = checked.items.iter().map(|item| {
        series.read(&checked.bytes, item.start as usize..item.end as usize).unwrap();
        let labels = series
            .labels
            .iter()
            .map(|label| format!("{}={}", std::str::from_utf8(label.name).unwrap(), std::str::from_utf8(label.value).unwrap()));
        (labels.collect::<Vec<_>>().join(","), series.samples.clone())
    });
    items.collect()
}

/// Checks that a series is refused for a reason and with a text, and that a good one beside it is kept.
fn refused(labels: &[(&[u8], &[u8])], samples: &[(i64, f64)], limits: &MetricsLimits, reason: &str, text: Expect) {
    let good = series(&[(b"__name__", b"good")], &[(NOW, 1.0)]);
    let checked = run(request(&[series(labels, samples), good]), limits);
    text.assert_eq(fault(&checked).unwrap());
    assert_eq!(checked.discarded_samples, [(reason, samples.len() as u64)]);
    assert_eq!(stored(&checked), [("__name__=good".to_owned(), vec![Sample { t: NOW, v: 1.0 }])]);
    assert_eq!((checked.incoming.samples, checked.good.samples), (samples.len() as u64 + 1, 1));
}

const ONE: &[(i64, f64)] = &[(NOW, 1.0)];

#[test]
fn no_metric_name() {
    refused(
        &[(b"job", b"t")],
        ONE,
        &limits(),
        "missing_metric_name",
        expect![[r#"received series has no metric name (err-mimir-missing-metric-name). The affected series is {job="t"}"#]],
    );
    refused(&[], ONE, &limits(), "missing_metric_name", expect!["received series has no metric name (err-mimir-missing-metric-name)"]);
    refused(
        &[(b"__name__", b"")],
        ONE,
        &limits(),
        "missing_metric_name",
        expect!["received series has no metric name (err-mimir-missing-metric-name)"],
    );
}

#[test]
fn bad_metric_name() {
    refused(
        &[(b"__name__", b"m\xff")],
        ONE,
        &limits(),
        "metric_name_invalid",
        expect!["received a series with invalid metric name: 'm�' (err-mimir-metric-name-invalid). The affected series is m�"],
    );
    let legacy = MetricsLimits { name_validation_scheme: NameValidation::Legacy, ..limits() };
    refused(
        &[(b"__name__", b"m.dots")],
        ONE,
        &legacy,
        "metric_name_invalid",
        expect!["received a series with invalid metric name: 'm.dots' (err-mimir-metric-name-invalid). The affected series is m.dots"],
    );
}

#[test]
fn too_many_labels() {
    refused(
        &[(b"__name__", b"m"), (b"five", b"1"), (b"four", b"2"), (b"three", b"3"), (b"two", b"4")],
        ONE,
        &limits(),
        "max_label_names_per_series",
        expect![[
            r#"received a series whose number of labels exceeds the limit (actual: 5, limit: 4) series: 'm{five="1", four="2", three="3", two="4"}' (err-mimir-max-label-names-per-series). To adjust the related per-tenant limit, configure -validation.max-label-names-per-series, or contact your service administrator."#
        ]],
    );
    let info: &[(&[u8], &[u8])] = &[(b"__name__", b"m_info"), (b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"d", b"1"), (b"e", b"1")];
    refused(
        info,
        ONE,
        &limits(),
        "max_label_names_per_info_series",
        expect![[
            r#"received an info series whose number of labels exceeds the limit (actual: 6, limit: 5) series: 'm_info{a="1", b="1", c="1", d="1", e="1"}' (err-mimir-max-label-names-per-info-series). To adjust the related per-tenant limit, configure -validation.max-label-names-per-info-series, or contact your service administrator."#
        ]],
    );
    assert!(run(request(&[series(&info[..5], ONE)]), &limits()).faults.is_empty());
}

#[test]
fn ten_thousand_labels_are_one_short_line() {
    let names: Vec<String> = (0..10_000).map(|n| format!("l{n:05}")).collect();
    let mut labels: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), b"v".as_slice())).collect();
    labels.push((b"__name__", b"m"));
    let checked = run(request(&[series(&labels, ONE)]), &limits());
    let fault = fault(&checked).unwrap();
    assert!(
        fault.starts_with("received a series whose number of labels exceeds the limit (actual: 10001, limit: 4) series: 'm{l00000="),
        "{fault}"
    );
    assert!(fault.contains("\u{2026}'") && fault.len() < 600, "{fault}");
}

#[test]
fn label_names() {
    refused(
        &[(b"__name__", b"m"), (b"thirteen_long", b"3")],
        ONE,
        &limits(),
        "label_name_too_long",
        expect![[
            r#"received a series whose label name length exceeds the limit, label: 'thirteen_long' series: 'm{thirteen_long="3"}' (err-mimir-label-name-too-long). To adjust the related per-tenant limit, configure -validation.max-length-label-name, or contact your service administrator."#
        ]],
    );
    refused(
        &[(b"", b"v"), (b"__name__", b"m")],
        ONE,
        &limits(),
        "label_invalid",
        expect![[r#"received a series with an invalid label: '' series: 'm{="v"}' (err-mimir-label-invalid)"#]],
    );
    refused(
        &[(b"__name__", b"m"), (b"l\xff", b"v")],
        ONE,
        &limits(),
        "label_invalid",
        expect![[r#"received a series with an invalid label: 'l�' series: 'm{l�="v"}' (err-mimir-label-invalid)"#]],
    );
    refused(
        &[(b"__name__", b"m"), (b"a", b"1"), (b"a", b"2")],
        ONE,
        &limits(),
        "duplicate_label_names",
        expect![[r#"received a series with duplicate label name, label: 'a' series: 'm{a="1", a="2"}' (err-mimir-duplicate-label-names)"#]],
    );
}

#[test]
fn label_values() {
    refused(
        &[(b"__name__", b"m"), (b"l", b"v\xfe")],
        ONE,
        &limits(),
        "label_value_invalid",
        expect![[
            r#"received a series with invalid value in label 'l': 'v�' metric: 'm' (err-mimir-label-value-invalid). The affected series is m{l="v�"}"#
        ]],
    );
    refused(
        &[(b"__name__", b"m"), (b"l", b"twenty_one_bytes_long")],
        ONE,
        &limits(),
        "label_value_too_long",
        expect![[
            r#"received a series whose label value length exceeds the limit, label: 'l', value: 'twenty_one_bytes_long' (truncated) series: 'm{l="twenty_one_bytes_long"}' (err-mimir-label-value-too-long). To adjust the related per-tenant limit, configure -validation.max-length-label-value, or contact your service administrator."#
        ]],
    );
}

#[test]
fn times() {
    refused(
        &[(b"__name__", b"m")],
        &[(NOW + 600_001, 1.0)],
        &limits(),
        "too_far_in_future",
        expect![
            "received a sample whose timestamp is too far in the future, timestamp: 1768471800001 series: 'm' (err-mimir-too-far-in-future). To adjust the related per-tenant limit, configure -validation.create-grace-period, or contact your service administrator."
        ],
    );
    let past = MetricsLimits {
        past_grace_period: runtime::config::HumanDuration::from_secs(3600),
        out_of_order_time_window: runtime::config::HumanDuration::from_secs(60),
        ..limits()
    };
    refused(
        &[(b"__name__", b"m")],
        &[(NOW - 3_660_001, 1.0)],
        &past,
        "too_far_in_past",
        expect![
            "received a sample whose timestamp is too far in the past, timestamp: 1768467539999 series: 'm' (err-mimir-too-far-in-past). To adjust the related per-tenant limit, configure -validation.past-grace-period, or contact your service administrator."
        ],
    );
    let edge = [(NOW - 3_660_000, 1.0), (NOW + 600_000, 1.0), (i64::MIN, 1.0)];
    assert_eq!(run(request(&[series(&[(b"__name__", b"m")], &edge)]), &past).good.samples, 2);
    assert_eq!(run(request(&[series(&[(b"__name__", b"m")], &edge)]), &limits()).good.samples, 3);
}

#[test]
fn the_good_samples_of_a_series_are_kept() {
    let body = request(&[series(&[(b"__name__", b"m")], &[(NOW, 1.0), (NOW + 9_000_000, 2.0), (NOW + 1, 3.0)])]);
    let checked = run(body, &limits());
    assert_eq!(stored(&checked), [("__name__=m".to_owned(), vec![Sample { t: NOW, v: 1.0 }, Sample { t: NOW + 1, v: 3.0 }])]);
    assert_eq!(checked.latest, Some(NOW + 1));
}

#[test]
fn a_clean_series_stays_where_it_stands() {
    let clean = series(&[(b"__name__", b"m"), (b"job", b"t")], ONE);
    let body = request(std::slice::from_ref(&clean));
    let checked = run(body.clone(), &limits());
    assert_eq!(checked.bytes, body, "nothing is appended");
    assert_eq!(&checked.bytes[checked.items[0].start as usize..checked.items[0].end as usize], clean);
}

#[test]
fn what_is_not_sorted_is_mended_behind_the_body() {
    let dirty = series(&[(b"job", b"t"), (b"empty", b""), (b"__name__", b"m")], ONE);
    let clean = series(&[(b"__name__", b"m"), (b"job", b"t")], ONE);
    let body = request(&[dirty, clean.clone()]);
    let checked = run(body.clone(), &limits());
    assert!(checked.faults.is_empty());
    assert!(checked.bytes.starts_with(&body) && checked.bytes.ends_with(&clean));
    assert_eq!(checked.items[0].start as usize, body.len());
    assert_eq!(checked.items[0].key, checked.items[1].key, "the same series");
    let all = stored(&checked);
    assert_eq!(all[0], all[1]);
}

#[test]
fn metadata_is_checked() {
    let mut body = request(&[series(&[(b"__name__", b"m")], ONE)]);
    for (metric, unit) in [("m", "seconds"), ("", "s"), ("too_long_name", "s"), ("m", "too_long_unit")] {
        put_bytes(&mut body, 3, &metadata(metric, unit));
    }
    let checked = run(body, &limits());
    assert_eq!((checked.incoming.metadata, checked.good.metadata, checked.good.samples), (4, 1, 1));
    assert_eq!(checked.discarded_metadata, [("metadata_missing_metric_name", 1), ("metric_name_too_long", 1), ("unit_too_long", 1)]);
    expect!["received a metric metadata with no metric name (err-mimir-metadata-missing-metric-name)"].assert_eq(fault(&checked).unwrap());
}

/// A series with one native histogram: `counts` in buckets of the schema from index 0 on.
fn with_histogram(schema: i32, counts: &[f64], change: impl FnOnce(&mut Histogram)) -> Vec<u8> {
    let span = Span { offset: 0, length: u32::try_from(counts.len()).unwrap() };
    let mut histogram = Histogram {
        schema,
        integer: true,
        count: counts.iter().sum(),
        positive: Buckets { spans: vec![span], counts: counts.to_vec() },
        ..Histogram::default()
    };
    change(&mut histogram);
    let mut out = series(&[(b"__name__", b"m")], &[]);
    histogram::protobuf::put(&mut out, 4, &HistogramSample { t: NOW, h: histogram.into() });
    out
}

#[track_caller]
fn refused_histogram(series: Vec<u8>, limits: &MetricsLimits, reason: &str, text: Expect) {
    let checked = run(request(&[series, with_histogram(0, &[1.0], |_| {})]), limits);
    text.assert_eq(fault(&checked).unwrap());
    assert_eq!(checked.discarded_samples, [(reason, 1)]);
    assert_eq!((checked.good.histograms, checked.incoming.histograms, checked.items.len()), (1, 2, 1));
}

#[test]
fn bad_histograms_are_refused() {
    let limits = limits();
    refused_histogram(
        with_histogram(9, &[1.0], |_| {}),
        &limits,
        "invalid_native_histogram_schema",
        expect![[
            r#"received a native histogram sample with an invalid schema: 9 (err-mimir-invalid-native-histogram-schema). The affected series is m"#
        ]],
    );
    refused_histogram(
        with_histogram(0, &[1.0, 2.0], |one| one.count = 5.0),
        &limits,
        "invalid-native-histogram",
        expect![
            "err: 3 observations found in buckets, but the Count field is 5: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN). timestamp=2026-01-15T10:00:00Z, series=m (err-mimir-native-histogram-count-mismatch)"
        ],
    );
    refused_histogram(
        with_histogram(0, &[1.0, -2.0], |_| {}),
        &limits,
        "invalid-native-histogram",
        expect![
            "err: positive side: bucket number 2 has observation count of -2: histogram has a bucket whose observation count is negative. timestamp=2026-01-15T10:00:00Z, series=m (err-mimir-native-histogram-negative-bucket-count)"
        ],
    );
}

#[test]
fn histograms_with_many_buckets() {
    let limits = MetricsLimits { max_native_histogram_buckets: 3, ..limits() };
    let counts = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let checked = run(request(&[with_histogram(2, &counts, |_| {})]), &limits);
    assert!(checked.faults.is_empty());
    let mut series = RawSeries::default();
    series.read(&checked.bytes, checked.items[0].start as usize..checked.items[0].end as usize).unwrap();
    let kept = histogram::protobuf::read(&series.histograms[0], 0..series.histograms[0].len()).unwrap();
    assert_eq!((kept.t, kept.h.schema, kept.h.count), (NOW, 0, 21.0));
    assert!(kept.h.bucket_count() <= 3 && kept.h.check().is_ok());

    let keep = MetricsLimits { reduce_native_histogram_over_max_buckets: false, ..limits.clone() };
    refused_histogram(
        with_histogram(2, &counts, |_| {}),
        &keep,
        "max_native_histogram_buckets",
        expect![
            "received a native histogram sample with too many buckets, timestamp: 1768471200000 series: m, buckets: 6, limit: 3 (err-mimir-max-native-histogram-buckets)"
        ],
    );
    let custom = |one: &mut Histogram| one.bounds = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].into();
    refused_histogram(
        with_histogram(-53, &counts, custom),
        &limits,
        "max_native_histogram_buckets",
        expect![
            "received a native histogram sample with more custom buckets than the limit, timestamp: 1768471200000 series: m, buckets: 6, limit: 3 (err-mimir-native-histogram-custom-buckets-not-reducible)"
        ],
    );
    let far = |one: &mut Histogram| {
        one.positive.spans = vec![Span { offset: 0, length: 1 }; 4];
        one.positive.spans.iter_mut().skip(1).for_each(|span| span.offset = 1000);
    };
    refused_histogram(
        with_histogram(-4, &[1.0; 4], far),
        &limits,
        "max_native_histogram_buckets",
        expect![
            "received a native histogram sample with too many buckets and cannot reduce, timestamp: 1768471200000 series: m, buckets: 4, limit: 3 (err-mimir-not-reducible-native-histogram)"
        ],
    );
}

#[test]
fn histograms_that_nobody_wants_are_left_out_silently() {
    let off = MetricsLimits { native_histograms_ingestion_enabled: false, ..limits() };
    let checked = run(request(&[with_histogram(0, &[1.0], |_| {})]), &off);
    assert!(checked.faults.is_empty() && checked.items.is_empty());
    let checked = run(request(&[with_histogram(0, &[1.0], |_| {})]), &limits());
    assert_eq!((checked.items.len(), checked.latest), (1, Some(NOW)));
}

#[test]
fn metadata_becomes_items_and_long_help_is_cut() {
    let mut help = metadata("m", "s");
    put_bytes(&mut help, 4, "0123456\u{fc}9".as_bytes());
    let mut body = request(&[]);
    put_bytes(&mut body, 3, &help);
    let checked = run(body, &limits());
    let mut series = RawSeries::default();
    let item = checked.items[0];
    series.read(&checked.bytes, item.start as usize..item.end as usize).unwrap();
    assert_eq!(series.labels, [RawLabel { name: b"__name__", value: b"m" }]);
    let message = series.metadata.unwrap();
    let read = RawMetadata::read(&message, 0..message.len()).unwrap();
    assert_eq!((read.metric, read.help, read.unit), (&b"m"[..], &b"0123456"[..], &b"s"[..]));
    assert_eq!(checked.good, Counts { metadata: 1, ..Counts::default() });
}

#[test]
fn a_series_may_bring_the_metadata_of_its_metric() {
    let mut good = series(&[(b"__name__", b"m")], ONE);
    put_bytes(&mut good, 15, &metadata("m", "s"));
    let mut bad = series(&[(b"__name__", b"m")], ONE);
    put_bytes(&mut bad, 15, &metadata("m", "too_long_unit"));
    let checked = run(request(&[good.clone(), bad]), &limits());
    assert_eq!((checked.good.metadata, checked.incoming.metadata, checked.good.samples), (1, 2, 2));
    assert_eq!(checked.discarded_metadata, [("unit_too_long", 1)]);
    assert_eq!(&checked.bytes[checked.items[0].start as usize..checked.items[0].end as usize], good);
    let mut read = RawSeries::default();
    read.read(&checked.bytes, checked.items[1].start as usize..checked.items[1].end as usize).unwrap();
    assert_eq!(read.metadata, None);
}

#[test]
fn long_values_may_be_shortened() {
    use crate::limits::OverLength;
    let value = "0123456789".repeat(9);
    let shorten = |strategy| {
        let limits = MetricsLimits { max_label_value_length: 80, label_value_length_over_limit_strategy: strategy, ..limits() };
        let checked = run(request(&[series(&[(b"__name__", b"m"), (b"a", value.as_bytes())], ONE)]), &limits);
        assert!(checked.faults.is_empty());
        stored(&checked)[0].0.clone()
    };
    // b2sum -l 256 of the value.
    let hash = "(hash:0fae7f01e5f3c200a3cc76df60b493b125417fa022e181d786fff63c324f9ad7)";
    assert_eq!(shorten(OverLength::Truncate), format!("__name__=m,a={}{hash}", &value[..9]));
    assert_eq!(shorten(OverLength::Drop), format!("__name__=m,a={hash}"));
    let limits = limits();
    assert_eq!(labels::shortened(b"short", &limits).as_ref(), b"short");
}

#[test]
fn the_label_of_the_replica_is_taken_off() {
    let limits = limits();
    let rules = Rules { tenant: &TenantId::anonymous(), limits: &limits, now: NOW, replica_label: Some("__replica__") };
    let mut memory = Budget::process("test", None).reserve(0).unwrap();
    let body = request(&[series(&[(b"__name__", b"m"), (b"__replica__", b"a")], ONE)]);
    assert_eq!(stored(&check(body, rules, &mut memory).unwrap())[0].0, "__name__=m");
}

#[test]
fn what_is_mended_needs_room() {
    let limits = limits();
    let rules = Rules { tenant: &TenantId::anonymous(), limits: &limits, now: NOW, replica_label: None };
    let mut memory = Budget::process("test", Some(10)).reserve(0).unwrap();
    let clean = request(&[series(&[(b"__name__", b"m")], ONE)]);
    assert!(check(clean, rules, &mut memory).is_ok());
    let dirty = request(&[series(&[(b"z", b"a"), (b"__name__", b"m")], ONE)]);
    assert!(matches!(check(dirty, rules, &mut memory), Err(DecodeError::Memory(_))));
}

/// Series with short labels in any order, some of them bad.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![Just(b"__name__".to_vec()), prop::collection::vec(b'a'..b'd', 0..3)];
    let labels = prop::collection::vec((name, prop::collection::vec(prop_oneof![9 => b'x'..b'z', 1 => any::<u8>()], 0..4)), 0..5);
    let samples = prop::collection::vec((prop_oneof![9 => NOW - 1000..NOW, 1 => any::<i64>()], any::<f64>()), 0..4);
    let one = (labels, samples).prop_map(|(labels, samples)| {
        let labels: Vec<(&[u8], &[u8])> = labels.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        series(&labels, &samples)
    });
    prop::collection::vec(one, 0..6).prop_map(|all| request(&all))
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_request_but_never_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = limits();
        let _ = try_run(body, &limits);
    }

    #[test]
    fn what_goes_on_is_good_and_all_is_counted(body in wild(), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let limits = limits();
        let body = if whole { body } else { body[..cut.index(body.len() + 1)].to_vec() };
        let Ok(checked) = try_run(body, &limits) else {
            prop_assert!(!whole);
            return Ok(());
        };
        prop_assert_eq!(checked.incoming.samples, checked.good.samples + checked.discarded_samples.iter().map(|(_, count)| count).sum::<u64>());
        prop_assert!(!checked.faults.is_empty() || checked.discarded_samples.is_empty());
        let mut series = RawSeries::default();
        let mut samples = 0;
        for item in &checked.items {
            series.read(&checked.bytes, item.start as usize..item.end as usize).unwrap();
            prop_assert!(series.tidy(), "sorted, without empty values");
            prop_assert_eq!(labels::check(&series.labels, series.ascii, &limits), Ok(()));
            prop_assert!(!series.samples.is_empty());
            prop_assert_eq!(item.key, shard_key(TenantId::anonymous().as_str(), series.hash()));
            samples += series.samples.len() as u64;
        }
        prop_assert_eq!(samples, checked.good.samples);
    }
}
