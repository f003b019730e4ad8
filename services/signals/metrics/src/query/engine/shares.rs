//! Parts of an expression that are evaluated elsewhere, and what they make together.
//!
//! Many aggregations can be evaluated over disjoint shares of their series: each share gives the rows of its groups, and what it takes
//! to go on from there. A sum or a mean is more than its value: rounding took something away that a later share may bring
//! back, so that the parts of the computation travel, each as a *lane*.

use rustc_hash::FxHashMap;
use syntax::Span;

use super::aggregate::Grouped;
use super::batch::{Batch, SeriesKey, Steps};
use super::numbers::{Compensated, Mean};
use super::plan::{AggregateNode, Kind, Plan};
use super::usage::{Counting, Usage};
use super::{Annotations, Cancel, EvalError, QueryResult, RangeSeries, bits};
use crate::merge::SeriesSamples;
use crate::model::Labels;
use crate::query::promql::ast::AggregateOp;

/// How rows that were evaluated elsewhere become the value of a part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// They are its series.
    Series,
    /// They are series among which those of `topk` or `bottomk` are chosen once more.
    Chosen,
    /// Values of one group are added; lanes are the sum and what rounding took away.
    Sum,
    /// Means of one group are joined; lanes are those of a sum, and the count.
    Mean,
    /// Counts of one group are added.
    Count,
    /// The least value of a group stays.
    Least,
    /// The greatest value of a group stays.
    Greatest,
    /// The value of a group is 1.
    Present,
}

impl Merging {
    /// How shares of an aggregation are merged; nothing for one that has to see all of its series.
    #[must_use]
    pub const fn of(op: AggregateOp) -> Option<Self> {
        match op {
            AggregateOp::Sum => Some(Self::Sum),
            AggregateOp::Avg => Some(Self::Mean),
            AggregateOp::Count | AggregateOp::CountValues => Some(Self::Count),
            AggregateOp::Min => Some(Self::Least),
            AggregateOp::Max => Some(Self::Greatest),
            AggregateOp::Group => Some(Self::Present),
            AggregateOp::Topk | AggregateOp::Bottomk => Some(Self::Chosen),
            AggregateOp::Limitk | AggregateOp::LimitRatio | AggregateOp::Quantile | AggregateOp::Stddev | AggregateOp::Stdvar => None,
        }
    }

    /// How many lanes a row has.
    const fn lanes(self) -> usize {
        match self {
            Self::Sum => 2,
            Self::Mean => 3,
            _ => 1,
        }
    }
}

/// A part of an expression that is evaluated elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where it stands in the query: no other part of the expression stands there.
    pub span: Span,
    /// What becomes of its rows.
    pub merging: Merging,
}

/// A row of what was evaluated elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareRow {
    /// Which part of the computation; 0 where there is one.
    pub lane: u8,
    /// The metric's name goes when the whole expression is done.
    pub drop_name: bool,
    /// Its labels and values.
    pub series: RangeSeries,
}

/// What was evaluated of a part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Its rows.
    pub rows: Vec<ShareRow>,
    /// What is to be remarked about it.
    pub annotations: Annotations,
    /// How much was looked at; counts only where that was asked for.
    pub usage: Usage,
}

/// The lanes of a group at one step.
type Lanes = [f64; 3];

impl Plan {
    /// Evaluates the plan of a part of an expression over a share of the series; otherwise as [`evaluate`](Self::evaluate).
    ///
    /// * `merging`: what will become of the rows. Other than [`Merging::Series`] only for an aggregation.
    /// * Returns nothing where native histograms are to be added: a group that has floats as well has no value then, which no
    ///   share can know.
    pub fn evaluate_share(
        &self,
        merging: Merging,
        series: &[Vec<SeriesSamples>],
        cancel: &Cancel,
        counting: bool,
    ) -> Result<Option<Share>, EvalError> {
        let counting = if counting { Counting::of_steps(self.steps.count) } else { Counting::default() };
        let mut evaluator = self.evaluator(series, Vec::new(), cancel, counting)?;
        let rows = match (&self.root.kind, merging) {
            (Kind::Aggregate(node), Merging::Sum | Merging::Mean) => {
                let input = evaluator.aggregated(node, self.steps)?;
                if input.has_histograms() {
                    return Ok(None);
                }
                let lanes = if merging == Merging::Sum { lanes_of::<Sum>(node, &input) } else { lanes_of::<Mean>(node, &input) };
                lanes.iter().zip(0..).flat_map(|(batch, lane)| rows(batch, lane, self.steps)).collect()
            }
            _ => rows(&evaluator.vector(&self.root, self.steps)?, 0, self.steps),
        };
        Ok(Some(Share { rows, annotations: evaluator.annotations, usage: evaluator.counting.finish() }))
    }

