//! Aggregations that make one series of each group.

mod points;

use rustc_hash::FxHashMap;

use super::annotations::{Annotation, Extreme};
use super::batch::{Batch, Point, RowMut, SeriesKey};
use super::grouping::{Groups, Selection, members};
use super::numbers::{self, Compensated, Mean};
use super::plan::AggregateNode;
use super::totals::TotalKind;
use super::{EvalError, bits};
use crate::model::{Labels, METRIC_NAME};
use crate::query::promql::ast::AggregateOp;

/// Takes up the values of a group at one step, in the order of the series.
trait Accumulator: Copy {
    /// With the first value.
    fn start(value: f64) -> Self;
    /// One more value.
    fn add(&mut self, value: f64);
    /// What they make together.
    fn finish(self) -> f64;
}

#[derive(Clone, Copy)]
struct Sum(Compensated);

impl Accumulator for Sum {
    fn start(value: f64) -> Self {
        Self(Compensated::of(value))
    }
    fn add(&mut self, value: f64) {
        self.0 = self.0.plus(value);
    }
    fn finish(self) -> f64 {
        self.0.total()
    }
}

impl Accumulator for Mean {
    fn start(value: f64) -> Self {
        Self::of(value)
    }
    fn add(&mut self, value: f64) {
        Mean::add(self, value);
    }
    fn finish(self) -> f64 {
        self.value()
    }
}

#[derive(Clone, Copy)]
struct Count(f64);

impl Accumulator for Count {
    fn start(_: f64) -> Self {
        Self(1.0)
    }
    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }
    fn finish(self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct Present;

impl Accumulator for Present {
    fn start(_: f64) -> Self {
        Self
    }
    fn add(&mut self, _: f64) {}
    fn finish(self) -> f64 {
        1.0
    }
}

/// NaN gives way to every number.
#[derive(Clone, Copy)]
struct Max(f64);

impl Accumulator for Max {
    fn start(value: f64) -> Self {
        Self(value)
    }
    fn add(&mut self, value: f64) {
        if self.0 < value || self.0.is_nan() {
            self.0 = value;
        }
    }
    fn finish(self) -> f64 {
        self.0
    }
}

/// NaN gives way to every number.
#[derive(Clone, Copy)]
struct Min(f64);

impl Accumulator for Min {
    fn start(value: f64) -> Self {
        Self(value)
    }
    fn add(&mut self, value: f64) {
        if self.0 > value || self.0.is_nan() {
            self.0 = value;
        }
    }
    fn finish(self) -> f64 {
        self.0
    }
}

/// The population's variance in one pass (Welford, Technometrics 4:3, 1962).
#[derive(Clone, Copy)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Accumulator for Variance {
    fn start(value: f64) -> Self {
        Self { count: 1.0, mean: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
    }
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }
    fn finish(self) -> f64 {
        self.squares / self.count
    }
}

#[derive(Clone, Copy)]
struct Deviation(Variance);

impl Accumulator for Deviation {
    fn start(value: f64) -> Self {
        Self(Variance::start(value))
    }
    fn add(&mut self, value: f64) {
        self.0.add(value);
    }
    fn finish(self) -> f64 {
        self.0.finish().sqrt()
    }
}

/// The series that belong together, and what their group is called.
pub(super) struct Grouped {
    pub(super) groups: Vec<(SeriesKey, Vec<usize>)>,
}

impl Grouped {
    pub(super) fn of(node: &AggregateNode, input: &Batch) -> Self {
        let mut groups = Groups::new(Selection::new(!node.without, &node.grouping));
        let members = members(&mut groups, input.keys().iter().map(|key| &key.labels));
        let keyed = members.into_iter().enumerate().map(|(group, rows)| {
            let drop_name = rows.iter().any(|row| input.key(*row).drop_name);
            (SeriesKey { labels: groups.labels(group), drop_name }, rows)
        });
        Self { groups: keyed.collect() }
    }
}

/// `sum`, `avg` and the others that need no parameter. All but `sum`, `avg`, `count` and `group` want floats alone.
pub(crate) fn fold(op: AggregateOp, node: &AggregateNode, input: &Batch, remarks: &mut Vec<Annotation>) -> Batch {
    match op {
        AggregateOp::Sum if input.has_histograms() => total::<Sum>(TotalKind::Sum, node, input, remarks),
        AggregateOp::Avg if input.has_histograms() => total::<Mean>(TotalKind::Mean, node, input, remarks),
        AggregateOp::Sum => fold_with::<Sum>(node, input),
        AggregateOp::Avg => fold_with::<Mean>(node, input),
        AggregateOp::Count => fold_with::<Count>(node, input),
        AggregateOp::Group => fold_with::<Present>(node, input),
        AggregateOp::Max => fold_with::<Max>(node, input),
        AggregateOp::Min => fold_with::<Min>(node, input),
        AggregateOp::Stddev => fold_with::<Deviation>(node, input),
        AggregateOp::Stdvar => fold_with::<Variance>(node, input),
        AggregateOp::Bottomk
        | AggregateOp::CountValues
        | AggregateOp::LimitRatio
        | AggregateOp::Limitk
        | AggregateOp::Quantile
        | AggregateOp::Topk => unreachable!("operators with a parameter are evaluated elsewhere"),
    }
}

/// A sum or a mean where some series have histograms.
fn total<A: Accumulator>(kind: TotalKind, node: &AggregateNode, input: &Batch, remarks: &mut Vec<Annotation>) -> Batch {
    let mut out = Batch::new(input.steps());
    let mut states: Vec<Option<A>> = vec![None; input.steps()];
    for (key, rows) in Grouped::of(node, input).groups {
        if rows.iter().any(|row| input.values(*row).has_histograms()) {
            out.push_with(key, |target| points::total_of_points::<A>(kind, input, &rows, target, remarks));
        } else {
            take_up(&mut states, input, &rows);
            out.push_with(key, |row| finish(&mut states, row));
        }
    }
    out
}

