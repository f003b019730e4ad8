//! Warnings and infos: what a user should know about an answer that is none the less one.

use std::fmt;

use rustc_hash::FxHashMap;
use syntax::{Position, Quoted};

use super::numbers;
use crate::query::promql::ast::AggregateOp;

/// What is remarked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Annotation {
    /// A φ that is not between 0 and 1.
    InvalidQuantile {
        /// The φ.
        phi: f64,
    },
    /// The greatest or the least φ of an aggregation over all steps, which is not between 0 and 1. Of parts of a query, that of all of
    /// them is remarked.
    InvalidQuantiles {
        /// Which of both.
        end: Extreme,
        /// The φ.
        phi: f64,
    },
    /// The greatest or the least ratio over all steps, which is not between -1 and 1.
    InvalidRatio {
        /// The ratio.
        ratio: f64,
        /// What was taken in its place.
        capped: f64,
    },
    /// A bucket of a classic histogram without a bound.
    BadBucketLabel {
        /// The value of `le`.
        value: String,
        /// The metric.
        metric: String,
    },
    /// Sorting in a range query.
    SortInRange,
    /// A rate of what is not called like a counter.
    PossibleNonCounter {
        /// The metric.
        metric: String,
    },
    /// Buckets of a classic histogram whose counts fall.
    ForcedMonotonicity(ForcedMonotonicity),
    /// Operands whose kinds don't go together.
    IncompatibleTypes {
        /// What stands left of the operator.
        lhs: SampleKind,
        /// The operator.
        operator: &'static str,
        /// What stands right of it.
        rhs: SampleKind,
    },
    /// Operands that are histograms with buckets that don't go together.
    IncompatibleBuckets {
        /// The operator.
        operator: &'static str,
    },
    /// Floats and histograms in one range of a series.
    MixedRange {
        /// The metric.
        metric: String,
    },
    /// Floats and histograms in one group of an aggregation.
    MixedAggregation,
    /// Buckets of a classic histogram beside a native histogram of the same name and labels.
    MixedClassicNative {
        /// The metric.
        metric: String,
    },
    /// Histograms with exponential buckets and some with bounds of their own.
    MixedBuckets {
        /// The metric.
        metric: String,
    },
    /// A gauge where a counter is wanted.
    NotCounter {
        /// The metric.
        metric: String,
    },
    /// A counter where a gauge is wanted.
    NotGauge {
        /// The metric.
        metric: String,
    },
    /// Histograms that say contrary things about resets.
    ResetCollision {
        /// What was done to them.
        operation: Operation,
    },
    /// Start timestamps that lie before the sample before.
    StartOverlap {
        /// The metric.
        metric: String,
    },
    /// Histograms whose bounds of their own differ: what they have in common was kept.
    ReconciledBounds {
        /// What was done to them.
        operation: Operation,
    },
    /// Histograms that an aggregation does not look at.
    IgnoredInAggregation {
        /// The aggregation.
        aggregation: AggregateOp,
    },
    /// Histograms that a function over ranges does not look at, since there are floats.
    IgnoredInRange {
        /// The metric.
        metric: String,
    },
    /// Observations of NaN in a histogram.
    NanObservations {
        /// The metric.
        metric: String,
        /// What they do to the answer.
        effect: NanEffect,
    },
}

/// An end of the values that a parameter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The greatest of them.
    Greatest,
    /// The least of them.
    Least,
}

impl Extreme {
    /// The value at this end.
    #[must_use]
    pub(crate) fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Greatest => numbers::max(one, other),
            Self::Least => numbers::min(one, other),
        }
    }
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// A float.
    Float,
    /// A native histogram.
    Histogram,
}

impl SampleKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Histogram => "histogram",
        }
    }
}

/// What was done to histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// One was added to another.
    Addition,
    /// One was subtracted from another.
    Subtraction,
    /// Many were summed up.
    Aggregation,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

/// What observations of NaN do to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanEffect {
    /// The quantile lies among them.
    QuantileIsNan,
    /// They count as if they were large.
    QuantileIsHigher,
    /// No fraction counts them.
    NotInFraction,
}

impl NanEffect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::QuantileIsNan => "input to histogram_quantile has NaN observations, result is NaN",
            Self::QuantileIsHigher => "input to histogram_quantile has NaN observations, result is skewed higher",
            Self::NotInFraction => "input to histogram_fraction has NaN observations, which are excluded from all fractions",
        }
    }
}

