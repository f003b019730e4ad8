//! Changes over ranges that are `anchored` or `smoothed`: their borders have values although no sample lies there.

use crate::model::Sample;
use crate::query::engine::numbers::to_float;
use crate::query::engine::plan::Timed;

/// A range whose borders get values from the samples around them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bordered<'a> {
    /// The samples in the range and around it; times rise.
    pub(crate) samples: &'a [Sample],
    /// The start of the range, ms since the Unix epoch; does not belong to it.
    pub(crate) start: i64,
    /// The end of the range, ms since the Unix epoch; belongs to it.
    pub(crate) end: i64,
    /// Whether a border's value lies on the line between the samples around it, as opposed to being the last before it.
    pub(crate) smoothed: bool,
}

/// The values at the borders and the samples between them.
struct Bounded<'a> {
    left: f64,
    right: f64,
    between: &'a [Sample],
}

impl<'a> Bordered<'a> {
    /// `counter` says that a fall between two samples is a reset.
    fn bounded(&self, counter: bool) -> Option<Bounded<'a>> {
        let samples = self.samples;
        let (first, last) = places(samples, self.start, self.end, self.smoothed)?;
        let left = if self.smoothed && samples[first].t < self.start {
            on_line(samples[first], samples[first + 1], self.start, counter)
        } else {
            samples[first].v
        };
        let right = if self.smoothed && last > 0 && samples[last].t > self.end {
            on_line(samples[last - 1], samples[last], self.end, counter)
        } else {
            samples[last].v
        };
        let from = if samples[first].t <= self.start { first + 1 } else { first };
        let to = if samples[last].t >= self.end { last } else { last + 1 };
        Some(Bounded { left, right, between: samples.get(from..to).unwrap_or_default() })
    }

    /// The change of a gauge.
    pub(crate) fn change(&self) -> Option<f64> {
        self.bounded(false).map(|bounded| bounded.right - bounded.left)
    }

    /// The change of a counter.
    pub(crate) fn increase(&self) -> Option<f64> {
        let Bounded { left, right, between } = self.bounded(true)?;
        let mut lost = 0.0;
        let mut before = left;
        for value in between.iter().map(|sample| sample.v).chain([right]) {
            if value < before {
                lost += before;
            }
            before = value;
        }
        Some(right - left + lost)
    }

    /// How often two neighbours are such that `counts` says yes.
    pub(crate) fn transitions(&self, counts: impl Fn(f64, f64) -> bool) -> Option<f64> {
        let (first, last) = places(self.samples, self.start, self.end, self.smoothed)?;
        let neighbours = self.samples[first..=last].windows(2);
        Some(to_float(neighbours.filter(|pair| counts(pair[0].v, pair[1].v)).count()))
    }

    /// The samples of the range with one at each border.
    pub(crate) fn samples(&self) -> Option<Vec<Sample>> {
        let Bounded { left, right, between } = self.bounded(false)?;
        let borders = [Sample { t: self.start, v: left }, Sample { t: self.end, v: right }];
        Some(borders[..1].iter().chain(between).chain(&borders[1..]).copied().collect())
    }
}

/// The places of the last sample up to the start of a range, or the first of all, and of the last that counts for its end. Nothing
/// without a sample in the range.
pub(super) fn places<S: Timed>(samples: &[S], start: i64, end: i64, smoothed: bool) -> Option<(usize, usize)> {
    let newest = samples.len().checked_sub(1)?;
    let first = samples[..newest].partition_point(|sample| sample.time() <= start).saturating_sub(1);
    let last = if smoothed { samples[..newest].partition_point(|sample| sample.time() < end) } else { newest };
    (samples[last].time() > start && samples[first].time() <= end).then_some((first, last))
}

/// The value at `time` on the line between two samples; a counter that was reset between them begins at 0.
#[expect(clippy::cast_precision_loss, reason = "distances of samples stay below 2^53 ms")]
fn on_line(before: Sample, after: Sample, time: i64, counter: bool) -> f64 {
    let from = if counter && after.v < before.v { 0.0 } else { before.v };
    from + (after.v - from) * (time - before.t) as f64 / (after.t - before.t) as f64
}

/// The value at `time` between the samples around it: on the line through them, that of the last where there is none after it,
/// nothing where there is none before it.
pub(crate) fn smoothed_value(samples: &[Sample], time: i64) -> Option<f64> {
    let next = samples.partition_point(|sample| sample.t < time);
    match (next.checked_sub(1).map(|last| samples[last]), samples.get(next)) {
        (_, Some(at)) if at.t == time => Some(at.v),
        (Some(before), Some(after)) => Some(on_line(before, *after, time, false)),
        (before, _) => before.map(|before| before.v),
    }
}
