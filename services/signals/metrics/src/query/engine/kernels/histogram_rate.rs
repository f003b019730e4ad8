//! Changes of histograms over a range: `rate`, `increase`, `delta`, `irate`, `idelta`.

use super::mixed::{MixedWindow, Remark, Remarks, histogram_value};
use super::rate::{Rate, Sampled, float_rate};
use super::started::started_rate;
use crate::histogram::{Histogram, HistogramSample, ResetHint};
use crate::query::engine::annotations::Operation;
use crate::query::engine::batch::Point;
use crate::query::engine::numbers::seconds;
use crate::query::engine::result::PointValue;

/// For each sample whether the counter was reset before it.
pub(crate) fn resets(samples: &[HistogramSample]) -> Vec<bool> {
    let after_first = samples.windows(2).map(|pair| pair[1].h.is_reset_after(&pair[0].h));
    std::iter::once(false).take(samples.len().min(1)).chain(after_first).collect()
}

/// The change over a window of a series that has histograms, as if its samples went on to its ends where they come near.
///
/// * `resets`: those of the whole series.
pub(crate) fn mixed_rate(window: &MixedWindow<'_>, resets: &[bool], range: i64, rate: Rate, remarks: &mut Remarks) -> Option<PointValue> {
    if window.is_mixed() {
        remarks.note(Remark::MixedRange);
        return None;
    }
    if window.starts.is_some() {
        let resets = resets.get(window.first..window.first + window.histograms.len()).unwrap_or_default();
        return started_rate(window, resets, range, rate, remarks);
    }
    let [first, .., last] = window.histograms else {
        return float_rate(window.floats, window.end, range, rate).map(PointValue::Float);
    };
    let resets = &resets[window.first..window.first + window.histograms.len()];
    let mut change = histogram_change(window.histograms, resets, rate, remarks)?;
    let sampled = Sampled { first: first.t, last: last.t, count: window.histograms.len() };
    let to_zero = (change.count > 0.0 && first.h.count >= 0.0).then(|| first.h.count / change.count);
    change.mul(sampled.factor(window.end, range, rate, to_zero));
    Some(histogram_value(change))
}

/// The change from the first histogram to the last. Resets of a counter are made up for.
pub(super) fn histogram_change(samples: &[HistogramSample], resets: &[bool], rate: Rate, remarks: &mut Remarks) -> Option<Histogram> {
    let [first, between @ .., last] = samples else { return None };
    let is_gauge = |sample: &HistogramSample| sample.h.hint == ResetHint::Gauge;
    let mut found = Remarks::default();
    // Before a reset the first sample does not matter, not even its buckets.
    let starts_anew = rate.is_counter() && resets[1];
    let start = if starts_anew { &samples[1] } else { first };
    if rate.is_counter() && (is_gauge(first) || is_gauge(last)) {
        found.note(Remark::NotCounter);
    }
    if is_custom(last) != is_custom(start) {
        found.note(Remark::MixedBuckets);
        remarks.merge(found);
        return None;
    }
    let mut schema = start.h.schema.min(last.h.schema);
    if rate.is_counter() {
        for sample in between {
            if is_gauge(sample) {
                found.note(Remark::NotCounter);
            }
            schema = schema.min(sample.h.schema);
            if is_custom(sample) != is_custom(start) {
                remarks.note(Remark::MixedBuckets);
                return None;
            }
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        found.note(Remark::NotGauge);
    }
    let mut change = Histogram::clone(&last.h);
    change.reduce_resolution(schema);
    if !starts_anew && !subtract(&mut change, &first.h, &mut found) {
        remarks.note(Remark::MixedBuckets);
        return None;
    }
    if rate.is_counter() {
        let from = if starts_anew { 2 } else { 1 };
        for place in (from..samples.len()).filter(|place| resets[*place]) {
            if !add(&mut change, &samples[place - 1].h, &mut found) {
                remarks.note(Remark::MixedBuckets);
                return None;
            }
        }
    }
    change.hint = ResetHint::Gauge;
    change.compact();
    remarks.merge(found);
    Some(change)
}

/// Subtracts; false where buckets don't go together.
pub(super) fn subtract(from: &mut Histogram, other: &Histogram, remarks: &mut Remarks) -> bool {
    note_reconciled(from.sub(other), Operation::Subtraction, remarks)
}

/// Adds; false where buckets don't go together.
pub(super) fn add(to: &mut Histogram, other: &Histogram, remarks: &mut Remarks) -> bool {
    note_reconciled(to.add(other), Operation::Addition, remarks)
}

fn note_reconciled(
    joined: Result<crate::histogram::Joined, crate::histogram::MixedSchemas>,
    operation: Operation,
    remarks: &mut Remarks,
) -> bool {
    // What hints say of each other does not matter: resets are counted one by one.
    let Ok(joined) = joined else { return false };
    if joined.bounds_reconciled {
        remarks.note(Remark::Reconciled(operation));
    }
    true
}

fn is_custom(sample: &HistogramSample) -> bool {
    sample.h.is_custom()
}

/// The change between the last two samples; that of a counter per second.
pub(crate) fn mixed_instant_change(window: &MixedWindow<'_>, counter: bool, remarks: &mut Remarks) -> Option<PointValue> {
    let last = window.last_points();
    let [(before_t, before), (t, now)] = last[..] else { return None };
    let elapsed = seconds(t - before_t);
    let began = counter && window.last_began();
    match (before, now) {
        (Point::Float(before), Point::Float(now)) => {
            let change = if began || counter && now < before { now } else { now - before };
            Some(PointValue::Float(if counter { change / elapsed } else { change }))
        }
        (Point::Histogram(before), Point::Histogram(now)) => {
            let gauges = [before, now].map(|histogram| histogram.hint == ResetHint::Gauge);
            match (counter, gauges) {
                (true, [true, _] | [_, true]) => remarks.note(Remark::NotCounter),
                (false, [false, _] | [_, false]) => remarks.note(Remark::NotGauge),
                _ => {}
            }
            let mut change = Histogram::clone(now);
            let is_reset = began || counter && now.is_reset_after(before);
            if !is_reset && !subtract(&mut change, before, remarks) {
                remarks.note(Remark::MixedBuckets);
                return None;
            }
            change.hint = ResetHint::Gauge;
            change.compact();
            if counter {
                change.div(elapsed);
            }
            Some(histogram_value(change))
        }
        _ => {
            remarks.note(Remark::MixedRange);
            None
        }
    }
}