/// Where and by how much the buckets of a classic histogram were corrected.
#[derive(Clone, Debug, PartialEq)]
pub struct ForcedMonotonicity {
    /// The metric.
    pub metric: String,
    /// The lowest bound of a corrected bucket.
    pub min_bucket: f64,
    /// The highest.
    pub max_bucket: f64,
    /// The greatest correction.
    pub max_diff: f64,
    /// The first time of a correction, ms since the Unix epoch.
    pub min_t: i64,
    /// The last.
    pub max_t: i64,
    /// How many histograms were corrected.
    pub count: u64,
}

impl Annotation {
    /// True for a warning, false for an info.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::PossibleNonCounter { .. }
                | Self::ForcedMonotonicity(_)
                | Self::IncompatibleTypes { .. }
                | Self::ReconciledBounds { .. }
                | Self::IgnoredInAggregation { .. }
                | Self::IgnoredInRange { .. }
                | Self::NanObservations { .. }
        )
    }

    /// What tells remarks about byte `at` of the query from others while they are gathered.
    fn key(&self, at: usize) -> String {
        match self {
            Self::InvalidQuantiles { end, .. } => format!("{end:?} φ at {at}"),
            Self::InvalidRatio { capped, .. } => format!("ratio beyond {capped} at {at}"),
            _ => self.text(),
        }
    }

    /// The same where the name of the metric is gone, for remarks of aggregations.
    pub(crate) fn without_metric(self) -> Self {
        match self {
            Self::MixedBuckets { .. } => Self::MixedBuckets { metric: String::new() },
            other => other,
        }
    }

    /// The text that tells remarks apart: one answer has each once.
    fn text(&self) -> String {
        match self {
            Self::InvalidQuantile { phi } | Self::InvalidQuantiles { phi, .. } => {
                format!("quantile value should be between 0 and 1, got {}", numbers::general(*phi, None))
            }
            Self::InvalidRatio { ratio, capped } => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                numbers::general(*ratio, None),
                numbers::general(*capped, None)
            ),
            Self::BadBucketLabel { value, metric } => {
                format!("bucket label \"le\" is missing or has a malformed value of {}{}", Quoted(value), OfMetric(metric))
            }
            Self::SortInRange => "sort is ineffective for range queries since results are always ordered by labels".to_owned(),
            Self::PossibleNonCounter { metric } => {
                format!("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}", Quoted(metric))
            }
            Self::ForcedMonotonicity(forced) => format!(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}",
                OfMetric(&forced.metric)
            ),
            Self::IncompatibleTypes { lhs, operator, rhs } => {
                let (lhs, rhs) = (lhs.as_str(), rhs.as_str());
                format!("incompatible sample types encountered for binary operator {}: {lhs} {operator} {rhs}", Quoted(operator))
            }
            _ => self.text_about_histograms(),
        }
    }

    fn text_about_histograms(&self) -> String {
        let of = |text: &str, metric: &str| format!("{text} {}", Quoted(metric));
        match self {
            Self::IncompatibleBuckets { operator } => format!("incompatible bucket layout encountered for binary operator {operator}"),
            Self::MixedRange { metric } => of("encountered a mix of histograms and floats for metric name", metric),
            Self::MixedAggregation => "encountered a mix of histograms and floats for aggregation".to_owned(),
            Self::MixedClassicNative { metric } => {
                format!("vector contains a mix of classic and native histograms{}", OfMetric(metric))
            }
            Self::MixedBuckets { metric } => {
                of("vector contains a mix of histograms with exponential and custom buckets schemas for metric name", metric)
            }
            Self::NotCounter { metric } => of("this native histogram metric is not a counter:", metric),
            Self::NotGauge { metric } => of("this native histogram metric is not a gauge:", metric),
            Self::ResetCollision { operation } => format!("conflicting counter resets during histogram {}", operation.as_str()),
            Self::StartOverlap { metric } => of("sample has start time that overlaps with previous sample timestamp for metric", metric),
            Self::ReconciledBounds { operation } => format!("mismatched custom buckets were reconciled during {}", operation.as_str()),
            Self::IgnoredInAggregation { aggregation } => format!("ignored histogram in {} aggregation", aggregation.as_str()),
            Self::IgnoredInRange { metric } => {
                of("ignored histograms in a range containing both floats and histograms for metric name", metric)
            }
            Self::NanObservations { metric, effect } => format!("{}{}", effect.as_str(), OfMetric(metric)),
            other => unreachable!("{other:?} is not about histograms"),
        }
    }

    /// What stands between the text and its place.
    fn details(&self) -> String {
        match self {
            Self::ForcedMonotonicity(forced) => format!(
                ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                numbers::general(forced.min_bucket, None),
                numbers::general(forced.max_bucket, None),
                numbers::general(forced.max_diff, Some(2)),
                forced.count,
                super::dates::Rfc3339(forced.min_t),
                super::dates::Rfc3339(forced.max_t)
            ),
            _ => String::new(),
        }
    }

    /// Takes up what an earlier remark with the same key said.
    fn absorb(&mut self, earlier: &Self) {
        match (self, earlier) {
            (Self::ForcedMonotonicity(now), Self::ForcedMonotonicity(earlier)) => {
                now.min_bucket = now.min_bucket.min(earlier.min_bucket);
                now.max_bucket = now.max_bucket.max(earlier.max_bucket);
                now.max_diff = now.max_diff.max(earlier.max_diff);
                now.min_t = now.min_t.min(earlier.min_t);
                now.max_t = now.max_t.max(earlier.max_t);
                now.count += earlier.count;
            }
            (Self::InvalidQuantiles { end, phi }, Self::InvalidQuantiles { phi: earlier, .. }) => *phi = end.of(*phi, *earlier),
            (Self::InvalidRatio { ratio, capped }, Self::InvalidRatio { ratio: earlier, .. }) => {
                let end = if *capped > 0.0 { Extreme::Greatest } else { Extreme::Least };
                *ratio = end.of(*ratio, *earlier);
            }
            _ => {}
        }
    }
}

