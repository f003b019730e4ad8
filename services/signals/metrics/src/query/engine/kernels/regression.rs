//! Lines and trends through the samples of a range.

use crate::model::Sample;
use crate::query::engine::numbers::{Compensated, seconds};

/// A straight line.
struct Line {
    /// Its rise per second.
    slope: f64,
    /// Its value at the time asked for.
    intercept: f64,
}

/// The line of least squares, with the intercept at `origin`, ms since the Unix epoch.
fn line(samples: &[Sample], origin: i64) -> Line {
    let first = samples[0].v;
    if samples.iter().skip(1).all(|sample| sample.v == first) {
        return if first.is_infinite() { Line { slope: f64::NAN, intercept: f64::NAN } } else { Line { slope: 0.0, intercept: first } };
    }
    let mut count = 0.0;
    let [mut x_sum, mut y_sum, mut xy_sum, mut xx_sum] = [Compensated::default(); 4];
    for sample in samples {
        count += 1.0;
        let x = seconds(sample.t - origin);
        x_sum = x_sum.plus(x);
        y_sum = y_sum.plus(sample.v);
        xy_sum = xy_sum.plus(x * sample.v);
        xx_sum = xx_sum.plus(x * x);
    }
    let (x_sum, y_sum) = (x_sum.total(), y_sum.total());
    let covariance = xy_sum.total() - x_sum * y_sum / count;
    let variance = xx_sum.total() - x_sum * x_sum / count;
    let slope = covariance / variance;
    Line { slope, intercept: y_sum / count - slope * x_sum / count }
}

/// The rise per second of the line through the samples.
pub(crate) fn derivative(samples: &[Sample]) -> Option<f64> {
    let [first, _, ..] = samples else { return None };
    // Times near the samples keep the sums small.
    Some(line(samples, first.t).slope)
}

/// The value of the line through the samples, `ahead` seconds after `now`.
pub(crate) fn predict(samples: &[Sample], now: i64, ahead: f64) -> Option<f64> {
    let [_, _, ..] = samples else { return None };
    let line = line(samples, now);
    Some(line.slope * ahead + line.intercept)
}

/// Double exponential smoothing: the smoothed value at the last sample.
pub(crate) fn smoothed(samples: &[Sample], smoothing: f64, trend_factor: f64) -> Option<f64> {
    let [first, second, ..] = samples else { return None };
    let mut before = 0.0;
    let mut value = first.v;
    let mut trend = second.v - first.v;
    for (index, sample) in samples.iter().enumerate().skip(1) {
        if index > 1 {
            trend = trend_factor * (value - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * sample.v + (1.0 - smoothing) * (value + trend);
        before = value;
        value = next;
    }
    Some(value)
}
