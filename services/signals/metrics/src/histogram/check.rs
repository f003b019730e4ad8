//! Whether the parts of a histogram that came in fit together.

use super::{Buckets, CUSTOM_SCHEMA, Histogram, MAX_SCHEMA, MIN_SCHEMA};

/// Why a histogram is none. The texts are those that Prometheus has for it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// There is no such schema.
    #[error(
        "histogram has an invalid schema, which must be between {MIN_SCHEMA} and {MAX_SCHEMA} for exponential buckets, or {CUSTOM_SCHEMA} \
         for custom buckets, got schema {schema}"
    )]
    Schema {
        /// The schema.
        schema: i32,
    },
    /// A whole number of observations is not that of the buckets.
    #[error(
        "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should equal the number of \
         observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch {
        /// Observations in buckets.
        found: f64,
        /// All observations.
        count: f64,
    },
    /// Buckets have more observations than there are, NaN among them.
    #[error(
        "{found} observations found in buckets, but the Count field is {count}: histogram's observation count should be at least the \
         number of observations found in the buckets"
    )]
    CountNotBigEnough {
        /// Observations in buckets.
        found: f64,
        /// All observations.
        count: f64,
    },
    /// A negative number of observations.
    #[error("observation count is  {count}: histogram's observation count is negative")]
    NegativeCount {
        /// All observations.
        count: f64,
    },
    /// A negative number of observations around zero.
    #[error("zero bucket has observation count of {count}: histogram has a bucket whose observation count is negative")]
    NegativeZeroCount {
        /// Observations around zero.
        count: f64,
    },
    /// A negative number of observations in a bucket.
    #[error("{side}: bucket number {number} has observation count of {count}: histogram has a bucket whose observation count is negative")]
    NegativeBucketCount {
        /// Which buckets.
        side: &'static str,
        /// Which of them, from 1.
        number: usize,
        /// Observations in it.
        count: f64,
    },
    /// A span that begins before the end of the one before.
    #[error("{side}: span number {number} with offset {offset}: histogram has a span whose offset is negative")]
    SpanNegativeOffset {
        /// Which buckets.
        side: &'static str,
        /// Which span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// Spans say of another number of buckets than is there.
    #[error("{side}: spans need {need} buckets, have {have} buckets: histogram spans specify different number of buckets than provided")]
    SpansBucketsMismatch {
        /// Which buckets.
        side: &'static str,
        /// Buckets of all spans.
        need: u64,
        /// Buckets that are there.
        have: usize,
    },
    /// More custom buckets than bounds.
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length of {length}: histogram \
         custom bounds are too few"
    )]
    CustomBucketsMismatch {
        /// Bounds that are there.
        bounds: usize,
        /// Buckets of all spans, and those between them.
        length: i64,
    },
    /// Custom bounds that do not rise.
    #[error(
        "custom buckets: previous bound is {previous:.6} and current is {current:.6}: histogram custom bounds must be in strictly \
         increasing order"
    )]
    CustomBucketsInvalid {
        /// A bound.
        previous: f64,
        /// The next one.
        current: f64,
    },
    /// A custom bound of +Inf, which is implied.
    #[error("custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite")]
    CustomBucketsInfinite,
    /// A custom bound that is no number.
    #[error("custom buckets: histogram custom bounds must not be NaN")]
    CustomBucketsNan,
    /// Custom buckets have none around zero.
    #[error("custom buckets: must have zero count of 0")]
    CustomBucketsZeroCount,
    /// Custom buckets have none around zero.
    #[error("custom buckets: must have zero threshold of 0")]
    CustomBucketsZeroThreshold,
    /// All custom buckets are among the positive ones.
    #[error("custom buckets: must not have negative spans")]
    CustomBucketsNegativeSpans,
    /// All custom buckets are among the positive ones.
    #[error("custom buckets: must not have negative buckets")]
    CustomBucketsNegativeBuckets,
    /// Bounds where the schema says where they are.
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialWithBounds,
}

impl HistogramError {
    /// The part of Mimir's error id that names the cause, behind `native-histogram-` or as a whole: `err-mimir-` and this.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Schema { .. } => "invalid-native-histogram-schema",
            Self::CountMismatch { .. } => "native-histogram-count-mismatch",
            Self::CountNotBigEnough { .. } => "native-histogram-count-not-big-enough",
            Self::NegativeCount { .. } | Self::NegativeZeroCount { .. } | Self::NegativeBucketCount { .. } => {
                "native-histogram-negative-bucket-count"
            }
            Self::SpanNegativeOffset { .. } => "native-histogram-span-negative-offset",
            Self::SpansBucketsMismatch { .. } => "native-histogram-spans-buckets-mismatch",
            Self::CustomBucketsMismatch { .. } => "native-histogram-custom-buckets-mismatch",
            Self::CustomBucketsInfinite => "native-histogram-custom-buckets-infinite",
            Self::CustomBucketsInvalid { .. }
            | Self::CustomBucketsNan
            | Self::CustomBucketsZeroCount
            | Self::CustomBucketsZeroThreshold
            | Self::CustomBucketsNegativeSpans
            | Self::CustomBucketsNegativeBuckets
            | Self::ExponentialWithBounds => "native-histogram-custom-buckets-invalid",
        }
    }
}

