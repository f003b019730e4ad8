//! Sums and means of many histograms, with the rounding errors kept apart and added at the end.

use super::work::{Compensated, Work};
use super::{Histogram, Joined, MixedSchemas, ResetHint};

/// A sum of histograms, compensated (Kahan, Neumaier).
///
/// ```ignore
/// let mut sum = HistogramSum::new(first);
/// for one in others { sum.add(one)?; }
/// let (total, joined) = (sum.finish(), sum.joined());
/// ```
#[derive(Clone, Debug)]
pub struct HistogramSum {
    work: Work<Compensated>,
    seen: Seen,
}

/// A mean of histograms: their sum divided by their number, or where the sum would overflow, a mean that is kept up.
#[derive(Clone, Debug)]
pub struct HistogramMean {
    /// The sum, or the mean.
    work: Work<Compensated>,
    seen: Seen,
    number: f64,
    incremental: bool,
}

/// What was seen among all histograms of a sum.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    reset: bool,
    no_reset: bool,
    bounds_reconciled: bool,
}

impl Seen {
    fn see(&mut self, hint: ResetHint) {
        self.reset |= hint == ResetHint::Reset;
        self.no_reset |= hint == ResetHint::NotReset;
    }

    const fn joined(self) -> Joined {
        Joined { resets_collide: self.reset && self.no_reset, bounds_reconciled: self.bounds_reconciled }
    }
}

impl HistogramSum {
    /// The sum of one.
    #[must_use]
    pub fn new(first: &Histogram) -> Self {
        let mut seen = Seen::default();
        seen.see(first.hint);
        Self { work: Work::from(first), seen }
    }

    /// Adds another. On an error the sum is what it was.
    ///
    /// * Errors: this one has custom bounds and those before it have not, or the other way round.
    pub fn add(&mut self, other: &Histogram) -> Result<(), MixedSchemas> {
        let joined = self.work.join(other, 1.0)?;
        self.seen.see(other.hint);
        self.seen.bounds_reconciled |= joined.bounds_reconciled;
        Ok(())
    }

    /// What happened so far: hints collide when any said that there was a reset and any that there was none.
    #[must_use]
    pub const fn joined(&self) -> Joined {
        self.seen.joined()
    }

    /// The sum. Empty buckets may be left: see [`Histogram::compact`].
    #[must_use]
    pub fn finish(&self) -> Histogram {
        self.work.finish()
    }
}

impl HistogramMean {
    /// The mean of one.
    #[must_use]
    pub fn new(first: &Histogram) -> Self {
        let HistogramSum { work, seen } = HistogramSum::new(first);
        Self { work, seen, number: 1.0, incremental: false }
    }

    /// Adds another. On an error the mean is what it was.
    ///
    /// * Errors: this one has custom bounds and those before it have not, or the other way round.
    pub fn add(&mut self, other: &Histogram) -> Result<(), MixedSchemas> {
        let number = self.number + 1.0;
        let mut joined = None;
        if !self.incremental && stays_finite(&self.work, other) {
            joined = Some(self.work.join(other, 1.0)?);
        } else if !self.incremental {
            let mut sum = self.work.clone();
            joined = Some(sum.join(other, 1.0)?);
            if has_overflow(&sum) {
                self.incremental = true;
                divide(&mut self.work, self.number);
                joined = None;
            } else {
                self.work = sum;
            }
        }
        let joined = match joined {
            Some(joined) => joined,
            None => self.add_share(other, number)?,
        };
        self.number = number;
        self.seen.see(other.hint);
        self.seen.bounds_reconciled |= joined.bounds_reconciled;
        Ok(())
    }

    /// Makes the mean of `number - 1` histograms that of `number`.
    fn add_share(&mut self, other: &Histogram, number: f64) -> Result<Joined, MixedSchemas> {
        let mut share = other.clone();
        share.div(number);
        let mut work = self.work.clone();
        let weight = (number - 1.0) / number;
        work.map(|term| Compensated { sum: term.sum * weight, rest: term.rest * weight });
        let joined = work.join(&share, 1.0)?;
        self.work = work;
        Ok(joined)
    }

    /// What happened so far: see [`HistogramSum::joined`].
    #[must_use]
    pub const fn joined(&self) -> Joined {
        self.seen.joined()
    }

    /// The mean. Empty buckets may be left: see [`Histogram::compact`].
    #[must_use]
    pub fn finish(&self) -> Histogram {
        let mut mean = self.work.clone();
        if !self.incremental {
            divide(&mut mean, self.number);
        }
        mean.finish()
    }
}

fn divide(work: &mut Work<Compensated>, divisor: f64) {
    work.map(|term| Compensated { sum: term.sum / divisor, rest: term.rest / divisor });
}

/// True when no sum of both, nor of buckets of either, can overflow.
fn stays_finite(work: &Work<Compensated>, other: &Histogram) -> bool {
    /// So much below the largest float that a million of them can be added.
    const SAFE: f64 = f64::MAX / 1_048_576.0;
    let is_safe = |number: f64| number.abs() < SAFE;
    let counts = work.positive.iter().chain(&work.negative).map(|(_, term)| term.sum);
    let others = other.positive.counts.iter().chain(&other.negative.counts).copied();
    [work.zero, work.count, work.sum].into_iter().map(|term| term.sum).chain(counts).all(is_safe)
        && [other.zero_count, other.count, other.sum].into_iter().chain(others).all(is_safe)
}

fn has_overflow(work: &Work<Compensated>) -> bool {
    let counts = work.positive.iter().chain(&work.negative).map(|(_, term)| term.sum);
    [work.zero, work.count, work.sum].into_iter().map(|term| term.sum).chain(counts).any(f64::is_infinite)
}
