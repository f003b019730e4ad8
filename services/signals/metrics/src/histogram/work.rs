//! A histogram while it is computed with: its buckets as pairs of index and count, and counts either plain or compensated.
//!
//! Joining two histograms first makes them alike: their zero buckets become equally wide, the one with the higher resolution gets
//! that of the other, and custom bounds are cut down to those that both have.

use std::sync::Arc;

use super::bounds::bound;
use super::{Buckets, CUSTOM_SCHEMA, Histogram, Joined, MixedSchemas, ResetHint};

/// A number that can be added up.
pub(super) trait Cell: Copy {
    fn new(value: f64) -> Self;
    fn plus(self, value: f64) -> Self;
    fn plus_cell(self, other: Self) -> Self;
    /// What it amounts to.
    fn value(self) -> f64;
    fn is_zero(self) -> bool;
}

impl Cell for f64 {
    fn new(value: f64) -> Self {
        value
    }

    fn plus(self, value: f64) -> Self {
        self + value
    }

    fn plus_cell(self, other: Self) -> Self {
        self + other
    }

    fn value(self) -> f64 {
        self
    }

    fn is_zero(self) -> bool {
        self == 0.0
    }
}

/// A sum and what rounding has taken from it (Kahan's summation as Neumaier improved it).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Compensated {
    pub(super) sum: f64,
    pub(super) rest: f64,
}

impl Cell for Compensated {
    fn new(value: f64) -> Self {
        Self { sum: value, rest: 0.0 }
    }

    fn plus(self, value: f64) -> Self {
        let sum = self.sum + value;
        let rest = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.rest + ((self.sum - sum) + value)
        } else {
            self.rest + ((value - sum) + self.sum)
        };
        Self { sum, rest }
    }

    fn plus_cell(self, other: Self) -> Self {
        self.plus(other.sum).plus(other.rest)
    }

    fn value(self) -> f64 {
        self.sum + self.rest
    }

    fn is_zero(self) -> bool {
        self.sum == 0.0 && self.rest == 0.0
    }
}

/// The buckets of one sign; indices rise.
pub(super) type Side<T> = Vec<(i32, T)>;

/// A histogram in the making.
#[derive(Clone, Debug)]
pub(super) struct Work<T> {
    pub(super) hint: ResetHint,
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero: T,
    pub(super) count: T,
    pub(super) sum: T,
    pub(super) positive: Side<T>,
    pub(super) negative: Side<T>,
    pub(super) bounds: Arc<[f64]>,
}

impl<T: Cell> From<&Histogram> for Work<T> {
    fn from(histogram: &Histogram) -> Self {
        let side = |buckets: &Buckets| buckets.indexed().map(|(index, count)| (index, T::new(count))).collect();
        Self {
            hint: histogram.hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero: T::new(histogram.zero_count),
            count: T::new(histogram.count),
            sum: T::new(histogram.sum),
            positive: side(&histogram.positive),
            negative: side(&histogram.negative),
            bounds: Arc::clone(&histogram.bounds),
        }
    }
}

impl<T: Cell> Work<T> {
    /// What it amounts to.
    pub(super) fn finish(&self) -> Histogram {
        let buckets = |side: &Side<T>| Buckets::from_indexed(side.iter().map(|(index, count)| (*index, count.value())));
        Histogram {
            hint: self.hint,
            schema: self.schema,
            integer: false,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero.value(),
            count: self.count.value(),
            sum: self.sum.value(),
            positive: buckets(&self.positive),
            negative: buckets(&self.negative),
            bounds: Arc::clone(&self.bounds),
        }
    }

    /// Changes every number.
    pub(super) fn map(&mut self, change: impl Fn(T) -> T) {
        for number in [&mut self.zero, &mut self.count, &mut self.sum] {
            *number = change(*number);
        }
        for (_, count) in self.positive.iter_mut().chain(&mut self.negative) {
            *count = change(*count);
        }
    }

    /// Adds `sign` times another histogram. On an error nothing has changed.
    pub(super) fn join(&mut self, other: &Histogram, sign: f64) -> Result<Joined, MixedSchemas> {
        if (self.schema == CUSTOM_SCHEMA) != other.is_custom() {
            return Err(MixedSchemas);
        }
        let resets_collide = self.hint.join(other.hint);
        self.count = self.count.plus(sign * other.count);
        self.sum = self.sum.plus(sign * other.sum);
        let bounds_reconciled = self.schema == CUSTOM_SCHEMA && !same_bounds(&self.bounds, &other.bounds);
        if bounds_reconciled {
            self.join_bounds(other, sign);
        } else if self.schema == CUSTOM_SCHEMA
            || (self.schema == other.schema && self.zero_threshold == other.zero_threshold && !other.has_buckets_in_zero())
        {
            self.swallow();
            self.zero = self.zero.plus(sign * other.zero_count);
            merge(&mut self.positive, other.positive.indexed(), sign);
            merge(&mut self.negative, other.negative.indexed(), sign);
        } else {
            let mut other = Work::<f64>::from(other);
            self.swallow();
            other.swallow();
            while self.zero_threshold != other.zero_threshold && !self.zero_threshold.is_nan() && !other.zero_threshold.is_nan() {
                self.raise_zero_threshold(other.zero_threshold);
                other.raise_zero_threshold(self.zero_threshold);
            }
            self.reduce_resolution(other.schema);
            other.reduce_resolution(self.schema);
            self.zero = self.zero.plus(sign * other.zero);
            merge(&mut self.positive, other.positive.iter().copied(), sign);
            merge(&mut self.negative, other.negative.iter().copied(), sign);
        }
        Ok(Joined { resets_collide, bounds_reconciled })
    }

