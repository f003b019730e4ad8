//! Functions of scalars and instant vectors.

use super::batch::{Batch, RowEdit, SeriesKey, Steps};
use super::dates::Civil;
use super::eval::{Evaluator, Value, absent};
use super::logarithms;
use super::numbers;
use super::plan::{CallNode, Kind, Node};
use super::select::Pick;
use super::{EvalError, bits};
use crate::histogram::Histogram;
use crate::model::Labels;
use crate::query::promql::functions::FunctionId;

/// The value of a call.
pub(crate) fn call(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Value, EvalError> {
    match call.function {
        FunctionId::Time => Ok(Value::Scalar(steps.times().map(numbers::seconds).collect())),
        FunctionId::Scalar => {
            let input = evaluator.vector(&call.args[0], steps)?;
            Ok(Value::Scalar(only_values(&input)))
        }
        FunctionId::MaxOf | FunctionId::MinOf => {
            let one = evaluator.scalar(&call.args[0], steps)?;
            let other = evaluator.scalar(&call.args[1], steps)?;
            let pick = if call.function == FunctionId::MaxOf { numbers::max } else { numbers::min };
            Ok(Value::Scalar(one.into_iter().zip(other).map(|(one, other)| pick(one, other)).collect()))
        }
        _ => vector(evaluator, call, steps).map(Value::Vector),
    }
}

fn vector(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Batch, EvalError> {
    match call.function {
        FunctionId::Vector => {
            let values = evaluator.scalar(&call.args[0], steps)?;
            Ok(unnamed(&values))
        }
        FunctionId::Absent => {
            let input = evaluator.vector(&call.args[0], steps)?;
            Ok(absent(&input.any_present(), call.absent.clone(), false, steps.count))
        }
        FunctionId::Timestamp => timestamp(evaluator, &call.args[0], steps),
        FunctionId::StartTimestamp => start_timestamp(evaluator, &call.args[0], steps),
        FunctionId::Clamp | FunctionId::ClampMax | FunctionId::ClampMin => clamp(evaluator, call, steps),
        FunctionId::Round => round(evaluator, call, steps),
        FunctionId::HistogramAvg
        | FunctionId::HistogramCount
        | FunctionId::HistogramStddev
        | FunctionId::HistogramStdvar
        | FunctionId::HistogramSum => Ok(of_histograms(&evaluator.vector(&call.args[0], steps)?, histogram_part(call.function))),
        function => match (date_part(function), elementwise(function)) {
            (Some(part), _) => dates(evaluator, call, part, steps),
            (None, Some(map)) => Ok(mapped(evaluator.vector(&call.args[0], steps)?.without_histograms(), map)),
            (None, None) => Err(EvalError::NotImplemented { what: format!("function {function:?}") }),
        },
    }
}

/// The function of one float that a PromQL function is, if it is one.
fn elementwise(function: FunctionId) -> Option<fn(f64) -> f64> {
    Some(match function {
        FunctionId::Abs => f64::abs,
        FunctionId::Acos => f64::acos,
        FunctionId::Acosh => logarithms::acosh,
        FunctionId::Asin => f64::asin,
        FunctionId::Asinh => logarithms::asinh,
        FunctionId::Atan => f64::atan,
        FunctionId::Atanh => f64::atanh,
        FunctionId::Ceil => f64::ceil,
        FunctionId::Cos => f64::cos,
        FunctionId::Cosh => f64::cosh,
        FunctionId::Deg => |value| value * 180.0 / std::f64::consts::PI,
        FunctionId::Exp => f64::exp,
        FunctionId::Floor => f64::floor,
        FunctionId::Ln => logarithms::ln,
        FunctionId::Log10 => logarithms::log10,
        FunctionId::Log2 => f64::log2,
        FunctionId::Rad => |value| value * std::f64::consts::PI / 180.0,
        FunctionId::Sgn => |value| {
            if value < 0.0 {
                -1.0
            } else if value > 0.0 {
                1.0
            } else {
                value
            }
        },
        FunctionId::Sin => f64::sin,
        FunctionId::Sinh => f64::sinh,
        FunctionId::Sqrt => f64::sqrt,
        FunctionId::Tan => f64::tan,
        FunctionId::Tanh => f64::tanh,
        _ => return None,
    })
}

/// The number of a histogram that a function answers.
fn histogram_part(function: FunctionId) -> fn(&Histogram) -> f64 {
    match function {
        FunctionId::HistogramAvg => |histogram| histogram.sum / histogram.count,
        FunctionId::HistogramCount => |histogram| histogram.count,
        FunctionId::HistogramStddev => Histogram::deviation,
        FunctionId::HistogramStdvar => Histogram::variance,
        FunctionId::HistogramSum => |histogram| histogram.sum,
        other => unreachable!("{other:?} says nothing about one histogram"),
    }
}

/// A number of each histogram; floats are left out, and the name is dropped.
fn of_histograms(input: &Batch, part: fn(&Histogram) -> f64) -> Batch {
    let mut out = Batch::new(input.steps());
    for row in input.rows_with_histograms() {
        let key = SeriesKey { labels: input.key(row).labels.clone(), drop_name: true };
        out.push_with(key, |target| input.row_histograms(row).for_each(|(step, histogram)| target.set(step, part(histogram))));
    }
    out
}

/// The part of a date that a function answers, if it is one of those.
fn date_part(function: FunctionId) -> Option<fn(Civil) -> i64> {
    Some(match function {
        FunctionId::DayOfMonth => Civil::day_of_month,
        FunctionId::DayOfWeek => Civil::day_of_week,
        FunctionId::DayOfYear => Civil::day_of_year,
        FunctionId::DaysInMonth => Civil::days_in_month,
        FunctionId::Hour => Civil::hour,
        FunctionId::Minute => Civil::minute,
        FunctionId::Month => Civil::month,
        FunctionId::Year => Civil::year,
        _ => return None,
    })
}

/// Every value changed, the name dropped.
fn mapped(mut input: Batch, map: impl Fn(f64) -> f64) -> Batch {
    input.all_values_mut().iter_mut().for_each(|value| *value = map(*value));
    input.keys_mut().iter_mut().for_each(|key| key.drop_name = true);
    input
}

/// Every value changed by the step, the name dropped.
fn mapped_by_step(mut input: Batch, map: impl Fn(usize, f64) -> f64) -> Batch {
    for row in 0..input.len() {
        let RowEdit { from, values, .. } = input.row_mut(row);
        values.iter_mut().zip(from..).for_each(|(value, step)| *value = map(step, *value));
    }
    input.keys_mut().iter_mut().for_each(|key| key.drop_name = true);
    input
}

/// One series without labels.
fn unnamed(values: &[f64]) -> Batch {
    let mut out = Batch::new(values.len());
    out.push_with(SeriesKey { labels: Labels::empty(), drop_name: false }, |row| {
        row.values.copy_from_slice(values);
        row.present.copy_from_slice(&bits::all(values.len()));
    });
    out
}

/// The value of the only series of each step; NaN where there is none or more than one.
fn only_values(input: &Batch) -> Vec<f64> {
    let mut values = vec![f64::NAN; input.steps()];
    let mut seen = vec![0_usize; input.steps()];
    for row in 0..input.len() {
        let row_values = input.values(row);
        for step in bits::ones(&input.floats(row)) {
            seen[step] += 1;
            values[step] = if seen[step] == 1 { row_values[step] } else { f64::NAN };
        }
    }
    values
}

/// Of a selector the times of its samples, of everything else the time of the evaluation.
fn timestamp(evaluator: &mut Evaluator<'_>, arg: &Node, steps: Steps) -> Result<Batch, EvalError> {
    let input = match &arg.kind {
        Kind::Select(select) => evaluator.select(select, arg.at, steps, Pick::Time)?,
        _ => {
            let mut input = evaluator.vector(arg, steps)?;
            input.forget_histograms();
            return Ok(mapped_by_step(input, |step, _| numbers::seconds(steps.at(step))));
        }
    };
    Ok(mapped(input, |seconds| seconds))
}

/// Of a selector the start timestamps of its samples, of everything else nothing.
fn start_timestamp(evaluator: &mut Evaluator<'_>, arg: &Node, steps: Steps) -> Result<Batch, EvalError> {
    let Kind::Select(select) = &arg.kind else {
        evaluator.vector(arg, steps)?;
        return Ok(Batch::new(steps.count));
    };
    Ok(mapped(evaluator.select(select, arg.at, steps, Pick::Start)?, |seconds| seconds))
}

fn clamp(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Batch, EvalError> {
    let mut input = evaluator.vector(&call.args[0], steps)?.without_histograms();
    let bound = evaluator.scalar(&call.args[1], steps)?;
    let (lower, upper) = match call.function {
        FunctionId::ClampMax => (vec![f64::NEG_INFINITY; steps.count], bound),
        FunctionId::ClampMin => (bound, vec![f64::INFINITY; steps.count]),
        _ => (bound, evaluator.scalar(&call.args[2], steps)?),
    };
    let crossed: Vec<usize> = (0..steps.count).filter(|step| upper[*step] < lower[*step]).collect();
    for row in 0..input.len() {
        let row = input.row_mut(row);
        crossed.iter().for_each(|step| bits::clear(row.present, *step));
    }
    Ok(mapped_by_step(input, |step, value| numbers::max(lower[step], numbers::min(upper[step], value))).without_empty_rows())
}

/// Rounds to multiples, halves up.
fn round(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Batch, EvalError> {
    let input = evaluator.vector(&call.args[0], steps)?.without_histograms();
    let inverse: Vec<f64> = match call.args.get(1) {
        Some(nearest) => evaluator.scalar(nearest, steps)?.into_iter().map(|nearest| 1.0 / nearest).collect(),
        None => vec![1.0; steps.count],
    };
    Ok(mapped_by_step(input, |step, value| (value * inverse[step] + 0.5).floor() / inverse[step]))
}

/// A part of the date that the values are, or of that of the evaluation.
#[expect(clippy::cast_precision_loss, reason = "parts of a date are small; the year of i64::MAX seconds is below 2^53")]
fn dates(evaluator: &mut Evaluator<'_>, call: &CallNode, part: fn(Civil) -> i64, steps: Steps) -> Result<Batch, EvalError> {
    let answer = |unix: i64| part(Civil::of(unix)) as f64;
    match call.args.first() {
        Some(arg) => Ok(mapped(evaluator.vector(arg, steps)?.without_histograms(), |value| answer(numbers::to_i64(value)))),
        None => Ok(unnamed(&steps.times().map(|t| answer(t / 1_000)).collect::<Vec<_>>())),
    }
}
