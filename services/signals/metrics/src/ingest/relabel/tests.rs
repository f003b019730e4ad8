use tenancy::Budget;

use super::*;
use crate::ingest::check::{Checked, Rules};
use crate::ingest::request;
use crate::ingest::request::tests::{NOW, request, series};
use crate::ingest::series::RawSeries;
use crate::limits::OverLength;

/// Applies rules, written as in an overrides file, to labels `name=value,…`; `None` when the series is dropped.
fn apply(rules: &str, series: &str) -> Option<String> {
    let metric_relabel_configs: RelabelConfigs = serde_yaml_ng::from_str(rules).unwrap();
    apply_limits(&MetricsLimits { metric_relabel_configs, ..MetricsLimits::default() }, series)
}

fn apply_limits(limits: &MetricsLimits, series: &str) -> Option<String> {
    let pairs: Vec<(&str, &str)> = series.split(',').map(|pair| pair.split_once('=').unwrap()).collect();
    let labels: Vec<_> = pairs.iter().map(|(name, value)| RawLabel { name: name.as_bytes(), value: value.as_bytes() }).collect();
    let relabeled = Relabeled::new(&labels, &TenantId::parse("a").unwrap(), limits)?;
    let mut labels = relabeled.labels();
    labels.sort();
    let text = |bytes| String::from_utf8(<[u8]>::to_vec(bytes)).unwrap();
    Some(labels.iter().map(|label| format!("{}={}", text(label.name), text(label.value))).collect::<Vec<_>>().join(","))
}

#[track_caller]
fn check(rules: &str, series: &str, expect: &str) {
    assert_eq!(apply(rules, series).as_deref(), Some(expect));
}

#[test]
fn replace() {
    check("[{source_labels: [a, b], target_label: c, regex: 'f(.*);(.*)r', replacement: '$1-${2}'}]", "a=foo,b=bar", "a=foo,b=bar,c=oo-ba");
    check("[{source_labels: [a], target_label: c, regex: 'oo'}]", "a=foo", "a=foo");
    check("[{source_labels: [a], target_label: a, regex: 'foo', replacement: ''}]", "a=foo,b=c", "b=c");
    check("[{target_label: c, replacement: fixed}]", "a=foo", "a=foo,c=fixed");
    check("[{source_labels: [a], target_label: '${1}_x', regex: '(f).*', replacement: v}]", "a=foo", "a=foo,f_x=v");
    check("[{source_labels: [a], target_label: '${1}', regex: '(z?).*', replacement: v}]", "a=foo", "a=foo");
    check("[{source_labels: [missing, a], separator: '', target_label: b}]", "a=x", "a=x,b=x");
    // Go takes the longest name: `$1x` is the group `1x`, which there is none of.
    check("[{source_labels: [a], target_label: b, replacement: '$1x'}]", "a=foo,b=y", "a=foo");
    check("[{source_labels: [a], target_label: b, replacement: '$$1'}]", "a=foo", "a=foo,b=$1");
}

#[test]
fn keep_and_drop() {
    assert_eq!(apply("[{source_labels: [a], regex: 'f.o', action: keep}]", "a=foo"), Some("a=foo".to_owned()));
    assert_eq!(apply("[{source_labels: [a], regex: 'o', action: keep}]", "a=foo"), None);
    assert_eq!(apply("[{source_labels: [a], regex: 'foo', action: drop}]", "a=foo"), None);
    assert_eq!(apply("[{source_labels: [a], target_label: b, action: keepequal}]", "a=x,b=x"), Some("a=x,b=x".to_owned()));
    assert_eq!(apply("[{source_labels: [a], target_label: b, action: keepequal}]", "a=x,b=y"), None);
    assert_eq!(apply("[{source_labels: [a], target_label: b, action: dropequal}]", "a=x,b=x"), None);
    assert_eq!(apply("[{regex: 'a', action: labeldrop}]", "a=x"), None, "without labels nothing is left");
}

#[test]
fn labels_by_name() {
    check("[{regex: 'meta_(.+)', action: labelmap}]", "meta_pod=p,x=y", "meta_pod=p,pod=p,x=y");
    check("[{regex: 'meta_.+', action: labeldrop}]", "meta_pod=p,x=y", "x=y");
    check("[{regex: 'x|y', action: labelkeep}]", "x=1,y=2,z=3", "x=1,y=2");
    check("[{regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}]", "a=foo,b1=1,b2=2", "a=foo,b1=1,b2=2,bar_b1=1,bar_b2=2");
    // Names that come of one rule are no sources of it.
    check("[{regex: '(a+)', replacement: 'a$1', action: labelmap}]", "a=1,aa=2", "a=1,aa=1,aaa=2");
}

