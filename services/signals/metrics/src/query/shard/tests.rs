use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::merge::SeriesSamples;
use crate::model::{Labels, Sample, stale_marker};
use crate::query::engine::{
    Annotations, Cancel, Evaluation, Options, PointValue, QueryResult, ResultValue, SelectorRequest, plan, plan_around,
};
use crate::query::partial::{self, Fetched, Frame};
use crate::query::promql::parse;
use crate::wire::SeriesShard;

/// The parts of a query that queriers evaluate: `~` before those over shards.
fn parts(query: &str) -> Vec<String> {
    let expr = parse(query).expect("the query is one");
    let text = |piece: Piece| format!("{}{}", if piece.merging.is_some() { "~" } else { "" }, piece.span.of(query));
    pieces(&expr).map_or_else(Vec::new, |pieces| pieces.into_iter().map(text).collect())
}

#[test]
fn aggregations_over_series_for_themselves_are_sharded() {
    for query in [
        "sum(m)",
        "sum by (a) (rate(m[1m]))",
        "avg without (b) (-m * 2 + time())",
        "count(max_over_time(rate(m[1m])[10m:1m]))",
        "min(clamp(m, 1, 2) > bool 1)",
        "max(timestamp(m @ 10))",
        "group(m smoothed)",
        "topk(1 + 2, m)",
        "bottomk by (a) (2, abs(m))",
        r#"count_values("v", m)"#,
        "sum(histogram_count(m))",
    ] {
        assert_eq!(parts(query), [format!("~{query}")], "{query}");
    }
}

#[test]
fn what_stands_around_them_is_not() {
    assert_eq!(parts("histogram_quantile(0.9, sum by (le) (rate(m[1m])))"), ["~sum by (le) (rate(m[1m]))"]);
    assert_eq!(parts("max(sum by (a) (m))"), ["~sum by (a) (m)"]);
    assert_eq!(parts("sum(m) / on() group_left() n"), ["~sum(m)", "n"]);
    assert_eq!(parts("sum(m) / quantile(0.5, n)"), ["~sum(m)", "quantile(0.5, n)"]);
    assert_eq!(parts("sum(m) + scalar(n) + vector(1)"), ["~sum(m)", "n"]);
    assert_eq!(parts("-(sum(m) > 1) or absent(count(n))"), ["~sum(m)", "~count(n)"]);
    assert_eq!(parts("sum(m) or max_over_time(sum(n)[5m:1m])"), ["~sum(m)", "max_over_time(sum(n)[5m:1m])"]);
    let parameter = "quantile_over_time(scalar(sum(m)), n[1m])";
    assert_eq!(parts(&format!("sum(m) + {parameter}")), ["~sum(m)", parameter]);
    assert_eq!(parts("topk(scalar(max(m)), sum by (a) (n))"), ["~max(m)", "~sum by (a) (n)"]);
}

#[test]
fn what_looks_at_several_series_is_left_whole() {
    for query in [
        "m",
        "1 + 2",
        "rate(m[1m])",
        "quantile(0.5, m)",
        "stddev(m)",
        "limitk(2, m)",
        "sum(m + n)",
        "sum(m * scalar(n))",
        "sum(absent(m))",
        r#"sum(label_replace(m, "a", "", "", ""))"#,
        "sum(histogram_quantile(0.9, m))",
        "topk(scalar(n), m)",
        "max_over_time(sum(m)[5m:1m])",
        "sum(vector(1))",
    ] {
        assert_eq!(parts(query), Vec::<String>::new(), "{query}");
    }
}

/// Queries of which something is sharded.
const QUERIES: &[&str] = &[
    "sum(m)",
    "sum by (a) (m)",
    "sum without (b) (rate(m[1m]))",
    "sum by (__name__) (rate(m[1m]))",
    "sum(m @ 100)",
    "avg(m)",
    "avg by (b) (m * 1e307)",
    "avg by (a) (increase(m[45s]))",
    "count(m)",
    "count by (b) (m > 2)",
    "min(m)",
    "max by (a) (-m)",
    "group by (a, b) (m)",
    r#"count_values("value", m)"#,
    r#"count_values by (a) ("b", m)"#,
    "histogram_quantile(0.9, sum by (le) (rate(buckets[1m])))",
    "histogram_quantile(0.5, sum by (le, a) (buckets))",
    "sum(m) / count(m)",
    "sum by (a) (m) / on(a) group_right() m",
    "sum by (a) (m) > bool 3 or absent(count(m > 7))",
    "max(sum by (a) (m)) - min(sum by (a) (m))",
    "scalar(sum(m)) + time()",
    "topk(2, sum by (a, b) (m))",
    "sum(max_over_time(rate(m[40s])[2m:20s]))",
    "sort_desc(sum by (a, b) (m))",
    "label_replace(sum by (a) (m), \"c\", \"$1\", \"a\", \"(.)\")",
    "sum(m) + quantile(0.3, m)",
    "sum(quantile_over_time(0.3, m[1m]))",
    "sum(nothing)",
];

