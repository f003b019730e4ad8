//! Expressions as JSON: the tree that `/api/v1/parse_query` answers with and Prometheus' interface shows.

use serde_json::{Value, json};
use syntax::LabelMatcher;
use syntax::number::format_number;

use super::ast::{
    AggregateExpr, AtModifier, BinaryExpr, Call, DurationExpr, Expr, Extension, QueryTimes, SubqueryExpr, VectorMatching, VectorSelector,
};

impl Expr {
    /// Writes the expression as `/api/v1/parse_query` does. Durations are in milliseconds; those that are not constant are 0.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => json!({"type": "numberLiteral", "val": format_number(number.value)}),
            Self::String(string) => json!({"type": "stringLiteral", "val": string.lossy()}),
            Self::Paren(paren) => json!({"type": "parenExpr", "expr": paren.expr.to_json()}),
            Self::Unary(unary) => json!({"type": "unaryExpr", "op": unary.op.as_str(), "expr": unary.expr.to_json()}),
            Self::Binary(binary) => self::binary(binary),
            Self::Aggregate(aggregate) => self::aggregate(aggregate),
            Self::Call(call) => self::call(call),
            Self::Vector(vector) => selector("vectorSelector", vector),
            Self::Matrix(matrix) => {
                let mut json = selector("matrixSelector", &matrix.vector);
                json["range"] = constant(Some(&matrix.range)).into();
                json
            }
            Self::Subquery(subquery) => self::subquery(subquery),
        }
    }
}

fn binary(binary: &BinaryExpr) -> Value {
    json!({
        "type": "binaryExpr",
        "op": binary.op.as_str(),
        "lhs": binary.lhs.to_json(),
        "rhs": binary.rhs.to_json(),
        "matching": binary.matching.as_ref().map(matching),
        "bool": binary.return_bool,
    })
}

fn matching(matching: &VectorMatching) -> Value {
    let mut json = json!({
        "card": matching.card.as_str(),
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
    });
    // Clients that know nothing of fills see none.
    if matching.fill_left.is_some() || matching.fill_right.is_some() {
        json["fillValues"] = json!({"lhs": matching.fill_left, "rhs": matching.fill_right});
    }
    json
}

fn aggregate(aggregate: &AggregateExpr) -> Value {
    json!({
        "type": "aggregation",
        "op": aggregate.op.as_str(),
        "expr": aggregate.expr.to_json(),
        "param": aggregate.param.as_ref().map(Expr::to_json),
        "grouping": aggregate.grouping,
        "without": aggregate.without,
    })
}

fn call(call: &Call) -> Value {
    let arg_types: Vec<&str> = call.func.args.iter().map(|arg| arg.as_str()).collect();
    json!({
        "type": "call",
        "func": {
            "name": call.func.name,
            "argTypes": arg_types,
            "variadic": call.func.variadic.as_number(),
            "returnType": call.func.returns.as_str(),
        },
        "args": call.args.iter().map(Expr::to_json).collect::<Vec<_>>(),
    })
}

fn selector(kind: &str, vector: &VectorSelector) -> Value {
    json!({
        "type": kind,
        "name": vector.name,
        "offset": constant(vector.offset.as_ref()),
        "matchers": vector.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": timestamp(vector.at),
        "startOrEnd": start_or_end(vector.at),
        "anchored": vector.extension == Some(Extension::Anchored),
        "smoothed": vector.extension == Some(Extension::Smoothed),
    })
}

fn matcher(matcher: &LabelMatcher) -> Value {
    json!({"name": matcher.name, "value": matcher.value, "type": matcher.op.as_str()})
}

fn subquery(subquery: &SubqueryExpr) -> Value {
    json!({
        "type": "subquery",
        "expr": subquery.expr.to_json(),
        "range": constant(Some(&subquery.range)),
        "offset": constant(subquery.offset.as_ref()),
        "step": constant(subquery.step.as_ref()),
        "timestamp": timestamp(subquery.at),
        "startOrEnd": start_or_end(subquery.at),
    })
}

fn constant(duration: Option<&DurationExpr>) -> i64 {
    match duration {
        Some(literal @ DurationExpr::Literal(_)) => literal.offset_ms(QueryTimes::default()).unwrap_or(0),
        _ => 0,
    }
}

fn timestamp(at: Option<AtModifier>) -> Option<i64> {
    match at {
        Some(AtModifier::Timestamp(ms)) => Some(ms),
        _ => None,
    }
}

fn start_or_end(at: Option<AtModifier>) -> Option<&'static str> {
    match at {
        Some(AtModifier::Start) => Some("start"),
        Some(AtModifier::End) => Some("end"),
        _ => None,
    }
}
