//! From the tree to the plan: durations become milliseconds, `@` becomes a time, selectors become requests.

use syntax::{LabelMatcher, MatchOp};

use super::batch::Steps;
use super::counts::Looks;
use super::plan::{AggregateNode, BinaryNode, CallNode, InfoNode, Kind, Node, Origin, Plan, RangeSource, Select, SelectorRequest};
use super::shares::{Elsewhere, Merging};
use super::{EvalError, Evaluation, Options};
use crate::model::{Labels, LabelsBuilder, METRIC_NAME};
use crate::query::promql::ast::{
    AggregateExpr, AtModifier, BinaryExpr, Call, DurationExpr, Expr, Extension, MatrixSelector, QueryTimes, SubqueryExpr, UnaryOp,
    ValueType, VectorSelector,
};
use crate::query::promql::functions::FunctionId;

/// The info metric that `info` asks where it is told none.
const TARGET_INFO: &str = "target_info";
/// The info metrics that `info` asks where it is only told which ones not.
const ANY_INFO: &str = ".+_info";

/// Plans `expr`, see [`super::plan()`].
pub(super) fn lower(expr: &Expr, evaluation: Evaluation, options: &Options) -> Result<Plan, EvalError> {
    lower_around(expr, evaluation, options, &[])
}

/// Plans `expr` but for some parts, see [`super::plan_around()`].
pub(super) fn lower_around(expr: &Expr, evaluation: Evaluation, options: &Options, elsewhere: &[Elsewhere]) -> Result<Plan, EvalError> {
    let steps = evaluation.steps()?;
    let value_type = expr.value_type();
    if evaluation.is_range() && !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
        return Err(EvalError::RangeQueryType { found: value_type });
    }
    let (start, end) = evaluation.bounds();
    let times = evaluation.query_times();
    let mut lowering = Lowering { options, times, start, end, selectors: Vec::new(), elsewhere, looks: Looks::Anything };
    let root = lowering.node(expr, Span { first: steps.start, last: steps.end() })?;
    Ok(Plan {
        selectors: lowering.selectors,
        elsewhere: elsewhere.iter().map(|part| part.merging).collect(),
        root,
        steps,
        is_range: evaluation.is_range(),
        several: start != end,
        lookback_ms: options.lookback_ms,
        max_samples: options.max_samples,
        max_steps: options.max_steps,
        delayed_names: options.delayed_names,
    })
}

/// The first and the last time at which a part is evaluated.
#[derive(Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// The span that a modifier's `@` and `offset` make of this one.
    fn modified(self, fixed: Option<i64>, offset: i64) -> Self {
        let Self { first, last } = fixed.map_or(self, |at| Self { first: at, last: at });
        Self { first: first.saturating_sub(offset), last: last.saturating_sub(offset) }
    }
}

struct Lowering<'a> {
    options: &'a Options,
    times: QueryTimes,
    start: i64,
    end: i64,
    selectors: Vec<SelectorRequest>,
    elsewhere: &'a [Elsewhere],
    /// What is looked at where the lowering is.
    looks: Looks,
}

