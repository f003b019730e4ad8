use proptest::prelude::*;

use super::{Kind, NameError, label, metric, unit};
use crate::ingest::otlp::settings::Translation;
use crate::model::{is_legacy_metric_name, is_legacy_name};

fn how(escape: bool, suffixes: bool) -> Translation {
    Translation { escape, suffixes, ..Translation::default() }
}

fn named(name: &str, unit: &str, kind: Kind) -> String {
    metric(name, unit, kind, &how(true, true)).expect("a name")
}

#[test]
fn metrics_get_suffixes_of_unit_and_kind() {
    for (name, unit, kind, expected) in [
        ("system.filesystem.usage", "By", Kind::Other, "system_filesystem_usage_bytes"),
        ("system.io", "foo/bar", Kind::Other, "system_io_foo_per_bar"),
        ("broken.fix", "", Kind::Other, "broken_fix"),
        ("system.network.dropped", "{packets}", Kind::Counter, "system_network_dropped_total"),
        ("system.network.dropped", "{packets}/s", Kind::Gauge, "system_network_dropped_per_second"),
        ("http.requests.total", "", Kind::Counter, "http_requests_total"),
        ("total.errors", "", Kind::Counter, "errors_total"),
        ("queue.depth", "1", Kind::Gauge, "queue_depth_ratio"),
        ("queue.depth", "1", Kind::Counter, "queue_depth_total"),
        ("cpu.ratio.now", "1", Kind::Gauge, "cpu_now_ratio"),
        ("latency", "s", Kind::Other, "latency_seconds"),
        ("latency.seconds", "s", Kind::Other, "latency_seconds"),
        ("seconds.latency", "s", Kind::Counter, "seconds_latency_total"),
        ("speed", "m/s", Kind::Gauge, "speed_meters_per_second"),
        ("rate", "By/h", Kind::Gauge, "rate_bytes_per_hour"),
        ("used", "%", Kind::Gauge, "used_percent"),
        ("a__b..c", "", Kind::Other, "a_b_c"),
        ("_a_", "", Kind::Other, "a"),
        ("2xx", "", Kind::Counter, "_2xx_total"),
        ("job:rate", "", Kind::Other, "job:rate"),
        ("température", "Cel", Kind::Gauge, "temp_rature_celsius"),
        ("mem", "MiBy", Kind::Gauge, "mem_mebibytes"),
        ("odd", "°F", Kind::Gauge, "odd_F"),
    ] {
        assert_eq!(named(name, unit, kind), expected, "{name} {unit}");
    }
}

#[test]
fn without_suffixes_runs_of_other_characters_are_one_underscore() {
    for (name, expected) in
        [("http.requests", "http_requests"), ("a..b", "a_b"), ("a__b", "a__b"), (".a.", "a"), ("9lives", "_9lives"), ("a:b", "a:b")]
    {
        assert_eq!(metric(name, "s", Kind::Counter, &how(true, false)).as_deref(), Ok(expected));
    }
}

#[test]
fn names_may_stay_as_they_are() {
    assert_eq!(metric("http.requests", "s", Kind::Counter, &how(false, false)).as_deref(), Ok("http.requests"));
    assert_eq!(metric("http.requests", "s", Kind::Counter, &how(false, true)).as_deref(), Ok("http.requests_seconds_total"));
    assert_eq!(
        metric("http.requests.total", "By/s", Kind::Counter, &how(false, true)).as_deref(),
        Ok("http.requests_bytes_per_second_total")
    );
    assert_eq!(metric("queue", "1", Kind::Gauge, &how(false, true)).as_deref(), Ok("queue_ratio"));
    assert_eq!(metric("latency_seconds", "s", Kind::Other, &how(false, true)).as_deref(), Ok("latency_seconds"));
    assert_eq!(label("http.method", &how(false, true)).as_deref(), Ok("http.method"));
}

#[test]
fn what_leaves_no_name_is_an_error() {
    assert_eq!(metric("", "", Kind::Other, &how(true, false)), Err(NameError::EmptyMetric(String::new())));
    assert_eq!(metric("...", "", Kind::Other, &how(true, true)), Err(NameError::EmptyMetric("...".to_owned())));
    assert_eq!(label("", &how(true, true)), Err(NameError::EmptyLabel));
    let text = label("...", &how(true, true)).expect_err("nothing but underscores").to_string();
    assert_eq!(text, "normalization for label name \"...\" resulted in invalid name \"_\"");
    assert!(label("__", &how(false, true)).is_err());
}

#[test]
fn labels_are_cleaned() {
    for (name, expected) in [
        ("http.method", "http_method"),
        ("a..b", "a_b"),
        ("a__b", "a_b"),
        ("3rd", "key_3rd"),
        (".hidden", "key_hidden"),
        ("_private", "key_private"),
        ("__name__", "__name__"),
        ("__a.b__", "__a_b__"),
        ("a:b", "a_b"),
        ("plain_1", "plain_1"),
        ("größe", "gr_e"),
    ] {
        assert_eq!(label(name, &how(true, true)).as_deref(), Ok(expected), "{name}");
    }
    let kept = Translation { keep_underscores: true, prefix_underscore: false, ..how(true, true) };
    assert_eq!(label("a..b", &kept).as_deref(), Ok("a__b"));
    assert_eq!(label("_private", &kept).as_deref(), Ok("_private"));
}

#[test]
fn units_of_metadata() {
    for (given, expected) in
        [("s", "seconds"), ("By/s", "bytes_per_second"), ("1", ""), ("{req}", ""), ("{req}/s", "per_second"), ("a b", "a_b")]
    {
        assert_eq!(unit(given, &how(true, true)), expected, "{given}");
    }
}

proptest! {
    #[test]
    fn escaped_names_are_legal(name in "\\PC{0,12}", unit_text in "\\PC{0,6}", suffixes: bool, keep: bool) {
        let how = Translation { keep_underscores: keep, ..how(true, suffixes) };
        for kind in [Kind::Gauge, Kind::Counter, Kind::Other] {
            if let Ok(made) = metric(&name, &unit_text, kind, &how) {
                prop_assert!(is_legacy_metric_name(&*made), "{}", made);
            }
        }
        if let Ok(made) = label(&name, &how) {
            prop_assert!(is_legacy_name(&*made), "{}", made);
        }
        let _ = unit(&unit_text, &how);
    }
}
