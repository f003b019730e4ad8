//! Functions over ranges: each walks the samples of a series once, over the windows of all steps.

use std::borrow::Cow;

use super::annotations::Annotation;
use super::batch::{Batch, SeriesKey, Steps};
use super::eval::{Evaluator, absent};
use super::kernels::{self, Bordered, Rate};
use super::plan::{CallNode, Kind, Node, Origin, RangeSource, Windows};
use super::{EvalError, numbers};
use crate::model::{Sample, is_stale};
use crate::query::promql::ast::Extension;
use crate::query::promql::functions::FunctionId;

/// The samples of one series that a range vector draws from: no staleness markers, times rise.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// Which series.
    pub(crate) key: SeriesKey,
    /// Its samples.
    pub(crate) samples: Cow<'a, [Sample]>,
}

/// The series of a range vector.
pub(crate) fn inputs<'a>(evaluator: &mut Evaluator<'a>, source: &RangeSource, windows: Windows) -> Result<Vec<Input<'a>>, EvalError> {
    match &source.origin {
        Origin::Selector(selector) => {
            let data = evaluator.data;
            let inputs = data[*selector].iter().map(|series| Input {
                key: SeriesKey { labels: series.labels.clone(), drop_name: false },
                samples: without_markers(&series.samples),
            });
            Ok(inputs.collect())
        }
        Origin::Subquery { expr, step } => {
            let inner = windows.inner_steps(*step);
            let batch = evaluator.vector(expr, inner)?;
            let inputs =
                (0..batch.len()).map(|row| Input { key: batch.key(row).clone(), samples: Cow::Owned(batch.row_samples(row, inner)) });
            Ok(inputs.collect())
        }
    }
}

/// Samples without staleness markers; copied only where there are any.
pub(crate) fn without_markers(samples: &[Sample]) -> Cow<'_, [Sample]> {
    if samples.iter().any(|sample| is_stale(sample.v)) {
        Cow::Owned(samples.iter().filter(|sample| !is_stale(sample.v)).copied().collect())
    } else {
        Cow::Borrowed(samples)
    }
}

/// The value of a call whose argument at `position` is a range vector.
pub(crate) fn call(evaluator: &mut Evaluator<'_>, call: &CallNode, position: usize, steps: Steps) -> Result<Batch, EvalError> {
    let Node { kind: Kind::Range(source), at, .. } = &call.args[position] else {
        unreachable!("the caller has found a range vector there");
    };
    let windows = Windows::of(source, steps);
    let held = evaluator.held;
    let inputs = inputs(evaluator, source, windows)?;
    let mut params = Vec::new();
    for (index, arg) in call.args.iter().enumerate().filter(|(index, _)| *index != position) {
        params.push(evaluator.scalar(arg, steps)?);
        if call.function == FunctionId::QuantileOverTime && !inputs.is_empty() {
            let values = params.last().expect("it was pushed");
            super::aggregate::check_phis(values).into_iter().for_each(|annotation| evaluator.annotate(annotation, call.args[index].at));
        }
    }
    let kernel = Kernel::new(call.function, &params, windows, source.extension, evaluator.lookback)?;
    let mut out = Batch::new(steps.count);
    let mut count = 0;
    for input in inputs {
        evaluator.cancel.check()?;
        let Input { key, samples } = input;
        let drop_name = key.drop_name || kernel.drops_name();
        let labels = key.labels;
        let written = out.push_with(SeriesKey { labels: labels.clone(), drop_name }, |row| kernel.run(&samples, row));
        count += written;
        evaluator.check_limit(count)?;
        if written > 0 && matches!(call.function, FunctionId::Rate | FunctionId::Increase) {
            let metric = labels.metric_name().unwrap_or_default();
            if !metric.is_empty() && !is_counter_name(metric) {
                evaluator.annotate(Annotation::PossibleNonCounter { metric: metric.to_owned() }, *at);
            }
        }
    }
    evaluator.held = held;
    if call.function == FunctionId::AbsentOverTime {
        return Ok(absent(&out.any_present(), call.absent.clone(), true, steps.count));
    }
    Ok(out)
}

/// True for a name that ends like that of a counter.
fn is_counter_name(metric: &str) -> bool {
    ["_total", "_sum", "_count", "_bucket"].iter().any(|end| metric.ends_with(end))
}

/// A function with its parameters.
struct Kernel<'a> {
    function: FunctionId,
    /// The first parameter at each step.
    param: &'a [f64],
    /// The second.
    second: &'a [f64],
    windows: Windows,
    /// `anchored` or `smoothed`.
    extension: Option<Extension>,
    /// How far samples around the range may lie away from it, ms.
    lookback: i64,
}

impl<'a> Kernel<'a> {
    fn new(
        function: FunctionId,
        params: &'a [Vec<f64>],
        windows: Windows,
        extension: Option<Extension>,
        lookback: i64,
    ) -> Result<Self, EvalError> {
        let param = params.first().map_or(&[][..], Vec::as_slice);
        let second = params.get(1).map_or(&[][..], Vec::as_slice);
        if function == FunctionId::DoubleExponentialSmoothing {
            check_factor(param, "smoothing", "sf")?;
            check_factor(second, "trend", "tf")?;
        }
        Ok(Self { function, param, second, windows, extension, lookback })
    }