impl Lowering<'_> {
    fn node(&mut self, expr: &Expr, span: Span) -> Result<Node, EvalError> {
        let outside = self.looks;
        self.looks = outside.within(expr);
        let node = self.node_within(expr, span);
        self.looks = outside;
        node
    }

    fn node_within(&mut self, expr: &Expr, span: Span) -> Result<Node, EvalError> {
        if let Some(part) = self.elsewhere.iter().position(|part| part.span == expr.span()) {
            return self.elsewhere(part, expr, span);
        }
        let (kind, invariant) = match expr {
            Expr::Number(number) => (Kind::Number(number.value), true),
            Expr::String(text) => (Kind::Text(text.value.clone()), true),
            Expr::Paren(paren) => return self.node(&paren.expr, span),
            Expr::Unary(unary) => {
                let inner = self.node(&unary.expr, span)?;
                let invariant = inner.invariant;
                match unary.op {
                    UnaryOp::Plus => (inner.kind, invariant),
                    UnaryOp::Minus => (Kind::Negate(Box::new(inner)), invariant),
                }
            }
            Expr::Binary(binary) => self.binary(binary, span)?,
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, span)?,
            Expr::Call(call) => self.call(call, span)?,
            Expr::Vector(vector) => {
                let select = self.select(vector, span)?;
                let invariant = select.fixed.is_some();
                (Kind::Select(select), invariant)
            }
            Expr::Matrix(matrix) => self.matrix(matrix, span)?,
            Expr::Subquery(subquery) => self.subquery(subquery, span)?,
        };
        // Prometheus forgets where a subquery stands: what it remarks about one points to the beginning of the query.
        let at = if matches!(expr, Expr::Subquery(_)) { 0 } else { expr.span().start };
        Ok(Node { kind, at, invariant })
    }

    /// A part that is evaluated elsewhere, and what is left to be done with its rows.
    fn elsewhere(&mut self, part: usize, expr: &Expr, span: Span) -> Result<Node, EvalError> {
        let at = expr.span().start;
        let rows = Node { kind: Kind::Elsewhere(part), at, invariant: false };
        let (Merging::Chosen, Expr::Aggregate(aggregate)) = (self.elsewhere[part].merging, expr) else { return Ok(rows) };
        let param = aggregate.param.as_ref().map(|param| self.node(param, span)).transpose()?;
        let (op, grouping) = (aggregate.op, aggregate.grouping.clone());
        let node = AggregateNode { op, expr: rows, param, grouping, without: aggregate.without };
        Ok(Node { kind: Kind::Aggregate(Box::new(node)), at, invariant: false })
    }

    fn binary(&mut self, binary: &BinaryExpr, span: Span) -> Result<(Kind, bool), EvalError> {
        let lhs = self.node(&binary.lhs, span)?;
        let rhs = self.node(&binary.rhs, span)?;
        let invariant = lhs.invariant && rhs.invariant;
        let node = BinaryNode { op: binary.op, lhs, rhs, return_bool: binary.return_bool, matching: binary.matching.clone() };
        Ok((Kind::Binary(Box::new(node)), invariant))
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr, span: Span) -> Result<(Kind, bool), EvalError> {
        let param = aggregate.param.as_ref().map(|param| self.node(param, span)).transpose()?;
        let expr = self.node(&aggregate.expr, span)?;
        let invariant = expr.invariant && param.as_ref().is_none_or(|param| param.invariant);
        let node = AggregateNode { op: aggregate.op, expr, param, grouping: aggregate.grouping.clone(), without: aggregate.without };
        Ok((Kind::Aggregate(Box::new(node)), invariant))
    }

    fn call(&mut self, call: &Call, span: Span) -> Result<(Kind, bool), EvalError> {
        if call.func.id == FunctionId::Info {
            return self.info(call, span);
        }
        if let Some(constant) = self.constant(call.func.id) {
            return Ok((Kind::Number(constant), true));
        }
        let args = call.args.iter().map(|arg| self.node(arg, span)).collect::<Result<Vec<_>, _>>()?;
        let invariant = !depends_on_time(call.func.id) && args.iter().all(|arg| arg.invariant);
        let absent = call.args.first().map_or_else(Labels::empty, |arg| absent_labels(arg.unparenthesized()));
        Ok((Kind::Call(CallNode { function: call.func.id, name: call.func.name, args, absent }), invariant))
    }

    fn info(&mut self, call: &Call, span: Span) -> Result<(Kind, bool), EvalError> {
        let expr = self.node(&call.args[0], span)?;
        let (fixed, offset) = self.reference(&call.args[0])?.unwrap_or_default();
        let named = |matcher: &LabelMatcher| matcher.name == METRIC_NAME;
        let given = call.args.get(1).map(Expr::unparenthesized);
        let given = if let Some(Expr::Vector(selector)) = given { selector.matchers.as_slice() } else { &[] };
        let (mut name_matchers, data_matchers): (Vec<_>, Vec<_>) = given.iter().cloned().partition(named);
        let mut matchers = given.to_vec();
        if !name_matchers.is_empty() && name_matchers.iter().all(|matcher| matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex)) {
            // What is left out must be left out of something.
            let default = LabelMatcher::new(METRIC_NAME, MatchOp::Regex, ANY_INFO);
            matchers.push(default.clone());
            name_matchers.push(default);
        } else if name_matchers.is_empty() {
            let default = LabelMatcher::new(METRIC_NAME, MatchOp::Equal, TARGET_INFO);
            matchers.push(default.clone());
            name_matchers.push(default);
        }
        let looked = span.modified(fixed, offset);
        let selector = self.request(&matchers, looked.first.saturating_sub(self.options.lookback_ms - 1), looked.last);
        let info = Select { selector, fixed, offset, smoothed: false, counts_only: false };
        let invariant = expr.invariant && fixed.is_some();
        Ok((Kind::Info(Box::new(InfoNode { expr, info, name_matchers, data_matchers })), invariant))
    }

    /// The time and the offset at which the first selector of an expression looks.
    fn reference(&self, expr: &Expr) -> Result<Option<(Option<i64>, i64)>, EvalError> {
        let vector = match expr {
            Expr::Vector(vector) => vector,
            Expr::Matrix(matrix) => &matrix.vector,
            _ => {
                let mut inner = None;
                for child in expr.children() {
                    inner = self.reference(child)?;
                    if inner.is_some() {
                        break;
                    }
                }
                let (Some((None, offset)), Expr::Subquery(subquery)) = (inner, expr) else { return Ok(inner) };
                return Ok(Some((self.fixed(subquery.at), offset + self.offset(subquery.offset.as_ref())?)));
            }
        };
        Ok(Some((self.fixed(vector.at), self.offset(vector.offset.as_ref())?)))
    }

    /// The value of a function that only looks at the query's own times.
    fn constant(&self, function: FunctionId) -> Option<f64> {
        match function {
            FunctionId::Pi => Some(std::f64::consts::PI),
            FunctionId::Start => Some(super::numbers::seconds(self.start)),
            FunctionId::End => Some(super::numbers::seconds(self.end)),
            // As Prometheus has it; in a duration the step of such a query is what it was given.
            FunctionId::Step if self.start == self.end => Some(0.0),
            FunctionId::Step => Some(self.times.step.as_secs_f64()),
            FunctionId::Range => Some(self.times.range.as_secs_f64()),
            _ => None,
        }
    }

    fn select(&mut self, vector: &VectorSelector, span: Span) -> Result<Select, EvalError> {
        let smoothed = match vector.extension {
            Some(Extension::Smoothed) => true,
            // `anchored` says which sample a range begins with; where there is no range, Prometheus takes it and it changes nothing.
            Some(Extension::Anchored) | None => false,
        };
        let fixed = self.fixed(vector.at);
        let offset = self.offset(vector.offset.as_ref())?;
        let lookback = self.options.lookback_ms;
        let span = span.modified(fixed, offset);
        let last = if smoothed { span.last.saturating_add(lookback) } else { span.last };
        // A sample that is exactly as old as the lookback does not count.
        let selector = self.request(&vector.matchers, span.first.saturating_sub(lookback - 1), last);
        Ok(Select { selector, fixed, offset, smoothed, counts_only: self.looks == Looks::Counts })
    }

    fn matrix(&mut self, matrix: &MatrixSelector, span: Span) -> Result<(Kind, bool), EvalError> {
        let vector = &matrix.vector;
        // Of durations without a value, the first in Prometheus's order is told.
        let range = matrix.range.positive_ms(self.times)?;
        let fixed = self.fixed(vector.at);
        let offset = self.offset(vector.offset.as_ref())?;
        let lookback = self.options.lookback_ms;
        let (before, after) = match vector.extension {
            None => (0, 0),
            Some(Extension::Anchored) => (lookback, 0),
            Some(Extension::Smoothed) => (lookback, lookback),
        };
        let span = span.modified(fixed, offset);
        let selector = self.request(&vector.matchers, span.first.saturating_sub(range + before - 1), span.last.saturating_add(after));
        let source = RangeSource {
            origin: Origin::Selector(selector),
            range,
            offset,
            fixed,
            extension: vector.extension,
            counts_only: self.looks == Looks::Counts,
        };
        Ok((Kind::Range(source), fixed.is_some()))
    }

    fn subquery(&mut self, subquery: &SubqueryExpr, span: Span) -> Result<(Kind, bool), EvalError> {
        let fixed = self.fixed(subquery.at);
        let offset = self.offset(subquery.offset.as_ref())?;
        let step = match &subquery.step {
            Some(step) => step.positive_ms(self.times)?,
            None => self.options.subquery_step_ms,
        };
        let range = subquery.range.positive_ms(self.times)?;
        let outer = span.modified(fixed, offset);
        let inner = Span { first: outer.first.saturating_sub(range - 1), last: outer.last };
        let expr = Box::new(self.node(&subquery.expr, inner)?);
        let source = RangeSource { origin: Origin::Subquery { expr, step }, range, offset, fixed, extension: None, counts_only: false };
        Ok((Kind::Range(source), fixed.is_some()))
    }

    fn fixed(&self, at: Option<AtModifier>) -> Option<i64> {
        at.map(|at| match at {
            AtModifier::Timestamp(at) => at,
            AtModifier::Start => self.start,
            AtModifier::End => self.end,
        })
    }

    fn offset(&self, offset: Option<&DurationExpr>) -> Result<i64, EvalError> {
        Ok(offset.map_or(Ok(0), |offset| offset.offset_ms(self.times))?)
    }

    /// The number of a request; selectors that need the same share one.
    fn request(&mut self, matchers: &[LabelMatcher], start_ms: i64, end_ms: i64) -> usize {
        let request = SelectorRequest { matchers: matchers.to_vec(), start_ms, end_ms };
        self.selectors.iter().position(|known| *known == request).unwrap_or_else(|| {
            self.selectors.push(request);
            self.selectors.len() - 1
        })
    }
}