/// ` for metric name "x"`, or nothing without a name.
struct OfMetric<'a>(&'a str);

impl fmt::Display for OfMetric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " for metric name {}", Quoted(self.0)) }
    }
}

/// All remarks about one answer, each text once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// The remarks, and the bytes of the query that they are about.
    items: Vec<(Annotation, usize)>,
    /// Where each remark stands, by its key.
    places: FxHashMap<String, usize>,
}

impl Annotations {
    /// Adds a remark about what stands at byte `at` of the query. One with the same text gives way; of corrected buckets the first place
    /// is kept, as in Prometheus.
    pub(crate) fn add(&mut self, mut annotation: Annotation, at: usize) {
        let place = *self.places.entry(annotation.key(at)).or_insert(self.items.len());
        match self.items.get_mut(place) {
            Some(known) => {
                annotation.absorb(&known.0);
                let at = if matches!(annotation, Annotation::ForcedMonotonicity(_)) { known.1 } else { at };
                *known = (annotation, at);
            }
            None => self.items.push((annotation, at)),
        }
    }

    /// Adds the remarks about another part of the same query.
    pub fn merge(&mut self, other: Self) {
        for (annotation, at) in other.items {
            self.add(annotation, at);
        }
    }

    /// The remarks, each with the byte of the query that it is about.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Annotation, usize)> {
        self.items.iter().map(|(annotation, at)| (annotation, *at))
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// True when there is nothing to remark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The warnings as the API writes them, with their place in `query`; after `limit` of them only how many more there are.
    #[must_use]
    pub fn warnings(&self, query: &str, limit: usize) -> Vec<String> {
        self.render(query, limit, true)
    }

    /// The infos as the API writes them, with their place in `query`; after `limit` of them only how many more there are.
    #[must_use]
    pub fn infos(&self, query: &str, limit: usize) -> Vec<String> {
        self.render(query, limit, false)
    }

    fn render(&self, query: &str, limit: usize, warnings: bool) -> Vec<String> {
        let kind = if warnings { "warning" } else { "info" };
        // Remarks that were gathered apart may say the same in the end.
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        let mut texts: Vec<String> = Vec::new();
        for (annotation, at) in self.iter().filter(|(annotation, _)| annotation.is_warning() == warnings) {
            let text = annotation.text();
            let whole = format!("PromQL {kind}: {text}{} ({})", annotation.details(), Position::of(query, at));
            let place = *places.entry(text).or_insert(texts.len());
            match texts.get_mut(place) {
                Some(earlier) => *earlier = whole,
                None => texts.push(whole),
            }
        }
        if texts.len() > limit {
            let more = texts.len() - limit;
            texts.truncate(limit);
            texts.push(format!("{more} more {kind} annotations omitted"));
        }
        texts
    }
}