/// Queries whose series are chosen by their values: of equal ones which is up to the order in which they are met.
const CHOICES: &[&str] = &["topk(2, m)", "bottomk by (a) (1, m)", "topk(3, rate(m[1m]))", "bottomk(9, -m)"];

/// Values of the series at 10 s each: gaps, markers, resets, NaN, and what only a compensated sum survives.
fn values() -> impl Strategy<Value = Vec<Vec<Option<f64>>>> {
    let value = prop_oneof![
        12 => (0_u8..8).prop_map(|value| Some(f64::from(value))),
        4 => Just(None),
        2 => Just(Some(stale_marker())),
        1 => prop_oneof![Just(Some(f64::NAN)), Just(Some(f64::INFINITY)), Just(Some(-0.5)), Just(Some(1e17)), Just(Some(-1e17))],
    ];
    prop::collection::vec(prop::collection::vec(value, 40), 12)
}

fn series(values: &[Vec<Option<f64>>]) -> Vec<SeriesSamples> {
    let samples = |values: &[Option<f64>]| {
        let present = values.iter().zip(0_i64..).filter_map(|(v, step)| v.map(|v| Sample { t: step * 10_000, v }));
        present.collect::<Vec<_>>()
    };
    let labels = |n: usize| {
        let (a, b) = ((n / 3 % 2).to_string(), (n % 3).to_string());
        if n < 6 {
            Labels::from_pairs([("__name__", "m"), ("a", &a), ("b", &b)])
        } else {
            Labels::from_pairs([("__name__", "buckets"), ("a", &a), ("le", ["1", "2", "+Inf"][n % 3])])
        }
    };
    let mut all: Vec<SeriesSamples> = values
        .iter()
        .enumerate()
        .map(|(n, values)| SeriesSamples { labels: labels(n), samples: samples(values), histograms: Vec::new() })
        .collect();
    all.sort_by(|one, other| one.labels.cmp(&other.labels));
    all
}

fn select(all: &[SeriesSamples], request: &SelectorRequest, shard: Option<SeriesShard>) -> Vec<SeriesSamples> {
    let matchers = index::Matcher::compile_all(&request.matchers).expect("the queries have good patterns");
    let meets = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()));
    let wanted = |labels: &Labels| meets(labels) && shard.is_none_or(|shard| shard.holds("team", labels.hash()));
    all.iter().filter(|series| wanted(&series.labels)).cloned().collect()
}

type Answer = Result<QueryResult, String>;

fn whole(expr: &Expr, evaluation: Evaluation, all: &[SeriesSamples]) -> Answer {
    let plan = plan(expr, evaluation, &options()).map_err(|err| err.to_string())?;
    let data: Vec<_> = plan.selectors.iter().map(|request| select(all, request, None)).collect();
    plan.evaluate(&data, &Cancel::default()).map_err(|err| err.to_string())
}

/// The answer by pieces, each over `of` shards where it can be, with every share sent through frames.
fn by_pieces(expr: &Expr, evaluation: Evaluation, all: &[SeriesSamples], of: u32) -> Answer {
    let pieces = pieces(expr).expect("something is sharded");
    let elsewhere: Vec<_> = pieces.iter().map(Piece::elsewhere).collect();
    let mut parts = Vec::new();
    let mut remarks = Annotations::default();
    for (piece, elsewhere) in pieces.iter().zip(&elsewhere) {
        let part = at(expr, piece.span).expect("it stands there");
        let plan = plan(part, evaluation, &options()).map_err(|err| err.to_string())?;
        let shards = if piece.merging.is_some() { (0..of).map(|index| Some(SeriesShard { index, of })).collect() } else { vec![None] };
        let mut shares = Vec::new();
        for shard in shards {
            let data: Vec<_> = plan.selectors.iter().map(|request| select(all, request, shard)).collect();
            let share = plan.evaluate_share(elsewhere.merging, &data, &Cancel::default(), false).map_err(|err| err.to_string())?;
            let share = share.expect("nothing has to be evaluated whole");
            let mut rows = Vec::new();
            for frame in partial::encode_share(&share, Fetched::default(), false) {
                match Frame::decode(&frame).expect("a frame was encoded") {
                    Frame::Share(more) => rows.extend(more),
                    Frame::End { annotations, .. } => remarks.merge(annotations),
                    other => panic!("{other:?}"),
                }
            }
            shares.push(rows);
        }
        parts.push(shares);
    }
    let around = plan_around(expr, evaluation, &options(), &elsewhere).map_err(|err| err.to_string())?;
    assert_eq!(around.selectors, [], "nothing is left to be fetched");
    let mut result = around.evaluate_around(&parts, &Cancel::default()).map_err(|err| err.to_string())?;
    remarks.merge(std::mem::take(&mut result.annotations));
    Ok(QueryResult { annotations: remarks, ..result })
}

