//! Changes over a range: `rate`, `increase`, `delta`, `irate`, `idelta`, `changes`, `resets`.

use super::windows::Each;
use crate::model::Sample;
use crate::query::engine::batch::RowMut;
use crate::query::engine::numbers::{seconds, to_float};

/// Which change of a range is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Of a counter, per second.
    PerSecond,
    /// Of a counter.
    Increase,
    /// Of a gauge.
    Gauge,
}

impl Rate {
    pub(super) const fn is_counter(self) -> bool {
        matches!(self, Self::PerSecond | Self::Increase)
    }
}

/// The change over each window, as if its samples went on to its ends where they come near.
pub(crate) fn rate(each: Each<'_>, row: &mut RowMut<'_>, rate: Rate) {
    let samples = each.samples;
    // Places of samples that are lower than the one before. A window only looks at those that fall into it.
    let resets: Vec<usize> =
        if rate.is_counter() { (1..samples.len()).filter(|place| samples[*place].v < samples[*place - 1].v).collect() } else { Vec::new() };
    let range = each.windows.range;
    let mut next = 0;
    each.run(row, |window| {
        // The first sample of a window has none before it that counts.
        while next < resets.len() && resets[next] <= window.first {
            next += 1;
        }
        let last = window.first + window.samples.len();
        let lost = resets[next..].iter().take_while(|place| **place < last).map(|place| samples[*place - 1].v);
        extrapolated(window.samples, lost, window.end, range, rate)
    });
}

/// The change over one window up to `end`.
pub(super) fn float_rate(samples: &[Sample], end: i64, range: i64, rate: Rate) -> Option<f64> {
    let resets = samples.windows(2).filter(|pair| rate.is_counter() && pair[1].v < pair[0].v);
    extrapolated(samples, resets.map(|pair| pair[0].v), end, range, rate)
}

/// The change over a window. `lost` are the values of a counter before each of its resets.
fn extrapolated(samples: &[Sample], lost: impl Iterator<Item = f64>, end: i64, range: i64, rate: Rate) -> Option<f64> {
    let [first, .., last] = samples else { return None };
    let change = lost.fold(last.v - first.v, |change, lost| change + lost);
    let to_zero = (change > 0.0 && first.v >= 0.0).then(|| first.v / change);
    Some(change * Sampled { first: first.t, last: last.t, count: samples.len() }.factor(end, range, rate, to_zero))
}

/// Where in its window a series has samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    /// The time of the first, ms since the Unix epoch.
    pub(super) first: i64,
    /// The time of the last.
    pub(super) last: i64,
    /// How many; more than one.
    pub(super) count: usize,
}

impl Sampled {
    /// The factor from the change between the first and the last sample to that over the window up to `end`.
    ///
    /// * `to_zero`: how far before the first sample the series was zero if it has risen steadily, as a share of the time between the
    ///   first and the last; nothing where it cannot have been.
    pub(super) fn factor(self, end: i64, range: i64, rate: Rate, to_zero: Option<f64>) -> f64 {
        let sampled = seconds(self.last - self.first);
        let spacing = sampled / to_float(self.count - 1);
        // Where the next sample would not be more than 10 % late, the series is taken to go on to the end of the window; else half
        // a spacing further.
        let near = |gap: f64| if gap >= spacing * 1.1 { spacing / 2.0 } else { gap };
        let mut before = near(seconds(self.first - (end - range)));
        if let (true, Some(to_zero)) = (rate.is_counter(), to_zero) {
            // A counter does not come from below zero.
            let to_zero = sampled * to_zero;
            if to_zero < before {
                before = to_zero;
            }
        }
        let after = near(seconds(end - self.last));
        let factor = (sampled + before + after) / sampled;
        if rate == Rate::PerSecond { factor / range_seconds(range) } else { factor }
    }

    /// The factor from the change since `start`, when the counter was zero, to that over the window up to `end`. One sample is enough;
    /// then nothing tells how far the series goes on after it.
    pub(super) fn factor_since(self, start: i64, end: i64, range: i64, rate: Rate) -> f64 {
        let sampled = seconds(self.last - start);
        let spacing = if self.count > 1 { seconds(self.last - self.first) / to_float(self.count - 1) } else { 0.0 };
        let gap = seconds(end - self.last);
        let after = if gap >= spacing * 1.1 { spacing / 2.0 } else { gap };
        let factor = (sampled + after) / sampled;
        if rate == Rate::PerSecond { factor / range_seconds(range) } else { factor }
    }
}

/// A range in seconds, rounded as Go rounds the seconds of a duration: whole seconds and the rest apart.
pub(crate) fn range_seconds(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ranges stay below 2^53 ms")]
    let (whole, nanoseconds) = ((ms / 1_000) as f64, (ms % 1_000 * 1_000_000) as f64);
    whole + nanoseconds / 1e9
}

/// The change per second between the last two samples of a counter.
pub(crate) fn instant_rate(samples: &[Sample]) -> Option<f64> {
    let [.., before, last] = samples else { return None };
    let change = if last.v < before.v { last.v } else { last.v - before.v };
    Some(change / seconds(last.t - before.t))
}

/// The change between the last two samples.
pub(crate) fn instant_delta(samples: &[Sample]) -> Option<f64> {
    let [.., before, last] = samples else { return None };
    Some(last.v - before.v)
}

/// How often two neighbours within a window are such that `counts` says yes.
pub(crate) fn transitions(each: Each<'_>, row: &mut RowMut<'_>, counts: impl Fn(f64, f64) -> bool) {
    // How many there are up to each sample: a window's number is a difference.
    let mut so_far = 0_usize;
    let mut before: Option<f64> = None;
    let sums: Vec<usize> = each
        .samples
        .iter()
        .map(|sample| {
            so_far += usize::from(before.is_some_and(|before| counts(before, sample.v)));
            before = Some(sample.v);
            so_far
        })
        .collect();
    each.run(row, |window| Some(to_float(sums[window.first + window.samples.len() - 1] - sums[window.first])));
}