/// True for a function whose value can change with the time of evaluation even if its arguments don't.
const fn depends_on_time(function: FunctionId) -> bool {
    use FunctionId::{
        DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Hour, Minute, Month, PredictLinear, StartTimestamp, Time, Timestamp, Year,
    };
    matches!(
        function,
        DayOfMonth | DayOfWeek | DayOfYear | DaysInMonth | Hour | Minute | Month | PredictLinear | StartTimestamp | Time | Timestamp | Year
    )
}

/// The labels whose values a selector demands by exactly one `=`.
fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match expr {
        Expr::Vector(vector) => &vector.matchers,
        Expr::Matrix(matrix) => &matrix.vector.matchers,
        _ => return Labels::empty(),
    };
    let mut labels = LabelsBuilder::default();
    let mut seen = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&&matcher.name) {
            labels.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            labels.remove(&matcher.name);
        }
    }
    labels.build()
}

impl Evaluation {
    fn steps(self) -> Result<Steps, EvalError> {
        match self {
            Self::Instant { at_ms } => Ok(Steps::instant(at_ms)),
            Self::Range { start_ms, end_ms, step_ms } if step_ms > 0 && end_ms >= start_ms => Ok(Steps::range(start_ms, end_ms, step_ms)),
            Self::Range { .. } => Err(EvalError::Steps),
        }
    }

    const fn is_range(self) -> bool {
        matches!(self, Self::Range { .. })
    }

    const fn bounds(self) -> (i64, i64) {
        match self {
            Self::Instant { at_ms } => (at_ms, at_ms),
            Self::Range { start_ms, end_ms, .. } => (start_ms, end_ms),
        }
    }

    fn query_times(self) -> QueryTimes {
        let ms = |ms: i64| std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        match self {
            Self::Instant { .. } => QueryTimes::default(),
            Self::Range { start_ms, end_ms, step_ms } => QueryTimes { step: ms(step_ms), range: ms(end_ms - start_ms) },
        }
    }
}
