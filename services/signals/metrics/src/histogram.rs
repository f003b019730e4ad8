//! Native histograms: a whole distribution as one sample.
//!
//! One type for all of them: counts are floats, as in every computation; [`Histogram::integer`] remembers what came as whole numbers.
//! Buckets are sparse: spans say which of them are there, counts are absolute (not differences).
//!
//! Source of the semantics: Prometheus's specification of native histograms (schemas -4 to 8 and -53).

pub mod wire;

use std::sync::Arc;

/// The schema of histograms with bounds of their own.
pub const CUSTOM_SCHEMA: i32 = -53;

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
