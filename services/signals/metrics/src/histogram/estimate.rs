//! What can be told about the observations from the buckets they are in.
//!
//! Within a bucket of an exponential schema they are taken to be spread evenly over the logarithm, as if the resolution were higher;
//! within custom buckets and around zero they are spread evenly. A histogram without negative buckets has no negative observations
//! around zero either, and one without positive buckets no positive ones.

use super::work::{Cell, Compensated};
use super::{Bucket, Histogram};

/// What observations that are not a number have done to a quantile. They are in no bucket, but are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanNote {
    /// The quantile is among them: it is not a number.
    ResultIsNan,
    /// They count as higher than all others, so it is higher than it should be.
    Skewed,
}

impl Histogram {
    /// Estimates the `q`-quantile. -Inf below 0, +Inf above 1, NaN where there are no observations.
    #[must_use]
    pub fn quantile(&self, q: f64) -> (f64, Option<NanNote>) {
        if q < 0.0 {
            return (f64::NEG_INFINITY, None);
        }
        if q > 1.0 {
            return (f64::INFINITY, None);
        }
        if self.count == 0.0 || q.is_nan() {
            return (f64::NAN, None);
        }
        // From the nearer end, so that the sum of few buckets is exact. Observations without a bucket are at the upper one.
        if self.sum.is_nan() || q < 0.5 {
            let found = self.reach(self.rising(), q * self.count);
            self.interpolate(found, |found| found.rank - (found.seen - found.bucket.count))
        } else {
            let found = self.reach(self.falling(), (1.0 - q) * self.count);
            self.interpolate(found, |found| found.seen - found.rank)
        }
    }

    /// The first bucket with which so many observations are seen; without such a one the last one.
    fn reach(&self, buckets: impl Iterator<Item = Bucket>, rank: f64) -> Reached {
        let mut reached = Reached { bucket: self.zero_bucket(), seen: 0.0, rank, in_buckets: 0.0 };
        reached.bucket.count = 0.0;
        let mut searching = true;
        for bucket in buckets {
            reached.in_buckets += bucket.count;
            if searching && bucket.count != 0.0 {
                reached.bucket = bucket;
                reached.seen += bucket.count;
                searching = reached.seen < rank;
            }
        }
        reached
    }

    fn interpolate(&self, mut found: Reached, rank_within: impl Fn(&Reached) -> f64) -> (f64, Option<NanNote>) {
        if self.is_custom() {
            if found.bucket.lower == f64::NEG_INFINITY {
                if found.bucket.upper <= 0.0 {
                    return (found.bucket.upper, None);
                }
                found.bucket.lower = 0.0;
            } else if found.bucket.upper == f64::INFINITY {
                return (found.bucket.lower, None);
            }
        } else if found.bucket.lower < 0.0 && found.bucket.upper > 0.0 {
            found.bucket = self.one_sided(found.bucket);
        }
        found.seen = found.seen.min(self.count);
        if found.seen < found.rank {
            // Only NaN makes the buckets fall short, or the rounding of sums.
            return if self.sum.is_nan() { (f64::NAN, Some(NanNote::ResultIsNan)) } else { (found.bucket.upper, None) };
        }
        let note = (self.sum.is_nan() && found.in_buckets < self.count).then_some(NanNote::Skewed);
        let Bucket { lower, upper, count, .. } = found.bucket;
        let share = rank_within(&found) / count;
        let value = if self.is_custom() || found.bucket.touches_zero() {
            lower + (upper - lower) * share
        } else {
            let (lower_log, upper_log) = (lower.abs().log2(), upper.abs().log2());
            if lower > 0.0 {
                (lower_log + (upper_log - lower_log) * share).exp2()
            } else {
                -(upper_log + (lower_log - upper_log) * (1.0 - share)).exp2()
            }
        };
        (value, note)
    }

    /// The bucket around zero without the half that cannot have observations.
    fn one_sided(&self, mut zero: Bucket) -> Bucket {
        match (self.negative.counts.is_empty(), self.positive.counts.is_empty()) {
            (true, false) => zero.lower = 0.0,
            (false, true) => zero.upper = 0.0,
            _ => {}
        }
        zero
    }

    /// Estimates the share, 0 to 1, of observations between two values. NaN where there are no observations; true as well when some
    /// are not a number: they are in no share.
    #[must_use]
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, bool) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, false);
        }
        if lower >= upper {
            return (0.0, false);
        }
        let mut below = [Rank::of(lower), Rank::of(upper)];
        let mut seen = 0.0;
        for mut bucket in self.rising() {
            let linear = self.is_custom() || bucket.touches_zero();
            if bucket.touches_zero() {
                bucket = self.one_sided(bucket);
            }
            below.iter_mut().for_each(|rank| rank.look(&bucket, seen, linear));
            seen += bucket.count;
        }
        let excludes_nan = self.sum.is_nan() && seen < self.count;
        let most = if self.sum.is_nan() { seen } else { self.count };
        let [lower, upper] = below.map(|rank| rank.found.map_or(most, |found| if found > most { most } else { found }));
        ((upper - lower) / self.count, excludes_nan)
    }

    /// Estimates the variance, each observation taken to be in the middle of its bucket: the geometric mean of its bounds, zero
    /// around zero, the arithmetic mean where bounds are custom.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let mean = self.sum / self.count;
        let mut sum = Compensated::new(0.0);
        for bucket in self.rising().filter(|bucket| bucket.count != 0.0) {
            let middle = if self.is_custom() {
                f64::midpoint(bucket.upper, bucket.lower)
            } else if bucket.touches_zero() {
                0.0
            } else {
                (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
            };
            let distance = middle - mean;
            sum = sum.plus(bucket.count * distance * distance);
        }
        sum.value() / self.count
    }

    /// Estimates the standard deviation: see [`Histogram::variance`].
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}

/// A bucket that was looked for.
struct Reached {
    bucket: Bucket,
    /// Observations in it and in those before.
    seen: f64,
    /// The observations that were looked for.
    rank: f64,
    /// Observations in all buckets.
    in_buckets: f64,
}

/// How many observations are below a value.
struct Rank {
    value: f64,
    found: Option<f64>,
}

impl Rank {
    const fn of(value: f64) -> Self {
        Self { value, found: None }
    }

    /// Looks into the next bucket, before which `seen` observations are.
    fn look(&mut self, bucket: &Bucket, seen: f64, linear: bool) {
        if self.found.is_some() {
            return;
        }
        if bucket.lower >= self.value {
            self.found = Some(seen);
        } else if bucket.upper > self.value {
            // Nothing is known about where observations of a bucket without a lower bound are; one without an upper bound has none
            // below any value.
            let within =
                if bucket.lower == f64::NEG_INFINITY { bucket.count } else { seen + bucket.count * bucket.share_below(self.value, linear) };
            self.found = Some(within);
        }
    }
}
