//! Arithmetic and notation of floats as Go has them: answers are compared with those of a Go program, digit by digit.

/// One step of Kahan's summation in Neumaier's form: adds `value` to `sum`, whose lost low bits are in `lost`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compensated {
    /// The sum without what was lost.
    pub(crate) sum: f64,
    /// What rounding took away.
    pub(crate) lost: f64,
}

impl Compensated {
    /// A sum of one value.
    pub(crate) const fn of(value: f64) -> Self {
        Self { sum: value, lost: 0.0 }
    }

    /// The sum with one more value.
    #[must_use]
    pub(crate) fn plus(self, value: f64) -> Self {
        let sum = self.sum + value;
        let lost = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.lost + ((self.sum - sum) + value)
        } else {
            self.lost + ((value - sum) + self.sum)
        };
        Self { sum, lost }
    }

    /// Both parts multiplied.
    #[must_use]
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { sum: factor * self.sum, lost: factor * self.lost }
    }

    /// The sum of two sums.
    #[must_use]
    pub(crate) fn joined(self, other: Self) -> Self {
        let next = self.plus(other.sum);
        if next.sum.is_infinite() { next } else { Self { lost: next.lost + other.lost, ..next } }
    }

    /// The corrected sum.
    pub(crate) fn total(self) -> f64 {
        self.sum + self.lost
    }
}

/// The mean of a run of values: their sum divided by their count, as long as the sum is finite; from the value on that would
/// make it infinite a running mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    parts: Compensated,
    count: f64,
    running: bool,
}

impl Mean {
    /// The mean of one value.
    pub(crate) const fn of(value: f64) -> Self {
        Self { parts: Compensated::of(value), count: 1.0, running: false }
    }

    /// Takes one more value.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.running {
            let next = self.parts.plus(value);
            if next.sum.is_finite() || next.sum.is_nan() {
                self.parts = next;
                return;
            }
            self.running = true;
            let before = self.count - 1.0;
            self.parts = Compensated { sum: self.parts.sum / before, lost: self.parts.lost / before };
        }
        let share = (self.count - 1.0) / self.count;
        self.parts = self.parts.scaled(share).plus(value / self.count);
    }

    /// The mean of the values of both.
    #[must_use]
    pub(crate) fn joined(self, other: Self) -> Self {
        let count = self.count + other.count;
        if !self.running && !other.running {
            let parts = self.parts.joined(other.parts);
            if parts.sum.is_finite() || parts.sum.is_nan() {
                return Self { parts, count, running: false };
            }
        }
        let share = |mean: Self| if mean.running { mean.parts.scaled(mean.count / count) } else { mean.parts.scaled(1.0 / count) };
        Self { parts: share(self).joined(share(other)), count, running: true }
    }

    /// What it takes to go on elsewhere: the sum or the running mean, what rounding took away of it, and the count, which is
    /// negative for a running mean.
    pub(crate) const fn parts(&self) -> [f64; 3] {
        [self.parts.sum, self.parts.lost, if self.running { -self.count } else { self.count }]
    }

    /// Takes up what [`parts`](Self::parts) gave.
    pub(crate) const fn of_parts([sum, lost, count]: [f64; 3]) -> Self {
        Self { parts: Compensated { sum, lost }, count: count.abs(), running: count < 0.0 }
    }

    /// The mean.
    pub(crate) fn value(&self) -> f64 {
        if self.running { self.parts.total() } else { self.parts.sum / self.count + self.parts.lost / self.count }
    }
}

/// The φ-quantile of some values in rising order, NaN first; they change their places. Between two values it is interpolated.
///
/// * Returns NaN without values and for a φ of NaN, -Inf and +Inf for a φ below 0 and above 1.
pub(crate) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    let last = values.len() - 1;
    let rank = phi * to_float(last);
    let lower = to_index(rank.floor()).min(last);
    let weight = rank - rank.floor();
    // Two places are wanted: finding them takes a look at each value, sorting many at each.
    let order = |one: &f64, other: &f64| nan_first(*one, *other).then_with(|| one.total_cmp(other));
    let (_, lower, above) = values.select_nth_unstable_by(lower, order);
    let upper = above.iter().copied().min_by(order).unwrap_or(*lower);
    *lower * (1.0 - weight) + upper * weight
}

/// Rising order with NaN before all numbers.
pub(crate) fn nan_first(one: f64, other: f64) -> std::cmp::Ordering {
    other.is_nan().cmp(&one.is_nan()).then_with(|| one.partial_cmp(&other).unwrap_or(std::cmp::Ordering::Equal))
}

/// The greater of two, as Go has it: a NaN is greater than all but +Inf.
pub(crate) fn max(one: f64, other: f64) -> f64 {
    match (one.is_nan() || other.is_nan(), one == f64::INFINITY || other == f64::INFINITY) {
        (true, false) => f64::NAN,
        _ => one.max(other),
    }
}

/// The smaller of two, as Go has it: a NaN is smaller than all but -Inf.
pub(crate) fn min(one: f64, other: f64) -> f64 {
    -max(-one, -other)
}

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of samples and series stay below 2^53")]
pub(crate) fn to_float(count: usize) -> f64 {
    count as f64
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "times stay below 2^53 ms; beyond, Go rounds the same way")]
pub(crate) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// A float that is not negative as an index; saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and the callers bound the result")]
pub(crate) fn to_index(value: f64) -> usize {
    value as usize
}

/// A float as whole seconds; what no i64 holds becomes the smallest, as Go's conversion has it on amd64.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit was taken out before")]
pub(crate) fn to_i64(value: f64) -> i64 {
    if value >= i64::MIN as f64 && value < i64::MAX as f64 { value as i64 } else { i64::MIN }
}

/// Go's `%f` with the fewest digits that tell the value apart, never an exponent.
pub(crate) fn plain(value: f64) -> String {
    special(value).map_or_else(|| format!("{value}"), str::to_owned)
}

/// Go's `%f`: six digits behind the point.
pub(crate) fn fixed(value: f64) -> String {
    special(value).map_or_else(|| format!("{value:.6}"), str::to_owned)
}

/// Go's `%g`, or `%.<n>g` with `digits`: an exponent below 1e-4 and from 1e6 (from 10 to the `digits`, where given) on.
pub(crate) fn general(value: f64, digits: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let scientific = match digits {
        Some(digits) => format!("{value:.*e}", digits.max(1) - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').expect("the notation has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let mantissa = if digits.is_some() && mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let bound = digits.map_or(6, |digits| i32::try_from(digits).unwrap_or(i32::MAX));
    if exponent < -4 || exponent >= bound {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    } else {
        let rounded: f64 = scientific.parse().expect("what was printed is a number");
        format!("{rounded}")
    }
}

/// A float as a label's value, as OpenMetrics wants it: whole numbers have `.0`.
pub(crate) fn label(value: f64) -> String {
    // Zero is written without a sign.
    let text = general(if value == 0.0 { 0.0 } else { value }, None);
    if value.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}
