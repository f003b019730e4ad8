//! Native histograms: a whole distribution as one sample.
//!
//! One type for all of them: counts are floats, as in every computation; [`Histogram::integer`] remembers what came as whole numbers.
//! Buckets are sparse: spans say which of them are there, counts are absolute (not differences).
//!
//! Source of the semantics: Prometheus's specification of native histograms (schemas -4 to 8 and -53).

mod arithmetic;
mod bounds;
mod buckets;
mod check;
mod estimate;
mod format;
mod layout;
pub mod protobuf;
mod reset;
mod sums;
mod trim;
pub mod wire;
mod work;

use std::sync::Arc;

use crate::model;

pub use arithmetic::{Joined, MixedSchemas};
pub use bounds::{bound, custom_bound};
pub use buckets::{Bucket, Indexed, IndexedBack};
pub use check::HistogramError;
pub use estimate::NanNote;
pub use sums::{HistogramMean, HistogramSum};

/// The schema of histograms with bounds of their own.
pub const CUSTOM_SCHEMA: i32 = -53;
/// The exponential schema of the lowest resolution: the bounds of its buckets are powers of 65,536.
pub const MIN_SCHEMA: i32 = -4;
/// The exponential schema of the highest resolution: 256 buckets from one power of two to the next.
pub const MAX_SCHEMA: i32 = 8;

/// What is known about a reset of the counter before this sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ResetHint {
    /// Nothing: it has to be found out from the counts.
    #[default]
    Unknown = 0,
    /// There was one.
    Reset = 1,
    /// There was none.
    NotReset = 2,
    /// It is no counter.
    Gauge = 3,
}

/// A run of buckets that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Buckets that are left out before it; for the first span the index of its first bucket.
    pub offset: i32,
    /// How many buckets it has.
    pub length: u32,
}

/// The buckets of one sign.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Which buckets.
    pub spans: Vec<Span>,
    /// Observations in each of them, as many as the spans say.
    pub counts: Vec<f64>,
}

/// A native histogram. Two are equal when all their parts are; mind NaN: see [`Histogram::same_bits`].
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What is known about a reset before it.
    pub hint: ResetHint,
    /// Resolution: bounds of buckets are powers of `2^(2^-schema)`; [`CUSTOM_SCHEMA`] says that [`Histogram::bounds`] names them.
    pub schema: i32,
    /// Whether all counts came as whole numbers.
    pub integer: bool,
    /// Width of the bucket around zero.
    pub zero_threshold: f64,
    /// Observations in the bucket around zero.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations; the staleness marker says that the series has ended.
    pub sum: f64,
    /// Buckets of positive observations, or all buckets where bounds are custom.
    pub positive: Buckets,
    /// Buckets of negative observations.
    pub negative: Buckets,
    /// Upper bounds of custom buckets, rising, without +Inf; empty for other schemas.
    pub bounds: Arc<[f64]>,
}

/// One sample that is a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// When, ms since the Unix epoch.
    pub t: i64,
    /// The histogram.
    pub h: Arc<Histogram>,
}

impl Default for Histogram {
    /// No observations, in schema 0.
    fn default() -> Self {
        Self {
            hint: ResetHint::Unknown,
            schema: 0,
            integer: false,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive: Buckets::default(),
            negative: Buckets::default(),
            bounds: Arc::default(),
        }
    }
}

impl Histogram {
    /// The staleness marker of series of histograms.
    #[must_use]
    pub fn stale() -> Self {
        Self { sum: model::stale_marker(), ..Self::default() }
    }

    /// True for a staleness marker.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        model::is_stale(self.sum)
    }

    /// True when its buckets have bounds of their own.
    #[must_use]
    pub const fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// True when each part is the same bit by bit: NaN is equal to itself, and zero is not equal to minus zero.
    #[must_use]
    pub fn same_bits(&self, other: &Self) -> bool {
        let Self { hint, schema, integer, zero_threshold, zero_count, count, sum, positive, negative, bounds } = self;
        let numbers = [*zero_threshold, *zero_count, *count, *sum];
        let others = [other.zero_threshold, other.zero_count, other.count, other.sum];
        (*hint, *schema, *integer) == (other.hint, other.schema, other.integer)
            && same_bits(&numbers, &others)
            && positive.spans == other.positive.spans
            && negative.spans == other.negative.spans
            && same_bits(&positive.counts, &other.positive.counts)
            && same_bits(&negative.counts, &other.negative.counts)
            && same_bits(bounds, &other.bounds)
    }

    /// Equality of the query language: the same buckets with the same bits; hints, and how spans are cut, do not matter.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let same_buckets = |one: &Buckets, other: &Buckets| {
            same_bits(&one.counts, &other.counts) && one.indexed().map(|(index, _)| index).eq(other.indexed().map(|(index, _)| index))
        };
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && same_bits(&[self.count, self.sum, self.zero_count], &[other.count, other.sum, other.zero_count])
            && (!self.is_custom() || self.bounds == other.bounds)
            && same_buckets(&self.positive, &other.positive)
            && same_buckets(&self.negative, &other.negative)
    }

    /// Bytes that its buckets and bounds take on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let side = |buckets: &Buckets| buckets.spans.capacity() * size_of::<Span>() + buckets.counts.capacity() * size_of::<f64>();
        side(&self.positive) + side(&self.negative) + size_of_val::<[f64]>(&self.bounds)
    }
}

fn same_bits(one: &[f64], other: &[f64]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
}

#[cfg(test)]
pub(crate) mod tests;
