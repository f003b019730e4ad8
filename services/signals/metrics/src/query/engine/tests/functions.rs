use super::{check, check_eval, check_range};

#[test]
fn ranges_of_counters() {
    let load = "c_total 0 10 20 5 15 25 35 45 55 65 75";
    check(load, "increase(c_total[10m])", "{} 94.44444444444444");
    check(load, "resets(c_total[11m]) + changes(c_total[11m]) * 10", "{} 101");
    check(load, "irate(c_total[5m])", "{} 0.16666666666666666");
    check(load, "idelta(c_total[5m])", "{} 10");
    check(load, "delta(c_total[5m])", "{} 50");
    check_range(load, "resets(c_total[3m])", "{} 0 0 0 1 1 0");
}

#[test]
fn orders_are_of_instants_and_not_of_subqueries() {
    let load = "m{k=\"a\"} 1 2 3 4 5 6 7 8 9 10 11\nm{k=\"b\"} _ 9 8 7 6 5 4 3 2 1 0";
    check(load, "sum_over_time(topk(1, m)[5m:1m])", "{k=\"a\"} 45");
    check(load, "count_over_time(topk(1, m)[10m1s:1m])", "{k=\"a\"} 7\n{k=\"b\"} 4");
    check(load, "count_over_time(sort_desc(m)[10m1s:1m])", "{k=\"a\"} 11\n{k=\"b\"} 10");
    check(load, "first_over_time(sort_by_label(m, \"k\")[5m:1m])", "m{k=\"a\"} 7\nm{k=\"b\"} 4");
}

#[test]
fn a_reset_before_the_window_does_not_count() {
    check_range("c_total 100 0 10 20 30 40", "increase(c_total[2m])", "{} _ 0 10 20 20 20");
}

#[test]
fn statistics_of_ranges() {
    let load = "m 1 NaN 3 2 7 4";
    for (function, values) in [
        ("count", "1 2 3 3 3 3"),
        ("sum", "1 NaN NaN NaN 12 13"),
        ("min", "1 1 1 2 2 2"),
        ("max", "1 1 3 3 7 7"),
        ("last", "1 NaN 3 2 7 4"),
        ("present", "1 1 1 1 1 1"),
        ("ts_of_max", "0 0 120 120 240 240"),
    ] {
        let name = if function == "last" { "m" } else { "{}" };
        check_range(load, &format!("{function}_over_time(m[3m])"), &format!("{name} {values}"));
    }
    check("m 1 2 3 4 5 6 7 8 9 10 11", "quantile_over_time(0.5, m[4m])", "{} 9.5");
    check("m 1 2 3 4 5 6 7 8 9 10 11", "mad_over_time(m[5m])", "{} 1");
    check("m 1 2 3 4 5 6 7 8 9 10 11", "stdvar_over_time(m[3m])", "{} 0.6666666666666666");
}

#[test]
fn lines_through_ranges() {
    check("m 0+6x20", "deriv(m[5m])", "{} 0.1");
    check("m 0+6x20", "predict_linear(m[5m], 60)", "{} 66");
    check("m Infx20", "deriv(m[5m])", "{} NaN");
    check(
        "m 0+6x20",
        "double_exponential_smoothing(m[5m], 1, 0.5)",
        "expect fail msg: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000",
    );
}