// The sides as texts name them.
const POSITIVE: &str = "positive side";
const NEGATIVE: &str = "negative side";
const CUSTOM: &str = "custom buckets";

impl Histogram {
    /// Checks that its parts fit together. The sum of counts is only checked where they came as whole numbers: those of floats need not
    /// be exact.
    ///
    /// * Errors: the first thing that does not fit.
    pub fn check(&self) -> Result<(), HistogramError> {
        if self.is_custom() {
            self.check_custom()?;
        } else if (MIN_SCHEMA..=MAX_SCHEMA).contains(&self.schema) {
            check_spans(&self.positive, POSITIVE)?;
            check_spans(&self.negative, NEGATIVE)?;
            check_counts(&self.negative, NEGATIVE)?;
            if self.zero_count < 0.0 {
                return Err(HistogramError::NegativeZeroCount { count: self.zero_count });
            }
            if !self.bounds.is_empty() {
                return Err(HistogramError::ExponentialWithBounds);
            }
        } else {
            return Err(HistogramError::Schema { schema: self.schema });
        }
        if self.count < 0.0 {
            return Err(HistogramError::NegativeCount { count: self.count });
        }
        check_counts(&self.positive, POSITIVE)?;
        if self.integer { self.check_sum_of_counts() } else { Ok(()) }
    }

    fn check_sum_of_counts(&self) -> Result<(), HistogramError> {
        let found = self.positive.counts.iter().chain(&self.negative.counts).sum::<f64>() + self.zero_count;
        let count = self.count;
        match self.sum.is_nan() {
            true if found > count => Err(HistogramError::CountNotBigEnough { found, count }),
            false if found != count => Err(HistogramError::CountMismatch { found, count }),
            _ => Ok(()),
        }
    }

    fn check_custom(&self) -> Result<(), HistogramError> {
        if self.bounds.iter().any(|bound| bound.is_nan()) {
            return Err(HistogramError::CustomBucketsNan);
        }
        if let Some(pair) = self.bounds.windows(2).find(|pair| pair[1] <= pair[0]) {
            return Err(HistogramError::CustomBucketsInvalid { previous: pair[0], current: pair[1] });
        }
        if self.bounds.last() == Some(&f64::INFINITY) {
            return Err(HistogramError::CustomBucketsInfinite);
        }
        if let Some(span) = self.positive.spans.first().filter(|span| span.offset < 0) {
            return Err(HistogramError::SpanNegativeOffset { side: CUSTOM, number: 1, offset: span.offset });
        }
        check_spans(&self.positive, CUSTOM)?;
        let length: i64 = self.positive.spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
        if i64::try_from(self.bounds.len()).is_ok_and(|bounds| bounds + 1 < length) {
            return Err(HistogramError::CustomBucketsMismatch { bounds: self.bounds.len(), length });
        }
        if self.zero_count != 0.0 {
            return Err(HistogramError::CustomBucketsZeroCount);
        }
        if self.zero_threshold != 0.0 {
            return Err(HistogramError::CustomBucketsZeroThreshold);
        }
        if !self.negative.spans.is_empty() {
            return Err(HistogramError::CustomBucketsNegativeSpans);
        }
        if !self.negative.counts.is_empty() {
            return Err(HistogramError::CustomBucketsNegativeBuckets);
        }
        Ok(())
    }
}

fn check_spans(buckets: &Buckets, side: &'static str) -> Result<(), HistogramError> {
    if let Some((place, span)) = buckets.spans.iter().enumerate().skip(1).find(|(_, span)| span.offset < 0) {
        return Err(HistogramError::SpanNegativeOffset { side, number: place + 1, offset: span.offset });
    }
    let need: u64 = buckets.spans.iter().map(|span| u64::from(span.length)).sum();
    let have = buckets.counts.len();
    if need == have as u64 { Ok(()) } else { Err(HistogramError::SpansBucketsMismatch { side, need, have }) }
}

fn check_counts(buckets: &Buckets, side: &'static str) -> Result<(), HistogramError> {
    match buckets.counts.iter().enumerate().find(|(_, count)| **count < 0.0) {
        Some((place, count)) => Err(HistogramError::NegativeBucketCount { side, number: place + 1, count: *count }),
        None => Ok(()),
    }
}
