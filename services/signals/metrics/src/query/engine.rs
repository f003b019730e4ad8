//! The evaluation of PromQL: series × steps.
//!
//! [`plan()`] turns a parsed expression into a [`Plan`]: what has to be fetched, and the expression with all its times resolved. Who
//! holds the plan fetches the series and calls [`Plan::evaluate`], which computes without waiting for anything.
//!
//! Each part of an expression evaluates to the values of all its series at all steps at once: labels are matched and grouped once per
//! query and not once per step, and functions over ranges walk the samples of a series once over all windows. Semantics, precision
//! and texts are those of Prometheus 3. The metric's name goes with the function or operator that drops it, or, with [`Options::delayed_names`],
//! at the very end.

mod aggregate;
mod annotations;
mod batch;
mod binary;
mod bits;
mod buckets;
mod counts;
mod dates;
mod error;
mod eval;
mod grouping;
mod info;
mod instant;
mod kernels;
mod labels;
mod logarithms;
mod lower;
mod matching;
mod numbers;
mod plan;
mod range;
mod result;
mod select;
mod shares;
mod starts;
mod topk;
mod totals;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::annotations::{Annotation, Annotations, Extreme, ForcedMonotonicity, NanEffect, Operation, SampleKind};
pub use self::batch::Steps;
pub use self::error::EvalError;
pub use self::plan::{Plan, SelectorRequest};
pub use self::result::{InstantSample, PointValue, QueryResult, RangeSeries, ResultValue};
pub use self::shares::{Elsewhere, Merging, Share, ShareRow};
pub use self::starts::Starts;
pub use self::usage::Usage;

use crate::query::promql::Expr;

/// When to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// At one time.
    Instant {
        /// Ms since the Unix epoch.
        at_ms: i64,
    },
    /// At all times of `start_ms..=end_ms` that lie whole steps after the start.
    Range {
        /// The first time, ms since the Unix epoch.
        start_ms: i64,
        /// The last possible time, ms since the Unix epoch; not before the start. Where it is the start, the query is known to have
        /// one step, which `step()` and the remark about sorting tell.
        end_ms: i64,
        /// The distance of the steps, ms; more than 0.
        step_ms: i64,
    },
}

/// How to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How old a sample may be, ms, to count for an instant vector; one of exactly this age does not.
    pub lookback_ms: i64,
    /// The distance of a subquery's steps, ms, where it names none.
    pub subquery_step_ms: i64,
    /// The most samples that a query may hold at once.
    pub max_samples: usize,
    /// The most steps at which a part of a query may be evaluated. A subquery has more than its query: its range over its step.
    pub max_steps: usize,
    /// Whether names of metrics that functions and operators drop go at the very end, as with Prometheus's `promql-delayed-name-removal`, which is
    /// off by default. Until then matching, grouping and `label_replace` see them.
    pub delayed_names: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { lookback_ms: 5 * 60_000, subquery_step_ms: 60_000, max_samples: 50_000_000, max_steps: 10_000_000, delayed_names: false }
    }
}

/// Says to a running evaluation that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the evaluation soon.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True when the evaluation is to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Errors when the evaluation is to end.
    fn check(&self) -> Result<(), EvalError> {
        if self.is_cancelled() { Err(EvalError::Cancelled) } else { Ok(()) }
    }
}

/// Plans the evaluation of an expression.
///
/// * Errors: [`EvalError::RangeQueryType`] for a range query of a text or a range vector, [`EvalError::Duration`] for a duration
///   without a value, [`EvalError::NotImplemented`] for what the engine does not know.
pub fn plan(expr: &Expr, evaluation: Evaluation, options: &Options) -> Result<Plan, EvalError> {
    lower::lower(expr, evaluation, options)
}

/// Plans the evaluation of an expression of which some parts, all of them instant vectors, are evaluated elsewhere:
/// see [`Plan::evaluate_around`]. Otherwise as [`plan()`].
pub fn plan_around(expr: &Expr, evaluation: Evaluation, options: &Options, elsewhere: &[Elsewhere]) -> Result<Plan, EvalError> {
    lower::lower_around(expr, evaluation, options, elsewhere)
}

#[cfg(test)]
mod tests;
