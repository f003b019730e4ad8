//! A query whose selectors all look at one time.

use crate::query::promql::FunctionId;
use crate::query::promql::ast::{AtModifier, DurationExpr, Expr};

/// Gives `@ at` to every selector and subquery that looks at the evaluation's time; those within a subquery look at its steps.
/// Nothing for a query that depends on the time of its evaluation in another way.
pub(super) fn pin(expr: &Expr, at: i64) -> Option<Expr> {
    let mut pinned = expr.clone();
    pin_in_place(&mut pinned, at).then_some(pinned)
}

/// False where the query depends on the time of its evaluation.
fn pin_in_place(expr: &mut Expr, at: i64) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Paren(paren) => pin_in_place(&mut paren.expr, at),
        Expr::Unary(unary) => pin_in_place(&mut unary.expr, at),
        Expr::Binary(binary) => pin_in_place(&mut binary.lhs, at) & pin_in_place(&mut binary.rhs, at),
        Expr::Aggregate(aggregate) => {
            pin_in_place(&mut aggregate.expr, at) & aggregate.param.as_mut().is_none_or(|param| pin_in_place(param, at))
        }
        Expr::Call(call) => !depends_on_time(call.func.id) & call.args.iter_mut().all(|arg| pin_in_place(arg, at)),
        Expr::Vector(vector) => {
            pin_modifier(&mut vector.at, at);
            true
        }
        Expr::Matrix(matrix) => {
            pin_modifier(&mut matrix.vector.at, at);
            true
        }
        Expr::Subquery(subquery) => {
            pin_modifier(&mut subquery.at, at);
            true
        }
    }
}

fn pin_modifier(modifier: &mut Option<AtModifier>, at: i64) {
    if !matches!(modifier, Some(AtModifier::Timestamp(_))) {
        *modifier = Some(AtModifier::Timestamp(at));
    }
}

const fn depends_on_time(function: FunctionId) -> bool {
    use FunctionId as F;
    matches!(
        function,
        F::DayOfMonth | F::DayOfWeek | F::DayOfYear | F::DaysInMonth | F::Hour | F::Minute | F::Month | F::Year | F::PredictLinear
    ) || matches!(function, F::Time | F::Timestamp | F::Start | F::End)
}

/// True for a query that says something else at the same time when its range is another.
pub(super) fn looks_at_range(expr: &Expr) -> bool {
    let durations = match expr {
        Expr::Call(call) if matches!(call.func.id, FunctionId::Start | FunctionId::End | FunctionId::Step | FunctionId::Range) => {
            return true;
        }
        Expr::Vector(vector) => [vector.offset.as_ref(), None, None],
        Expr::Matrix(matrix) => [matrix.vector.offset.as_ref(), Some(&matrix.range), None],
        Expr::Subquery(subquery) => [subquery.offset.as_ref(), Some(&subquery.range), subquery.step.as_ref()],
        _ => [None; 3],
    };
    durations.into_iter().flatten().any(duration_looks_at_range) || expr.children().into_iter().any(looks_at_range)
}

fn duration_looks_at_range(duration: &DurationExpr) -> bool {
    match duration {
        DurationExpr::Literal(_) => false,
        DurationExpr::Step(_) | DurationExpr::Range(_) => true,
        DurationExpr::Negated { expr, .. } | DurationExpr::Paren { expr, .. } => duration_looks_at_range(expr),
        DurationExpr::Binary { lhs, rhs, .. } => duration_looks_at_range(lhs) || duration_looks_at_range(rhs),
    }
}