    /// Evaluates a plan that was made [around](super::plan_around) parts which are evaluated elsewhere.
    ///
    /// * `parts`: of each part, in the order in which the plan was given them, its shares in their order.
    pub fn evaluate_around(&self, parts: &[Vec<Vec<ShareRow>>], cancel: &Cancel) -> Result<QueryResult, EvalError> {
        if parts.len() != self.elsewhere.len() {
            return Err(EvalError::Shares);
        }
        let merged = parts.iter().zip(&self.elsewhere).map(|(shares, merging)| merge(*merging, shares, self.steps));
        let merged = merged.collect::<Result<Vec<_>, _>>()?;
        let mut evaluator = self.evaluator(&[], merged, cancel, Counting::default())?;
        let value = evaluator.eval(&self.root, self.steps)?;
        Ok(QueryResult { value: self.finish(value)?, annotations: evaluator.annotations })
    }
}

/// Takes up the values of a group at one step so that others can be added elsewhere.
trait Divisible: Copy {
    fn start(value: f64) -> Self;
    fn add(&mut self, value: f64);
    fn lanes(&self) -> Lanes;
}

#[derive(Clone, Copy)]
struct Sum(Compensated);

impl Divisible for Sum {
    fn start(value: f64) -> Self {
        Self(Compensated::of(value))
    }
    fn add(&mut self, value: f64) {
        self.0 = self.0.plus(value);
    }
    fn lanes(&self) -> Lanes {
        [self.0.sum, self.0.lost, 0.0]
    }
}

impl Divisible for Mean {
    fn start(value: f64) -> Self {
        Self::of(value)
    }
    fn add(&mut self, value: f64) {
        Mean::add(self, value);
    }
    fn lanes(&self) -> Lanes {
        self.parts()
    }
}

/// The lanes of all groups: a batch for each lane, with the same rows.
fn lanes_of<A: Divisible>(node: &AggregateNode, input: &Batch) -> Vec<Batch> {
    let lanes = Merging::of(node.op).map_or(1, Merging::lanes);
    let mut out = vec![Batch::new(input.steps()); lanes];
    let mut states: Vec<Option<A>> = vec![None; input.steps()];
    for (key, members) in Grouped::of(node, input).groups {
        for row in members {
            let values = input.values(row);
            for step in bits::ones(input.present(row)) {
                match &mut states[step] {
                    Some(state) => state.add(values[step]),
                    none => *none = Some(A::start(values[step])),
                }
            }
        }
        for (lane, out) in out.iter_mut().enumerate() {
            out.push_with(key.clone(), |row| {
                for (step, state) in states.iter().enumerate() {
                    if let Some(state) = state {
                        row.set(step, state.lanes()[lane]);
                    }
                }
            });
        }
        states.fill(None);
    }
    out
}

fn rows(batch: &Batch, lane: u8, steps: Steps) -> Vec<ShareRow> {
    let row = |row: usize| {
        let SeriesKey { labels, drop_name } = batch.key(row).clone();
        let (samples, histograms) = (batch.row_samples(row, steps), batch.row_histogram_samples(row, steps));
        ShareRow { lane, drop_name, series: RangeSeries { labels, samples, histograms } }
    };
    (0..batch.len()).map(row).collect()
}

fn merge(merging: Merging, shares: &[Vec<ShareRow>], steps: Steps) -> Result<Batch, EvalError> {
    let all = shares.iter().flatten();
    match merging {
        Merging::Series => side_by_side(all, steps),
        Merging::Chosen => {
            // Which of equal values is chosen depends on their order.
            let mut all: Vec<&ShareRow> = all.collect();
            all.sort_by(|one, other| one.series.labels.cmp(&other.series.labels));
            side_by_side(all, steps)
        }
        _ => groups(merging, shares, steps),
    }
}

