//! Changes of histograms over ranges that are `anchored` or `smoothed`: their borders have histograms although no sample lies there.

use std::sync::Arc;

use super::extended::places;
use super::histogram_rate::{add, subtract};
use super::mixed::{MixedWindow, Remark, Remarks};
use super::transitions::Neighbours;
use crate::histogram::{Histogram, HistogramSample, ResetHint};
use crate::query::engine::batch::Point;

/// A range whose borders get histograms from the samples around them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BorderedHistograms<'a> {
    /// The samples in the range and around it; times rise.
    pub(crate) samples: &'a [HistogramSample],
    /// The start of the range, ms since the Unix epoch; does not belong to it.
    pub(crate) start: i64,
    /// The end of the range, ms since the Unix epoch; belongs to it.
    pub(crate) end: i64,
    /// Whether a border lies on the line between the samples around it, as opposed to being the last before it.
    pub(crate) smoothed: bool,
}

/// The histograms at the borders, and which samples they come from.
struct Bounded {
    first: usize,
    last: usize,
    left: Histogram,
    right: Histogram,
}

impl BorderedHistograms<'_> {
    /// `counter` says that a fall between two samples is a reset.
    fn bounded(&self, counter: bool, remarks: &mut Remarks) -> Option<Bounded> {
        let samples = self.samples;
        let (first, last) = places(samples, self.start, self.end, self.smoothed)?;
        let is_custom = |sample: &HistogramSample| sample.h.is_custom();
        for sample in &samples[first..=last] {
            if is_custom(sample) != is_custom(&samples[first]) {
                remarks.note(Remark::MixedBuckets);
                return None;
            }
            if counter && sample.h.hint == ResetHint::Gauge {
                remarks.note(Remark::NotCounter);
            }
        }
        let left = if self.smoothed && samples[first].t < self.start {
            on_line(&samples[first], &samples[first + 1], self.start, counter, remarks)?
        } else {
            Histogram::clone(&samples[first].h)
        };
        let right = if self.smoothed && last > 0 && samples[last].t > self.end {
            on_line(&samples[last - 1], &samples[last], self.end, counter, remarks)?
        } else {
            Histogram::clone(&samples[last].h)
        };
        Some(Bounded { first, last, left, right })
    }

    /// The change of a gauge, or of a counter.
    pub(crate) fn change(&self, counter: bool, remarks: &mut Remarks) -> Option<Histogram> {
        let bounded = self.bounded(counter, remarks)?;
        if !counter && [&bounded.left, &bounded.right].iter().any(|border| border.hint != ResetHint::Gauge) {
            remarks.note(Remark::NotGauge);
        }
        let mut change = bounded.right.clone();
        let joined = subtract(&mut change, &bounded.left, remarks)
            && (!counter || self.lost(&bounded).into_iter().all(|lost| add(&mut change, lost, remarks)));
        if !joined {
            remarks.note(Remark::MixedBuckets);
            return None;
        }
        change.hint = ResetHint::Gauge;
        change.compact();
        Some(change)
    }

    /// What a counter had before each of its resets between the borders.
    fn lost<'b>(&'b self, bounded: &'b Bounded) -> Vec<&'b Histogram> {
        let Bounded { first, last, left, right } = bounded;
        let samples = self.samples;
        let (mut from, mut before) = (first + 1, left);
        if self.smoothed && samples[*first].t < self.start && samples[from].h.is_reset_after(&samples[*first].h) {
            // The border lies behind that reset.
            before = &samples[from].h;
            from += 1;
        }
        // The last sample stands for the right border, or the border comes from it, and both have its hint.
        let Some(between) = samples.get(from..*last) else { return Vec::new() };
        let mut lost = Vec::new();
        for next in between.iter().map(|sample| sample.h.as_ref()).chain([right]) {
            if next.is_reset_after(before) {
                lost.push(before);
            }
            before = next;
        }
        lost
    }

    /// The samples of the range with one at each border.
    pub(crate) fn samples(&self, remarks: &mut Remarks) -> Option<Vec<HistogramSample>> {
        let Bounded { first, last, left, right } = self.bounded(false, remarks)?;
        let between = self.samples[first..=last].iter().filter(|sample| sample.t > self.start && sample.t < self.end).cloned();
        let border = |t, h| HistogramSample { t, h: Arc::new(h) };
        Some(std::iter::once(border(self.start, left)).chain(between).chain([border(self.end, right)]).collect())
    }
}

/// The histogram at `time` on the line between two samples; a counter that was reset between them begins at nothing.
fn on_line(before: &HistogramSample, after: &HistogramSample, time: i64, counter: bool, remarks: &mut Remarks) -> Option<Histogram> {
    if time == before.t {
        return Some(Histogram::clone(&before.h));
    }
    let mut found = Histogram::clone(&after.h);
    if time == after.t {
        return Some(found);
    }
    #[expect(clippy::cast_precision_loss, reason = "distances of samples stay below 2^53 ms")]
    let share = (time - before.t) as f64 / (after.t - before.t) as f64;
    if counter && after.h.is_reset_after(&before.h) {
        found.mul(share);
        return Some(found);
    }
    if !subtract(&mut found, &before.h, remarks) {
        remarks.note(Remark::MixedBuckets);
        return None;
    }
    found.mul(share);
    if !add(&mut found, &before.h, remarks) {
        remarks.note(Remark::MixedBuckets);
        return None;
    }
    Some(found)
}

/// The histogram at `time` between the samples around it: on the line through them, that of the last where there is none after it,
/// nothing where there is none before it.
pub(crate) fn smoothed_histogram(samples: &[HistogramSample], time: i64, remarks: &mut Remarks) -> Option<Arc<Histogram>> {
    let next = samples.partition_point(|sample| sample.t < time);
    match (next.checked_sub(1).map(|last| &samples[last]), samples.get(next)) {
        (_, Some(at)) if at.t == time => Some(at.h.clone()),
        (Some(before), Some(after)) if before.h.is_custom() != after.h.is_custom() => {
            remarks.note(Remark::MixedBuckets);
            None
        }
        (Some(before), Some(after)) => {
            let counter = before.h.hint != ResetHint::Gauge && after.h.hint != ResetHint::Gauge;
            on_line(before, after, time, counter, remarks).map(Arc::new)
        }
        (before, _) => before.map(|before| before.h.clone()),
    }
}

/// How often two neighbours in an anchored window are such that `counts` says yes. The neighbour before the first sample is the last
/// one up to `start`, whichever kind it is.
pub(crate) fn anchored_transitions(window: &MixedWindow<'_>, start: i64, counts: impl Fn(Point<'_>, Point<'_>) -> bool) -> Option<f64> {
    let before = window.points().take_while(|(t, _)| *t <= start).count();
    let points = window.points().skip(before.saturating_sub(1));
    // Without a sample in the range there is nothing to count.
    points.clone().any(|(t, _)| t > start).then(|| Neighbours(points).count(counts))
}
