//! Whether two answers say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::Ask;
use crate::http::Answer;

/// Numbers are equal up to this part of them.
const RELATIVE: f64 = 1e-11;

/// The first thing in which the answer differs from the expected one; `None`: they say the same.
pub(super) fn difference(ask: &Ask, expected: &Answer, found: &Answer) -> Option<&'static str> {
    if expected.status != found.status {
        return Some("status");
    }
    let (Ok(expected), Ok(found)) = (serde_json::from_slice::<Value>(&expected.body), serde_json::from_slice::<Value>(&found.body)) else {
        return (expected.body != found.body).then_some("body");
    };
    if expected["status"] != found["status"] || expected["errorType"] != found["errorType"] {
        return Some("errorType");
    }
    if expected["error"] != found["error"] {
        return Some("error");
    }
    if !remarks_agree(&expected["warnings"], &found["warnings"]) {
        return Some("warnings");
    }
    if !remarks_agree(&expected["infos"], &found["infos"]) {
        return Some("infos");
    }
    if expected["data"]["resultType"] != found["data"]["resultType"] {
        return Some("resultType");
    }
    match ask.endpoint {
        "query" | "query_range" => {
            let limited = ask.params.iter().any(|(name, _)| *name == "limit");
            results(&expected["data"]["result"], &found["data"]["result"], ordered(ask), limited)
        }
        "query_exemplars" | "series" => (!same(&sorted(&expected["data"]), &sorted(&found["data"]))).then_some("data"),
        _ => (!same(&expected["data"], &found["data"])).then_some("data"),
    }
}

/// Ten remarks at most are shown, and of more which ones is free.
fn remarks_agree(expected: &Value, found: &Value) -> bool {
    let list = |value: &Value| -> Vec<String> {
        let mut list: Vec<String> = value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        list.sort_unstable();
        list
    };
    let (expected, found) = (list(expected), list(found));
    expected == found || (expected.len() > 10 && found.len() > 10)
}

/// Whether the order of the series is defined.
fn ordered(ask: &Ask) -> bool {
    let query = ask.query.as_deref().unwrap_or_default();
    ask.endpoint == "query" && ["sort(", "sort_desc(", "sort_by_label(", "sort_by_label_desc("].iter().any(|name| query.starts_with(name))
}

fn results(expected: &Value, found: &Value, ordered: bool, limited: bool) -> Option<&'static str> {
    let (Some(left), Some(right)) = (expected.as_array(), found.as_array()) else {
        return (!same(expected, found)).then_some("data");
    };
    if left.len() != right.len() {
        return Some("number of series");
    }
    let scalar = left.first().is_some_and(|first| !first.is_object());
    if scalar {
        return (!same(expected, found)).then_some("value");
    }
    if limited {
        return None;
    }
    let by_labels =
        |list: &[Value]| -> BTreeMap<String, Value> { list.iter().map(|series| (series["metric"].to_string(), series.clone())).collect() };
    let (first, second) = (by_labels(left), by_labels(right));
    if !first.keys().eq(second.keys()) {
        return Some("labels");
    }
    for (one, other) in first.values().zip(second.values()) {
        let times = |series: &Value, of: &str| -> Vec<f64> {
            series[of].as_array().into_iter().flatten().filter_map(|point| point[0].as_f64()).collect()
        };
        for of in ["values", "histograms"] {
            if times(one, of) != times(other, of) {
                return Some("times");
            }
        }
        if !same(one, other) {
            return Some("value");
        }
    }
    // Of equal values the order is free: the values alone are compared.
    let ordered_alike = left.iter().zip(right).all(|(one, other)| same(&one["value"], &other["value"]));
    (ordered && !ordered_alike).then_some("order")
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