    /// Adds custom buckets with other bounds.
    fn join_bounds(&mut self, other: &Histogram, sign: f64) {
        let bounds = common_bounds(&self.bounds, &other.bounds);
        let mine = std::mem::take(&mut self.positive);
        self.positive = rebucketed(mine.into_iter(), &self.bounds, &bounds);
        let theirs: Side<Compensated> =
            rebucketed(other.positive.indexed().map(|(index, count)| (index, Cell::new(count))), &other.bounds, &bounds);
        merge(&mut self.positive, theirs.into_iter().map(|(index, count)| (index, count.value())), sign);
        self.positive.retain(|(_, count)| !count.is_zero());
        self.bounds = bounds;
    }

    /// Makes the bucket around zero at least so wide; where that would cut a populated bucket, it takes the whole of it.
    pub(super) fn raise_zero_threshold(&mut self, wanted: f64) {
        if wanted <= self.zero_threshold || wanted.is_nan() {
            return;
        }
        let schema = self.schema;
        let mut threshold = wanted;
        // The bounds of both signs mirror each other. A raise on one side can cut a bucket on the other.
        loop {
            let cut = |side: &Side<T>| {
                let cut = side.iter().find(|(index, count)| !count.is_zero() && is_cut(schema, *index, threshold));
                cut.map(|(index, _)| bound(schema, *index))
            };
            match cut(&self.positive).or_else(|| cut(&self.negative)) {
                Some(raised) => threshold = raised,
                None => break,
            }
        }
        for side in [&mut self.positive, &mut self.negative] {
            let inside = side.iter().take_while(|(index, _)| bound(schema, index.wrapping_sub(1)) < threshold).count();
            for (_, count) in side.drain(..inside) {
                self.zero = self.zero.plus_cell(count);
            }
        }
        self.zero_threshold = threshold;
    }

    /// Moves the buckets that lie wholly within the bucket around zero into it: a sample may come with such.
    fn swallow(&mut self) {
        if self.schema == CUSTOM_SCHEMA {
            return;
        }
        let (schema, threshold) = (self.schema, self.zero_threshold);
        for side in [&mut self.positive, &mut self.negative] {
            let inside = side.iter().take_while(|(index, _)| bound(schema, *index) <= threshold).count();
            for (_, count) in side.drain(..inside) {
                self.zero = self.zero.plus_cell(count);
            }
        }
    }

    /// Gives it a lower resolution; one that is not lower changes nothing.
    pub(super) fn reduce_resolution(&mut self, schema: i32) {
        if schema >= self.schema {
            return;
        }
        let by = self.schema.abs_diff(schema);
        for side in [&mut self.positive, &mut self.negative] {
            for (index, _) in side.iter_mut() {
                *index = coarser(*index, by);
            }
            side.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 = kept.1.plus_cell(next.1);
                }
                same
            });
        }
        self.schema = schema;
    }
}

/// True when the threshold lies within the bucket.
fn is_cut(schema: i32, index: i32, threshold: f64) -> bool {
    bound(schema, index.wrapping_sub(1)) < threshold && threshold < bound(schema, index)
}

/// The index of a bucket in a schema that is lower by `by`: two buckets become one for each step.
pub(super) fn coarser(index: i32, by: u32) -> i32 {
    (index.wrapping_sub(1) >> by.min(31)).wrapping_add(1)
}

/// Adds `sign` times `other` to `side`.
fn merge<T: Cell>(side: &mut Side<T>, other: impl Iterator<Item = (i32, f64)>, sign: f64) {
    let mut other = other.peekable();
    let mut at = 0;
    // Nearly always all buckets are there already.
    while let Some((index, count)) = other.peek() {
        while at < side.len() && side[at].0 < *index {
            at += 1;
        }
        if at == side.len() || side[at].0 != *index {
            break;
        }
        side[at].1 = side[at].1.plus(sign * count);
        other.next();
    }
    if other.peek().is_none() {
        return;
    }
    let mut mine = side.split_off(at).into_iter().peekable();
    loop {
        match (mine.peek(), other.peek()) {
            (Some((index, count)), Some((other_index, other_count))) if index == other_index => {
                side.push((*index, count.plus(sign * other_count)));
                mine.next();
                other.next();
            }
            (Some((index, _)), Some((other_index, _))) if index < other_index => side.extend(mine.next()),
            (_, Some((index, count))) => {
                side.push((*index, T::new(sign * count)));
                other.next();
            }
            (Some(_), None) => side.extend(mine.next()),
            (None, None) => return,
        }
    }
}

/// True when custom bounds are the same numbers.
pub(super) fn same_bounds(one: &Arc<[f64]>, other: &Arc<[f64]>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// The bounds that both have.
pub(super) fn common_bounds(one: &[f64], other: &[f64]) -> Arc<[f64]> {
    let mut other = other.iter().peekable();
    one.iter()
        .filter(|bound| {
            while other.next_if(|other| other < bound).is_some() {}
            other.next_if(|other| other == bound).is_some()
        })
        .copied()
        .collect()
}

/// Puts custom buckets into those of fewer bounds: each into the one that holds its upper bound.
pub(super) fn rebucketed<T: Cell>(buckets: impl Iterator<Item = (i32, T)>, bounds: &[f64], fewer: &[f64]) -> Side<T> {
    let mut side: Side<T> = Vec::new();
    for (index, count) in buckets {
        let upper = super::bounds::custom_bound(bounds, index);
        let place = fewer.partition_point(|bound| *bound < upper);
        let place = i32::try_from(place).unwrap_or(i32::MAX);
        match side.last_mut() {
            Some((last, sum)) if *last == place => *sum = sum.plus_cell(count),
            _ => side.push((place, count)),
        }
    }
    side
}
