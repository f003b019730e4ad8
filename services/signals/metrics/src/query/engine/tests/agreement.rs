//! A range query answers at each step what an instant query at that time answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Cancel, Evaluation, Options, PointValue, RangeSeries, ResultValue, plan};
use crate::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, HistogramSample, ResetHint};
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

/// Queries that have a meaning for histograms, or drop them.
const HISTOGRAM_QUERIES: &[&str] = &[
    "m",
    "-m offset 20s",
    "m @ 100",
    "m smoothed",
    "rate(m[1m])",
    "increase(m[45s] offset 10s)",
    "delta(m[1m])",
    "irate(m[1m])",
    "idelta(m[1m])",
    "increase(m[45s] anchored)",
    "rate(m[45s] smoothed)",
    "delta(m[45s] anchored)",
    "resets(m[2m]) + changes(m[2m])",
    "resets(m[1m] anchored) + changes(m[1m] anchored)",
    "sum_over_time(m[1m])",
    "avg_over_time(m[1m])",
    "count_over_time(m[1m]) + present_over_time(m[1m])",
    "max_over_time(m[1m])",
    "first_over_time(m[1m])",
    "last_over_time(m[1m])",
    "ts_of_last_over_time(m[1m]) - ts_of_first_over_time(m[1m])",
    "absent_over_time(m[15s])",
    "absent(m)",
    "timestamp(m) - timestamp(m + 1)",
    "histogram_quantile(0.9, m)",
    "histogram_fraction(0, 2, m)",
    "histogram_quantiles(m, \"q\", 0.1, 0.9)",
    "histogram_count(m) + histogram_sum(m) * histogram_avg(m)",
    "histogram_stddev(m) + histogram_stdvar(m)",
    "sum by (a) (m)",
    "avg(m)",
    "count by (b) (m) + group by (b) (m)",
    "max(m) + stddev(m) + quantile(0.5, m)",
    "topk(2, m)",
    "limitk(3, m)",
    r#"count_values("value", m)"#,
    "m + m",
    r#"m - ignoring(b) group_left() m{b="0"}"#,
    "m * 2",
    "2 * m / 3",
    "m > 2 or m",
    "m == m",
    "m != bool m offset 10s",
    "m </ 2",
    "1 >/ m or m >/ 1",
    "m + fill(1) m offset 30s",
    r#"m unless on(a) m{b="1"}"#,
    r#"label_replace(m, "c", "$1", "b", "(.)")"#,
    "rate(m[2m:20s])",
    "sum_over_time(rate(m[40s])[2m:20s])",
    "histogram_quantile(0.5, sum by (a) (increase(m[1m])))",
];

/// What a series has at one time.
#[derive(Clone, Debug)]
enum Value {
    Nothing,
    Float(f64),
    Histogram(Arc<Histogram>),
}

fn floats() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (0_u8..8).prop_map(|value| Value::Float(f64::from(value))),
        2 => Just(Value::Nothing),
        1 => Just(Value::Float(stale_marker())),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.5)].prop_map(Value::Float),
    ]
}

fn buckets() -> impl Strategy<Value = Buckets> {
    (-2_i32..3, prop::collection::vec(0_u8..5, 0..4))
        .prop_map(|(first, counts)| Buckets::from_indexed((first..).zip(counts.into_iter().map(f64::from))))
}

/// Small histograms: two resolutions, two lists of custom bounds, all hints, markers.
fn histograms() -> impl Strategy<Value = Value> {
    let hint = prop_oneof![3 => Just(ResetHint::Unknown), 1 => Just(ResetHint::Reset), 1 => Just(ResetHint::NotReset), 1 => Just(ResetHint::Gauge)];
    let exponential = (hint.clone(), 0_i32..2, 0_u8..3, buckets(), buckets()).prop_map(|(hint, schema, zeros, positive, negative)| {
        let zero_count = f64::from(zeros);
        let count = zero_count + positive.counts.iter().chain(&negative.counts).sum::<f64>();
        Histogram { hint, schema, zero_threshold: 0.125, zero_count, count, sum: count * 1.5, positive, negative, ..Histogram::default() }
    });
    let custom = (hint, any::<bool>(), prop::collection::vec(0_u8..5, 3)).prop_map(|(hint, fewer, counts)| {
        let positive = Buckets::from_indexed((0..).zip(counts.into_iter().map(f64::from)));
        let count = positive.counts.iter().sum();
        let bounds: &[f64] = if fewer { &[1.0, 4.0] } else { &[1.0, 2.0, 4.0] };
        Histogram { hint, schema: CUSTOM_SCHEMA, count, sum: count, positive, bounds: bounds.into(), ..Histogram::default() }
    });
    let histogram = prop_oneof![8 => exponential, 2 => custom, 1 => Just(Histogram::stale())];
    histogram.prop_map(|histogram| Value::Histogram(Arc::new(histogram)))
}

