//! When the name of a metric goes.

use super::super::{Cancel, EvalError, Evaluation, Options, ResultValue, plan};
use crate::merge::SeriesSamples;
use crate::model::{Labels, Sample};
use crate::query::promql::parse;

/// What a query over the series `a` and `b`, both 1, answers: labels as they are written.
fn ask(query: &str, delayed_names: bool) -> Result<Vec<String>, EvalError> {
    let named = |name: &str| SeriesSamples {
        labels: Labels::from_pairs([("__name__", name)]),
        samples: (0..5).map(|minute| Sample { t: minute * 60_000, v: 1.0 }).collect(),
        histograms: Vec::new(),
    };
    let expr = parse(query).expect("the query is one");
    let options = Options { delayed_names, ..Options::default() };
    let plan = plan(&expr, Evaluation::Instant { at_ms: 240_000 }, &options)?;
    let all = [named("a"), named("b")];
    let selects = |name: &str| query.contains("=~") || query.contains(&format!("({name}["));
    let series = all.into_iter().filter(|series| selects(series.labels.metric_name().unwrap_or_default())).collect();
    match plan.evaluate(&[series], &Cancel::default())?.value {
        ResultValue::Vector(found) => Ok(found.into_iter().map(|sample| sample.labels.to_string()).collect()),
        other => panic!("a vector was expected: {other:?}"),
    }
}

#[test]
fn what_stands_around_a_function_does_not_see_the_name_that_it_dropped() {
    assert_eq!(ask("sum by (__name__) (rate(a[5m]))", false).unwrap(), ["{}"]);
    assert_eq!(ask("label_replace(rate(a[5m]), \"x\", \"<$1>\", \"__name__\", \"(.*)\")", false).unwrap(), [r#"{x="<>"}"#]);
    assert_eq!(ask("label_replace(rate(a[5m]), \"x\", \"<$1>\", \"__name__\", \"(.*)\")", true).unwrap(), [r#"{x="<a>"}"#]);
}

#[test]
fn series_that_only_their_names_told_apart_are_refused_where_these_go() {
    let query = "count(rate({__name__=~\"a|b\"}[5m]))";
    assert!(matches!(ask(query, false), Err(EvalError::SameLabelset)));
    assert_eq!(ask(query, true).unwrap(), ["{}"]);
}

#[test]
fn groups_are_those_of_labels_without_names_whether_or_not_these_are_still_there() {
    for (query, labels) in [
        ("sum(rate(a[5m]))", "{}"),
        ("sum without (x) (rate(a[5m]))", "{}"),
        ("max by (__name__, x) (rate(a[5m]))", "{}"),
        ("topk(1, rate(a[5m]))", "{}"),
        ("limitk(1, rate(a[5m]))", "{}"),
        ("limit_ratio(1, rate(a[5m]))", "{}"),
        ("count_values(\"v\", count_over_time(a[5m]))", "{v=\"5\"}"),
    ] {
        assert_eq!(ask(query, false).unwrap(), [labels], "{query}");
    }
}