#[test]
fn values() {
    check("[{source_labels: [a], target_label: a, action: lowercase}]", "a=FooÄ", "a=fooä");
    check("[{source_labels: [a], target_label: b, action: uppercase}]", "a=foo", "a=foo,b=FOO");
    // One character for one, as in Go.
    check("[{source_labels: [a], target_label: a, action: lowercase}]", "a=ΣΑΣ İ", "a=σασ i");
    check("[{source_labels: [a], target_label: a, action: uppercase}]", "a=straße ﬁ ς", "a=STRAßE ﬁ Σ");
    // The last eight bytes of md5("foo"), acbd18db4cc2f85cedef654fccc4a4d8, by 1000.
    check("[{source_labels: [a], target_label: b, modulus: 1000, action: hashmod}]", "a=foo", "a=foo,b=696");
}

#[test]
fn rules_follow_each_other_and_know_the_tenant() {
    check(
        "[{source_labels: [__meta_tenant_id], target_label: t}, {source_labels: [t], target_label: u, replacement: '<$1>'}]",
        "x=y",
        "t=a,u=<a>,x=y",
    );
}

#[test]
fn labels_that_nobody_wants() {
    let limits = MetricsLimits { drop_labels: vec!["pod".to_owned()], ..MetricsLimits::default() };
    assert_eq!(apply_limits(&limits, "pod=p,x=y").as_deref(), Some("x=y"));
    let off = MetricsLimits {
        metric_relabel_configs: serde_yaml_ng::from_str("[{action: drop}]").unwrap(),
        metric_relabeling_enabled: false,
        ..MetricsLimits::default()
    };
    assert_eq!(apply_limits(&off, "x=y").as_deref(), Some("x=y"));
}

#[test]
fn names_of_the_old_scheme() {
    let rules = serde_yaml_ng::from_str("[{target_label: 'a.b', replacement: c}]").unwrap();
    let limits =
        MetricsLimits { metric_relabel_configs: rules, name_validation_scheme: NameValidation::Legacy, ..MetricsLimits::default() };
    assert_eq!(apply_limits(&limits, "x=y").as_deref(), Some("x=y"));
}

#[test]
fn rules_that_cannot_be_used() {
    for (rule, text) in [
        ("{}", "relabel configuration for replace action requires 'target_label' value"),
        ("{action: hashmod, target_label: a}", "relabel configuration for hashmod requires non-zero modulus"),
        ("{action: labeldrop, regex: a, target_label: b}", "labeldrop action requires only 'regex', and no other fields"),
        ("{action: labelkeep, source_labels: [a]}", "labelkeep action requires only 'regex', and no other fields"),
        (
            "{action: keepequal, source_labels: [a], target_label: b, separator: ','}",
            "keepequal action requires only 'source_labels' and 'target_label', and no other fields",
        ),
        (
            "{action: dropequal, source_labels: [a], target_label: b, regex: c}",
            "dropequal action requires only 'source_labels' and 'target_label', and no other fields",
        ),
        ("{action: dropequal, source_labels: [a]}", "relabel configuration for dropequal action requires 'target_label' value"),
        ("{action: lowercase, target_label: '$1'}", "\"$1\" is invalid 'target_label' for lowercase action"),
        ("{action: uppercase, target_label: a, replacement: b}", "'replacement' can not be set for uppercase action"),
        ("{action: labelmap, regex: a, replacement: ''}", "\"\" is invalid 'replacement' for labelmap action"),
        ("{action: labelmap, regex: a, replacement: 'x${'}", "\"x${\" is invalid 'replacement' for labelmap action"),
        ("{target_label: '${}'}", "\"${}\" is invalid 'target_label' for replace action"),
        ("{target_label: 'a$'}", "\"a$\" is invalid 'target_label' for replace action"),
        ("{target_label: a, regex: '('}", "error parsing regexp: missing closing ): `(`"),
    ] {
        let err = serde_yaml_ng::from_str::<RelabelConfigs>(&format!("[{rule}]")).unwrap_err().to_string();
        assert_eq!(err, text, "{rule}");
    }
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{action: Drop}]").is_ok());
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{target_label: 'a${1}b$name'}]").is_ok());
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{action: keepequal, target_label: b}]").is_ok(), "of what has no label b");
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{action: unknown}]").is_err());
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{sources: [a]}]").is_err());
}

