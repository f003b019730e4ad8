use super::{check, check_eval, check_range};

const COUNTER: &str = "h {{schema:0 sum:1 count:1 buckets:[1]}}+{{schema:0 sum:2 count:2 buckets:[1 1]}}x10";

#[test]
fn the_newest_sample_counts_whichever_kind_it_is() {
    check_range("m 1 {{count:2 sum:3}} _ 4 stale _", "count(m)", "{} 1 1 1 1 _ _");
    check_eval("m {{count:2 sum:3}} 7", "eval instant at 30s m\nm {{count:2 sum:3}}");
    check_eval("m {{count:2 sum:3}} 7", "eval instant at 1m m\nm 7");
    check("m {{count:2 sum:3}}", "m offset 10m", "m {{count:2 sum:3}}");
}

#[test]
fn changes_of_histograms() {
    check(COUNTER, "increase(h[5m])", "{} {{schema:0 count:10 sum:10 counter_reset_hint:gauge buckets:[5 5]}}");
    check(COUNTER, "histogram_count(irate(h[5m])) * 60", "{} 2");
    let reset = "h {{schema:0 count:5 buckets:[5]}} {{schema:0 count:9 buckets:[9]}} {{schema:0 count:2 buckets:[2]}} {{schema:0 count:4 buckets:[4]}}";
    check_range(reset, "resets(h[2m1s])", "{} 0 0 1 1 0 0");
    check_range(reset, "changes(h[2m1s])", "{} 0 1 2 2 1 0");
    check_eval(reset, "eval instant at 3m histogram_count(increase(h[3m1s])) / (3m1s / 3m)\n{} 8");
}

#[test]
fn a_first_histogram_before_a_reset_may_have_other_buckets() {
    let load = "h {{schema:-53 count:5 buckets:[5] custom_values:[1]}} {{schema:0 count:2 buckets:[2]}} {{schema:0 count:6 buckets:[6]}}";
    check_eval(load, "eval instant at 2m histogram_count(increase(h[2m1s])) / (2m1s / 2m)\nexpect no_warn\n{} 6");
}

#[test]
fn both_kinds_in_one_range() {
    let load = "m 1 2 {{count:2 sum:3}} {{count:4 sum:6}}";
    let warned = |query: &str| {
        let warning = "expect warn regex: encountered a mix of histograms and floats for metric name \"m\"";
        check_eval(load, &format!("eval instant at 3m {query}\n{warning}\n"));
    };
    warned("rate(m[5m])");
    warned("sum_over_time(m[5m])");
    warned("irate(m[2m] offset 1m)");
    let ignored = "expect info regex: ignored histograms in a range containing both floats and histograms for metric name \"m\"";
    check_eval(load, &format!("eval instant at 3m max_over_time(m[5m])\n{ignored}\n{{}} 2"));
    check_eval(load, "eval instant at 3m count_over_time(m[5m])\nexpect no_info\n{} 4");
}

#[test]
fn groups_of_both_kinds_have_no_sum() {
    let load = "m{n=\"1\"} 1\nm{n=\"2\"} {{count:2 sum:3}}\nm{n=\"3\"} {{count:4 sum:5}}";
    check_eval(
        load,
        "eval instant at 0 sum(m)\nexpect warn msg: PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)",
    );
    check_eval(load, "eval instant at 0 sum(m{n!=\"1\"})\nexpect no_warn\n{} {{count:6 sum:8}}");
    check_eval(load, "eval instant at 0 max(m)\nexpect info msg: PromQL info: ignored histogram in max aggregation (1:5)\n{} 1");
    check_eval(
        load,
        "eval instant at 0 topk(3, m)\nexpect info msg: PromQL info: ignored histogram in topk aggregation (1:1)\nm{n=\"1\"} 1",
    );
    check_eval(load, "eval instant at 0 count(limitk(3, m))\n{} 3");
    check_eval(load, "eval instant at 0 count_values(\"v\", m{n=\"2\"})\n{v=\"{count:2, sum:3}\"} 1");
}

#[test]
fn operators_of_histograms() {
    let load = "h {{schema:0 count:3 sum:6 buckets:[1 2]}}\nf 2";
    check_eval(load, "eval instant at 0 h * 2 / on() group_left() f\n{} {{schema:0 count:3 sum:6 buckets:[1 2]}}");
    check_eval(load, "eval instant at 0 -h\n{} {{schema:0 count:-3 sum:-6 counter_reset_hint:gauge buckets:[-1 -2]}}");
    check_eval(load, "eval instant at 0 h == h\nh {{schema:0 count:3 sum:6 buckets:[1 2]}}");
    check_eval(load, "eval instant at 0 h </ 1\nh {{schema:0 count:1 sum:0.7071067811865476 buckets:[1]}}");
    let incompatible = |query: &str, types: &str| {
        let operator = query.split(' ').nth(1).expect("the query has an operator");
        let info = format!("PromQL info: incompatible sample types encountered for binary operator \"{operator}\": {types} (1:1)");
        check_eval(load, &format!("eval instant at 0 {query}\nexpect info msg: {info}"));
    };
    incompatible("h + 1", "histogram + float");
    incompatible("1 / h", "float / histogram");
    incompatible("h > bool h", "histogram > histogram");
    // What has no result with its match is filled in for like what has no match; the last remark of a step is told.
    incompatible("h > bool fill_left(1) h", "float > histogram");
    incompatible("f </ 1", "float </ float");
}

#[test]
fn neither_histogram_counts_where_both_are() {
    let load = "h{le=\"1\"} 1\nh{le=\"+Inf\"} 2\nh {{schema:0 count:2 buckets:[2]}}";
    let warning = "expect warn msg: PromQL warning: vector contains a mix of classic and native histograms for metric name \"h\" (1:25)";
    check_eval(load, &format!("eval instant at 0 histogram_quantile(0.5, h)\n{warning}"));
}

#[test]
fn histograms_of_a_subquery_forget_what_they_knew_of_resets() {
    // The reset is known of the sample at 2 minutes, which the subquery leaves out.
    let load = "h {{count:8}} {{count:9}} {{count:1 counter_reset_hint:reset}} {{count:2}} {{count:3}} {{count:4}} {{count:5}}";
    check_eval(load, "eval instant at 6m resets(h[6m1s:3m])\n{} 1");
}

#[test]
fn a_series_may_be_classic_for_a_while_and_native_then() {
    let load = "h_bucket{le=\"1\"} 1x4 stale\nh_bucket{le=\"+Inf\"} 1x4 stale\nh _x5 {{schema:0 count:2 sum:2 buckets:[2]}}x5";
    check(load, "count_over_time(histogram_quantile(0.5, sum by (le) (h_bucket) or sum(h))[11m:1m])", "{} 11");
    check(load, "count_over_time(histogram_fraction(0, 1, sum by (le) (h_bucket) or sum(h))[11m:1m])", "{} 11");
}
