//! Differences that are decided, or that no client notices. `docs/compatibility.md` has the reasons of the first.

use super::compare::Difference;
use super::request::Ask;

/// Whether a difference is one that is wanted.
pub(super) fn decided(ask: &Ask, difference: &Difference) -> bool {
    let query = ask.query.as_deref().unwrap_or_default();
    let Difference { kind, expected, .. } = difference;
    // Of several series that match, those are named that come first in the order of labels; a head of Prometheus has the order of arrival.
    let which_series = *kind == "error" && expected.contains("found duplicate series for the match group");
    // Start timestamps are not kept; Prometheus has no value where it was not told to keep them, the recorded answers and scripts have 0.
    let starts = query.contains("start_timestamp");
    // The tree is that of the recorded answers, without the members of duration expressions.
    // Of a NaN to fill in, Prometheus cannot write a tree.
    let tree = ask.endpoint == "parse_query" && (*kind == "data" || expected.contains("unsupported value: NaN"));
    // Which series are first is free.
    let chosen = ["limitk", "limit_ratio"].iter().any(|name| query.contains(name)) && *kind != "status";
    which_series || starts || tree || chosen || list(ask, difference)
}

/// A list whose end lies before its start is refused, as in Mimir, and before its selectors are read. A list of names or values tells
/// what has samples at the time; a head of Prometheus tells all that it has.
fn list(ask: &Ask, difference: &Difference) -> bool {
    if ask.query.is_some() {
        return false;
    }
    let strings = |text: &str| serde_json::from_str::<Vec<String>>(text).ok();
    let refused = difference.found.contains("end timestamp must not be before start time");
    let fewer = ask.endpoint.starts_with("label")
        && difference.kind == "data"
        && strings(&difference.expected)
            .zip(strings(&difference.found))
            .is_some_and(|(all, some)| some.iter().all(|name| all.contains(name)));
    refused || fewer
}

/// Whether the smallest expression with a difference is one whose answer is free, or wrong in Prometheus.
pub(super) fn free(small: &Ask, sharded: bool, difference: &Difference) -> bool {
    let query = small.query.as_deref().unwrap_or_default();
    let values = ["labels", "number of series", "times", "value"].contains(&difference.kind);
    // Of equal values, which ones are chosen depends on the order of series.
    let ties = values && ["topk", "bottomk"].iter().any(|name| query.contains(name));
    // Of these, where a parameter is not the same at all steps, Prometheus 3.14 loses a subquery at a fixed time.
    let takes_range =
        ["predict_linear(", "quantile_over_time(", "double_exponential_smoothing("].iter().any(|name| query.starts_with(name));
    let lost = difference.kind == "labels" && difference.expected.is_empty() && takes_range && query.contains("] @ ");
    // Prometheus brings a selector's conditions into another order when it looks for series, and then reads the labels off.
    let absent = difference.kind == "labels" && query.starts_with("absent");
    // Series that only their names told apart lie in different shards.
    let apart = sharded && difference.expected.contains("vector cannot contain metrics with the same labelset");
    // A smoothed range with samples behind its end alone has none here, as it has no rate in either.
    let behind = difference.kind == "labels" && query.contains(" smoothed") && difference.found.is_empty() && small.endpoint == "query";
    // A fault of Prometheus.
    let fault = difference.expected.contains("unexpected error: runtime error");
    // The info series are those of the time at which the vector looks; Prometheus evaluates them at another.
    let info = values && query.starts_with("info(") && [" @ ", " offset "].iter().any(|modifier| query.contains(modifier));
    // The parameter counts too; Prometheus takes it at the first step where all else is at a fixed time.
    let parameter =
        small.endpoint == "query_range" && ["quantile", "limit_ratio"].iter().any(|name| query.starts_with(name)) && query.contains(" @ ");
    [ties, lost, info, parameter, absent, apart, behind, fault].contains(&true)
        || between_windows(small, difference)
        || at_other_times(small, difference)
}

fn remarks(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

/// What is the same at all steps is evaluated once, and once in each part of a split query: corrected buckets are told of these times.
fn at_other_times(small: &Ask, difference: &Difference) -> bool {
    let texts = |text: &str| -> Vec<String> {
        remarks(text).iter().map(|remark| remark.split(", from buckets").next().unwrap_or_default().to_owned()).collect()
    };
    let fixed = small.query.as_deref().is_some_and(|query| query.contains(" @ "));
    small.endpoint == "query_range" && difference.kind == "infos" && fixed && texts(&difference.expected) == texts(&difference.found)
}

/// A subquery is evaluated at all its steps by Prometheus, also at those that no window has; parts of a split query leave some of those
/// out, and what is to be remarked there.
fn between_windows(small: &Ask, difference: &Difference) -> bool {
    let (expected, found) = (remarks(&difference.expected), remarks(&difference.found));
    let told = |remark: &String| expected.contains(remark) || expected.len() > 10 || remark.ends_with("omitted");
    let subquery = small.query.as_deref().is_some_and(|query| query.contains(")["));
    small.endpoint == "query_range" && ["warnings", "infos"].contains(&difference.kind) && subquery && found.iter().all(told)
}
