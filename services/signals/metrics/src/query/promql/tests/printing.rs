use crate::query::promql::parse;

fn prints(query: &str, pretty: &str) {
    assert_eq!(parse(query).unwrap().pretty(), pretty, "{query}");
}

#[test]
fn short_expressions_stay_in_one_line() {
    for (query, pretty) in [
        ("foo/bar", "foo / bar"),
        ("foo[1h:5m] @ 1234.5", "foo[1h:5m] @ 1234.500"),
        ("histogram_quantile(0.9,sum(rate(x[5m])) by (le))", "histogram_quantile(0.9, sum by (le) (rate(x[5m])))"),
        ("{\"a.b\",\"c.d\"=\"e\"}", "{\"c.d\"=\"e\",__name__=\"a.b\"}"),
        ("label_replace(foo,\"a\",\"$1\",\"b\",\"(.*)\")", "label_replace(foo, \"a\", \"$1\", \"b\", \"(.*)\")"),
        ("5m", "5m"),
        ("foo > bool 1", "foo > bool 1"),
        ("count_values without(a)(\"v\",foo)", "count_values without (a) (\"v\", foo)"),
        ("- ( foo )", "-(foo)"),
        ("info(a, {})", "info(a, {})"),
        ("{__name__=\"\",a=\"b\"}", "{__name__=\"\",a=\"b\"}"),
    ] {
        prints(query, pretty);
    }
}

#[test]
fn long_expressions_are_split_at_their_outermost_parts() {
    prints(
        "sum(rate(http_requests_total{job=\"api\",instance=~\"10.0.0.[1-3]:8080\",method=\"GET\",code!=\"200\"}[5m])) by (handler, method) \
         / on (handler) group_left (method) sum(rate(http_requests_total[5m])) by (handler)",
        r#"  sum by (handler, method) (
    rate(http_requests_total{code!="200",instance=~"10.0.0.[1-3]:8080",job="api",method="GET"}[5m])
  )
/ on (handler) group_left (method)
  sum by (handler) (rate(http_requests_total[5m]))"#,
    );
    prints(
        "topk(5, -(sum by (one_long_label) (max_over_time(first_long_metric_name[5m:1m])) + \
         sum by (one_long_label) (second_long_metric_name_with_much_more_text)))",
        r"topk(
  5,
  -(
      sum by (one_long_label) (max_over_time(first_long_metric_name[5m:1m]))
    +
      sum by (one_long_label) (second_long_metric_name_with_much_more_text)
  )
)",
    );
    prints(
        "max_over_time(label_replace(some_rather_long_metric_name, \"destination\", \"$1\", \"source_of_the_text\", \"(.*)\")[30m:1m] offset 1h)",
        r#"max_over_time(
  label_replace(some_rather_long_metric_name, "destination", "$1", "source_of_the_text", "(.*)")[30m:1m] offset 1h
)"#,
    );
}
