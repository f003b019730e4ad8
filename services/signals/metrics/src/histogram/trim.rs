//! What is left of a histogram without the observations above or below a value: the operators `</` and `>/`.
//!
//! A bucket that holds the value is divided there as [quantiles](super::estimate) divide it. The sum is estimated anew from the middles
//! of what is left, unless nothing was taken away.

use super::{Bucket, Buckets, Histogram};

/// Which observations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Below,
    Above,
}

/// Observations that are kept of a bucket, and the value they are taken to have.
struct Kept {
    count: f64,
    value: f64,
}

impl Histogram {
    /// Takes away observations above `most`: `histogram </ most`.
    pub fn trim_above(&mut self, most: f64) {
        self.trim(most, Keep::Below);
    }

    /// Takes away observations below `least`: `histogram >/ least`.
    pub fn trim_below(&mut self, least: f64) {
        self.trim(least, Keep::Above);
    }

    fn trim(&mut self, at: f64, keep: Keep) {
        let custom = self.is_custom();
        let mut total = Total::default();
        let positive = total.side(self.positive_buckets(), |bucket| kept(bucket, at, keep, custom, true));
        let negative = total.side(self.negative_buckets(), |bucket| kept(bucket, at, keep, custom, false));
        let populated = |buckets: &Buckets| buckets.counts.iter().any(|count| *count != 0.0);
        let mut zero_count = self.zero_count;
        if zero_count > 0.0 {
            let mut zero = self.zero_bucket();
            match (populated(&self.negative), populated(&self.positive)) {
                (true, false) => zero.upper = 0.0,
                (false, true) => zero.lower = 0.0,
                _ => {}
            }
            let kept = kept_around_zero(&zero, at, keep);
            total.take(zero_count, &kept);
            zero_count = kept.count;
        }
        if total.changed {
            self.integer = false;
            (self.positive.counts, self.negative.counts, self.zero_count) = (positive, negative, zero_count);
            (self.count, self.sum) = (total.count, total.sum);
            self.compact();
        }
    }
}

/// What all that is left amounts to.
#[derive(Default)]
struct Total {
    count: f64,
    sum: f64,
    changed: bool,
}

impl Total {
    fn take(&mut self, before: f64, kept: &Kept) {
        self.count += kept.count;
        self.sum += kept.value * kept.count;
        // Not `!=`: a NaN that stays one has not changed.
        self.changed |= before.to_bits() != kept.count.to_bits() && before != kept.count;
    }

    fn side(&mut self, buckets: impl Iterator<Item = Bucket>, kept: impl Fn(&Bucket) -> Kept) -> Vec<f64> {
        let counts = buckets.map(|bucket| {
            if bucket.count == 0.0 {
                return 0.0;
            }
            let kept = kept(&bucket);
            self.take(bucket.count, &kept);
            kept.count
        });
        counts.collect()
    }
}

/// What is kept of a populated bucket.
fn kept(bucket: &Bucket, at: f64, keep: Keep, custom: bool, positive: bool) -> Kept {
    let (whole, part) = match keep {
        Keep::Below => (bucket.upper <= at, bucket.lower < at),
        Keep::Above => (bucket.lower >= at, bucket.upper > at),
    };
    if whole {
        return Kept { count: bucket.count, value: middle(bucket.lower, bucket.upper, custom, positive) };
    }
    if !part {
        return Kept { count: 0.0, value: 0.0 };
    }
    if bucket.lower == f64::NEG_INFINITY {
        return kept_without_lower(bucket, at, keep);
    }
    if bucket.upper == f64::INFINITY {
        // Where in the bucket they are is unknown: none is known to be below, all may be above.
        return match keep {
            Keep::Below => Kept { count: 0.0, value: 0.0 },
            Keep::Above => Kept { count: bucket.count, value: at },
        };
    }
    let below = if at <= bucket.lower {
        0.0
    } else if at >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.share_below(at, custom)
    };
    match keep {
        Keep::Below => Kept { count: below, value: middle(bucket.lower, at, custom, positive) },
        Keep::Above => Kept { count: bucket.count - below, value: middle(at, bucket.upper, custom, positive) },
    }
}

/// What is kept of the first custom bucket, which has no lower bound, when `at` is below its upper one. With an upper bound above zero
/// it is taken to start at zero.
fn kept_without_lower(bucket: &Bucket, at: f64, keep: Keep) -> Kept {
    let starts_at_zero = bucket.upper > 0.0 && bucket.upper != f64::INFINITY;
    match keep {
        Keep::Below if starts_at_zero && at > 0.0 => Kept { count: bucket.count * at / bucket.upper, value: at / 2.0 },
        Keep::Below if bucket.upper <= 0.0 => Kept { count: bucket.count, value: at },
        Keep::Above if starts_at_zero && at >= 0.0 => {
            Kept { count: bucket.count * (1.0 - at / bucket.upper), value: f64::midpoint(at, bucket.upper) }
        }
        _ => Kept { count: 0.0, value: 0.0 },
    }
}

/// What is kept of the bucket around zero, or of a half of it.
fn kept_around_zero(zero: &Bucket, at: f64, keep: Keep) -> Kept {
    let Bucket { lower, upper, count, .. } = *zero;
    let (from, to) = match keep {
        Keep::Below if at > lower => (lower, at.min(upper)),
        Keep::Above if at <= lower => (lower, upper),
        Keep::Above if at < upper => (at, upper),
        _ => return Kept { count: 0.0, value: 0.0 },
    };
    // It has no width where the threshold is zero.
    let share = if (from, to) == (lower, upper) { 1.0 } else { (to - from) / (upper - lower) };
    Kept { count: count * share, value: f64::midpoint(from, to) }
}

/// The value that observations between two bounds are taken to have: their arithmetic mean where they are spread evenly, else their
/// geometric one. Without one of the bounds it is the other one, or half of it for those between -Inf and a positive one.
fn middle(lower: f64, upper: f64, linear: bool, positive: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if linear => f64::midpoint(lower, upper),
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if positive { mean } else { -mean }
        }
    }
}
