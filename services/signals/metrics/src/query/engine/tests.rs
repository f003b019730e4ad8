use super::{Annotations, Cancel, EvalError, Evaluation, Options, PointValue, QueryResult, ResultValue, plan};
use crate::merge::SeriesSamples;
use crate::model::{Labels, Sample};
use crate::promqltest::run_text;
use crate::query::promql::parse;

mod agreement;
mod binary;
mod functions;
mod histograms;
mod names;
mod remarks;
mod selectors;

/// Loads series of one value a minute and compares what a query answers at 10 minutes.
#[track_caller]
fn check(load: &str, query: &str, expected: &str) {
    check_eval(load, &format!("eval instant at 10m {query}\n{expected}"));
}

/// Loads series of one value a minute and compares what a query answers at the minutes 0 to 5.
#[track_caller]
fn check_range(load: &str, query: &str, expected: &str) {
    check_eval(load, &format!("eval range from 0 to 5m step 1m {query}\n{expected}"));
}

#[track_caller]
fn check_eval(load: &str, eval: &str) {
    let report = run_text(&format!("load 1m\n{load}\n\n{eval}\n")).expect("the script is one");
    assert_eq!(report.failed, [], "{eval}");
    assert_eq!(report.passed, 1);
}

/// Series by label `n`: 0, 1, …
fn series(values: &[&[(i64, f64)]]) -> Vec<SeriesSamples> {
    let numbered = values.iter().enumerate().map(|(n, samples)| SeriesSamples {
        labels: Labels::from_pairs([("__name__", "m"), ("n", &n.to_string())]),
        samples: samples.iter().map(|(t, v)| Sample { t: *t, v: *v }).collect(),
        histograms: Vec::new(),
    });
    numbered.collect()
}

/// Evaluates a query of one selector over `series`.
fn evaluate(query: &str, evaluation: Evaluation, options: &Options, series: Vec<SeriesSamples>) -> Result<QueryResult, EvalError> {
    let expr = parse(query).expect("the query is one");
    let plan = plan(&expr, evaluation, options)?;
    plan.evaluate(&vec![series; plan.selectors.len()], &Cancel::default())
}

/// The only value of an instant query.
fn value_at(query: &str, at_ms: i64, series: Vec<SeriesSamples>) -> f64 {
    let result = evaluate(query, Evaluation::Instant { at_ms }, &Options::default(), series).expect("the query has an answer");
    match result.value {
        ResultValue::Vector(found) => {
            assert_eq!(found.len(), 1);
            match found[0].value {
                PointValue::Float(v) => v,
                PointValue::Histogram(_) => panic!("a float was expected"),
            }
        }
        other => panic!("a vector was expected: {other:?}"),
    }
}

#[test]
fn a_plan_asks_for_what_its_selectors_see() {
    let expr = parse("rate(a[5m] offset 1m) + b @ 100 + sum_over_time(c[1h:10m])").expect("the query is one");
    let evaluation = Evaluation::Range { start_ms: 10_000_000, end_ms: 16_000_000, step_ms: 60_000 };
    let plan = plan(&expr, evaluation, &Options::default()).expect("it can be planned");
    let ranges: Vec<(i64, i64)> = plan.selectors.iter().map(|request| (request.start_ms, request.end_ms)).collect();
    assert_eq!(ranges[0], (10_000_000 - 60_000 - 300_000 + 1, 16_000_000 - 60_000));
    assert_eq!(ranges[1], (100_000 - 300_000 + 1, 100_000));
    assert_eq!(ranges[2], (10_000_000 - 3_600_000 + 1 - 300_000 + 1, 16_000_000));
}

#[test]
fn equal_selectors_are_fetched_once() {
    let expr = parse("m / (m + n)").expect("the query is one");
    let plan = plan(&expr, Evaluation::Instant { at_ms: 0 }, &Options::default()).expect("it can be planned");
    assert_eq!(plan.selectors.len(), 2);
}

#[test]
fn a_rate_is_extrapolated_bit_for_bit() {
    let samples: &[(i64, f64)] = &[(15_000, 1.0), (30_000, 4.0), (45_000, 9.0), (60_000, 2.0)];
    // 8 up, a reset to 2; the first sample lies one spacing after the start, the last at the end.
    let expected: f64 = (1.0 + 9.0) * ((45.0 + 4.5 + 0.0) / 45.0 / 60.0);
    assert_eq!(value_at("rate(m[1m])", 60_000, series(&[samples])).to_bits(), expected.to_bits());
}

