//! Compares answers with what a script expects.

use std::sync::Arc;

use super::histogram;
use super::notation::{Item, SeriesLine};
use super::script::{Eval, Expected, Range, Text, Times};
use crate::model::Labels;
use crate::query::engine::{PointValue, QueryResult, RangeSeries, ResultValue};

/// How far two floats may be apart, as a share of their sum.
const TOLERANCE: f64 = 1e-6;

type Checked = Result<(), String>;

/// Compares the remarks about an answer.
pub(super) fn annotations(expected: &Expected, result: &QueryResult, query: &str) -> Checked {
    let warnings = result.annotations.warnings(query, usize::MAX);
    let infos = result.annotations.infos(query, usize::MAX);
    level("warning", &expected.warnings, expected.no_warning, &warnings)?;
    level("info", &expected.infos, expected.no_info, &infos)
}

fn level(name: &str, expected: &[Text], none: bool, found: &[String]) -> Checked {
    if none && !found.is_empty() {
        return Err(format!("unexpected {name}s: {found:?}"));
    }
    if let Some(missing) = expected.iter().find(|text| !found.iter().any(|found| text.matches(found))) {
        return Err(format!("missing {name} {missing:?} among {found:?}"));
    }
    if !expected.is_empty()
        && let Some(other) = found.iter().find(|found| !expected.iter().any(|text| text.matches(found)))
    {
        return Err(format!("unexpected {name}: {other}"));
    }
    Ok(())
}

/// Compares an answer to a query as the script asks it.
pub(super) fn value(eval: &Eval, value: &ResultValue) -> Checked {
    match (eval.times, value) {
        (Times::Range(range), ResultValue::Matrix(found)) => matrix(&eval.series, range, found),
        (Times::Instant(_), ResultValue::Matrix(found)) => match eval.expected.range_vector {
            Some(range) => matrix(&eval.series, range, found),
            None => Err("a range vector was not expected".to_owned()),
        },
        (_, ResultValue::Text { text, .. }) => match &eval.expected.string {
            Some(expected) if expected == text => Ok(()),
            expected => Err(format!("expected text {expected:?}, found {text:?}")),
        },
        (_, ResultValue::Scalar { v, .. }) => scalar(eval, *v),
        (_, ResultValue::Vector(found)) => {
            let found: Vec<(&Labels, PointValue)> = found.iter().map(|one| (&one.labels, one.value.clone())).collect();
            vector(eval, &found, eval.expected.ordered)
        }
    }
}

/// Compares the step at `at` of a range query with what is expected of an instant query. `scalar_query` says that it is of a number.
pub(super) fn step(eval: &Eval, found: &[RangeSeries], at: i64, scalar_query: bool) -> Checked {
    let at_step = |series: &RangeSeries| {
        let float = series.samples.iter().find(|sample| sample.t == at).map(|sample| PointValue::Float(sample.v));
        float.or_else(|| series.histograms.iter().find(|sample| sample.t == at).map(|sample| PointValue::Histogram(Arc::clone(&sample.h))))
    };
    if scalar_query {
        return match found.first().and_then(at_step) {
            Some(PointValue::Float(value)) => scalar(eval, value),
            _ => Err("no value at the step".to_owned()),
        };
    }
    let found: Vec<(&Labels, PointValue)> = found.iter().filter_map(|series| Some((&series.labels, at_step(series)?))).collect();
    vector(eval, &found, false)
}

fn scalar(eval: &Eval, found: f64) -> Checked {
    match eval.scalar {
        Some(expected) if almost_equal(expected, found) => Ok(()),
        Some(expected) => Err(format!("expected {expected}, found {found}")),
        None => Err(format!("a number was not expected: {found}")),
    }
}

