//! Walking over buckets.

use super::bounds::any_bound;
use super::{Buckets, CUSTOM_SCHEMA, Histogram, Span};

/// A bucket as it stands on the number line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it starts.
    pub lower: f64,
    /// Where it ends.
    pub upper: f64,
    /// Whether `lower` belongs to it.
    pub lower_inclusive: bool,
    /// Whether `upper` belongs to it.
    pub upper_inclusive: bool,
    /// Observations in it.
    pub count: f64,
    /// Its index among the buckets of its sign; 0 for the bucket around zero.
    pub index: i32,
}

impl Bucket {
    /// The share of the bucket, 0 to 1, that lies at or below `value`, which must be inside of it. Both bounds must be finite.
    ///
    /// Observations are taken to be spread evenly where `linear`, else evenly over the logarithm.
    #[must_use]
    pub fn share_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, value_log] = [self.lower, self.upper, value].map(|bound| bound.abs().log2());
        if value > 0.0 { (value_log - lower) / (upper - lower) } else { 1.0 - (value_log - upper) / (lower - upper) }
    }

    /// True when zero lies in it or at one of its ends.
    pub(super) fn touches_zero(&self) -> bool {
        self.lower <= 0.0 && self.upper >= 0.0
    }
}

/// Indices and counts of buckets, rising.
#[derive(Clone, Debug)]
pub struct Indexed<'a> {
    spans: std::slice::Iter<'a, Span>,
    counts: std::slice::Iter<'a, f64>,
    /// Index of the next bucket.
    next: i32,
    /// Buckets that are left of the span.
    left: u32,
}

impl Iterator for Indexed<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<Self::Item> {
        while self.left == 0 {
            let span = self.spans.next()?;
            self.next = self.next.wrapping_add(span.offset);
            self.left = span.length;
        }
        let count = *self.counts.next()?;
        let index = self.next;
        self.next = index.wrapping_add(1);
        self.left -= 1;
        Some((index, count))
    }
}

/// Indices and counts of buckets, falling.
#[derive(Clone, Debug)]
pub struct IndexedBack<'a> {
    spans: std::slice::Iter<'a, Span>,
    counts: std::slice::Iter<'a, f64>,
    /// Index behind the next bucket.
    behind: i32,
    /// Buckets that are left of the span.
    left: u32,
    /// Offset of the span.
    offset: i32,
}

impl Iterator for IndexedBack<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<Self::Item> {
        while self.left == 0 {
            self.behind = self.behind.wrapping_sub(self.offset);
            let span = self.spans.next_back()?;
            self.left = span.length;
            self.offset = span.offset;
        }
        let count = *self.counts.next_back()?;
        self.behind = self.behind.wrapping_sub(1);
        self.left -= 1;
        Some((self.behind, count))
    }
}

impl Buckets {
    /// Buckets from their indices and counts; the indices must rise.
    pub fn from_indexed(buckets: impl IntoIterator<Item = (i32, f64)>) -> Self {
        let mut built = Self::default();
        // What the next index would be if the span went on.
        let mut next = 0;
        for (index, count) in buckets {
            match built.spans.last_mut() {
                Some(span) if index == next => span.length += 1,
                _ => built.spans.push(Span { offset: index.wrapping_sub(next), length: 1 }),
            }
            built.counts.push(count);
            next = index.wrapping_add(1);
        }
        built
    }

    /// Indices and counts, rising.
    #[must_use]
    pub fn indexed(&self) -> Indexed<'_> {
        Indexed { spans: self.spans.iter(), counts: self.counts.iter(), next: 0, left: 0 }
    }

    /// Indices and counts, falling. As many counts must be there as the spans say.
    #[must_use]
    pub fn indexed_back(&self) -> IndexedBack<'_> {
        let behind = self.spans.iter().fold(0_i32, |at, span| at.wrapping_add(span.offset).wrapping_add_unsigned(span.length));
        IndexedBack { spans: self.spans.iter(), counts: self.counts.iter(), behind, left: 0, offset: 0 }
    }
}

impl Histogram {
    /// The bucket around zero, also when it is empty.
    #[must_use]
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }

    /// The buckets of positive observations (all but the one around zero where bounds are custom), rising.
    pub fn positive_buckets(&self) -> impl Iterator<Item = Bucket> {
        self.positive.indexed().map(|(index, count)| self.positive_bucket(index, count))
    }

    /// The buckets of negative observations, falling: from zero on.
    pub fn negative_buckets(&self) -> impl Iterator<Item = Bucket> {
        self.negative.indexed().map(|(index, count)| self.negative_bucket(index, count))
    }

    /// All buckets, rising; that around zero only where it has observations. Where others overlap it, they are cut there.
    pub fn rising(&self) -> impl Iterator<Item = Bucket> {
        let negative = self.negative.indexed_back().map(|(index, count)| self.clipped(self.negative_bucket(index, count)));
        let zero = (self.zero_count > 0.0).then(|| self.zero_bucket());
        let positive = self.positive.indexed().map(|(index, count)| self.clipped(self.positive_bucket(index, count)));
        negative.chain(zero).chain(positive)
    }

    /// As [`Histogram::rising`], the other way round.
    pub fn falling(&self) -> impl Iterator<Item = Bucket> {
        let positive = self.positive.indexed_back().map(|(index, count)| self.clipped(self.positive_bucket(index, count)));
        let zero = (self.zero_count > 0.0).then(|| self.zero_bucket());
        let negative = self.negative.indexed().map(|(index, count)| self.clipped(self.negative_bucket(index, count)));
        positive.chain(zero).chain(negative)
    }

    fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let lower = any_bound(self.schema, &self.bounds, index.wrapping_sub(1));
        let upper = any_bound(self.schema, &self.bounds, index);
        let (lower_inclusive, upper_inclusive) = if self.schema == CUSTOM_SCHEMA { (index == 0, true) } else { (lower < 0.0, upper > 0.0) };
        Bucket { lower, upper, lower_inclusive, upper_inclusive, count, index }
    }

    fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        let positive = self.positive_bucket(index, count);
        let (lower, upper) = (-positive.upper, -positive.lower);
        Bucket { lower, upper, lower_inclusive: lower < 0.0, upper_inclusive: upper > 0.0, ..positive }
    }

    fn clipped(&self, mut bucket: Bucket) -> Bucket {
        let threshold = self.zero_threshold;
        if bucket.lower > 0.0 && bucket.lower < threshold {
            bucket.lower = threshold;
        } else if bucket.upper < 0.0 && bucket.upper > -threshold {
            bucket.upper = -threshold;
        }
        bucket
    }
}
