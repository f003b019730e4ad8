//! Expressions as text over several lines: what is longer than a line is split at its outermost parts, again and again.

use super::ast::{AggregateExpr, BinaryExpr, Call, Expr, ParenExpr, SubqueryExpr, UnaryExpr};
use super::printer::{Aggregation, Infix, Range};

/// The most bytes of a part that stays in one line, without what it is indented by.
const LINE: usize = 100;

impl Expr {
    /// Writes the expression as `/api/v1/format_query` does: parts of more than 100 bytes are split, each level is indented by two
    /// spaces.
    #[must_use]
    pub fn pretty(&self) -> String {
        pretty(self, 0)
    }
}

fn pretty(expr: &Expr, level: usize) -> String {
    let line = expr.to_string();
    let indent = indentation(level);
    if let Expr::Unary(unary) = expr {
        return sign(unary, level, &indent);
    }
    if line.len() <= LINE {
        // A subquery in one line is not indented: so Prometheus has it.
        return if matches!(expr, Expr::Subquery(_)) { line } else { indent + &line };
    }
    match expr {
        Expr::Aggregate(aggregate) => split_aggregate(aggregate, level, &indent),
        Expr::Binary(binary) => split_binary(binary, level, &indent),
        Expr::Call(call) => split_call(call, level, &indent),
        Expr::Paren(ParenExpr { expr, .. }) => format!("{indent}(\n{}\n{indent})", pretty(expr, level + 1)),
        Expr::Subquery(subquery) => split_subquery(subquery, level),
        Expr::Number(_) | Expr::String(_) | Expr::Unary(_) | Expr::Vector(_) | Expr::Matrix(_) => indent + &line,
    }
}

fn split_aggregate(aggregate: &AggregateExpr, level: usize, indent: &str) -> String {
    let param = aggregate.param.as_ref().map_or_else(String::new, |param| pretty(param, level + 1) + ",\n");
    format!("{indent}{}(\n{param}{}\n{indent})", Aggregation(aggregate), pretty(&aggregate.expr, level + 1))
}

fn split_binary(binary: &BinaryExpr, level: usize, indent: &str) -> String {
    format!("{}\n{indent}{}\n{}", pretty(&binary.lhs, level + 1), Infix(binary), pretty(&binary.rhs, level + 1))
}

fn split_call(call: &Call, level: usize, indent: &str) -> String {
    let args: Vec<String> = call.args.iter().map(|arg| pretty(arg, level + 1)).collect();
    format!("{indent}{}(\n{}\n{indent})", call.func.name, args.join(",\n"))
}

fn split_subquery(subquery: &SubqueryExpr, level: usize) -> String {
    format!("{}{}", pretty(&subquery.expr, level), Range(subquery))
}

fn sign(unary: &UnaryExpr, level: usize, indent: &str) -> String {
    format!("{indent}{}{}", unary.op, pretty(&unary.expr, level).trim())
}

fn indentation(level: usize) -> String {
    "  ".repeat(level)
}
