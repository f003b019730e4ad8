//! Remarks, and labels that hold numbers.

use super::super::dates::Rfc3339;
use super::super::{Annotation, Annotations, Evaluation, ForcedMonotonicity, Options, numbers};
use super::{evaluate, series};

const RANGE: Evaluation = Evaluation::Range { start_ms: 0, end_ms: 60_000, step_ms: 30_000 };

fn annotations(query: &str, evaluation: Evaluation) -> Annotations {
    let all = series(&[&[(0, 1.0), (60_000, 2.0)], &[(0, 2.0), (60_000, 1.0)]]);
    evaluate(query, evaluation, &Options::default(), all).expect("the query has an answer").annotations
}

fn remarks(query: &str, evaluation: Evaluation) -> usize {
    annotations(query, evaluation).len()
}

/// The numbers that warnings about a range query name, each with its place.
fn named(query: &str, parts: &[Evaluation]) -> Vec<String> {
    let mut all = Annotations::default();
    parts.iter().for_each(|part| all.merge(annotations(query, *part)));
    let warnings = all.warnings(query, 10);
    warnings.iter().map(|text| text.rsplit_once("got ").map_or(text.as_str(), |(_, number)| number).to_owned()).collect()
}

#[test]
fn an_aggregation_names_the_extremes_of_its_parameter_over_all_parts() {
    let parts = [RANGE, Evaluation::Range { start_ms: 90_000, end_ms: 120_000, step_ms: 30_000 }];
    assert_eq!(named("quantile(time(), m)", &parts), ["120 (1:10)"]);
    assert_eq!(named("quantile(100 - time(), m)", &parts), ["100 (1:10)", "-20 (1:10)"]);
    assert_eq!(named("limit_ratio(time(), m)", &parts), ["120, capping to 1 (1:13)"]);
    // Prometheus computes the extremes with NaN, which hides them.
    assert_eq!(named("quantile(time() + (time() == bool 90) * NaN, m)", &parts), ["NaN (1:10)"]);
    assert_eq!(named("quantile(2, m) + quantile(2, m)", &parts), ["2 (1:27)"], "one text is told once");
}

#[test]
fn corrected_buckets_are_told_of_the_first_place() {
    let forced = |t: i64| {
        let metric = String::new();
        Annotation::ForcedMonotonicity(ForcedMonotonicity {
            metric,
            min_bucket: 1.0,
            max_bucket: 2.0,
            max_diff: 0.5,
            min_t: t,
            max_t: t,
            count: 1,
        })
    };
    let mut all = Annotations::default();
    all.add(forced(0), 3);
    all.add(forced(1000), 7);
    let [info] = &all.infos("0123456789", 10)[..] else { panic!("one text is told once") };
    assert!(info.ends_with("over 2 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z (1:4)"), "{info}");
}

#[test]
fn a_function_names_each_bad_parameter_with_which_there_is_a_value() {
    assert_eq!(named("histogram_quantile(2 + time(), m)", &[RANGE])[..3], ["2 (1:20)", "32 (1:20)", "62 (1:20)"]);
    assert_eq!(named("quantile_over_time(2 + time(), m[1m])", &[RANGE]), ["2 (1:20)", "32 (1:20)", "62 (1:20)"]);
    assert!(named("quantile_over_time(2, m[1m] offset 1h)", &[RANGE]).is_empty());
}

#[test]
fn remarks_about_subqueries_point_to_the_beginning() {
    let infos = |query: &str| annotations(query, RANGE).infos(query, 10).concat();
    assert!(infos("1 + rate(m[2m])").ends_with("(1:10)"));
    assert!(infos("1 + rate(m[2m:30s])").ends_with("(1:1)"));
}

#[test]
fn bad_durations_come_before_modifiers_that_do_not_fit() {
    let error = |query: &str| evaluate(query, Evaluation::Instant { at_ms: 0 }, &Options::default(), Vec::new()).unwrap_err().to_string();
    assert!(error("resets(m[step()] smoothed)").ends_with("duration must be greater than 0"));
    assert_eq!(error("m[step():range()]"), "9:16: duration must be greater than 0", "a step comes before its range");
    assert!(error("resets(m[1m] smoothed)").starts_with("smoothed modifier can only be used with"));
}

#[test]
fn sorting_is_remarked_where_there_are_several_steps() {
    let (instant, range) = (Evaluation::Instant { at_ms: 60_000 }, RANGE);
    for (query, evaluation, expected) in [
        ("sort(m)", instant, 0),
        ("count_over_time(sort_desc(m)[1m:10s])", instant, 1),
        ("sort(m)", range, 1),
        ("sort_by_label(m @ 60, \"n\")", range, 0),
        // One step, at the end of the range.
        ("count_over_time(sort(m)[10s:10s])", instant, 0),
        ("count_over_time(sort(m)[10s:10s] @ 60)", range, 0),
        // One step, before the end of the range.
        ("count_over_time(sort(m)[50s:40s])", instant, 1),
        // None.
        ("count_over_time(sort(m)[5s:50s])", instant, 0),
    ] {
        assert_eq!(remarks(query, evaluation), expected, "{query}");
    }
}

#[test]
fn times_in_remarks_are_whole_seconds_and_zero_has_no_sign() {
    assert_eq!(Rfc3339(1_768_476_317_329).to_string(), "2026-01-15T11:25:17Z");
    assert_eq!([numbers::label(-0.0), numbers::label(-0.5), numbers::label(2.0)], ["0.0", "-0.5", "2.0"]);
}
