mod errors;
mod generate;
mod json;
mod printing;
mod properties;
mod reading;

use syntax::Span;

use super::ast::{DurationExpr, Expr, VectorSelector};

/// The expression without its spans, and with a number in place of NaN, so that equal ones compare as equal.
fn bare(mut expr: Expr) -> Expr {
    erase(&mut expr);
    expr
}

fn erase(expr: &mut Expr) {
    let nowhere = Span::default();
    match expr {
        Expr::Number(number) => {
            number.span = nowhere;
            if number.value.is_nan() {
                number.value = -123_456.5;
            }
        }
        Expr::String(string) => string.span = nowhere,
        Expr::Paren(paren) => {
            paren.span = nowhere;
            erase(&mut paren.expr);
        }
        Expr::Unary(unary) => {
            unary.span = nowhere;
            erase(&mut unary.expr);
        }
        Expr::Binary(binary) => {
            binary.span = nowhere;
            erase(&mut binary.lhs);
            erase(&mut binary.rhs);
        }
        Expr::Aggregate(aggregate) => {
            aggregate.span = nowhere;
            erase(&mut aggregate.expr);
            aggregate.param.iter_mut().for_each(erase);
        }
        Expr::Call(call) => {
            call.span = nowhere;
            call.args.iter_mut().for_each(erase);
        }
        Expr::Vector(vector) => erase_selector(vector),
        Expr::Matrix(matrix) => {
            matrix.span = nowhere;
            erase_selector(&mut matrix.vector);
            erase_duration(&mut matrix.range);
        }
        Expr::Subquery(subquery) => {
            subquery.span = nowhere;
            erase(&mut subquery.expr);
            erase_duration(&mut subquery.range);
            subquery.step.iter_mut().chain(&mut subquery.offset).for_each(erase_duration);
        }
    }
}

/// Also the order of the matchers, which printing does not keep.
fn erase_selector(vector: &mut VectorSelector) {
    vector.span = Span::default();
    vector.offset.iter_mut().for_each(erase_duration);
    vector.matchers.sort_by_key(ToString::to_string);
}

fn erase_duration(duration: &mut DurationExpr) {
    let nowhere = Span::default();
    match duration {
        DurationExpr::Literal(literal) => literal.span = nowhere,
        DurationExpr::Step(span) | DurationExpr::Range(span) => *span = nowhere,
        DurationExpr::Negated { expr, span } | DurationExpr::Paren { expr, span } => {
            *span = nowhere;
            erase_duration(expr);
        }
        DurationExpr::Binary { lhs, rhs, span, .. } => {
            *span = nowhere;
            erase_duration(lhs);
            erase_duration(rhs);
        }
    }
}
