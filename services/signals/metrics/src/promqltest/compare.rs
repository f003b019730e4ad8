//! Compares answers with what a script expects.

use super::notation::{Item, SeriesLine};
use super::script::{Eval, Expected, Range, Text, Times};
use crate::model::{Labels, Sample};
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
    if let Some(line) = eval.series.iter().find(|line| line.values.iter().any(|item| matches!(item, Item::Unsupported))) {
        return Err(format!("native histograms are not implemented: {}", line.labels));
    }
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
            let found: Vec<(&Labels, f64)> = found
                .iter()
                .map(|one| match &one.value {
                    PointValue::Float(v) => (&one.labels, *v),
                    PointValue::Histogram(_) => (&one.labels, f64::NAN),
                })
                .collect();
            vector(eval, &found, eval.expected.ordered)
        }
    }
}

/// Compares the step at `at` of a range query with what is expected of an instant query. `scalar_query` says that it is of a number.
pub(super) fn step(eval: &Eval, found: &[RangeSeries], at: i64, scalar_query: bool) -> Checked {
    let at_step = |series: &RangeSeries| series.samples.iter().find(|sample| sample.t == at).map(|sample| sample.v);
    if scalar_query {
        let value = found.first().and_then(at_step).ok_or("no value at the step")?;
        return scalar(eval, value);
    }
    let found: Vec<(&Labels, f64)> = found.iter().filter_map(|series| at_step(series).map(|value| (&series.labels, value))).collect();
    vector(eval, &found, false)
}

fn scalar(eval: &Eval, found: f64) -> Checked {
    match eval.scalar {
        Some(expected) if almost_equal(expected, found) => Ok(()),
        Some(expected) => Err(format!("expected {expected}, found {found}")),
        None => Err(format!("a number was not expected: {found}")),
    }
}

fn vector(eval: &Eval, found: &[(&Labels, f64)], ordered: bool) -> Checked {
    if eval.expected.range_vector.is_some() || eval.expected.string.is_some() || eval.scalar.is_some() {
        return Err("an instant vector was not expected".to_owned());
    }
    let describe = || found.iter().map(|(labels, value)| format!("{labels} {value}")).collect::<Vec<_>>().join("\n    ");
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
            Some(Item::Float(expected)) if almost_equal(*expected, found[at].1) => {}
            expected => return Err(format!("expected {expected:?} of {}, found {}", line.labels, found[at].1)),
        }
    }
    Ok(())
}

fn matrix(expected: &[SeriesLine], range: Range, found: &[RangeSeries]) -> Checked {
    for line in expected {
        let samples = line.values.iter().zip((0..).map(|step: i64| range.from + step * range.step));
        let samples: Vec<Sample> = samples
            .filter_map(|(item, t)| match item {
                Item::Float(v) => Some(Sample { t, v: *v }),
                Item::Gap | Item::Unsupported => None,
            })
            .collect();
        if samples.is_empty() {
            continue;
        }
        let Some(series) = found.iter().find(|series| series.labels == line.labels) else {
            let names: Vec<String> = found.iter().map(|series| series.labels.to_string()).collect();
            return Err(format!("expected series {} among {names:?}", line.labels));
        };
        let same = samples.len() == series.samples.len()
            && samples.iter().zip(&series.samples).all(|(expected, found)| expected.t == found.t && almost_equal(expected.v, found.v));
        if !same {
            return Err(format!("expected {} to be {samples:?}, found {:?}", line.labels, series.samples));
        }
    }
    match found.iter().find(|series| !expected.iter().any(|line| line.labels == series.labels)) {
        Some(series) => Err(format!("unexpected series {} {:?}", series.labels, series.samples)),
        None => Ok(()),
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
