//! Expressions as the parser can give them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use syntax::{LabelMatcher, MatchOp, Span};

use crate::query::promql::ast::{
    AggregateExpr, AggregateOp, AtModifier, BinaryExpr, BinaryOp, Call, DurationExpr, DurationLiteral, DurationOp, Expr, Extension,
    MatchCardinality, MatrixSelector, NumberLiteral, ParenExpr, StringLiteral, SubqueryExpr, UnaryExpr, UnaryOp, ValueType, VectorMatching,
    VectorSelector,
};
use crate::query::promql::functions::{Function, FunctionId, Variadic};

const NOWHERE: Span = Span::new(0, 0);

/// An expression of any type.
pub(super) fn any_expr() -> impl Strategy<Value = Expr> {
    prop_oneof![4 => vector(), 1 => scalar(), 1 => matrix(vector().boxed()), 1 => string()]
}

/// Tokens in any order, some of which make expressions.
pub(super) fn soup() -> impl Strategy<Value = String> {
    const TOKENS: &[&str] = &[
        "a",
        "b",
        "1",
        "5m",
        "'s'",
        "(",
        ")",
        "{",
        "}",
        "[5m]",
        "[5m:1m]",
        "[",
        "]",
        ",",
        ":",
        "=",
        "=~",
        "!=",
        "+",
        "-",
        "*",
        "^",
        "==",
        "</",
        "and",
        "unless",
        "atan2",
        "bool",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "fill",
        "offset",
        "@",
        "start",
        "step",
        "min_of",
        "anchored",
        "smoothed",
        "sum",
        "topk",
        "rate",
        "time",
        "info",
        "(a)",
        "(1)",
        "()",
        "{x='y'}",
        "offset 5m",
        "@ 1",
        "NaN",
        "#\n",
        " ",
        "\\",
        "é",
    ];
    vec((select(TOKENS), select(vec!["", " "])), 0..12)
        .prop_map(|tokens| tokens.into_iter().flat_map(|(token, space)| [token, space]).collect())
}

fn vector() -> impl Strategy<Value = Expr> {
    selector(named().boxed()).prop_map(Expr::Vector).prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(paren),
            1 => (any::<bool>(), inner.clone()).prop_map(|(minus, expr)| unary(minus, expr)),
            3 => vector_binary(inner.clone()),
            2 => aggregate(inner.clone()),
            3 => call(inner, ValueType::Vector),
        ]
    })
}

fn scalar() -> impl Strategy<Value = Expr> {
    number().prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(paren),
            (any::<bool>(), inner.clone()).prop_map(|(minus, expr)| unary(minus, paren(expr))),
            (scalar_op(), inner.clone(), inner).prop_map(|((op, return_bool), lhs, rhs)| {
                Expr::Binary(Box::new(BinaryExpr { op, lhs: operand(lhs), rhs: operand(rhs), return_bool, matching: None, span: NOWHERE }))
            }),
            select(vec!["time", "pi", "start", "range"]).prop_map(|name| called(Function::by_name(name).unwrap(), Vec::new())),
        ]
    })
}

fn number() -> impl Strategy<Value = Expr> {
    let value = prop_oneof![
        any::<f64>().prop_map(|value| (value, false)),
        (-1000..1000_i32).prop_map(|value| (f64::from(value), false)),
        (1..10_000_000_u64).prop_map(|ms| (seconds(ms), true)),
    ];
    // Of a NaN there is one only.
    value.prop_map(|(value, is_duration)| {
        let value = if value.is_nan() { f64::NAN } else { value };
        Expr::Number(NumberLiteral { value, is_duration, span: NOWHERE })
    })
}

fn string() -> impl Strategy<Value = Expr> {
    prop_oneof!["\\PC{0,8}".prop_map(String::into_bytes), vec(any::<u8>(), 0..8)]
        .prop_map(|value| Expr::String(StringLiteral { value, span: NOWHERE }))
}

