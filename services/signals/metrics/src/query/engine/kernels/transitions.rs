//! Neighbours of either kind: `changes` and `resets` of series that have histograms.

use crate::query::engine::batch::Point;
use crate::query::engine::numbers::to_float;

/// Samples that follow each other.
pub(crate) struct Neighbours<I>(pub(crate) I);

impl<'a, I: Iterator<Item = (i64, Point<'a>)>> Neighbours<I> {
    /// How often two neighbours are such that `counts` says yes.
    pub(crate) fn count(self, counts: impl Fn(Point<'_>, Point<'_>) -> bool) -> f64 {
        let mut before: Option<Point<'a>> = None;
        let found = self.0.filter(|(_, now)| before.replace(*now).is_some_and(|before| counts(before, *now)));
        to_float(found.count())
    }
}

/// True for a sample that is another one than before. A histogram is never what a float was.
pub(crate) fn is_change(before: Point<'_>, after: Point<'_>) -> bool {
    match (before, after) {
        (Point::Float(before), Point::Float(after)) => before != after && !(before.is_nan() && after.is_nan()),
        (Point::Histogram(before), Point::Histogram(after)) => !after.equals(before),
        _ => true,
    }
}

/// True for a sample that a counter only has after a reset.
pub(crate) fn is_reset(before: Point<'_>, after: Point<'_>) -> bool {
    match (before, after) {
        (Point::Float(before), Point::Float(after)) => after < before,
        (Point::Histogram(before), Point::Histogram(after)) => after.is_reset_after(before),
        _ => true,
    }
}
