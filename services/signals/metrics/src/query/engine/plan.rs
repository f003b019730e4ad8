//! What is to be done for a query: the expression with its times resolved, and the series it needs.

use syntax::LabelMatcher;

use super::batch::Steps;
use super::shares::Merging;
use crate::histogram::HistogramSample;
use crate::model::{Labels, Sample};
use crate::query::promql::ast::{AggregateOp, BinaryOp, Extension, VectorMatching};
use crate::query::promql::functions::FunctionId;

/// The series that one or more selectors of an expression need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorRequest {
    /// The conditions, all of which must be met.
    pub matchers: Vec<LabelMatcher>,
    /// The first time of which samples are needed, ms since the Unix epoch; belongs to the range.
    pub start_ms: i64,
    /// The last time of which samples are needed, ms since the Unix epoch; belongs to the range.
    pub end_ms: i64,
}

/// A query that is ready to run: fetch what [`selectors`](Self::selectors) names, then [`evaluate`](Self::evaluate).
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to fetch, in the order in which `evaluate` wants it.
    pub selectors: Vec<SelectorRequest>,
    /// What becomes of the parts that are evaluated elsewhere.
    pub(super) elsewhere: Vec<Merging>,
    pub(super) root: Node,
    pub(super) steps: Steps,
    pub(super) is_range: bool,
    /// Whether the end lies behind the start.
    pub(super) several: bool,
    pub(super) lookback_ms: i64,
    pub(super) max_samples: usize,
    pub(super) max_steps: usize,
    pub(super) delayed_names: bool,
}

/// A part of the expression.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) kind: Kind,
    /// The byte of the query at which it stands.
    pub(crate) at: usize,
    /// Whether its value is the same at every step.
    pub(crate) invariant: bool,
}

/// What a part of the expression is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A scalar.
    Number(f64),
    /// A text; not always UTF-8.
    Text(Vec<u8>),
    /// An instant vector selector.
    Select(Select),
    /// A range vector: an argument of a function, or the whole expression.
    Range(RangeSource),
    /// `-expr`
    Negate(Box<Node>),
    /// Two operands.
    Binary(Box<BinaryNode>),
    /// An aggregation.
    Aggregate(Box<AggregateNode>),
    /// A function.
    Call(CallNode),
    /// `info(vector, {labels})`
    Info(Box<InfoNode>),
    /// An instant vector that is evaluated elsewhere: which of [`Plan::elsewhere`].
    Elsewhere(usize),
}

/// An instant vector selector.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    /// Which of [`Plan::selectors`].
    pub(crate) selector: usize,
    /// The time to look at, from `@`.
    pub(crate) fixed: Option<i64>,
    /// How far to look back, ms.
    pub(crate) offset: i64,
    /// `smoothed`: between two samples the value lies on the line through them.
    pub(crate) smoothed: bool,
    /// Whether only counts and sums of histograms are looked at.
    pub(crate) counts_only: bool,
}

/// Where the samples of a range vector come from.
#[derive(Clone, Debug)]
pub(crate) struct RangeSource {
    /// Stored or computed.
    pub(crate) origin: Origin,
    /// How long the range is, ms.
    pub(crate) range: i64,
    /// How far to look back, ms.
    pub(crate) offset: i64,
    /// The time to look at, from `@`.
    pub(crate) fixed: Option<i64>,
    /// `anchored` or `smoothed`.
    pub(crate) extension: Option<Extension>,
    /// Whether only counts and sums of stored histograms are looked at.
    pub(crate) counts_only: bool,
}

/// Whether the samples of a range vector are stored or computed.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Those of [`Plan::selectors`].
    Selector(usize),
    /// Those of an expression.
    Subquery {
        /// The expression.
        expr: Box<Node>,
        /// The distance of its steps, ms.
        step: i64,
    },
}

