//! Functions that look at labels: `label_replace`, `label_join`, and sorting.

use std::cmp::Ordering;

use index::re2;

use super::batch::{Batch, Steps};
use super::eval::Evaluator;
use super::plan::{CallNode, Kind};
use super::{EvalError, numbers};
use crate::model::METRIC_NAME;
use crate::query::promql::functions::FunctionId;

/// A text among a call's arguments. What is not UTF-8 becomes U+FFFD.
fn text(call: &CallNode, index: usize) -> String {
    match &call.args[index].kind {
        Kind::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => unreachable!("the parser lets only texts stand here: {other:?}"),
    }
}

/// A label's name among a call's arguments.
fn label_name(call: &CallNode, index: usize, role: &'static str, function: &'static str) -> Result<String, EvalError> {
    let name = text(call, index);
    let valid = matches!(&call.args[index].kind, Kind::Text(bytes) if std::str::from_utf8(bytes).is_ok_and(|name| !name.is_empty()));
    if valid { Ok(name) } else { Err(EvalError::FunctionLabel { role, function, name }) }
}

/// `label_replace(vector, destination, replacement, source, pattern)`
pub(crate) fn replace(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Batch, EvalError> {
    let (replacement, source, pattern) = (text(call, 2), text(call, 3), text(call, 4));
    let regex = re2::anchored(&pattern).map_err(|_| EvalError::Regex { pattern })?;
    let destination = label_name(call, 1, "destination", "label_replace")?;
    let mut input = evaluator.vector(&call.args[0], steps)?;
    let mut value = String::new();
    for key in input.keys_mut() {
        let Some(captures) = regex.captures(key.labels.get(&source).unwrap_or_default()) else { continue };
        value.clear();
        captures.expand(&replacement, &mut value);
        key.labels = key.labels.builder().set(&destination, &value).build();
        key.drop_name &= destination != METRIC_NAME;
    }
    input.merge_same_labels()
}

/// `label_join(vector, destination, separator, source …)`
pub(crate) fn join(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Batch, EvalError> {
    let separator = text(call, 2);
    let sources = (3..call.args.len()).map(|index| label_name(call, index, "source", "label_join")).collect::<Result<Vec<_>, _>>()?;
    let destination = label_name(call, 1, "destination", "label_join")?;
    let mut input = evaluator.vector(&call.args[0], steps)?;
    for key in input.keys_mut() {
        let values: Vec<&str> = sources.iter().map(|source| key.labels.get(source).unwrap_or_default()).collect();
        let value = values.join(&separator);
        key.labels = key.labels.builder().set(&destination, &value).build();
        key.drop_name &= destination != METRIC_NAME;
    }
    input.merge_same_labels()
}

/// `sort` and its kin, of a single step.
pub(crate) fn sort(call: &CallNode, input: &Batch) -> Batch {
    let mut rows: Vec<usize> = (0..input.len()).collect();
    let value = |row: &usize| input.values(*row)[0];
    // NaN comes last in either direction.
    let nan_last = |one: &usize, other: &usize| value(one).is_nan().cmp(&value(other).is_nan());
    match call.function {
        FunctionId::Sort => {
            rows.sort_by(|one, other| nan_last(one, other).then_with(|| numbers::nan_first(value(one), value(other))));
        }
        FunctionId::SortDesc => {
            rows.sort_by(|one, other| nan_last(one, other).then_with(|| numbers::nan_first(value(other), value(one))));
        }
        _ => {
            let names: Vec<String> = (1..call.args.len()).map(|index| text(call, index)).collect();
            rows.sort_by(|one, other| {
                let (one, other) = (&input.key(*one).labels, &input.key(*other).labels);
                let by_names = names.iter().map(|name| natural(one.get(name).unwrap_or_default(), other.get(name).unwrap_or_default()));
                by_names.fold(Ordering::Equal, Ordering::then).then_with(|| one.cmp(other))
            });
            if call.function == FunctionId::SortByLabelDesc {
                rows.reverse();
            }
        }
    }
    input.reordered(rows)
}

/// The order in which people sort names: runs of digits compare as numbers.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (Runs(one), Runs(other));
    loop {
        let (left, right) = match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => (left, right),
        };
        let order = match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            _ => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Runs of digits and of everything else.
struct Runs<'a>(&'a str);

impl<'a> Iterator for Runs<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let first = self.0.chars().next()?;
        let end = self.0.find(|other: char| other.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(run)
    }
}
