//! Whether two answers say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::Ask;
use crate::http::Answer;

/// Numbers are equal up to this part of them.
const RELATIVE: f64 = 1e-11;

/// The first thing in which two answers differ.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// What it is.
    pub(super) kind: &'static str,
    /// As it was expected.
    pub(super) expected: String,
    /// As it is.
    pub(super) found: String,
}

impl Difference {
    fn of(kind: &'static str, expected: &Value, found: &Value) -> Self {
        Self { kind, expected: expected.to_string(), found: found.to_string() }
    }

    fn unless(agree: bool, kind: &'static str, expected: &Value, found: &Value) -> Option<Self> {
        (!agree).then(|| Self::of(kind, expected, found))
    }
}

/// The first thing in which the answer differs from the expected one; `None`: they say the same.
pub(super) fn difference(ask: &Ask, expected: &Answer, found: &Answer) -> Option<Difference> {
    let whole = |kind| {
        let text = |answer: &Answer| format!("{} {}", answer.status, answer.text());
        Some(Difference { kind, expected: text(expected), found: text(found) })
    };
    if expected.status != found.status {
        return whole("status");
    }
    let (Ok(left), Ok(right)) = (serde_json::from_slice::<Value>(&expected.body), serde_json::from_slice::<Value>(&found.body)) else {
        return if expected.body == found.body { None } else { whole("body") };
    };
    for kind in ["status", "errorType", "error"] {
        if left[kind] != right[kind] {
            return Some(Difference::of(kind, &left[kind], &right[kind]));
        }
    }
    for kind in ["warnings", "infos"] {
        if !remarks_agree(&left[kind], &right[kind]) {
            return Some(Difference::of(kind, &left[kind], &right[kind]));
        }
    }
    let (left, right) = (&left["data"], &right["data"]);
    if left["resultType"] != right["resultType"] {
        return whole("resultType");
    }
    match ask.endpoint {
        "query" | "query_range" => {
            let limited = ask.params.iter().any(|(name, _)| *name == "limit");
            results(&left["result"], &right["result"], ordered(ask), limited)
        }
        "query_exemplars" | "series" => Difference::unless(same(&sorted(left), &sorted(right)), "data", left, right),
        _ => Difference::unless(same(left, right), "data", left, right),
    }
}

/// Ten remarks at most are shown, and of more which ones is free; how many more there are is not.
fn remarks_agree(expected: &Value, found: &Value) -> bool {
    let (expected, mut found) = (remarks(expected), remarks(found));
    if expected.len() > 10 && found.len() > 10 {
        return expected.last() == found.last();
    }
    let mut missing = expected.iter().filter(|remark| match found.iter().position(|other| alike(remark, other)) {
        Some(place) => {
            found.swap_remove(place);
            false
        }
        None => true,
    });
    missing.next().is_none() && found.is_empty()
}

fn remarks(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(without_count).collect()
}

/// Equal, but for the last digits of numbers.
fn alike(one: &str, other: &str) -> bool {
    let number = |word: &str| word.trim_end_matches(',').parse().ok();
    let (one, other) = (one.split(' '), other.split(' '));
    one.clone().count() == other.clone().count() && one.zip(other).all(|(one, other)| one == other || numbers(number(one), number(other)))
}

/// A remark without the number of histograms that were corrected: Prometheus counts them anew at each step, so that it doubles, until it overflows.
fn without_count(remark: &str) -> String {
    match (remark.find(", over "), remark.find(" samples from ")) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &remark[..from], &remark[to..]),
        _ => remark.to_owned(),
    }
}

/// Whether the order of the series is defined.
fn ordered(ask: &Ask) -> bool {
    let query = ask.query.as_deref().unwrap_or_default();
    ask.endpoint == "query" && ["sort(", "sort_desc(", "sort_by_label(", "sort_by_label_desc("].iter().any(|name| query.starts_with(name))
}

fn results(expected: &Value, found: &Value, ordered: bool, limited: bool) -> Option<Difference> {
    let (Some(left), Some(right)) = (expected.as_array(), found.as_array()) else {
        return Difference::unless(same(expected, found), "data", expected, found);
    };
    let scalar = left.first().is_some_and(|first| !first.is_object());
    if scalar {
        return Difference::unless(same(expected, found), "value", expected, found);
    }
    if limited && left.len() == right.len() {
        return None;
    }
    let by_labels =
        |list: &[Value]| -> BTreeMap<String, Value> { list.iter().map(|series| (series["metric"].to_string(), series.clone())).collect() };
    let (first, second) = (by_labels(left), by_labels(right));
    // Labels that `count_values` makes of values have their last digits too.
    let metrics_agree =
        first.len() == second.len() && first.values().zip(second.values()).all(|(one, other)| same(&one["metric"], &other["metric"]));
    if !metrics_agree {
        let only = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| -> String {
            one.iter().filter(|(key, _)| !other.contains_key(*key)).map(|(_, series)| series.to_string()).collect()
        };
        return Some(Difference { kind: "labels", expected: only(&first, &second), found: only(&second, &first) });
    }
    if left.len() != right.len() {
        return Some(Difference::of("number of series", expected, found));
    }
    for (one, other) in first.values().zip(second.values()) {
        if let Some(difference) = points(one, other) {
            return Some(difference);
        }
    }
    // Of equal values the order is free: the values alone are compared.
    let ordered_alike = left.iter().zip(right).all(|(one, other)| same(&one["value"], &other["value"]));
    Difference::unless(!ordered || ordered_alike, "order", expected, found)
}

/// What differs between two series of the same labels.
fn points(expected: &Value, found: &Value) -> Option<Difference> {
    let told = |kind, left: &Value, right: &Value| {
        let metric = &expected["metric"];
        Some(Difference { kind, expected: format!("{metric} {left}"), found: format!("{metric} {right}") })
    };
    let times = |series: &Value, of: &str| -> Value { series[of].as_array().into_iter().flatten().map(|point| point[0].clone()).collect() };
    for of in ["values", "histograms"] {
        let (left, right) = (times(expected, of), times(found, of));
        if left != right {
            return told("times", &left, &right);
        }
        let points = |series: &Value| series[of].as_array().cloned().unwrap_or_default();
        if let Some((left, right)) = points(expected).iter().zip(&points(found)).find(|(left, right)| !same(left, right)) {
            return told("value", left, right);
        }
    }
    Difference::unless(
        same(&expected["value"], &found["value"]) && same(&expected["histogram"], &found["histogram"]),
        "value",
        expected,
        found,
    )
}

fn sorted(value: &Value) -> Value {
    let mut list = value.as_array().cloned().unwrap_or_default();
    list.sort_by_key(Value::to_string);
    Value::Array(list)
}

/// Equal, but for the last digits of numbers, also of those that are texts.
fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(left), Value::String(right)) => left == right || numbers(left.parse().ok(), right.parse().ok()),
        (Value::Number(left), Value::Number(right)) => left == right || numbers(left.as_f64(), right.as_f64()),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => expected == found,
    }
}

fn numbers(left: Option<f64>, right: Option<f64>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    let close = (left - right).abs() <= RELATIVE * left.abs().max(right.abs());
    left == right || (left.is_nan() && right.is_nan()) || close || (left - right).abs() < 1e-13
}
