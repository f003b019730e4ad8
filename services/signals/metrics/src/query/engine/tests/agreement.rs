//! A range query answers at each step what an instant query at that time answers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Cancel, Evaluation, Options, PointValue, ResultValue, plan};
use crate::merge::SeriesSamples;
use crate::model::{Labels, Sample, stale_marker};
use crate::query::promql::parse;

const QUERIES: &[&str] = &[
    "m",
    "-m offset 20s",
    "m @ 100",
    "m smoothed",
    "rate(m[1m])",
    "increase(m[45s] offset 10s)",
    "increase(m[45s] anchored)",
    "irate(m[1m])",
    "resets(m[2m]) + changes(m[2m])",
    "sum_over_time(m[1m])",
    "avg_over_time(m[1m])",
    "max_over_time(m[90s]) - min_over_time(m[90s])",
    "stddev_over_time(m[2m])",
    "quantile_over_time(0.3, m[1m])",
    "deriv(m[2m])",
    "predict_linear(m[2m], 60)",
    "last_over_time(m[1m])",
    "absent_over_time(m[15s])",
    "absent(m > 3)",
    "sum by (a) (m)",
    "avg without (b) (m)",
    "stdvar(m)",
    "topk(2, m)",
    "bottomk by (a) (1, m)",
    "quantile(0.7, m)",
    r#"count_values("value", m)"#,
    "m > 2 or m * 10",
    "m > on(a, b) group_left() (m < 5)",
    r#"m + ignoring(b) group_left() m{b="0"}"#,
    r#"m unless on(a) m{b="1"}"#,
    r#"m and on(b) (m{a="0"} >= 1)"#,
    "scalar(sum(m)) + time()",
    "clamp(m, scalar(min(m)) + 1, 4)",
    "timestamp(m)",
    "max_over_time(sum by (a) (rate(m[40s]))[2m:20s])",
    r#"label_replace(m, "c", "$1", "b", "(.)") + on(c) group_right() sum by (c) (label_join(m, "c", "", "b"))"#,
];

/// Values of four series at 10 s each: gaps, markers, resets, NaN.
fn values() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
    let value = prop_oneof![
        6 => (0_u8..8).prop_map(|value| Some(f64::from(value))),
        2 => Just(None),
        1 => Just(Some(stale_marker())),
        1 => prop_oneof![Just(Some(f64::NAN)), Just(Some(f64::INFINITY)), Just(Some(-0.5))],
    ];
    prop::collection::vec(prop::collection::vec(value, 40), 4)
}

fn series(values: &[Vec<Option<f64>>]) -> Vec<SeriesSamples> {
    let numbered = values.iter().enumerate().map(|(n, values)| SeriesSamples {
        labels: Labels::from_pairs([("__name__", "m".to_owned()), ("a", (n / 2).to_string()), ("b", (n % 2).to_string())]),
        samples: values.iter().zip(0_i64..).filter_map(|(v, step)| v.map(|v| Sample { t: step * 10_000, v })).collect(),
        histograms: Vec::new(),
    });
    numbered.collect()
}

/// The series that a selector asks for, cut to the range it asks for: what lies outside must not matter.
fn select(all: &[SeriesSamples], request: &super::super::SelectorRequest) -> Vec<SeriesSamples> {
    let matchers = index::Matcher::compile_all(&request.matchers).expect("the queries have good patterns");
    let matching =
        all.iter().filter(|series| matchers.iter().all(|matcher| matcher.matches(series.labels.get(matcher.name()).unwrap_or_default())));
    let cut = matching.map(|series| {
        let inside = series.samples.iter().filter(|sample| (request.start_ms..=request.end_ms).contains(&sample.t));
        SeriesSamples { labels: series.labels.clone(), samples: inside.copied().collect(), histograms: Vec::new() }
    });
    cut.collect()
}

/// Bits of values by series and time, or the text of an error.
type Answer = Result<BTreeMap<(Labels, i64), u64>, String>;

fn ask(query: &str, evaluation: Evaluation, all: &[SeriesSamples]) -> Answer {
    let expr = parse(query).expect("the queries are good");
    let options = Options { lookback_ms: 60_000, ..Options::default() };
    let plan = plan(&expr, evaluation, &options).expect("the queries can be planned");
    let data: Vec<_> = plan.selectors.iter().map(|request| select(all, request)).collect();
    let result = plan.evaluate(&data, &Cancel::default()).map_err(|err| err.to_string())?;
    // Which NaN it is says nothing.
    let bits = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
    let value_bits = |value: &PointValue| match value {
        PointValue::Float(v) => bits(*v),
        PointValue::Histogram(_) => panic!("there are no histograms in it"),
    };
    Ok(match result.value {
        ResultValue::Vector(found) => found.into_iter().map(|one| ((one.labels, one.t), value_bits(&one.value))).collect(),
        ResultValue::Matrix(found) => found
            .into_iter()
            .flat_map(|one| one.samples.into_iter().map(move |sample| ((one.labels.clone(), sample.t), bits(sample.v))))
            .collect(),
        ResultValue::Scalar { t, v } => BTreeMap::from([((Labels::empty(), t), bits(v))]),
        ResultValue::Text { .. } => BTreeMap::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn steps_agree_with_instants(values in values(), start in 0_i64..200_000, step in 3_000_i64..70_000) {
        let all = series(&values);
        let end = start + 9 * step;
        for query in QUERIES {
            let whole = ask(query, Evaluation::Range { start_ms: start, end_ms: end, step_ms: step }, &all);
            let steps: Result<Vec<_>, String> = (0..10).map(|n| ask(query, Evaluation::Instant { at_ms: start + n * step }, &all)).collect();
            match (whole, steps) {
                (Ok(whole), Ok(steps)) => prop_assert_eq!(whole, steps.into_iter().flatten().collect(), "{}", query),
                (Err(_), Err(_)) => {}
                (whole, steps) => prop_assert!(false, "{}: {:?} but {:?}", query, whole, steps),
            }
        }
    }
}