#[test]
fn what_is_not_text_is_left_for_the_checks() {
    let limits = MetricsLimits { metric_relabel_configs: serde_yaml_ng::from_str("[{action: drop}]").unwrap(), ..MetricsLimits::default() };
    let labels = [RawLabel { name: b"a", value: b"\xff" }];
    assert_eq!(Relabeled::new(&labels, &TenantId::anonymous(), &limits).unwrap().labels(), labels);
}

/// What of a request with one series is stored, and what is wrong with it.
fn of_request(limits: &MetricsLimits, labels: &[(&[u8], &[u8])]) -> Checked {
    let mut memory = Budget::process("test", None).reserve(0).unwrap();
    let body = request(&[series(labels, &[(NOW, 1.0), (NOW + 1, 2.0)])]);
    let rules = Rules { tenant: &TenantId::parse("a").unwrap(), limits, now: NOW, replica_label: Some("__replica__") };
    request::check(body, rules, &mut memory).unwrap()
}

fn stored(checked: &Checked) -> Vec<String> {
    let mut series = RawSeries::default();
    let items = checked.items.iter().map(|item| {
        series.read(&checked.bytes, item.start as usize..item.end as usize).unwrap();
        let text = |bytes| std::str::from_utf8(bytes).unwrap().to_owned();
        series.labels.iter().map(|label| format!("{}={}", text(label.name), text(label.value))).collect::<Vec<_>>().join(",")
    });
    items.collect()
}

#[test]
fn rules_come_after_the_choice_of_a_replica_and_before_all_limits() {
    let rules = "[{source_labels: [__replica__], target_label: replica}, {regex: 'meta_.+', action: labeldrop}]";
    let metric_relabel_configs = serde_yaml_ng::from_str(rules).unwrap();
    let limits = MetricsLimits { metric_relabel_configs, max_label_names_per_series: 2, ..MetricsLimits::default() };
    let labels: &[(&[u8], &[u8])] = &[(b"__name__", b"m"), (b"__replica__", b"r"), (b"a", b"1"), (b"meta_b", b"2")];
    let checked = of_request(&limits, labels);
    assert_eq!((stored(&checked), checked.faults.as_slice()), (vec!["__name__=m,a=1".to_owned()], [].as_slice()));
    // A label that a rule adds counts for the limit.
    let metric_relabel_configs = serde_yaml_ng::from_str("[{target_label: b, replacement: c}]").unwrap();
    let checked = of_request(&MetricsLimits { metric_relabel_configs, ..limits }, &labels[..3]);
    assert_eq!((stored(&checked).len(), checked.faults[0].reason), (0, "max_label_names_per_series"));
}

#[test]
fn dropped_series_are_counted_and_no_fault() {
    let limits = MetricsLimits { metric_relabel_configs: serde_yaml_ng::from_str("[{action: drop}]").unwrap(), ..MetricsLimits::default() };
    let checked = of_request(&limits, &[(b"__name__", b"m")]);
    assert!(checked.items.is_empty() && checked.faults.is_empty(), "{checked:?}");
    assert_eq!((checked.discarded_samples, checked.good.samples), (vec![("relabel_configuration", 2)], 0));
}

#[test]
fn values_that_rules_make_too_long_are_shortened() {
    let metric_relabel_configs = serde_yaml_ng::from_str("[{source_labels: [a, a, a], target_label: b}]").unwrap();
    let limits = MetricsLimits {
        metric_relabel_configs,
        max_label_value_length: 80,
        label_value_length_over_limit_strategy: OverLength::Drop,
        ..MetricsLimits::default()
    };
    let checked = of_request(&limits, &[(b"__name__", b"m"), (b"a", &[b'x'; 30])]);
    assert!(checked.faults.is_empty(), "{checked:?}");
    let [ref stored] = stored(&checked)[..] else { panic!("one series: {checked:?}") };
    assert!(stored.contains(",b=(hash:"), "{stored}");
}