#[test]
fn absence_is_told_step_by_step() {
    check_range(r#"m{a="1"} 1 1 stale _ 1"#, r#"absent(m{a="1", b!="2"})"#, r#"{a="1"} _ _ 1 1"#);
    check_range("m 1 stale _ _ _ 1", "absent_over_time(m[2m])", "{} _ _ 1 1 1");
    check("m 1", r#"absent(n{a="1", a="2", b="3"})"#, r#"{b="3"} 1"#);
}

#[test]
fn numbers_are_mapped() {
    let load = "m{k=\"a\"} -1.5x20\nm{k=\"b\"} 2.5x20";
    check(load, "round(m)", "{k=\"a\"} -1\n{k=\"b\"} 3");
    check(load, "round(m, 0.2)", "{k=\"a\"} -1.4\n{k=\"b\"} 2.6");
    check(load, "clamp(m, -1, 2)", "{k=\"a\"} -1\n{k=\"b\"} 2");
    check(load, "clamp(m, 2, -1)", "");
    check("m Inf Inf Inf Inf Inf Inf Inf Inf Inf Inf Inf", "clamp_min(m, NaN)", "{} Inf");
    check(load, "vector(max_of(NaN, Inf)) + vector(min_of(1, NaN))", "{} NaN");
    check(load, "clamp_max(m, NaN)", "{k=\"a\"} NaN\n{k=\"b\"} NaN");
    check(load, "sgn(m)", "{k=\"a\"} -1\n{k=\"b\"} 1");
    check(load, "scalar(m)", "NaN");
    check(load, r#"scalar(m{k="b"})"#, "2.5");
    check(load, "vector(time())", "{} 600");
}

#[test]
fn times_of_samples_and_of_dates() {
    check_eval("m 1x20", "eval instant at 150s timestamp(m)\n{} 120");
    check_eval("m 1x20", "eval instant at 150s timestamp(m * 1)\n{} 150");
    check("m 1709210096x20", "year(m) * 10000 + month(m) * 100 + day_of_month(m)", "{} 20240229");
    check("m 1709210096x20", "days_in_month(m) * 100 + day_of_week(m)", "{} 2904");
    check("m 1735603200x20", "day_of_year(m)", "{} 366");
    check("m -1x20", "hour(m) * 100 + minute(m)", "{} 2359");
    check("m NaNx20", "year(m)", "{} 292277026596");
}

#[test]
fn labels_are_rewritten() {
    let load = r#"m{a="x-1", b="y"} 1x20"#;
    check(load, r#"label_replace(m, "c", "$2:$1", "a", "(.*)-(.*)")"#, r#"m{a="x-1", b="y", c="1:x"} 1"#);
    check(load, r#"label_replace(m, "a", "", "b", ".*")"#, r#"m{b="y"} 1"#);
    check(load, r#"label_join(m, "c", "/", "a", "none", "b")"#, r#"m{a="x-1", b="y", c="x-1//y"} 1"#);
    check(load, r#"label_replace(m, "a", "", "b", "(")"#, "expect fail msg: invalid regular expression in label_replace(): (");
    check(load, r#"label_replace(m, "", "", "b", "")"#, "expect fail regex: invalid destination label name in label_replace");
}

#[test]
fn sorting_is_for_instants() {
    let load = "m{k=\"a1\"} 3x20\nm{k=\"a10\"} NaNx20\nm{k=\"a2\"} 1x20";
    check(load, "sort(m)", "expect ordered\nm{k=\"a2\"} 1\nm{k=\"a1\"} 3\nm{k=\"a10\"} NaN");
    check(load, "sort_desc(m)", "expect ordered\nm{k=\"a1\"} 3\nm{k=\"a2\"} 1\nm{k=\"a10\"} NaN");
    check(load, r#"sort_by_label(m, "k")"#, "expect ordered\nm{k=\"a1\"} 3\nm{k=\"a2\"} 1\nm{k=\"a10\"} NaN");
    check(load, "topk(2, m)", "expect ordered\nm{k=\"a1\"} 3\nm{k=\"a2\"} 1");
    let warning = "PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)";
    check_range("m 1x5", "sort(m)", &format!("expect warn msg: {warning}\nm 1x5"));
}

#[test]
fn classic_histograms() {
    let load = "h_bucket{le=\"1\"} 10x20\nh_bucket{le=\"2\"} 30x20\nh_bucket{le=\"+Inf\"} 40x20";
    check(load, "histogram_quantile(0.5, h_bucket)", "{} 1.5");
    check(load, "histogram_quantile(0.9, h_bucket)", "{} 2");
    check(load, "histogram_quantile(0.125, h_bucket)", "{} 0.5");
    check(load, "histogram_fraction(1, 1.5, h_bucket)", "{} 0.25");
    check(load, r#"histogram_quantile(0.5, h_bucket{le!="+Inf"})"#, "{} NaN");
    check(load, r#"histogram_quantiles(h_bucket, "q", 0.5, 1)"#, "{q=\"0.5\"} 1.5\n{q=\"1.0\"} 2");
    check(
        "h_bucket{le=\"x\"} 1x20",
        "histogram_quantile(0.5, h_bucket)",
        "expect warn msg: PromQL warning: bucket label \"le\" is missing or has a malformed value of \"x\" for metric name \"h_bucket\" (1:25)",
    );
}

#[test]
fn falling_buckets_are_mended_and_told() {
    let load = "h_bucket{le=\"1\"} 10x20\nh_bucket{le=\"2\"} 8x20\nh_bucket{le=\"+Inf\"} 20x20";
    let text = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
        https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name \"h_bucket\", from buckets 2 \
        to 2, with a max diff of 2, over 1 samples from 1970-01-01T00:10:00Z to 1970-01-01T00:10:00Z (1:25)";
    check_eval(load, &format!("eval range from 10m to 10m step 1m histogram_quantile(0.5, h_bucket)\nexpect info msg: {text}\n{{}} 1"));
}

#[test]
fn infos_lend_their_labels() {
    let load = "m{instance=\"a\", job=\"j\", l=\"v\"} 0 1 2\nm{instance=\"b\", job=\"j\"} 5 5 5\n\
        target_info{instance=\"a\", job=\"j\", version=\"1\", zone=\"z\"} 1 stale\ntarget_info{instance=\"a\", job=\"j\", version=\"2\"} _ 1x5\n\
        build_info{instance=\"a\", job=\"j\", version=\"3\"} 1x5";
    let script = |eval: &str| check_eval(load, eval);
    script(
        "eval range from 0 to 2m step 1m info(m)\nm{instance=\"a\", job=\"j\", l=\"v\", version=\"1\", zone=\"z\"} 0\n\
        m{instance=\"a\", job=\"j\", l=\"v\", version=\"2\"} _ 1 2\nm{instance=\"b\", job=\"j\"} 5 5 5",
    );
    script("eval instant at 0 info(m, {version=~\".+\"})\nm{instance=\"a\", job=\"j\", l=\"v\", version=\"1\"} 0");
    script("eval range from 2m to 3m step 1m info(m{l=\"v\"} @ 0)\nm{instance=\"a\", job=\"j\", l=\"v\", version=\"1\", zone=\"z\"} 0 0");
    script("eval instant at 1m info(m, {__name__=\"build_info\", version!=\"\"})\nm{instance=\"a\", job=\"j\", l=\"v\", version=\"3\"} 1");
    script("eval instant at 1m info(m, {__name__=~\".+_info\"})\nexpect fail msg: conflicting label: version");
    script("eval instant at 1m info(target_info)\ntarget_info{instance=\"a\", job=\"j\", version=\"2\"} 1");
}

#[test]
fn the_default_info_metric_stays_as_it_is_whatever_labels_are_wanted() {
    let load = "target_info{job=\"a\", instance=\"i\", region=\"eu\"} 1x20";
    check(load, "info(target_info, {region=\"us\"})", "target_info{job=\"a\", instance=\"i\", region=\"eu\"} 1");
}
