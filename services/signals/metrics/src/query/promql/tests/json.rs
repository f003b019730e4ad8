use serde_json::{Value, json};

use crate::query::promql::parse;

fn tree(query: &str) -> Value {
    parse(query).unwrap().to_json()
}

fn selector(name: &str) -> Value {
    json!({
        "type": "vectorSelector",
        "name": name,
        "matchers": [{"name": "__name__", "type": "=", "value": name}],
        "offset": 0,
        "timestamp": null,
        "startOrEnd": null,
        "anchored": false,
        "smoothed": false,
    })
}

#[test]
fn selectors() {
    assert_eq!(tree("up"), selector("up"));
    assert_eq!(
        tree(r#"up{job="a",b!="c",d=~"e",f!~"g"} @ 10"#),
        json!({
            "type": "vectorSelector",
            "name": "up",
            "matchers": [
                {"name": "job", "type": "=", "value": "a"},
                {"name": "b", "type": "!=", "value": "c"},
                {"name": "d", "type": "=~", "value": "e"},
                {"name": "f", "type": "!~", "value": "g"},
                {"name": "__name__", "type": "=", "value": "up"},
            ],
            "offset": 0,
            "timestamp": 10000,
            "startOrEnd": null,
            "anchored": false,
            "smoothed": false,
        })
    );
    let ranged = tree("up[5m] anchored @ start() offset -1m");
    for (key, value) in [
        ("type", json!("matrixSelector")),
        ("range", json!(300_000)),
        ("offset", json!(-60_000)),
        ("startOrEnd", json!("start")),
        ("anchored", json!(true)),
    ] {
        assert_eq!(ranged[key], value, "{key}");
    }
    assert_eq!(tree("up[step()]")["range"], json!(0), "not constant");
}

#[test]
fn operators() {
    assert_eq!(
        tree("a + on(x) group_left(y) b"),
        json!({
            "type": "binaryExpr",
            "op": "+",
            "lhs": selector("a"),
            "rhs": selector("b"),
            "matching": {"card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"]},
            "bool": false,
        })
    );
    assert_eq!(tree("1 < bool a")["matching"], Value::Null);
    assert_eq!(tree("a or b")["matching"]["card"], json!("many-to-many"));
    assert_eq!(tree("a - fill_left(0) b")["matching"]["fillValues"], json!({"lhs": 0.0, "rhs": null}));
    assert_eq!(tree("-a"), json!({"type": "unaryExpr", "op": "-", "expr": selector("a")}));
    assert_eq!(tree("(a)"), json!({"type": "parenExpr", "expr": selector("a")}));
}

#[test]
fn calls_and_aggregations() {
    assert_eq!(
        tree("histogram_quantile(0.9, a)"),
        json!({
            "type": "call",
            "func": {"name": "histogram_quantile", "argTypes": ["scalar", "vector"], "returnType": "vector", "variadic": 0},
            "args": [{"type": "numberLiteral", "val": "0.9"}, selector("a")],
        })
    );
    assert_eq!(tree("label_join(a, 'x', ',')")["func"]["variadic"], json!(-1));
    assert_eq!(
        tree("count_values without (x) ('v', a)"),
        json!({
            "type": "aggregation",
            "op": "count_values",
            "expr": selector("a"),
            "param": {"type": "stringLiteral", "val": "v"},
            "grouping": ["x"],
            "without": true,
        })
    );
    assert_eq!(tree("sum(a)")["param"], Value::Null);
    assert_eq!(
        tree("a[1h:5m] @ end()"),
        json!({
            "type": "subquery",
            "expr": selector("a"),
            "range": 3_600_000,
            "step": 300_000,
            "offset": 0,
            "timestamp": null,
            "startOrEnd": "end",
        })
    );
}
