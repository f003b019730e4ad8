//! How a range query is split: at multiples of an interval, so that parts of different queries over the same data are the same.

use super::engine::Evaluation;
use super::promql::Expr;
use super::promql::ast::{AtModifier, DurationExpr};
use super::promql::functions::FunctionId;

/// The parts of a range query, in order of time. Each evaluates at the steps of the whole that lie in one interval; together they
/// have every step once. An instant query is one part; so is an expression that looks at the range of the whole.
#[must_use]
pub fn split(expr: &Expr, evaluation: Evaluation, interval_ms: i64) -> Vec<Evaluation> {
    let Evaluation::Range { start_ms, end_ms, step_ms } = evaluation else { return vec![evaluation] };
    if interval_ms <= 0 || !splits(expr) {
        return vec![evaluation];
    }
    let mut parts = Vec::new();
    let mut start = start_ms;
    while start <= end_ms {
        // The last step before the next multiple of the interval.
        let border = start.div_euclid(interval_ms).saturating_add(1).saturating_mul(interval_ms);
        let last = (border - 1).min(end_ms);
        let end = start + (last - start) / step_ms * step_ms;
        parts.push(Evaluation::Range { start_ms: start, end_ms: end, step_ms });
        start = end.saturating_add(step_ms);
    }
    parts
}

/// False for an expression whose value at a step depends on the start or the end of the whole query.
#[must_use]
pub fn splits(expr: &Expr) -> bool {
    let fixed = |at: Option<AtModifier>| !matches!(at, Some(AtModifier::Start | AtModifier::End));
    let plain = |duration: Option<&DurationExpr>| !duration.is_some_and(has_range);
    let here = match expr {
        Expr::Vector(vector) => fixed(vector.at) && plain(vector.offset.as_ref()),
        Expr::Matrix(matrix) => fixed(matrix.vector.at) && plain(matrix.vector.offset.as_ref()) && plain(Some(&matrix.range)),
        Expr::Subquery(subquery) => {
            fixed(subquery.at) && plain(subquery.offset.as_ref()) && plain(Some(&subquery.range)) && plain(subquery.step.as_ref())
        }
        Expr::Call(call) => !matches!(call.func.id, FunctionId::Start | FunctionId::End | FunctionId::Range),
        _ => true,
    };
    here && expr.children().into_iter().all(splits)
}

/// True for a duration that depends on the range of the whole query.
fn has_range(duration: &DurationExpr) -> bool {
    match duration {
        DurationExpr::Literal(_) | DurationExpr::Step(_) => false,
        DurationExpr::Range(_) => true,
        DurationExpr::Negated { expr, .. } | DurationExpr::Paren { expr, .. } => has_range(expr),
        DurationExpr::Binary { lhs, rhs, .. } => has_range(lhs) || has_range(rhs),
    }
}

#[cfg(test)]
mod tests;
