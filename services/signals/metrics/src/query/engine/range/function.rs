//! Which kernel a function over ranges is.

use crate::model::Sample;
use crate::query::engine::annotations::Annotation;
use crate::query::engine::batch::{Batch, RowMut};
use crate::query::engine::kernels::{self, Bordered, Each, Rate};
use crate::query::engine::plan::Windows;
use crate::query::engine::{EvalError, aggregate, bits, numbers};
use crate::query::promql::ast::Extension;
use crate::query::promql::functions::FunctionId;

/// A function over ranges with all that its value depends on beside the samples.
pub(super) struct RangeFunction<'a> {
    pub(super) id: FunctionId,
    /// Its scalar arguments at each step.
    pub(super) params: &'a [Vec<f64>],
    pub(super) windows: Windows,
    /// `anchored` or `smoothed`.
    pub(super) extension: Option<Extension>,
    /// How far samples around the range may lie away from it, ms.
    pub(super) lookback: i64,
}

impl RangeFunction<'_> {
    /// Errors where a parameter has no meaning.
    pub(super) fn check(&self) -> Result<(), EvalError> {
        if self.id == FunctionId::DoubleExponentialSmoothing {
            check_factor(&self.params[0], "smoothing", "sf")?;
            check_factor(&self.params[1], "trend", "tf")?;
        }
        Ok(())
    }

    /// What is to be remarked about the first argument, given the series of the answer: only where there are values.
    pub(super) fn remarks(&self, out: &Batch) -> Vec<Annotation> {
        if self.id != FunctionId::QuantileOverTime {
            return Vec::new();
        }
        aggregate::check_each(bits::ones(&out.any_present()).map(|step| self.params[0][step]))
    }

    /// True for a function that has a meaning for counters alone.
    pub(super) const fn wants_counters(&self) -> bool {
        matches!(self.id, FunctionId::Rate | FunctionId::Increase)
    }

    /// The first and the last sample are still the metric's own; everything else is something new.
    pub(super) const fn drops_name(&self) -> bool {
        !matches!(self.id, FunctionId::FirstOverTime | FunctionId::LastOverTime)
    }

    /// Writes the values of one series.
    pub(super) fn run(&self, samples: &[Sample], row: &mut RowMut<'_>) {
        use FunctionId as F;
        if let Some(extension) = self.extension {
            return self.run_extended(samples, extension, row);
        }
        let each = Each { samples, windows: self.windows };
        match self.id {
            F::Rate => kernels::rate(each, row, Rate::PerSecond),
            F::Increase => kernels::rate(each, row, Rate::Increase),
            F::Delta => kernels::rate(each, row, Rate::Gauge),
            F::Irate => each.run(row, |window| kernels::instant_rate(window.samples)),
            F::Idelta => each.run(row, |window| kernels::instant_delta(window.samples)),
            F::Changes => kernels::transitions(each, row, is_change),
            F::Resets => kernels::transitions(each, row, is_reset),
            F::AbsentOverTime | F::PresentOverTime => each.run(row, |_| Some(1.0)),
            F::CountOverTime => each.run(row, |window| Some(numbers::to_float(window.samples.len()))),
            F::FirstOverTime => each.run(row, |window| window.samples.first().map(|sample| sample.v)),
            F::LastOverTime => each.run(row, |window| window.samples.last().map(|sample| sample.v)),
            F::TsOfFirstOverTime => each.run(row, |window| window.samples.first().copied().map(seconds_of)),
            F::TsOfLastOverTime => each.run(row, |window| window.samples.last().copied().map(seconds_of)),
            _ => {
                let mut scratch = Vec::new();
                each.run(row, |window| self.float_value(window.samples, window.step, &mut scratch));
            }
        }
    }

    fn run_extended(&self, samples: &[Sample], extension: Extension, row: &mut RowMut<'_>) {
        let windows = self.windows;
        let each = Each { samples, windows: windows.extended(extension, self.lookback) };
        each.run(row, |window| {
            let end = windows.end(window.step);
            let start = end.saturating_sub(windows.range);
            let range = Bordered { samples: window.samples, start, end, smoothed: extension == Extension::Smoothed };
            match self.id {
                FunctionId::Rate => range.increase().map(|increase| increase / kernels::range_seconds(windows.range)),
                FunctionId::Increase => range.increase(),
                FunctionId::Delta => range.change(),
                FunctionId::Changes => range.transitions(is_change),
                FunctionId::Resets => range.transitions(is_reset),
                other => unreachable!("the plan refuses {other:?} of an extended range"),
            }
        });
    }

    /// The value of the floats of one window, for functions that look at floats alone and at each window by itself.
    pub(super) fn float_value(&self, samples: &[Sample], step: usize, scratch: &mut Vec<f64>) -> Option<f64> {
        use FunctionId as F;
        let param = |index: usize| self.params[index][step];
        match self.id {
            _ if samples.is_empty() => None,
            F::Deriv => kernels::derivative(samples),
            F::PredictLinear => kernels::predict(samples, self.windows.steps.at(step), param(0)),
            F::DoubleExponentialSmoothing => kernels::smoothed(samples, param(0), param(1)),
            F::SumOverTime => Some(kernels::sum(samples)),
            F::AvgOverTime => kernels::mean(samples),
            F::MinOverTime => kernels::extreme(samples, |new, old| new < old).map(|found| found.v),
            F::MaxOverTime => kernels::extreme(samples, |new, old| new > old).map(|found| found.v),
            F::TsOfMinOverTime => kernels::extreme(samples, |new, old| new <= old).map(seconds_of),
            F::TsOfMaxOverTime => kernels::extreme(samples, |new, old| new >= old).map(seconds_of),
            F::StddevOverTime => Some(kernels::variance(samples).sqrt()),
            F::StdvarOverTime => Some(kernels::variance(samples)),
            F::QuantileOverTime => {
                kernels::values_into(samples, scratch);
                Some(numbers::quantile(param(0), scratch))
            }
            F::MadOverTime => Some(kernels::median_deviation(samples, scratch)),
            other => unreachable!("{other:?} takes no range vector"),
        }
    }
}

/// The time of a sample in seconds.
fn seconds_of(sample: Sample) -> f64 {
    numbers::seconds(sample.t)
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
