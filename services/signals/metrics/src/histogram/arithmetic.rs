//! Sums, differences and multiples.

use super::bounds::bound;
use super::work::{Work, same_bounds};
use super::{Histogram, ResetHint};

/// What happened while two histograms were added or subtracted; queries remark upon it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// One hint said that there was a reset, the other that there was none.
    pub resets_collide: bool,
    /// Both have custom bounds, and not the same: the result has those that both have.
    pub bounds_reconciled: bool,
}

impl Joined {
    /// What happened here or there.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            resets_collide: self.resets_collide || other.resets_collide,
            bounds_reconciled: self.bounds_reconciled || other.bounds_reconciled,
        }
    }
}

/// Only one of two histograms has custom bounds: they cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
pub struct MixedSchemas;

impl ResetHint {
    /// Becomes the hint of a sum with another histogram: a gauge if one is, else unknown unless both say the same. Returns true when
    /// one says that there was a reset and the other that there was none.
    pub(super) fn join(&mut self, other: Self) -> bool {
        let collide = matches!((*self, other), (Self::Reset, Self::NotReset) | (Self::NotReset, Self::Reset));
        if *self == Self::Gauge || other == Self::Gauge {
            *self = Self::Gauge;
        } else if *self != other {
            *self = Self::Unknown;
        }
        collide
    }
}

impl Histogram {
    /// Adds another histogram. Zero buckets, resolutions and custom bounds that differ are reconciled; empty buckets may be left, see
    /// [`Histogram::compact`]. On an error nothing has changed.
    ///
    /// * Errors: only one of both has custom bounds.
    pub fn add(&mut self, other: &Self) -> Result<Joined, MixedSchemas> {
        self.join(other, 1.0)
    }

    /// Subtracts another histogram, as [`Histogram::add`] adds it. The hint too becomes what it becomes there: the result of the
    /// operator `-` is a gauge, and whoever computes that has to say so.
    ///
    /// * Errors: only one of both has custom bounds.
    pub fn sub(&mut self, other: &Self) -> Result<Joined, MixedSchemas> {
        self.join(other, -1.0)
    }

    fn join(&mut self, other: &Self, sign: f64) -> Result<Joined, MixedSchemas> {
        if !self.same_layout(other) || self.has_buckets_in_zero() {
            let mut work = Work::<f64>::from(&*self);
            let joined = work.join(other, sign)?;
            *self = work.finish();
            return Ok(joined);
        }
        self.integer = false;
        self.zero_count += sign * other.zero_count;
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            mine.counts.iter_mut().zip(&theirs.counts).for_each(|(mine, theirs)| *mine += sign * theirs);
        }
        Ok(Joined { resets_collide: self.hint.join(other.hint), bounds_reconciled: false })
    }

    /// True when each bucket of one has its counterpart at the same place of the other.
    pub(super) fn same_layout(&self, other: &Self) -> bool {
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.positive.spans == other.positive.spans
            && self.negative.spans == other.negative.spans
            && same_bounds(&self.bounds, &other.bounds)
    }

    /// True when a bucket lies wholly within the bucket around zero.
    pub(super) fn has_buckets_in_zero(&self) -> bool {
        let sides = [&self.positive, &self.negative];
        !self.is_custom()
            && sides.iter().any(|side| side.indexed().next().is_some_and(|(index, _)| bound(self.schema, index) <= self.zero_threshold))
    }

    /// Multiplies everything. A negative factor makes a gauge of it.
    pub fn mul(&mut self, factor: f64) {
        self.map(|number| number * factor);
        if factor < 0.0 {
            self.hint = ResetHint::Gauge;
        }
    }

    /// Divides everything. A negative divisor makes a gauge of it; division by zero takes its buckets away, that around zero excepted.
    pub fn div(&mut self, divisor: f64) {
        if divisor == 0.0 {
            self.positive = super::Buckets::default();
            self.negative = super::Buckets::default();
        }
        self.map(|number| number / divisor);
        if divisor < 0.0 {
            self.hint = ResetHint::Gauge;
        }
    }

    /// Turns the sign of everything, which makes a gauge of it.
    pub fn neg(&mut self) {
        self.mul(-1.0);
    }

    fn map(&mut self, change: impl Fn(f64) -> f64) {
        self.integer = false;
        for number in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *number = change(*number);
        }
        for count in self.positive.counts.iter_mut().chain(&mut self.negative.counts) {
            *count = change(*count);
        }
    }

    /// True when a count, the sum or a bound is infinite: a sum has become too large.
    #[must_use]
    pub fn has_overflow(&self) -> bool {
        let numbers = [self.zero_count, self.count, self.sum];
        let counts = self.positive.counts.iter().chain(&self.negative.counts);
        numbers.iter().chain(counts).chain(self.bounds.iter()).any(|number| number.is_infinite())
    }
}
