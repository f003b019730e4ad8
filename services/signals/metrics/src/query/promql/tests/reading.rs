use std::time::Duration;

use syntax::{LabelMatcher, MatchOp};

use crate::query::promql::ast::{
    AtModifier, BinaryOp, DurationError, DurationExpr, Expr, Extension, MatchCardinality, QueryTimes, ValueType,
};
use crate::query::promql::functions::{Function, FunctionId};
use crate::query::promql::{MAX_DEPTH, MAX_NESTING, parse, parse_selector, selects_everything};

/// Expects that both are the same expression but for the parentheses that show how the first belongs together.
fn groups(query: &str, grouped: &str) {
    fn flat(expr: &Expr) -> String {
        match expr {
            Expr::Paren(paren) => flat(&paren.expr),
            Expr::Binary(binary) => format!("[{} {} {}]", flat(&binary.lhs), binary.op, flat(&binary.rhs)),
            Expr::Unary(unary) => format!("[{}{}]", unary.op, flat(&unary.expr)),
            other => other.to_string(),
        }
    }
    assert_eq!(flat(&parse(query).unwrap()), flat(&parse(grouped).unwrap()), "{query}");
}

#[test]
fn operators_bind_as_in_prometheus() {
    groups("1 + 2 * 3 ^ 2 ^ 0.5 % 4 - -1", "(1 + ((2 * (3 ^ (2 ^ 0.5))) % 4)) - (-1)");
    groups("a or b and c unless d", "a or ((b and c) unless d)");
    groups("a == b + c > d", "(a == (b + c)) > d");
    groups("a atan2 b * c", "(a atan2 b) * c");
    groups("-a ^ b", "-(a ^ b)");
    groups("-a * b", "(-a) * b");
    groups("a ^ -b * c", "(a ^ (-b)) * c");
    groups("a </ 1 + 2", "a </ (1 + 2)");
    groups("-1 ^ 2", "-(1 ^ 2)");
    groups("a + b offset 5m", "a + (b offset 5m)");
}

