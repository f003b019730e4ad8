use super::*;

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
}

#[test]
fn values() {
    check("[{source_labels: [a], target_label: a, action: lowercase}]", "a=FooÄ", "a=fooä");
    check("[{source_labels: [a], target_label: b, action: uppercase}]", "a=foo", "a=foo,b=FOO");
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
        ("{action: keepequal, target_label: b}", "relabel configuration for keepequal action requires 'source_labels' value"),
        ("{action: lowercase, target_label: '$1'}", "\"$1\" is invalid 'target_label'"),
        ("{target_label: a, regex: '('}", "error parsing regexp: missing closing ): `(`"),
    ] {
        let err = serde_yaml_ng::from_str::<RelabelConfigs>(&format!("[{rule}]")).unwrap_err().to_string();
        assert_eq!(err, text, "{rule}");
    }
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{action: Drop}]").is_ok());
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{action: unknown}]").is_err());
    assert!(serde_yaml_ng::from_str::<RelabelConfigs>("[{sources: [a]}]").is_err());
}

#[test]
fn what_is_not_text_is_left_for_the_checks() {
    let limits = MetricsLimits { metric_relabel_configs: serde_yaml_ng::from_str("[{action: drop}]").unwrap(), ..MetricsLimits::default() };
    let labels = [RawLabel { name: b"a", value: b"\xff" }];
    assert_eq!(Relabeled::new(&labels, &TenantId::anonymous(), &limits).unwrap().labels(), labels);
}