fn options() -> Options {
    Options { lookback_ms: 60_000, ..Options::default() }
}

/// Values by series and time.
fn points(result: &QueryResult) -> BTreeMap<(Labels, i64), f64> {
    match &result.value {
        ResultValue::Vector(found) => found
            .iter()
            .map(|one| match one.value {
                PointValue::Float(v) => ((one.labels.clone(), one.t), v),
                PointValue::Histogram(_) => panic!("there are no histograms in it"),
            })
            .collect(),
        ResultValue::Matrix(found) => {
            found.iter().flat_map(|one| one.samples.iter().map(|sample| ((one.labels.clone(), sample.t), sample.v))).collect()
        }
        ResultValue::Scalar { t, v } => BTreeMap::from([((Labels::empty(), *t), *v)]),
        ResultValue::Text { .. } => BTreeMap::new(),
    }
}

/// Values by time, sorted.
fn by_time(result: &QueryResult) -> BTreeMap<i64, Vec<u64>> {
    let mut sorted: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for ((_, t), v) in points(result) {
        sorted.entry(t).or_default().push(if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() });
    }
    sorted.values_mut().for_each(|values| values.sort_unstable());
    sorted
}

fn near(one: f64, other: f64) -> bool {
    one == other || (one.is_nan() && other.is_nan()) || (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
}

fn evaluations() -> impl Strategy<Value = Evaluation> {
    prop_oneof![
        (0_i64..400_000).prop_map(|at_ms| Evaluation::Instant { at_ms }),
        (0_i64..200_000, 3_000_i64..70_000).prop_map(|(start_ms, step_ms)| Evaluation::Range {
            start_ms,
            end_ms: start_ms + 9 * step_ms,
            step_ms
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn shards_answer_as_the_whole_does(values in values(), evaluation in evaluations(), of in 1_u32..6) {
        let all = series(&values);
        for query in QUERIES {
            let expr = parse(query).expect("the queries are good");
            match (whole(&expr, evaluation, &all), by_pieces(&expr, evaluation, &all, of)) {
                (Ok(whole), Ok(pieces)) => {
                    prop_assert_eq!(whole.annotations.warnings(query, 10), pieces.annotations.warnings(query, 10), "{}", query);
                    prop_assert_eq!(whole.annotations.infos(query, 10), pieces.annotations.infos(query, 10), "{}", query);
                    let (whole, pieces) = (points(&whole), points(&pieces));
                    prop_assert_eq!(whole.keys().collect::<Vec<_>>(), pieces.keys().collect::<Vec<_>>(), "{}", query);
                    for ((key, one), other) in whole.iter().zip(pieces.values()) {
                        prop_assert!(near(*one, *other), "{} {:?}: {} but {}", query, key, one, other);
                    }
                }
                (Err(_), Err(_)) => {}
                (whole, pieces) => prop_assert!(false, "{}: {:?} but {:?}", query, whole, pieces),
            }
        }
        for query in CHOICES {
            let expr = parse(query).expect("the queries are good");
            let (whole, pieces) = (whole(&expr, evaluation, &all), by_pieces(&expr, evaluation, &all, of));
            prop_assert_eq!(by_time(&whole.expect(query)), by_time(&pieces.expect(query)), "{}", query);
        }
    }
}

#[test]
fn an_average_beyond_the_largest_float_is_a_running_one_in_every_share() {
    let huge = |n: usize| SeriesSamples {
        labels: Labels::from_pairs([("__name__", "m"), ("n", &n.to_string())]),
        samples: vec![Sample { t: 0, v: 1.5e308 }],
        histograms: Vec::new(),
    };
    let all: Vec<_> = (0..9).map(huge).collect();
    let expr = parse("avg(m)").unwrap();
    let found = by_pieces(&expr, Evaluation::Instant { at_ms: 0 }, &all, 4).unwrap();
    assert!(near(points(&found)[&(Labels::empty(), 0)], 1.5e308), "{found:?}");
}