/// What a number or text is worth.
#[test]
fn literals() {
    for (query, value) in [
        ("1", 1.0),
        ("-1.5", -1.5),
        ("+3", 3.0),
        ("- -3", 3.0),
        ("0x1F", 31.0),
        ("017", 15.0),
        ("1_000", 1000.0),
        ("5.", 5.0),
        ("1e-10", 1e-10),
        ("Inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("1h", 3600.0),
        ("1d12h", 129_600.0),
        ("-5m", -300.0),
        ("1ms", 0.001),
    ] {
        let Expr::Number(number) = parse(query).unwrap() else { panic!("{query} is no number") };
        assert_eq!(number.value, value, "{query}");
    }
    assert!(matches!(parse("NaN"), Ok(Expr::Number(number)) if number.value.is_nan()));
    for (query, value) in [
        (r"'single \'quoted\''", b"single 'quoted'".as_slice()),
        (r#""esc \n \t \" \u00e9 \x41 \101""#, "esc \n \t \" é A A".as_bytes()),
        (r"`raw \n`", br"raw \n"),
        (r#""a\xc5z""#, b"a\xc5z"),
    ] {
        assert!(matches!(parse(query), Ok(Expr::String(string)) if string.value == value), "{query}");
    }
}

/// Both mean the same.
#[test]
fn ways_of_writing() {
    for (query, normal) in [
        ("up{job=\"node\"} # comment", r#"up{job="node"}"#),
        ("# first\nup # (\n# last", "up"),
        ("  (  ( up{ job = \"node\" , } )  )  ", r#"((up{job="node"}))"#),
        ("SUM BY (job) (up)", "sum by (job) (up)"),
        ("sum(up) BY (job,)", "sum by (job) (up)"),
        ("sum by () (up)", "sum(up)"),
        ("sum without () (up)", "sum without () (up)"),
        ("count({__name__=~\"node_.*\"}) by (__name__)", r#"count by (__name__) ({__name__=~"node_.*"})"#),
        ("rate(up[300])", "rate(up[5m])"),
        ("foo[1h30m:]", "foo[1h30m:]"),
        ("foo [ 5m : 1m ]", "foo[5m:1m]"),
        ("a AND ON() b", "a and on () b"),
        ("a + ignoring() group_left b", "a + ignoring () group_left () b"),
        ("a * on(x) GROUP_RIGHT(y, z) b", "a * on (x) group_right (y, z) b"),
        ("sum by (\"service.name\", 'x') (a)", r#"sum by ("service.name", x) (a)"#),
        ("{\"http.count\",\"service.name\"=~\"c.*\"}", r#"{"service.name"=~"c.*",__name__="http.count"}"#),
        ("{'up', job='node'}", r#"{__name__="up",job="node"}"#),
        ("foo offset 5m @ 10", "foo @ 10.000 offset 5m"),
        ("foo @ start() offset -5m", "foo @ start() offset -5m"),
        ("foo @ -1.5", "foo @ -1.500"),
        ("foo offset 0s", "foo"),
        ("foo offset 300", "foo offset 5m"),
        ("foo[5m] anchored", "foo[5m] anchored"),
        ("foo anchored[5m] offset 1m", "foo[5m] anchored offset 1m"),
        ("foo smoothed", "foo smoothed"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("a + on(x) group_left fill_right(-1) fill_left(2m) b", "a + on (x) group_left () fill_left (120) fill_right (-1) b"),
        ("1 > BOOL 2", "1 > bool 2"),
        ("start()", "start()"),
        ("max_of(1, step())", "max_of(1, step())"),
    ] {
        assert_eq!(parse(query).map(|expr| expr.to_string()).as_deref(), Ok(normal), "{query}");
    }
}

#[test]
fn durations_have_arithmetic() {
    let times = QueryTimes { step: Duration::from_secs(10), range: Duration::from_secs(60) };
    let range = |query: &str| match parse(query).unwrap() {
        Expr::Matrix(matrix) => matrix.range.positive_ms(times),
        other => panic!("{other} is no matrix"),
    };
    for (query, seconds) in [
        ("foo[5m*2]", 600),
        ("foo[2m*(10+5)]", 1800),
        ("foo[-5m+35m]", 1800),
        ("foo[1h30m % 1h]", 1800),
        ("foo[30m1s-30m1s % 1m]", 1800),
        ("foo[(9m30s+30s)*3]", 1800),
        ("foo[step()+1]", 11),
        ("foo[1+(STep()-5)*2]", 11),
        ("foo[range()]", 60),
        ("foo[min_of(step()+1,1h)]", 11),
        ("foo[max_of(min_of(step()+1,1h),1ms)]", 11),
        ("foo[2 ^ 2 ^ 3]", 256),
        ("foo[-(step() - 15)]", 5),
    ] {
        assert_eq!(range(query), Ok(seconds * 1000), "{query}");
    }
    assert!(matches!(range("foo[step() - 10]"), Err(DurationError::NotPositive { .. })));
    assert!(matches!(range("foo[1 / (step() - 10)]"), Err(DurationError::DivisionByZero { .. })));
    assert!(matches!(range("foo[1 % (step() - 10)]"), Err(DurationError::ModuloByZero { .. })));
    assert!(matches!(range("foo[10 ^ 99 * step()]"), Err(DurationError::OutOfRange { .. })));
    assert!(matches!(range("foo[10 ^ 999 * step()]"), Err(DurationError::NotFinite { .. })));
    assert!(matches!(range("foo[-(10 ^ 99) * step()]"), Err(DurationError::NotPositive { .. })));
    // What is finer than a millisecond is cut off.
    assert_eq!(range("foo[step() / 6]"), Ok(1666));
    assert_eq!(range("foo[1.6669]"), Ok(1666));
}

/// An offset without parentheses ends as soon as it can.
#[test]
fn offsets_are_short() {
    for (query, normal) in [
        ("foo offset (100 + 2)", "foo offset (100 + 2)"),
        ("foo offset 100 + 2", "foo offset 1m40s + 2"),
        ("foo offset -2 ^ 2", "foo offset -2s ^ 2"),
        ("foo offset -step()*2", "foo offset -step() * 2"),
        ("foo offset -(step()*2) + 1", "foo offset -(step() * 2) + 1"),
        ("foo offset min_of(step(), 1s)^0", "foo offset min_of(step(), 1s) ^ 0"),
        ("foo offset +step()", "foo offset step()"),
    ] {
        let expr = parse(query).unwrap();
        assert_eq!(expr.to_string(), normal, "{query}");
        assert_eq!(matches!(expr, Expr::Vector(_)), !normal.ends_with(char::is_numeric), "{query}");
    }
}

#[test]
fn words_are_names_where_they_can_be() {
    for name in [
        "start",
        "end",
        "step",
        "range",
        "offset",
        "by",
        "without",
        "sum",
        "topk",
        "limitk",
        "and",
        "or",
        "unless",
        "fill",
        "fill_left",
        "anchored",
        "smoothed",
        "min_of",
    ] {
        let query = format!("{name}{{on=\"x\"}} + {name} offset 1m");
        assert!(parse(&query).is_ok(), "{query}");
        let grouping = format!("sum by ({name}, bool, on, ignoring, group_left, atan2) (x)");
        assert!(parse(&grouping).is_ok(), "{grouping}");
    }
}

#[test]
fn selectors() {
    let Ok(Expr::Matrix(matrix)) = parse(r#"foo{a!~"b"}[5m] smoothed @ end() offset step()"#) else { panic!("no matrix") };
    let name = LabelMatcher::new("__name__", MatchOp::Equal, "foo");
    assert_eq!(matrix.vector.matchers, [LabelMatcher::new("a", MatchOp::NotRegex, "b"), name.clone()]);
    assert_eq!(matrix.vector.name, "foo");
    assert_eq!(matrix.vector.at, Some(AtModifier::End));
    assert_eq!(matrix.vector.extension, Some(Extension::Smoothed));
    assert!(matches!(matrix.vector.offset, Some(DurationExpr::Step(_))));

    assert_eq!(parse_selector("foo"), Ok(vec![name.clone()]));
    assert_eq!(parse_selector("{'foo'}"), Ok(vec![name]));
    assert_eq!(parse_selector("{}"), Ok(Vec::new()));
    for (query, everything) in
        [("{}", true), (r#"{a=""}"#, true), (r#"{a=~".*"}"#, true), (r#"{a!~"b"}"#, true), (r#"{a=~".+"}"#, false), ("foo", false)]
    {
        assert_eq!(selects_everything(&parse_selector(query).unwrap()), everything, "{query}");
    }
}

#[test]
fn vectors_match_as_their_operator_says() {
    let matching = |query: &str| match parse(query).unwrap() {
        Expr::Binary(binary) => (binary.op, binary.matching.map(|matching| matching.card)),
        other => panic!("{other} is not binary"),
    };
    assert_eq!(matching("a + b"), (BinaryOp::Add, Some(MatchCardinality::OneToOne)));
    assert_eq!(matching("a or b"), (BinaryOp::Or, Some(MatchCardinality::ManyToMany)));
    assert_eq!(matching("a / on(x) group_right b"), (BinaryOp::Div, Some(MatchCardinality::OneToMany)));
    assert_eq!(matching("a > 1"), (BinaryOp::Gtr, None));
    assert_eq!(matching("1 + 1"), (BinaryOp::Add, None));
}

#[test]
fn types() {
    for (query, value_type) in [
        ("1 + time()", ValueType::Scalar),
        ("-(1)", ValueType::Scalar),
        ("1 + a", ValueType::Vector),
        ("sum(a)", ValueType::Vector),
        ("a[5m]", ValueType::Matrix),
        ("(sum(a)[5m:])", ValueType::Matrix),
        ("'x'", ValueType::String),
        ("scalar(a)", ValueType::Scalar),
    ] {
        assert_eq!(parse(query).unwrap().value_type(), value_type, "{query}");
    }
}

#[test]
fn functions_are_found_by_name() {
    assert!(Function::all().windows(2).all(|pair| pair[0].name < pair[1].name), "the table is sorted");
    for function in Function::all() {
        assert_eq!(Function::by_name(function.name), Some(function));
        assert!(function.max_args().is_none_or(|most| most >= function.min_args()));
    }
    assert_eq!(Function::by_name("rate").map(|function| function.id), Some(FunctionId::Rate));
    assert_eq!(Function::by_name("RATE"), None);
}

#[test]
fn depth_has_a_limit_and_up_to_it_the_stack_suffices() {
    type Query = fn(usize) -> String;
    let deep: [(Query, usize); 5] = [
        (|levels| format!("{}1{}", "(".repeat(levels), ")".repeat(levels)), MAX_NESTING),
        (|levels| format!("{}a", "-".repeat(levels)), MAX_NESTING),
        (|levels| format!("a{}", " ^ a".repeat(levels)), MAX_NESTING),
        (|levels| format!("{}a{}", "sum(".repeat(levels), ")".repeat(levels)), MAX_NESTING),
        (|levels| format!("a{}", " + a".repeat(levels)), MAX_DEPTH),
    ];
    for (query, limit) in deep {
        let expr = parse(&query(limit - 1)).unwrap_or_else(|err| panic!("{}: {err}", query(1)));
        assert!(!expr.pretty().is_empty() && expr.to_json().is_object());
        for levels in [limit, 100 * limit] {
            let text = parse(&query(levels)).unwrap_err().to_string();
            assert!(text.ends_with(&format!("expression is nested too deeply: at most {limit} levels are allowed")), "{text}");
        }
    }
    assert!(parse(&format!("a[{}1{}]", "(".repeat(100 * MAX_DEPTH), ")".repeat(100 * MAX_DEPTH))).is_err());
    assert!(parse(&format!("a[1{}]", " + 1".repeat(100 * MAX_DEPTH))).is_err());
    assert!(parse(&format!("a offset ({}1)", "-".repeat(100 * MAX_DEPTH))).is_err());
}

#[test]
fn experimental_parts_are_found() {
    let expr = parse("limitk(2, info(rate(m[5m] smoothed))) + sum(n)").expect("the query is one");
    let found: Vec<String> = expr.experimental().iter().map(ToString::to_string).collect();
    assert_eq!(found, [r#"aggregate "limitk""#, r#"function "info""#, r#"extended range selector modifier "smoothed""#]);
}