fn matrix(vectors: BoxedStrategy<Expr>) -> impl Strategy<Value = Expr> {
    let ranges =
        (selector(named().boxed()), positive()).prop_map(|(vector, range)| Expr::Matrix(MatrixSelector { vector, range, span: NOWHERE }));
    let subqueries = (vectors, positive(), option::of(positive()), option::of(offset()), option::of(at())).prop_map(
        |(expr, range, step, offset, at)| {
            let expr = if matches!(expr, Expr::Unary(_) | Expr::Binary(_)) { paren(expr) } else { expr };
            Expr::Subquery(Box::new(SubqueryExpr { expr, range, step, offset, at, span: NOWHERE }))
        },
    );
    prop_oneof![2 => ranges, 1 => subqueries]
}

fn paren(expr: Expr) -> Expr {
    Expr::Paren(ParenExpr { expr: Box::new(expr), span: NOWHERE })
}

fn unary(minus: bool, expr: Expr) -> Expr {
    let expr = if matches!(expr, Expr::Binary(_)) { paren(expr) } else { expr };
    Expr::Unary(UnaryExpr { op: if minus { UnaryOp::Minus } else { UnaryOp::Plus }, expr: Box::new(expr), span: NOWHERE })
}

/// In parentheses where another operator could take a part of it, or an offset in parentheses could go on behind them.
fn operand(expr: Expr) -> Expr {
    let offset = match &expr {
        Expr::Vector(vector) => &vector.offset,
        Expr::Matrix(matrix) => &matrix.vector.offset,
        Expr::Subquery(subquery) => &subquery.offset,
        _ => &None,
    };
    if matches!(offset, Some(DurationExpr::Paren { .. })) {
        return paren(expr);
    }
    match expr {
        Expr::Number(number) if number.value.is_sign_negative() => paren(Expr::Number(number)),
        Expr::Unary(_) | Expr::Binary(_) => paren(expr),
        expr => expr,
    }
}

fn scalar_op() -> impl Strategy<Value = (BinaryOp, bool)> {
    use BinaryOp::{Add, Atan2, Div, Eql, Gte, Lss, Mod, Mul, Neq, Pow, Sub};
    select(vec![Add, Sub, Mul, Div, Mod, Pow, Atan2, Eql, Neq, Lss, Gte]).prop_map(|op| (op, op.is_comparison()))
}

