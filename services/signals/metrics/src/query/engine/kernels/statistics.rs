//! Sums, means, extremes and spreads of a range.

use crate::model::Sample;
use crate::query::engine::numbers::{self, Compensated, Mean};

/// The sum.
pub(crate) fn sum(samples: &[Sample]) -> f64 {
    let sum = samples.iter().fold(Compensated::default(), |sum, sample| sum.plus(sample.v));
    if sum.sum.is_infinite() { sum.sum } else { sum.total() }
}

/// The mean.
pub(crate) fn mean(samples: &[Sample]) -> Option<f64> {
    let (first, rest) = samples.split_first()?;
    let mut mean = Mean::of(first.v);
    rest.iter().for_each(|sample| mean.add(sample.v));
    Some(mean.value())
}

/// The sample that no later one goes beyond, where `beyond(value, so_far)` says what that is. NaN gives way to everything.
pub(crate) fn extreme(samples: &[Sample], beyond: impl Fn(f64, f64) -> bool) -> Option<Sample> {
    let mut found = *samples.first()?;
    for sample in samples {
        if beyond(sample.v, found.v) || found.v.is_nan() {
            found = *sample;
        }
    }
    Some(found)
}

/// The population's variance in one pass (Welford, Technometrics 4:3, 1962), its two sums compensated.
pub(crate) fn variance(samples: &[Sample]) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut squares) = (Compensated::default(), Compensated::default());
    for sample in samples {
        count += 1.0;
        let delta = sample.v - mean.total();
        mean = mean.plus(delta / count);
        squares = squares.plus(delta * (sample.v - mean.total()));
    }
    squares.total() / count
}

/// Puts the values of some samples into a buffer.
pub(crate) fn values_into(samples: &[Sample], values: &mut Vec<f64>) {
    values.clear();
    values.extend(samples.iter().map(|sample| sample.v));
}

/// The median distance from the median; NaN when any value is.
pub(crate) fn median_deviation(samples: &[Sample], scratch: &mut Vec<f64>) -> f64 {
    if samples.iter().any(|sample| sample.v.is_nan()) {
        return f64::NAN;
    }
    values_into(samples, scratch);
    let median = numbers::quantile(0.5, scratch);
    scratch.clear();
    scratch.extend(samples.iter().map(|sample| (sample.v - median).abs()));
    numbers::quantile(0.5, scratch)
}
