use super::{Evaluation, Options, ResultValue, check, check_range, evaluate};

const PAIRS: &str = r#"
a{x="1", y="p"} 1x20
a{x="2", y="p"} 2x20
b{x="1", z="q"} 10x20
b{x="3", z="q"} 30x20"#;

fn load() -> &'static str {
    PAIRS.trim_start()
}

#[test]
fn scalars_meet_scalars() {
    check(load(), "2 ^ 3 ^ 2 + 7 % 4", "515");
    check(load(), "-7 % 4", "-3");
    check(load(), "1 > bool 2", "0");
    check(load(), "1 / 0", "Inf");
    check(load(), "0 / 0", "NaN");
}

#[test]
fn what_is_never_evaluated_is_not_refused() {
    let evaluation = Evaluation::Instant { at_ms: 60_000 };
    let error = |query: &str| evaluate(query, evaluation, &Options::default(), Vec::new()).map(drop).map_err(|err| err.to_string());
    assert!(error("max_over_time(mad_over_time(m[1m] anchored)[2m:1m])").is_err());
    assert_eq!(error("max_over_time(mad_over_time(m[1m] anchored)[5s:50s])"), Ok(()));
    let bad_label = Err("invalid label name \"\"".to_owned());
    assert_eq!(error("count_values(\"\", mad_over_time(m[1m] anchored))"), bad_label);
}

#[test]
fn the_step_of_one_step_is_none() {
    let value = |end_ms: i64| {
        let evaluation = Evaluation::Range { start_ms: 60_000, end_ms, step_ms: 5_000 };
        match evaluate("vector(step())", evaluation, &Options::default(), Vec::new()).expect("the query has an answer").value {
            ResultValue::Matrix(series) => series[0].samples[0].v,
            other => panic!("a matrix was expected: {other:?}"),
        }
    };
    assert_eq!([value(60_000), value(60_001), value(65_000)], [0.0, 5.0, 5.0]);
}

#[test]
fn scalars_meet_vectors() {
    check(load(), "a * 3", "{x=\"1\", y=\"p\"} 3\n{x=\"2\", y=\"p\"} 6");
    check(load(), "6 / a", "{x=\"1\", y=\"p\"} 6\n{x=\"2\", y=\"p\"} 3");
    check(load(), "a > 1", r#"a{x="2", y="p"} 2"#);
    check(load(), "1 < a", r#"a{x="2", y="p"} 2"#);
    check(load(), "a > bool 1", "{x=\"1\", y=\"p\"} 0\n{x=\"2\", y=\"p\"} 1");
}

#[test]
fn vectors_meet_by_their_labels() {
    check(load(), "a + b", "");
    check(load(), "a + on(x) b", r#"{x="1"} 11"#);
    check(load(), "a + ignoring(y, z) b", r#"{x="1"} 11"#);
    check(load(), "a < on(x) b", r#"{x="1"} 1"#);
    check(load(), "a * on(x) group_left(z) b", r#"{x="1", y="p", z="q"} 10"#);
    check(load(), "b * on(x) group_right(z) a", r#"{x="1", y="p", z="q"} 10"#);
}

#[test]
fn missing_sides_are_filled() {
    check(load(), "a + on(x) fill(0) b", "{x=\"1\"} 11\n{x=\"2\"} 2\n{x=\"3\"} 30");
    check(load(), "a - on(x) fill_left(0) b", "{x=\"1\"} -9\n{x=\"3\"} -30");
}

#[test]
fn ambiguous_matches_are_refused() {
    let texts = [
        (
            "a + on(y) a",
            "found duplicate series for the match group {y=\"p\"} on the right hand-side of the operation: [{__name__=\"a\", \
          x=\"1\", y=\"p\"}, {__name__=\"a\", x=\"2\", y=\"p\"}];many-to-many matching not allowed: matching labels must be unique on one side",
        ),
        (
            "b * on(z) group_right() b",
            "found duplicate series for the match group {z=\"q\"} on the left hand-side of the operation: [{__name__=\"b\", \
          x=\"1\", z=\"q\"}, {__name__=\"b\", x=\"3\", z=\"q\"}];many-to-many matching not allowed: matching labels must be unique on one side",
        ),
        ("a + on(y) max by (y) (a)", "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"),
        ("a + on(y) group_left(x) max by (y) (a)", "multiple matches for labels: grouping labels must ensure unique matches"),
    ];
    for (query, text) in texts {
        check(load(), query, &format!("expect fail msg: {text}"));
    }
}

#[test]
fn duplicates_that_never_meet_are_fine() {
    let load = "a{k=\"v\"} 1x5\nb{k=\"v\", i=\"1\"} 10 10 stale\nb{k=\"v\", i=\"2\"} _ _ 20x3";
    check_range(load, "a + on(k) b", r#"{k="v"} 11 11 21 21 21 21"#);
    check_range(load, "a * on(k) group_left(i) b", "{k=\"v\", i=\"1\"} 10 10\n{k=\"v\", i=\"2\"} _ _ 20 20 20 20");
}

#[test]
fn sets_are_decided_step_by_step() {
    let load = "a 1 2 3 4 5 6\nb 6 5 4 3 2 1";
    check_range(load, "a > 3 or b", "a _ _ _ 4 5 6\nb 6 5 4");
    check_range(load, "a and b > 3", "a 1 2 3");
    check_range(load, "a unless b > 3", "a _ _ _ 4 5 6");
    check_range(load, "a < 3 or a > 4", "a 1 2 _ _ 5 6");
    check_range(load, "a or on(x) b", "a 1 2 3 4 5 6");
}

#[test]
fn aggregations_group() {
    check(load(), "sum(a)", "{} 3");
    check(load(), "sum by (y) (a)", r#"{y="p"} 3"#);
    check(load(), "sum without (x) (a)", r#"{y="p"} 3"#);
    check(load(), "avg(a) + max(a) + min(a) + count(a) + group(a)", "{} 7.5");
    check(load(), "stddev(a) * 4 + stdvar(a)", "{} 2.25");
    check(load(), "quantile(0.25, a)", "{} 1.25");
    check(load(), r#"count_values by (y) ("value", a)"#, "{y=\"p\", value=\"1\"} 1\n{y=\"p\", value=\"2\"} 1");
    check(load(), r#"count_values("\xff", a)"#, r#"expect fail msg: invalid label name "\xff""#);
}

#[test]
fn the_greatest_are_chosen_step_by_step() {
    let load = "m{a=\"1\"} 1 9 NaN 4 NaN 1\nm{a=\"2\"} 2 8 7 3 NaN 1";
    check_range(load, "topk(1, m)", "m{a=\"1\"} _ 9 _ 4 NaN 1\nm{a=\"2\"} 2 _ 7");
    check_range(load, "bottomk(1, m)", "m{a=\"1\"} 1 _ _ _ NaN 1\nm{a=\"2\"} _ 8 7 3");
    check_range(load, "limitk(1, m)", "m{a=\"1\"} 1 9 NaN 4 NaN 1");
    check(load, "topk(NaN, m)", "expect fail msg: Parameter value is NaN");
    check_range(load, "count(limit_ratio(0.4, m) or limit_ratio(-0.6, m))", "{} 2x5");
    check_range(load, "limit_ratio(0.4, m) and limit_ratio(-0.6, m)", "");
}