fn fold_with<A: Accumulator>(node: &AggregateNode, input: &Batch) -> Batch {
    let mut out = Batch::new(input.steps());
    let mut states: Vec<Option<A>> = vec![None; input.steps()];
    for (key, rows) in Grouped::of(node, input).groups {
        take_up(&mut states, input, &rows);
        out.push_with(key, |row| finish(&mut states, row));
    }
    out
}

/// Takes up the values of some rows at each step.
fn take_up<A: Accumulator>(states: &mut [Option<A>], input: &Batch, rows: &[usize]) {
    for row in rows {
        let values = input.values(*row);
        for step in bits::ones(input.present(*row)) {
            match &mut states[step] {
                Some(state) => state.add(values[step]),
                none => *none = Some(A::start(values[step])),
            }
        }
    }
}

/// Writes what was taken up into a row and forgets it.
fn finish<A: Accumulator>(states: &mut [Option<A>], row: &mut RowMut<'_>) {
    for (step, state) in states.iter_mut().enumerate() {
        if let Some(state) = state.take() {
            row.set(step, state.finish());
        }
    }
}

/// The label of `count_values`, if it is a name.
pub(crate) fn count_label(text: &[u8]) -> Result<&str, EvalError> {
    std::str::from_utf8(text).ok().filter(|label| !label.is_empty()).ok_or_else(|| EvalError::Label { name: quoted(text) })
}

/// Remarks about the φs of an aggregation that are not between 0 and 1.
pub(crate) fn check_phis(phis: &[f64]) -> Vec<Annotation> {
    let extreme = |end: Extreme| {
        let phi = phis.iter().copied().reduce(|one, other| end.of(one, other))?;
        let fine = if end == Extreme::Greatest { phi <= 1.0 } else { phi >= 0.0 };
        (!fine).then_some(Annotation::InvalidQuantiles { end, phi })
    };
    [Extreme::Greatest, Extreme::Least].into_iter().filter_map(extreme).collect()
}

/// Remarks about the φs of a function that are not between 0 and 1, each once.
pub(crate) fn check_each(phis: impl IntoIterator<Item = f64>) -> Vec<Annotation> {
    let mut wrong: Vec<f64> = phis.into_iter().filter(|phi| !(0.0..=1.0).contains(phi)).collect();
    wrong.dedup_by_key(|phi| phi.to_bits());
    wrong.into_iter().map(|phi| Annotation::InvalidQuantile { phi }).collect()
}

/// `quantile`
pub(crate) fn quantile(node: &AggregateNode, phis: &[f64], input: &Batch) -> Batch {
    let mut out = Batch::new(input.steps());
    let mut values = Vec::new();
    for (key, rows) in Grouped::of(node, input).groups {
        out.push_with(key, |row| {
            for (step, phi) in phis.iter().enumerate() {
                values.clear();
                values.extend(rows.iter().filter_map(|row| input.get(*row, step)));
                if !values.is_empty() {
                    row.set(step, numbers::quantile(*phi, &mut values));
                }
            }
        });
    }
    out
}

/// `count_values`: a series for each group and value. `check` is asked whether so many values may be held.
pub(crate) fn count_values(
    node: &AggregateNode,
    label: &str,
    input: &Batch,
    check: impl Fn(usize) -> Result<(), EvalError>,
) -> Result<Batch, EvalError> {
    let mut places: FxHashMap<Labels, usize> = FxHashMap::default();
    // Steps and how often the value stands there; most values stand at few steps.
    let mut counts: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut known: FxHashMap<(usize, u64), usize> = FxHashMap::default();
    let mut place_of = |row: usize, text: &str| {
        let labels = value_labels(node, &input.key(row).labels, label, text);
        let next = places.len();
        *places.entry(labels).or_insert(next)
    };
    for step in 0..input.steps() {
        for row in 0..input.len() {
            let Some(point) = input.point(row, step) else { continue };
            let place = match point {
                Point::Float(value) => *known.entry((row, value.to_bits())).or_insert_with(|| place_of(row, &numbers::plain(value))),
                Point::Histogram(histogram) => place_of(row, &histogram.to_string()),
            };
            if place == counts.len() {
                counts.push(Vec::new());
            }
            match counts[place].last_mut() {
                Some((last, count)) if *last == step => *count += 1.0,
                _ => counts[place].push((step, 1.0)),
            }
        }
    }
    let mut out = Batch::new(input.steps());
    let mut named: Vec<(Labels, usize)> = places.into_iter().collect();
    named.sort_by_key(|(_, place)| *place);
    for (labels, place) in named {
        out.push_with(SeriesKey { labels, drop_name: false }, |row| counts[place].iter().for_each(|(step, count)| row.set(*step, *count)));
        check(out.held())?;
    }
    Ok(out)
}

/// The labels of a group with one of its values.
fn value_labels(node: &AggregateNode, labels: &Labels, label: &str, value: &str) -> Labels {
    let mut builder = labels.builder();
    builder.set(label, value);
    if node.without {
        builder.retain(|name| name != METRIC_NAME && !node.grouping.iter().any(|dropped| dropped == name));
    } else {
        builder.retain(|name| name == label || node.grouping.iter().any(|kept| kept == name));
    }
    builder.build()
}

/// A text that may not be UTF-8 as Go quotes it.
fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        let valid = syntax::Quoted(chunk.valid()).to_string();
        out.push_str(valid.get(1..valid.len() - 1).unwrap_or_default());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}