#[test]
fn a_sum_loses_nothing_small() {
    let all = series(&[&[(0, 1.0)], &[(0, 1e100)], &[(0, 1.0)], &[(0, -1e100)]]);
    assert_eq!(value_at("sum(m)", 0, all.clone()), 2.0);
    assert_eq!(value_at("avg(m)", 0, all), 0.5);
}

#[test]
fn a_mean_of_huge_values_is_finite() {
    let all = series(&[&[(0, f64::MAX)], &[(0, f64::MAX)], &[(0, f64::MAX)]]);
    assert!((value_at("avg(m)", 0, all) / f64::MAX - 1.0).abs() < 1e-15);
}

#[test]
fn a_window_begins_after_its_start_and_a_lookback_after_its_end() {
    let all = series(&[&[(0, 1.0), (60_000, 2.0), (120_000, 3.0)]]);
    assert_eq!(value_at("count_over_time(m[1m])", 120_000, all.clone()), 1.0);
    assert_eq!(value_at("count_over_time(m[1m1ms])", 120_000, all.clone()), 2.0);
    assert_eq!(value_at("m", 120_000 + 300_000 - 1, all.clone()), 3.0);
    let gone = evaluate("m", Evaluation::Instant { at_ms: 120_000 + 300_000 }, &Options::default(), all);
    assert_eq!(gone.expect("it has an answer").value, ResultValue::Vector(Vec::new()));
}

#[test]
fn too_many_samples_are_refused() {
    let all = series(&[&[(0, 1.0)], &[(0, 1.0)]]);
    let evaluation = Evaluation::Range { start_ms: 0, end_ms: 9_000, step_ms: 1_000 };
    let limited = |max_samples| evaluate("m", evaluation, &Options { max_samples, ..Options::default() }, all.clone());
    assert_eq!(limited(19).expect_err("20 samples are more than 19"), EvalError::TooManySamples);
    assert!(limited(20).is_ok());
}

#[test]
fn a_subquery_of_too_many_steps_is_refused() {
    let evaluation = Evaluation::Instant { at_ms: 0 };
    let refused = evaluate("sum_over_time(m[100y:1ms])", evaluation, &Options::default(), series(&[&[(0, 1.0)]]));
    assert_eq!(refused.expect_err("that is 3e12 steps"), EvalError::TooManySamples);
}

#[test]
fn times_at_the_edge_do_no_harm() {
    for query in ["m @ 9e15", "m @ -9e15", "rate(m[100y] offset 200y)", "max_over_time(m[1m:10s] @ -9e15)", "m offset -290y"] {
        for at_ms in [0, i64::MAX / 2, i64::MIN / 2] {
            let result = evaluate(query, Evaluation::Instant { at_ms }, &Options::default(), series(&[&[(0, 1.0)]]));
            assert!(result.is_ok(), "{query} at {at_ms}: {result:?}");
        }
    }
}

#[test]
fn a_cancelled_query_ends() {
    let expr = parse("sum(m)").expect("the query is one");
    let plan = plan(&expr, Evaluation::Instant { at_ms: 0 }, &Options::default()).expect("it can be planned");
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(plan.evaluate(&[series(&[&[(0, 1.0)]])], &cancel), Err(EvalError::Cancelled));
}

#[test]
fn a_range_query_of_a_range_vector_is_refused() {
    let expr = parse("m[5m]").expect("the query is one");
    let err = plan(&expr, Evaluation::Range { start_ms: 0, end_ms: 1, step_ms: 1 }, &Options::default()).expect_err("it has no steps");
    assert_eq!(err.to_string(), r#"invalid expression type "range vector" for range query, must be Scalar or instant Vector"#);
}

fn annotations(query: &str) -> Annotations {
    evaluate(query, Evaluation::Instant { at_ms: 60_000 }, &Options::default(), series(&[&[(0, 1.0), (60_000, 2.0)]]))
        .expect("the query has an answer")
        .annotations
}

#[test]
fn annotations_say_where() {
    let query = "sum(\n  rate(m[5m]))";
    let text = r#"PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "m" (2:8)"#;
    assert_eq!(annotations(query).infos(query, 10), [text]);
    let query = "quantile(1.5, m)";
    assert_eq!(annotations(query).warnings(query, 10), ["PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)"]);
}

#[test]
fn annotations_have_an_end() {
    let query = "quantile(1.5, m) or quantile(2.5, m) or quantile(3.5, m)";
    let warnings = annotations(query).warnings(query, 1);
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[1], "2 more warning annotations omitted");
}