fn vector(eval: &Eval, found: &[(&Labels, PointValue)], ordered: bool) -> Checked {
    if eval.expected.range_vector.is_some() || eval.expected.string.is_some() || eval.scalar.is_some() {
        return Err("an instant vector was not expected".to_owned());
    }
    let describe = || found.iter().map(|(labels, value)| format!("{labels} {}", described(value))).collect::<Vec<_>>().join("\n    ");
    if found.len() != eval.series.len() {
        return Err(format!("expected {} series, found {}:\n    {}", eval.series.len(), found.len(), describe()));
    }
    for (place, line) in eval.series.iter().enumerate() {
        let Some(at) = found.iter().position(|(labels, _)| **labels == line.labels) else {
            return Err(format!("expected series {} among\n    {}", line.labels, describe()));
        };
        if ordered && at != place {
            return Err(format!("expected series {} at place {place}, found it at {at}", line.labels));
        }
        match line.values.first() {
            Some(expected) if same(expected, &found[at].1) => {}
            expected => return Err(format!("expected {} of {}, found {}", wanted(expected), line.labels, described(&found[at].1))),
        }
    }
    Ok(())
}

fn matrix(expected: &[SeriesLine], range: Range, found: &[RangeSeries]) -> Checked {
    for line in expected {
        let items: Vec<(i64, &Item)> =
            line.at(range.step).map(|(t, item)| (range.from + t, item)).filter(|(_, item)| !matches!(item, Item::Gap)).collect();
        if items.is_empty() {
            continue;
        }
        let Some(series) = found.iter().find(|series| series.labels == line.labels) else {
            let names: Vec<String> = found.iter().map(|series| series.labels.to_string()).collect();
            return Err(format!("expected series {} among {names:?}", line.labels));
        };
        let points = points(series);
        let all_same =
            items.len() == points.len() && items.iter().zip(&points).all(|(item, point)| item.0 == point.0 && same(item.1, &point.1));
        if !all_same {
            let wanted: Vec<String> = items.iter().map(|(t, item)| format!("{} @{t}", wanted(Some(item)))).collect();
            let found: Vec<String> = points.iter().map(|(t, value)| format!("{} @{t}", described(value))).collect();
            return Err(format!("expected {} to be\n    {}\n  found\n    {}", line.labels, wanted.join(" "), found.join(" ")));
        }
    }
    match found.iter().find(|series| !expected.iter().any(|line| line.labels == series.labels)) {
        Some(series) => Err(format!("unexpected series {} {:?} {:?}", series.labels, series.samples, series.histograms)),
        None => Ok(()),
    }
}

/// All samples of a series in order.
fn points(series: &RangeSeries) -> Vec<(i64, PointValue)> {
    let floats = series.samples.iter().map(|sample| (sample.t, PointValue::Float(sample.v)));
    let histograms = series.histograms.iter().map(|sample| (sample.t, PointValue::Histogram(Arc::clone(&sample.h))));
    let mut points: Vec<(i64, PointValue)> = floats.chain(histograms).collect();
    points.sort_by_key(|(t, _)| *t);
    points
}

fn same(expected: &Item, found: &PointValue) -> bool {
    match (expected, found) {
        (Item::Float(expected), PointValue::Float(found)) => almost_equal(*expected, *found),
        (Item::Histogram(expected), PointValue::Histogram(found)) => histogram::almost_same(expected, found, almost_equal),
        _ => false,
    }
}

fn wanted(item: Option<&Item>) -> String {
    match item {
        Some(Item::Float(value)) => value.to_string(),
        Some(Item::Histogram(written)) => format!("{:?} {}", written.histogram.hint, written.histogram),
        Some(Item::Gap | Item::Start(_)) | None => "nothing".to_owned(),
    }
}

fn described(value: &PointValue) -> String {
    match value {
        PointValue::Float(value) => value.to_string(),
        PointValue::Histogram(histogram) => format!("{:?} {histogram}", histogram.hint),
    }
}

/// True for floats that differ by no more than a millionth of their sum.
fn almost_equal(one: f64, other: f64) -> bool {
    if one == other || (one.is_nan() && other.is_nan()) {
        return true;
    }
    let sum = one.abs() + other.abs();
    let difference = (one - other).abs();
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
