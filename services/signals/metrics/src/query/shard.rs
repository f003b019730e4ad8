//! How an expression is sharded: which of its aggregations queriers can evaluate over shares of the series, and what is left to be
//! evaluated around them.
//!
//! An aggregation distributes when each of its input series comes from one stored series: each shard then sees whole inputs, and
//! no two shards see the same. Everything that looks at several series at once (matching, sorting, buckets of classic histograms,
//! `absent`) is evaluated around what comes back, in the query-frontend; selectors that stand in no such aggregation are brought by
//! sub-queries that see all series.

use syntax::Span;

use super::engine::{Elsewhere, Merging};
use super::promql::Expr;
use super::promql::ast::{AggregateExpr, Call, ValueType};
use super::promql::functions::FunctionId;

/// A part of an expression that queriers evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it stands in the query.
    pub span: Span,
    /// How its shares are merged; nothing for a part that one querier evaluates over all series.
    pub merging: Option<Merging>,
}

impl Piece {
    /// As the engine plans around it.
    #[must_use]
    pub fn elsewhere(&self) -> Elsewhere {
        Elsewhere { span: self.span, merging: self.merging.unwrap_or(Merging::Series) }
    }
}

/// The parts of an expression that queriers evaluate so that the rest of it needs no series; nothing where none of them can
/// be sharded.
#[must_use]
pub fn pieces(expr: &Expr) -> Option<Vec<Piece>> {
    if !distributes_within(expr) {
        return None;
    }
    let mut pieces = Vec::new();
    collect(expr, &mut pieces);
    Some(pieces)
}

/// The part of an expression that stands at a place.
#[must_use]
pub fn at(expr: &Expr, span: Span) -> Option<&Expr> {
    if expr.span() == span {
        return Some(expr);
    }
    expr.children().into_iter().find_map(|child| at(child, span))
}

fn collect(expr: &Expr, into: &mut Vec<Piece>) {
    let whole = !distributes_within(expr);
    match expr {
        Expr::Aggregate(aggregate) if merging(aggregate).is_some() => {
            into.push(Piece { span: aggregate.span, merging: merging(aggregate) });
        }
        _ if whole && expr.selectors().is_empty() => {}
        _ if whole && expr.value_type() == ValueType::Vector => into.push(Piece { span: expr.span(), merging: None }),
        _ => expr.children().into_iter().for_each(|child| collect(child, into)),
    }
}

/// True when an aggregation that distributes stands in an expression, at its own steps.
fn distributes_within(expr: &Expr) -> bool {
    match expr {
        // Evaluated at other steps, of which nobody else knows.
        Expr::Subquery(_) => false,
        // Looks at series that are not its arguments.
        Expr::Call(Call { func, .. }) if func.id == FunctionId::Info => false,
        // Looks at ranges, which nobody else brings.
        Expr::Call(Call { args, .. }) if args.iter().any(|arg| arg.value_type() == ValueType::Matrix) => false,
        Expr::Aggregate(aggregate) if merging(aggregate).is_some() => true,
        _ => expr.children().into_iter().any(distributes_within),
    }
}

/// How the shares of an aggregation are merged, if it distributes.
fn merging(aggregate: &AggregateExpr) -> Option<Merging> {
    let merging = Merging::of(aggregate.op)?;
    let constant = aggregate.param.as_ref().is_none_or(|param| param.selectors().is_empty());
    (constant && per_series(&aggregate.expr)).then_some(merging)
}

/// True for a vector each of whose series comes from one stored series and depends on no other.
fn per_series(expr: &Expr) -> bool {
    match expr {
        Expr::Vector(_) | Expr::Matrix(_) => true,
        Expr::Paren(paren) => per_series(&paren.expr),
        Expr::Unary(unary) => per_series(&unary.expr),
        Expr::Subquery(subquery) => per_series(&subquery.expr),
        Expr::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
            (ValueType::Vector, ValueType::Scalar) => per_series(&binary.lhs) && binary.rhs.selectors().is_empty(),
            (ValueType::Scalar, ValueType::Vector) => binary.lhs.selectors().is_empty() && per_series(&binary.rhs),
            _ => false,
        },
        Expr::Call(call) => one_by_one(call.func.id) && call_per_series(call),
        Expr::Aggregate(_) | Expr::Number(_) | Expr::String(_) => false,
    }
}

/// True when one argument of a function has series, each for itself, and the others have none.
fn call_per_series(call: &Call) -> bool {
    let (series, others): (Vec<&Expr>, Vec<&Expr>) =
        call.args.iter().partition(|arg| matches!(arg.value_type(), ValueType::Vector | ValueType::Matrix));
    matches!(series[..], [one] if per_series(one)) && others.iter().all(|other| other.selectors().is_empty())
}

/// False for a function whose answer for one series can depend on others, or that makes series equal which were not.
const fn one_by_one(function: FunctionId) -> bool {
    use FunctionId as F;
    !matches!(
        function,
        F::Absent
            | F::AbsentOverTime
            | F::HistogramFraction
            | F::HistogramQuantile
            | F::HistogramQuantiles
            | F::Info
            | F::LabelJoin
            | F::LabelReplace
            | F::Scalar
            | F::Sort
            | F::SortByLabel
            | F::SortByLabelDesc
            | F::SortDesc
            | F::Vector
    )
}

#[cfg(test)]
mod tests;