/// Values of four series at 10 s each: gaps, markers, resets, NaN.
fn values(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<Vec<Value>>> {
    prop::collection::vec(prop::collection::vec(value, 40), 4)
}

/// Two series of histograms, one of floats and one of both.
fn mixed_values() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let sparse = || prop_oneof![5 => histograms(), 1 => Just(Value::Nothing)];
    let of = |value: BoxedStrategy<Value>| prop::collection::vec(value, 40);
    let both = prop_oneof![3 => histograms(), 1 => floats()];
    (of(sparse().boxed()), of(sparse().boxed()), of(floats().boxed()), of(both.boxed())).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn series(values: &[Vec<Value>]) -> Vec<SeriesSamples> {
    let numbered = values.iter().enumerate().map(|(n, values)| {
        let timed = || values.iter().zip((0_i64..).map(|step| step * 10_000));
        SeriesSamples {
            labels: Labels::from_pairs([("__name__", "m".to_owned()), ("a", (n / 2).to_string()), ("b", (n % 2).to_string())]),
            samples: timed().filter_map(|(value, t)| if let Value::Float(v) = value { Some(Sample { t, v: *v }) } else { None }).collect(),
            histograms: timed()
                .filter_map(|(value, t)| if let Value::Histogram(h) = value { Some(HistogramSample { t, h: h.clone() }) } else { None })
                .collect(),
        }
    });
    numbered.collect()
}

/// The series that a selector asks for, cut to the range it asks for: what lies outside must not matter.
fn select(all: &[SeriesSamples], request: &super::super::SelectorRequest) -> Vec<SeriesSamples> {
    let matchers = index::Matcher::compile_all(&request.matchers).expect("the queries have good patterns");
    let matching =
        all.iter().filter(|series| matchers.iter().all(|matcher| matcher.matches(series.labels.get(matcher.name()).unwrap_or_default())));
    let cut = matching.map(|series| {
        let range = request.start_ms..=request.end_ms;
        SeriesSamples {
            labels: series.labels.clone(),
            samples: series.samples.iter().filter(|sample| range.contains(&sample.t)).copied().collect(),
            histograms: series.histograms.iter().filter(|sample| range.contains(&sample.t)).cloned().collect(),
        }
    });
    cut.collect()
}

/// A value as far as it can be compared: which NaN it is says nothing.
#[derive(Debug, PartialEq)]
enum Found {
    Float(u64),
    /// All parts, written out.
    Histogram(String),
}

impl Found {
    fn float(v: f64) -> Self {
        Self::Float(if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() })
    }

    fn histogram(histogram: &Histogram) -> Self {
        Self::Histogram(format!("{histogram:?}"))
    }
}

/// Values by series and time and all remarks, or the text of an error.
type Answer = Result<(BTreeMap<(Labels, i64), Found>, BTreeSet<String>), String>;

fn ask(query: &str, evaluation: Evaluation, all: &[SeriesSamples]) -> Answer {
    let expr = parse(query).expect("the queries are good");
    let options = Options { lookback_ms: 60_000, ..Options::default() };
    let plan = plan(&expr, evaluation, &options).expect("the queries can be planned");
    let data: Vec<_> = plan.selectors.iter().map(|request| select(all, request)).collect();
    let result = plan.evaluate(&data, &Cancel::default()).map_err(|err| err.to_string())?;
    // Where the same text is said of two places, the place of the later one is told.
    let text = |remark: String| remark.rsplit_once(" (").map_or_else(|| remark.clone(), |(text, _)| text.to_owned());
    let remarks = [result.annotations.warnings(query, usize::MAX), result.annotations.infos(query, usize::MAX)];
    let remarks = remarks.into_iter().flatten().map(text).collect();
    let found = match result.value {
        ResultValue::Vector(found) => found
            .into_iter()
            .map(|one| {
                let value = match &one.value {
                    PointValue::Float(v) => Found::float(*v),
                    PointValue::Histogram(h) => Found::histogram(h),
                };
                ((one.labels, one.t), value)
            })
            .collect(),
        ResultValue::Matrix(found) => found.into_iter().flat_map(points).collect(),
        ResultValue::Scalar { t, v } => BTreeMap::from([((Labels::empty(), t), Found::float(v))]),
        ResultValue::Text { .. } => BTreeMap::new(),
    };
    Ok((found, remarks))
}

fn points(series: RangeSeries) -> impl Iterator<Item = ((Labels, i64), Found)> {
    let RangeSeries { labels, samples, histograms } = series;
    let floats = samples.into_iter().map(|sample| (sample.t, Found::float(sample.v)));
    let histograms = histograms.into_iter().map(|sample| (sample.t, Found::histogram(&sample.h)));
    floats.chain(histograms).map(move |(t, found)| ((labels.clone(), t), found))
}

fn agree(queries: &[&str], all: &[SeriesSamples], start: i64, step: i64) -> Result<(), TestCaseError> {
    let end = start + 9 * step;
    for query in queries {
        let whole = ask(query, Evaluation::Range { start_ms: start, end_ms: end, step_ms: step }, all);
        let steps: Result<Vec<_>, String> = (0..10).map(|n| ask(query, Evaluation::Instant { at_ms: start + n * step }, all)).collect();
        match (whole, steps) {
            (Ok((whole, remarks)), Ok(steps)) => {
                let (found, said): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
                prop_assert_eq!(whole, found.into_iter().flatten().collect(), "{}", query);
                prop_assert_eq!(remarks, said.into_iter().flatten().collect(), "{}", query);
            }
            (Err(_), Err(_)) => {}
            (whole, steps) => prop_assert!(false, "{}: {:?} but {:?}", query, whole, steps),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn steps_agree_with_instants(values in values(floats()), start in 0_i64..200_000, step in 3_000_i64..70_000) {
        agree(QUERIES, &series(&values), start, step)?;
    }

    #[test]
    fn steps_of_histograms_agree_with_instants(values in mixed_values(), start in 0_i64..200_000, step in 3_000_i64..70_000) {
        agree(HISTOGRAM_QUERIES, &series(&values), start, step)?;
    }
}