fn vector_binary(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Expr> {
    use BinaryOp::{Add, And, Eql, Gtr, Lte, Or, Pow, Sub, TrimLower, TrimUpper, Unless};
    let ops = select(vec![Add, Sub, Pow, Eql, Gtr, Lte, TrimLower, TrimUpper, And, Or, Unless]);
    let others = prop_oneof![3 => inner.clone(), 1 => number()];
    (ops, inner, others, any::<bool>(), matching()).prop_map(|(op, lhs, rhs, return_bool, mut matching)| {
        let both = rhs.value_type() == ValueType::Vector;
        let op = if both || !op.is_set() { op } else { Add };
        if op.is_set() {
            matching =
                VectorMatching { card: MatchCardinality::ManyToMany, include: Vec::new(), fill_left: None, fill_right: None, ..matching };
        }
        let return_bool = return_bool && op.is_comparison();
        let matching = both.then_some(matching);
        Expr::Binary(Box::new(BinaryExpr { op, lhs: operand(lhs), rhs: operand(rhs), return_bool, matching, span: NOWHERE }))
    })
}

fn matching() -> impl Strategy<Value = VectorMatching> {
    use MatchCardinality::{ManyToOne, OneToMany, OneToOne};
    let fill = || option::weighted(0.2, -5..5_i32);
    (any::<bool>(), labels(), select(vec![OneToOne, ManyToOne, OneToMany]), labels(), fill(), fill()).prop_map(
        |(on, labels, card, include, left, right)| {
            let include = if card == OneToOne { Vec::new() } else { include };
            let include = include.into_iter().filter(|label| !labels.contains(label)).collect();
            VectorMatching { card, on, labels, include, fill_left: left.map(f64::from), fill_right: right.map(f64::from) }
        },
    )
}

fn labels() -> impl Strategy<Value = Vec<String>> {
    vec(select(vec!["job", "le", "a.b", "sum", "on", "bool", "by", "è \"", "atan2", "a:b", "__name__"]).prop_map(str::to_owned), 0..3)
}

fn aggregate(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Expr> {
    use AggregateOp::{CountValues, LimitRatio, Quantile, Sum, Topk};
    let texts = prop_oneof![number(), string()];
    (select(vec![Sum, Topk, Quantile, LimitRatio, CountValues]), inner, texts, labels(), any::<bool>()).prop_map(
        |(op, expr, param, grouping, without)| {
            let op = match param.value_type() {
                ValueType::String => CountValues,
                _ if op == CountValues => Topk,
                _ => op,
            };
            let param = op.takes_param().then_some(param);
            Expr::Aggregate(Box::new(AggregateExpr { op, expr, param, grouping, without, span: NOWHERE }))
        },
    )
}

fn called(func: &'static Function, args: Vec<Expr>) -> Expr {
    Expr::Call(Call { func, args, span: NOWHERE })
}

fn call(vectors: BoxedStrategy<Expr>, returns: ValueType) -> impl Strategy<Value = Expr> {
    let functions: Vec<_> = Function::all().iter().filter(|function| function.returns == returns).collect();
    (select(functions), 0..3_usize).prop_flat_map(move |(func, more)| {
        let most = func.max_args().unwrap_or(func.args.len() + 2);
        let count = (func.min_args() + more).min(if func.variadic == Variadic::No { func.args.len() } else { most });
        let args: Vec<BoxedStrategy<Expr>> = (0..count)
            .map(|index| match func.arg_type(index) {
                _ if func.id == FunctionId::Info && index == 1 => selector(nameless(0).boxed()).prop_map(Expr::Vector).boxed(),
                Some(ValueType::Scalar) => scalar().boxed(),
                Some(ValueType::String) => string().boxed(),
                Some(ValueType::Matrix) => matrix(vectors.clone()).boxed(),
                _ => vectors.clone(),
            })
            .collect();
        args.prop_map(move |args| called(func, args))
    })
}

/// A name and matchers, the name's last.
type Series = (String, Vec<LabelMatcher>);

fn named() -> impl Strategy<Value = Series> {
    const NAMES: &[&str] = &["up", "a:b", "sum", "offset", "start", "step", "fill", "and", "by", "without", "anchored", "max_of", "_"];
    let with_name = (select(NAMES), vec(matcher(), 0..3)).prop_map(|(name, mut matchers)| {
        matchers.push(LabelMatcher::new("__name__", MatchOp::Equal, name));
        (name.to_owned(), matchers)
    });
    prop_oneof![4 => with_name, 1 => nameless(1)]
}

/// Without a name; with at least one matcher that is not met by everything if `least` is more than 0.
fn nameless(least: usize) -> impl Strategy<Value = Series> {
    let value = "\\PC{1,6}".prop_map(|value| LabelMatcher::new("__name__", MatchOp::Equal, value));
    (vec(value, least..2), vec(matcher(), 0..2)).prop_map(|(mut matchers, more)| {
        matchers.extend(more);
        (String::new(), matchers)
    })
}

fn matcher() -> impl Strategy<Value = LabelMatcher> {
    let name = select(vec!["job", "le", "a.b", "città", "by", ""]);
    let plain = (select(vec![MatchOp::Equal, MatchOp::NotEqual]), "\\PC{0,6}");
    let regex = (select(vec![MatchOp::Regex, MatchOp::NotRegex]), select(vec!["", ".*", "a|b", "[0-9]+\\.x"]).prop_map(str::to_owned));
    (name, prop_oneof![plain, regex]).prop_map(|(name, (op, value))| LabelMatcher::new(name, op, value))
}

fn selector(series: BoxedStrategy<Series>) -> impl Strategy<Value = VectorSelector> {
    let extension = option::weighted(0.1, select(vec![Extension::Anchored, Extension::Smoothed]));
    (series, option::weighted(0.3, offset()), option::weighted(0.3, at()), extension)
        .prop_map(|((name, matchers), offset, at, extension)| VectorSelector { name, matchers, offset, at, extension, span: NOWHERE })
}

fn at() -> impl Strategy<Value = AtModifier> {
    prop_oneof![Just(AtModifier::Start), Just(AtModifier::End), (-1_000_000_000_000..2_000_000_000_000_i64).prop_map(AtModifier::Timestamp)]
}

/// Seconds as the parser has them of milliseconds.
fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

fn literal(seconds: f64, has_unit: bool) -> DurationExpr {
    DurationExpr::Literal(DurationLiteral { seconds, has_unit, span: NOWHERE })
}

/// A range or step.
fn positive() -> impl Strategy<Value = DurationExpr> {
    prop_oneof![3 => (1..10_000_000_u64).prop_map(|ms| literal(seconds(ms), true)), 1 => arithmetic()]
}

fn offset() -> impl Strategy<Value = DurationExpr> {
    let constant =
        (1..10_000_000_u64, any::<bool>()).prop_map(|(ms, negative)| literal(if negative { -seconds(ms) } else { seconds(ms) }, true));
    let expression = (arithmetic(), any::<bool>()).prop_map(|(expr, negative)| {
        let expr = if matches!(expr, DurationExpr::Negated { .. }) { expr } else { atom(expr) };
        match expr {
            DurationExpr::Literal(_) | DurationExpr::Negated { .. } => expr,
            expr if negative => DurationExpr::Negated { expr: Box::new(expr), span: NOWHERE },
            expr => expr,
        }
    });
    prop_oneof![3 => constant, 1 => expression]
}

/// In parentheses unless nothing can take a part of it.
fn atom(expr: DurationExpr) -> DurationExpr {
    match expr {
        DurationExpr::Binary { op, .. } if !op.is_function() => DurationExpr::Paren { expr: Box::new(expr), span: NOWHERE },
        DurationExpr::Negated { .. } => DurationExpr::Paren { expr: Box::new(expr), span: NOWHERE },
        expr => expr,
    }
}

fn arithmetic() -> impl Strategy<Value = DurationExpr> {
    use DurationOp::{Add, Div, MaxOf, MinOf, Mod, Mul, Pow, Sub};
    // A number without a unit is a part of something larger.
    let leaf = prop_oneof![
        Just(DurationExpr::Step(NOWHERE)),
        Just(DurationExpr::Range(NOWHERE)),
        (1..10_000_u64).prop_map(|ms| literal(seconds(ms), true))
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let side = prop_oneof![2 => inner.clone(), 1 => (1..1000_u32).prop_map(|number| literal(f64::from(number), false))];
        let joined = (select(vec![Add, Sub, Mul, Div, Mod, Pow, MinOf, MaxOf]), side.clone(), side).prop_map(|(op, lhs, rhs)| {
            let side = |side: DurationExpr| if op.is_function() { side } else { atom(side) };
            DurationExpr::Binary { op, lhs: Box::new(side(lhs)), rhs: Box::new(side(rhs)), span: NOWHERE }
        });
        let negated = inner.prop_map(|expr| match atom(expr) {
            DurationExpr::Literal(literal) => DurationExpr::Literal(literal),
            expr => DurationExpr::Negated { expr: Box::new(expr), span: NOWHERE },
        });
        prop_oneof![3 => joined, 1 => negated]
    })
}
