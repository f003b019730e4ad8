//! Whether a counter began anew.

use super::work::{Work, common_bounds, rebucketed, same_bounds};
use super::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint};

impl Histogram {
    /// True when the counter was reset between `previous` and this sample: so its hint says, or, where it says nothing of it, a count
    /// has become smaller (that of a bucket, of the bucket around zero, of all observations; the sum says nothing), or the layout has
    /// changed in a way that only happens with a reset: a higher resolution, a narrower bucket around zero, one that ends within a
    /// populated bucket, or custom bounds that came or went.
    #[must_use]
    pub fn is_reset_after(&self, previous: &Self) -> bool {
        match self.hint {
            ResetHint::Reset => true,
            ResetHint::NotReset => false,
            ResetHint::Unknown | ResetHint::Gauge => self.has_shrunk(previous),
        }
    }

    /// As [`Histogram::is_reset_after`], from the numbers alone.
    fn has_shrunk(&self, previous: &Self) -> bool {
        if self.count < previous.count || self.is_custom() && !previous.is_custom() {
            return true;
        }
        if self.is_custom() && !same_bounds(&self.bounds, &previous.bounds) {
            return self.has_shrunk_within(previous);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        if self.schema == previous.schema && self.zero_threshold == previous.zero_threshold {
            return self.zero_count < previous.zero_count
                || misses(&self.positive, previous.positive.indexed())
                || misses(&self.negative, previous.negative.indexed());
        }
        let mut previous = Work::<f64>::from(previous);
        previous.raise_zero_threshold(self.zero_threshold);
        if previous.zero_threshold != self.zero_threshold || self.zero_count < previous.zero {
            return true;
        }
        if self.schema != CUSTOM_SCHEMA {
            previous.reduce_resolution(self.schema);
        }
        misses(&self.positive, previous.positive.into_iter()) || misses(&self.negative, previous.negative.into_iter())
    }

    /// Whether a bucket has become smaller, counted between the custom bounds that both have.
    fn has_shrunk_within(&self, previous: &Self) -> bool {
        let bounds = common_bounds(&self.bounds, &previous.bounds);
        let within = |one: &Self| rebucketed(one.positive.indexed(), &one.bounds, &bounds);
        let mine = Buckets::from_indexed(within(self));
        misses(&mine, within(previous).into_iter())
    }
}

/// True when a bucket has less than it had.
fn misses(now: &Buckets, previous: impl Iterator<Item = (i32, f64)>) -> bool {
    let mut now = now.indexed().peekable();
    for (index, count) in previous {
        while now.next_if(|(next, _)| *next < index).is_some() {}
        let shrunk = match now.peek() {
            Some((next, left)) if *next == index => *left < count,
            _ => count != 0.0,
        };
        if shrunk {
            return true;
        }
    }
    false
}
