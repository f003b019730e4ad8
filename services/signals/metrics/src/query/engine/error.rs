//! What can go wrong with a query that the parser has accepted.

use index::RegexError;
use runtime::{Classify, ErrorKind};

use crate::model::Labels;
use crate::query::promql::ast::{DurationError, ValueType};

/// A query that cannot be answered. The texts are Prometheus's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A range query of something that has no value at each step.
    #[error("invalid expression type \"{}\" for range query, must be Scalar or instant Vector", found.documented())]
    RangeQueryType {
        /// What the expression is.
        found: ValueType,
    },
    /// A range query whose step is not positive or whose end lies before its start.
    #[error("invalid steps of a range query")]
    Steps,
    /// A duration that has no value; the text begins with the bytes of the query between which it stands.
    #[error("{start}:{end}: {0}", start = .0.span().start, end = .0.span().end)]
    Duration(#[from] DurationError),
    /// Something that this engine cannot evaluate yet.
    #[error("{what} is not implemented")]
    NotImplemented {
        /// What.
        what: String,
    },
    /// More samples than [`Options::max_samples`](super::Options::max_samples) at once, or more steps than
    /// [`Options::max_steps`](super::Options::max_steps).
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// Two series of one result have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabelset,
    /// Two series of the side of which there has to be one.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{first}, {second}];many-to-many \
         matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that match.
        group: Labels,
        /// `left` or `right`.
        side: &'static str,
        /// One of the series.
        first: Labels,
        /// Another.
        second: Labels,
    },
    /// Several series of the left side for one of the right, without `group_left`.
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOne,
    /// Several results of `group_left` or `group_right` with the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupingNotUnique,
    /// `topk(NaN, …)` and the like.
    #[error("Parameter value is NaN")]
    ParameterIsNan,
    /// `limit_ratio(NaN, …)`
    #[error("Ratio value is NaN")]
    RatioIsNan,
    /// A count below the integers.
    #[error("Scalar value {value} underflows int64")]
    Underflow {
        /// The value.
        value: String,
    },
    /// A count beyond the integers.
    #[error("Scalar value {value} overflows int64")]
    Overflow {
        /// The value.
        value: String,
    },
    /// `anchored` or `smoothed` in a function that has no use for it.
    #[error("{modifier} modifier can only be used with: {allowed} - not with {function}")]
    Extension {
        /// The modifier.
        modifier: &'static str,
        /// The functions that have.
        allowed: &'static str,
        /// The function.
        function: &'static str,
    },
    /// A factor of `double_exponential_smoothing` that is not between 0 and 1.
    #[error("invalid {factor} factor. Expected: 0 < {short} < 1, got: {value}")]
    SmoothingFactor {
        /// `smoothing` or `trend`.
        factor: &'static str,
        /// `sf` or `tf`.
        short: &'static str,
        /// The value.
        value: String,
    },
    /// A regular expression of `label_replace` that is none.
    #[error("invalid regular expression in label_replace(): {pattern}")]
    Regex {
        /// As it was written.
        pattern: String,
    },
    /// A label name that is none, of a function.
    #[error("invalid {role} label name in {function}(): {name}")]
    FunctionLabel {
        /// `source` or `destination`.
        role: &'static str,
        /// The function.
        function: &'static str,
        /// The name.
        name: String,
    },
    /// A label name of `count_values` that is none.
    #[error("invalid label name {name}")]
    Label {
        /// The name, quoted.
        name: String,
    },
    /// A matcher whose regular expression is none.
    #[error(transparent)]
    Matcher(#[from] RegexError),
    /// Two series of an info metric that are equally new.
    #[error("found duplicate series for info metric: existing {existing} @ {t}, new {new} @ {t}")]
    DuplicateInfo {
        /// One of them.
        existing: Labels,
        /// The other.
        new: Labels,
        /// The time of both samples, ms since the Unix epoch.
        t: i64,
    },
    /// An info metric that is a native histogram.
    #[error("info sample should be float")]
    InfoHistogram,
    /// Two info metrics that give a label different values.
    #[error("conflicting label: {label}")]
    ConflictingInfo {
        /// The label.
        label: String,
    },
    /// The caller does not wait any more.
    #[error("query was canceled in expression evaluation")]
    Cancelled,
    /// What was evaluated elsewhere does not fit what was asked for: a mistake of ours.
    #[error("parts of the query that were evaluated apart do not fit together")]
    Shares,
    /// The caller did not bring the series of every selector: a mistake of ours.
    #[error("series of {given} selectors were given where {wanted} were asked for")]
    Selectors {
        /// How many the plan names.
        wanted: usize,
        /// How many there were.
        given: usize,
    },
}

impl Classify for EvalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::RangeQueryType { .. } | Self::Steps | Self::Duration(_) | Self::Matcher(_) => ErrorKind::BadInput,
            Self::NotImplemented { .. } => ErrorKind::Unsupported,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Selectors { .. } | Self::Shares => ErrorKind::Internal,
            _ => ErrorKind::Execution,
        }
    }
}