/// Two operands.
#[derive(Clone, Debug)]
pub(crate) struct BinaryNode {
    pub(crate) op: BinaryOp,
    pub(crate) lhs: Node,
    pub(crate) rhs: Node,
    pub(crate) return_bool: bool,
    /// There when both operands are vectors.
    pub(crate) matching: Option<VectorMatching>,
}

/// An aggregation.
#[derive(Clone, Debug)]
pub(crate) struct AggregateNode {
    pub(crate) op: AggregateOp,
    pub(crate) expr: Node,
    pub(crate) param: Option<Node>,
    pub(crate) grouping: Vec<String>,
    pub(crate) without: bool,
}

/// A function.
#[derive(Clone, Debug)]
pub(crate) struct CallNode {
    pub(crate) function: FunctionId,
    /// As it is written.
    pub(crate) name: &'static str,
    pub(crate) args: Vec<Node>,
    /// Of `absent` and `absent_over_time`: the labels that the argument's matchers name.
    pub(crate) absent: Labels,
}

/// `info(vector, {labels})`
#[derive(Clone, Debug)]
pub(crate) struct InfoNode {
    /// The vector.
    pub(crate) expr: Node,
    /// The info series, looked at when the vector's first selector looks.
    pub(crate) info: Select,
    /// Which metrics are info metrics.
    pub(crate) name_matchers: Vec<LabelMatcher>,
    /// The labels that are wanted; none is all.
    pub(crate) data_matchers: Vec<LabelMatcher>,
}

/// What has a time.
pub(crate) trait Timed {
    /// Ms since the Unix epoch.
    fn time(&self) -> i64;
}

impl Timed for Sample {
    fn time(&self) -> i64 {
        self.t
    }
}

impl Timed for HistogramSample {
    fn time(&self) -> i64 {
        self.t
    }
}

/// The windows of a range vector: one for each step, its start not belonging to it, its end belonging to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    /// The evaluation times.
    pub(crate) steps: Steps,
    /// How long each is, ms.
    pub(crate) range: i64,
    /// How far they lie back, ms.
    pub(crate) offset: i64,
    /// The time that all of them belong to, from `@`.
    pub(crate) fixed: Option<i64>,
}

impl Windows {
    /// The windows of a source at some steps.
    pub(crate) const fn of(source: &RangeSource, steps: Steps) -> Self {
        Self { steps, range: source.range, offset: source.offset, fixed: source.fixed }
    }

    /// These windows made longer, so that they hold the samples around their borders as well.
    pub(crate) const fn extended(self, extension: Extension, lookback: i64) -> Self {
        match extension {
            Extension::Anchored => Self { range: self.range + lookback, ..self },
            Extension::Smoothed => Self { range: self.range + 2 * lookback, offset: self.offset - lookback, ..self },
        }
    }

    /// The end of the window of a step.
    pub(crate) fn end(&self, step: usize) -> i64 {
        self.fixed.unwrap_or_else(|| self.steps.at(step)).saturating_sub(self.offset)
    }

    /// The end of the last window.
    pub(crate) fn end_of_all(&self) -> i64 {
        self.end(self.steps.count.saturating_sub(1))
    }

    /// The samples of the window of a step among all.
    pub(crate) fn window<'a, S: Timed>(&self, samples: &'a [S], step: usize) -> &'a [S] {
        let end = self.end(step);
        let first = samples.partition_point(|sample| sample.time() <= end.saturating_sub(self.range));
        let after = samples.partition_point(|sample| sample.time() <= end);
        samples.get(first..after).unwrap_or_default()
    }

    /// The times at which a subquery of step `step` is evaluated, so that every window has all of its samples: multiples of `step`.
    pub(crate) fn inner_steps(&self, step: i64) -> Steps {
        let bound = self.end(0).saturating_sub(self.range);
        let start = bound.div_euclid(step).saturating_add(1).saturating_mul(step);
        Steps::range(start, self.end_of_all(), step)
    }
}