fn side_by_side<'a>(rows: impl IntoIterator<Item = &'a ShareRow>, steps: Steps) -> Result<Batch, EvalError> {
    let mut out = Batch::new(steps.count);
    for row in rows {
        let mut fits = true;
        out.push_with(row.key(), |into| {
            for sample in &row.series.samples {
                match step_of(sample.t, steps) {
                    Some(step) => into.set(step, sample.v),
                    None => fits = false,
                }
            }
            for sample in &row.series.histograms {
                match step_of(sample.t, steps) {
                    Some(step) => into.set_histogram(step, sample.h.clone()),
                    None => fits = false,
                }
            }
        });
        if !fits {
            return Err(EvalError::Shares);
        }
    }
    Ok(out)
}

/// The groups of all shares, sorted by labels; each is merged in the order of the shares.
fn groups(merging: Merging, shares: &[Vec<ShareRow>], steps: Steps) -> Result<Batch, EvalError> {
    let mut members: FxHashMap<&Labels, Vec<(usize, &ShareRow)>> = FxHashMap::default();
    for (share, rows) in shares.iter().enumerate() {
        for row in rows {
            members.entry(&row.series.labels).or_default().push((share, row));
        }
    }
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_unstable_by_key(|(labels, _)| *labels);
    let mut out = Batch::new(steps.count);
    let mut states: Vec<Option<Lanes>> = vec![None; steps.count];
    for (labels, rows) in members {
        for one in rows.chunk_by(|one, other| one.0 == other.0) {
            add_share(merging, one, steps, &mut states)?;
        }
        let drop_name = rows.iter().any(|(_, row)| row.drop_name);
        out.push_with(SeriesKey { labels: labels.clone(), drop_name }, |into| {
            for (step, state) in states.iter_mut().enumerate() {
                if let Some(lanes) = state.take() {
                    into.set(step, finish(merging, lanes));
                }
            }
        });
    }
    Ok(out)
}

/// Adds the lanes of a group in one share, each of which has the same steps.
fn add_share(merging: Merging, rows: &[(usize, &ShareRow)], steps: Steps, states: &mut [Option<Lanes>]) -> Result<(), EvalError> {
    let lane = |lane: usize| rows.iter().find(|(_, row)| usize::from(row.lane) == lane).map(|(_, row)| &row.series.samples);
    let lanes: Option<Vec<_>> = (0..merging.lanes()).map(lane).collect();
    let lanes = lanes.filter(|lanes| lanes.len() == rows.len()).ok_or(EvalError::Shares)?;
    for (at, sample) in lanes[0].iter().enumerate() {
        let mut values = Lanes::default();
        for (value, samples) in values.iter_mut().zip(&lanes) {
            *value = samples.get(at).filter(|other| other.t == sample.t).ok_or(EvalError::Shares)?.v;
        }
        let state = &mut states[step_of(sample.t, steps).ok_or(EvalError::Shares)?];
        *state = Some(state.map_or(values, |before| join(merging, before, values)));
    }
    Ok(())
}

fn join(merging: Merging, one: Lanes, other: Lanes) -> Lanes {
    let [value, ..] = other;
    match merging {
        Merging::Sum => {
            let joined = Compensated { sum: one[0], lost: one[1] }.joined(Compensated { sum: other[0], lost: other[1] });
            [joined.sum, joined.lost, 0.0]
        }
        Merging::Mean => Mean::of_parts(one).joined(Mean::of_parts(other)).parts(),
        Merging::Count => [one[0] + value, 0.0, 0.0],
        // NaN gives way to every number.
        Merging::Least if one[0] > value || one[0].is_nan() => other,
        Merging::Greatest if one[0] < value || one[0].is_nan() => other,
        Merging::Least | Merging::Greatest | Merging::Present | Merging::Series | Merging::Chosen => one,
    }
}

fn finish(merging: Merging, lanes: Lanes) -> f64 {
    match merging {
        Merging::Sum => Compensated { sum: lanes[0], lost: lanes[1] }.total(),
        Merging::Mean => Mean::of_parts(lanes).value(),
        _ => lanes[0],
    }
}

impl ShareRow {
    fn key(&self) -> SeriesKey {
        SeriesKey { labels: self.series.labels.clone(), drop_name: self.drop_name }
    }
}

fn step_of(t: i64, steps: Steps) -> Option<usize> {
    let since = t.checked_sub(steps.start).filter(|since| since % steps.step == 0)?;
    usize::try_from(since / steps.step).ok().filter(|step| *step < steps.count)
}
