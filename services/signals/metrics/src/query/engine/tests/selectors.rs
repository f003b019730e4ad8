use super::{check, check_eval, check_range};

const GAUGES: &str = "m{a=\"1\"} 0+1x20\nm{a=\"2\"} 0+2x20";

#[test]
fn matchers_choose() {
    check(GAUGES, r#"m{a="1"}"#, r#"m{a="1"} 10"#);
    check(GAUGES, r#"m{a!="1"}"#, r#"m{a="2"} 20"#);
    check(GAUGES, r#"m{a=~"[12]"}"#, "m{a=\"1\"} 10\nm{a=\"2\"} 20");
    check(GAUGES, r#"m{a!~"1|2"}"#, "");
}

#[test]
fn offsets_look_back_and_ahead() {
    check(GAUGES, r#"m{a="1"} offset 3m"#, r#"m{a="1"} 7"#);
    check(GAUGES, r#"m{a="1"} offset -3m"#, r#"m{a="1"} 13"#);
}

#[test]
fn at_pins_the_time() {
    check_range(GAUGES, r#"m{a="1"} @ 120"#, r#"m{a="1"} 2x5"#);
    check_range(GAUGES, r#"m{a="1"} @ end()"#, r#"m{a="1"} 5x5"#);
    check_range(GAUGES, r#"sum_over_time(m{a="1"}[3m] @ 240)"#, r#"{a="1"} 9x5"#);
    check_range(GAUGES, r#"m{a="1"} - m{a="1"} @ start()"#, r#"{a="1"} 0+1x5"#);
}

#[test]
fn a_marker_ends_a_series() {
    let load = "m 1 stale _ 4";
    check_range(load, "m", "m 1 _ _ 4 4 4");
    check_range(load, "count_over_time(m[10m])", "{} 1 1 1 2 2 2");
}

#[test]
fn subqueries_step_by_multiples() {
    check("m 0+1x20", "sum_over_time(m[3m:1m])", "{} 27");
    check("m 0+1x20", "count_over_time(m[10m:4m])", "{} 2");
    check_range("m 0+1x20", "max_over_time(m[2m:1m] offset 1m)", "{} _ 0 1 2 3 4");
    check_eval("c_total 0+60x20", "eval range from 10m to 12m step 1m max_over_time(rate(c_total[2m])[5m:1m])\n{} 1 1 1");
}

#[test]
fn a_range_vector_is_answered_as_it_is() {
    check_eval("m 1 2 stale 4", "eval instant at 3m m[3m]\nexpect range vector from 1m to 3m step 1m\nm 2 _ 4");
}

#[test]
fn anchored_ranges_begin_with_the_sample_before() {
    let load = "c_total 0 10 20 5 15 25";
    check_range(load, "increase(c_total[2m] anchored)", "{} 0 10 20 15 15 20");
    check_range(load, "delta(c_total[2m] anchored)", "{} 0 10 20 -5 -5 20");
    check_range(load, "resets(c_total[2m] anchored) + changes(c_total[2m] anchored) * 10", "{} 0 10 20 21 21 20");
    check_eval("m 1 2 3", "eval instant at 90s m[1m] anchored\nexpect range vector from 30s to 90s step 30s\nm 1 2 2");
    check(
        load,
        "deriv(c_total[2m] anchored)",
        "expect fail msg: anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv",
    );
}

#[test]
fn anchored_changes_nothing_where_there_is_no_range() {
    check_eval("m 0 60 stale 180", "eval range from 0 to 4m step 30s m anchored\nm 0 0 60 60 _ _ 180 180 180");
    check_eval("m 0 60 120", "eval instant at 90s timestamp(m anchored)\n{} 60");
    check_eval("m 0 60 120", "eval instant at 90s m anchored offset 1m + 1\n{} 1");
}

#[test]
fn smoothed_values_lie_on_lines() {
    check_eval("m 0 60 stale 180", "eval range from 0 to 4m step 30s m smoothed\nm 0 30 60 90 120 150 180 180 180");
    check_eval("c_total 0 60 30", "eval instant at 90s increase(c_total[1m] smoothed)\n{} 45");
    check_eval("c_total 0 60 30", "eval instant at 90s delta(c_total[1m] smoothed)\n{} 15");
    check_eval("c_total 0 60 30", "eval instant at 90s rate(c_total[30s] smoothed)\n{} 0.5");
    check_eval("m 0 60 120", "eval instant at 90s timestamp(m smoothed)\n{} 60");
}

#[test]
fn names_go_at_the_end() {
    check("m_total 0+60x20", "rate(m_total[5m])", "{} 1");
    check("m_total 0+60x20", r#"label_replace(rate(m_total[5m]), "was", "$1", "__name__", "(.*)")"#, r#"{was="m_total"} 1"#);
    check("m_total 0+60x20", r#"label_replace(rate(m_total[5m]), "__name__", "m:rate", "", "")"#, "m:rate 1");
    check("m 0+1x20", "last_over_time(m[5m])", "m 10");
    check("m 0+1x20", "last_over_time((-m)[5m:1m])", "{} -10");
    check("a 1x20\nb 2x20", r#"-{__name__=~"a|b"}"#, "expect fail msg: vector cannot contain metrics with the same labelset");
}
