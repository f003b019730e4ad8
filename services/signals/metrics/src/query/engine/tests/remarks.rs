//! Remarks, and labels that hold numbers.

use super::super::dates::Rfc3339;
use super::super::{Evaluation, Options, numbers};
use super::{evaluate, series};

fn remarks(query: &str, evaluation: Evaluation) -> usize {
    let all = series(&[&[(0, 1.0), (60_000, 2.0)], &[(0, 2.0), (60_000, 1.0)]]);
    let result = evaluate(query, evaluation, &Options::default(), all).expect("the query has an answer");
    result.annotations.iter().count()
}

#[test]
fn sorting_is_remarked_where_there_are_several_steps() {
    let (instant, range) = (Evaluation::Instant { at_ms: 60_000 }, Evaluation::Range { start_ms: 0, end_ms: 60_000, step_ms: 30_000 });
    for (query, evaluation, expected) in [
        ("sort(m)", instant, 0),
        ("count_over_time(sort_desc(m)[1m:10s])", instant, 1),
        ("sort(m)", range, 1),
        ("sort_by_label(m @ 60, \"n\")", range, 0),
    ] {
        assert_eq!(remarks(query, evaluation), expected, "{query}");
    }
}

#[test]
fn times_in_remarks_are_whole_seconds_and_zero_has_no_sign() {
    assert_eq!(Rfc3339(1_768_476_317_329).to_string(), "2026-01-15T11:25:17Z");
    assert_eq!([numbers::label(-0.0), numbers::label(-0.5), numbers::label(2.0)], ["0.0", "-0.5", "2.0"]);
}
