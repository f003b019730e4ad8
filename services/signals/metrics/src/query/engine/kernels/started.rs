//! Changes over ranges of series whose samples tell since when they count.

use super::histogram_rate::{add, histogram_change};
use super::mixed::{MixedWindow, Remark, Remarks, histogram_value};
use super::rate::{Rate, Sampled};
use super::transitions::is_reset;
use crate::histogram::Histogram;
use crate::query::engine::batch::Point;
use crate::query::engine::numbers::to_float;
use crate::query::engine::result::PointValue;
use crate::query::engine::starts::Counted;

/// The change over a window, see [`mixed_rate`](super::mixed_rate). Where the first sample counts from a time within the window, the
/// series was zero then, and has a change even if that sample is the only one.
pub(super) fn started_rate(window: &MixedWindow<'_>, resets: &[bool], range: i64, rate: Rate, remarks: &mut Remarks) -> Option<PointValue> {
    let counted: Vec<Counted> = window.counted().map(|(counted, _)| counted).collect();
    let first = *counted.first()?;
    if rate.is_counter() && counted.windows(2).any(|pair| pair[1].overlaps(pair[0])) {
        remarks.note(Remark::StartOverlap);
    }
    let began = |place: usize| counted[place].begins_after(counted[place - 1]);
    let from_zero = rate.is_counter() && first.start != 0 && first.start > window.end - range && first.start < first.t;
    if !from_zero && counted.len() < 2 {
        return None;
    }
    let sampled = Sampled { first: first.t, last: counted.last()?.t, count: counted.len() };
    let factor = |to_zero| {
        if from_zero {
            sampled.factor_since(first.start, window.end, range, rate)
        } else {
            sampled.factor(window.end, range, rate, to_zero)
        }
    };
    let Some(first) = window.histograms.first() else {
        let floats = window.floats;
        let lost = (1..floats.len()).filter(|place| rate.is_counter() && (floats[*place].v < floats[*place - 1].v || began(*place)));
        let change = lost.fold(floats[floats.len() - 1].v - floats[0].v, |change, place| change + floats[place - 1].v);
        let to_zero = (change > 0.0 && floats[0].v >= 0.0).then(|| floats[0].v / change);
        let change = if from_zero { change + floats[0].v } else { change };
        return Some(PointValue::Float(change * factor(to_zero)));
    };
    let resets: Vec<bool> = (0..counted.len()).map(|place| place > 0 && (resets[place] || began(place))).collect();
    let mut change = match window.histograms.len() {
        1 => Histogram::clone(&first.h),
        _ => histogram_change(window.histograms, &resets, rate, remarks)?,
    };
    if from_zero && counted.len() > 1 && !add(&mut change, &first.h, remarks) {
        remarks.note(Remark::MixedBuckets);
        return None;
    }
    let to_zero = (change.count > 0.0 && first.h.count >= 0.0).then(|| first.h.count / change.count);
    change.mul(factor(to_zero));
    Some(histogram_value(change))
}

/// How often the counter began anew within a window.
pub(crate) fn started_resets(window: &MixedWindow<'_>) -> f64 {
    let mut before: Option<(Counted, Point<'_>)> = None;
    let found = window.counted().filter(|(counted, point)| {
        let previous = before.replace((*counted, *point));
        previous.is_some_and(|(earlier, previous)| is_reset(previous, *point) || counted.begins_after(earlier))
    });
    to_float(found.count())
}