    /// The first and the last sample are still the metric's own; everything else is something new.
    const fn drops_name(&self) -> bool {
        !matches!(self.function, FunctionId::FirstOverTime | FunctionId::LastOverTime)
    }

    fn run(&self, samples: &[Sample], row: &mut super::batch::RowMut<'_>) {
        use FunctionId as F;
        if let Some(extension) = self.extension {
            return self.run_extended(samples, extension, row);
        }
        let each = kernels::Each { samples, windows: self.windows };
        match self.function {
            F::Rate => kernels::rate(each, row, Rate::PerSecond),
            F::Increase => kernels::rate(each, row, Rate::Increase),
            F::Delta => kernels::rate(each, row, Rate::Gauge),
            F::Irate => each.run(row, |window| kernels::instant_rate(window.samples)),
            F::Idelta => each.run(row, |window| kernels::instant_delta(window.samples)),
            F::Changes => kernels::transitions(each, row, is_change),
            F::Resets => kernels::transitions(each, row, is_reset),
            F::Deriv => each.run(row, |window| kernels::derivative(window.samples)),
            F::PredictLinear => {
                each.run(row, |window| kernels::predict(window.samples, self.windows.steps.at(window.step), self.param[window.step]))
            }
            F::DoubleExponentialSmoothing => {
                each.run(row, |window| kernels::smoothed(window.samples, self.param[window.step], self.second[window.step]));
            }
            F::AbsentOverTime | F::PresentOverTime => each.run(row, |_| Some(1.0)),
            F::CountOverTime => each.run(row, |window| Some(numbers::to_float(window.samples.len()))),
            F::FirstOverTime => each.run(row, |window| window.samples.first().map(|sample| sample.v)),
            F::LastOverTime => each.run(row, |window| window.samples.last().map(|sample| sample.v)),
            F::TsOfFirstOverTime => each.run(row, |window| window.samples.first().map(|sample| numbers::seconds(sample.t))),
            F::TsOfLastOverTime => each.run(row, |window| window.samples.last().map(|sample| numbers::seconds(sample.t))),
            _ => self.run_statistics(each, row),
        }
    }

    fn run_extended(&self, samples: &[Sample], extension: Extension, row: &mut super::batch::RowMut<'_>) {
        let windows = self.windows;
        let each = kernels::Each { samples, windows: windows.extended(extension, self.lookback) };
        each.run(row, |window| {
            let end = windows.end(window.step);
            let start = end.saturating_sub(windows.range);
            let range = Bordered { samples: window.samples, start, end, smoothed: extension == Extension::Smoothed };
            match self.function {
                FunctionId::Rate => range.increase().map(|increase| increase / kernels::range_seconds(windows.range)),
                FunctionId::Increase => range.increase(),
                FunctionId::Delta => range.change(),
                FunctionId::Changes => range.transitions(is_change),
                FunctionId::Resets => range.transitions(is_reset),
                other => unreachable!("the plan refuses {other:?} of an extended range"),
            }
        });
    }

    fn run_statistics(&self, each: kernels::Each<'_>, row: &mut super::batch::RowMut<'_>) {
        use FunctionId as F;
        let mut scratch = Vec::new();
        match self.function {
            F::SumOverTime => each.run(row, |window| Some(kernels::sum(window.samples))),
            F::AvgOverTime => each.run(row, |window| kernels::mean(window.samples)),
            F::MinOverTime => {
                each.run(row, |window| kernels::extreme(window.samples, |value, so_far| value < so_far).map(|sample| sample.v))
            }
            F::MaxOverTime => {
                each.run(row, |window| kernels::extreme(window.samples, |value, so_far| value > so_far).map(|sample| sample.v))
            }
            F::TsOfMinOverTime => each.run(row, |window| {
                kernels::extreme(window.samples, |value, so_far| value <= so_far).map(|sample| numbers::seconds(sample.t))
            }),
            F::TsOfMaxOverTime => each.run(row, |window| {
                kernels::extreme(window.samples, |value, so_far| value >= so_far).map(|sample| numbers::seconds(sample.t))
            }),
            F::StddevOverTime => each.run(row, |window| Some(kernels::variance(window.samples).sqrt())),
            F::StdvarOverTime => each.run(row, |window| Some(kernels::variance(window.samples))),
            F::QuantileOverTime => each.run(row, |window| {
                kernels::values_into(window.samples, &mut scratch);
                Some(numbers::quantile(self.param[window.step], &mut scratch))
            }),
            F::MadOverTime => each.run(row, |window| Some(kernels::median_deviation(window.samples, &mut scratch))),
            other => unreachable!("the kernel was made for a function that it knows, not {other:?}"),
        }
    }
}

/// True for a value that is another one than before; NaN stays NaN.
fn is_change(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}

/// True for a value that a counter only has after a reset.
fn is_reset(before: f64, after: f64) -> bool {
    after < before
}

fn check_factor(factors: &[f64], factor: &'static str, short: &'static str) -> Result<(), EvalError> {
    match factors.iter().find(|value| **value <= 0.0 || **value >= 1.0) {
        Some(value) => Err(EvalError::SmoothingFactor { factor, short, value: numbers::fixed(*value) }),
        None => Ok(()),
    }
}
