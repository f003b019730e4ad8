//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`, of classic histograms (series with `le`) and native ones.

mod native;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::annotations::{Annotation, ForcedMonotonicity};
use super::batch::{Batch, SeriesKey, Steps};
use super::eval::Evaluator;
use super::plan::{CallNode, Kind};
use super::{EvalError, bits, numbers};
use crate::model::Labels;
use crate::query::promql::functions::FunctionId;

/// The label that holds a bucket's upper bound.
const BOUND: &str = "le";
/// Counts that differ by less than this share are the same count, summed up in another order.
const TOLERANCE: f64 = 1e-12;

/// A bucket: how many observations there were up to a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// The bound; belongs to the bucket.
    pub(crate) bound: f64,
    /// The observations.
    pub(crate) count: f64,
}

/// The series of one classic histogram.
struct Classic {
    /// Who it is, without its buckets' bounds.
    key: SeriesKey,
    /// Bounds and rows.
    rows: Vec<(f64, usize)>,
    /// The steps at which a native histogram has the same name and labels: neither counts there.
    native: Vec<u64>,
}

impl Classic {
    fn has_native(&self, step: usize) -> bool {
        !self.native.is_empty() && bits::get(&self.native, step)
    }
}

/// What was done to buckets to make their counts rise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forced {
    min_bound: f64,
    max_bound: f64,
    max_diff: f64,
}

/// The value of a call.
pub(crate) fn call(evaluator: &mut Evaluator<'_>, call: &CallNode, steps: Steps) -> Result<Batch, EvalError> {
    let scalars = |evaluator: &mut Evaluator<'_>, indices: std::ops::Range<usize>| {
        indices.map(|index| evaluator.scalar(&call.args[index], steps)).collect::<Result<Vec<_>, _>>()
    };
    let (params, input_at, param_at) = match call.function {
        FunctionId::HistogramQuantile => (scalars(evaluator, 0..1)?, 1, 0),
        FunctionId::HistogramFraction => (scalars(evaluator, 0..2)?, 2, 0),
        _ => (scalars(evaluator, 2..call.args.len())?, 0, 2),
    };
    let input = evaluator.vector(&call.args[input_at], steps)?;
    if call.function != FunctionId::HistogramFraction {
        for (index, phis) in params.iter().enumerate() {
            let remarks = super::aggregate::check_each(phis.iter().copied());
            remarks.into_iter().for_each(|annotation| evaluator.annotate(annotation, call.args[param_at + index].at));
        }
    }
    let forced_at = call.args[input_at].at;
    let mut histograms = histograms(evaluator, &input, forced_at);
    let natives = native::natives(evaluator, &input, &mut histograms, forced_at);
    if call.function == FunctionId::HistogramFraction {
        let mut out = each(&histograms, &input, |_, step, buckets| Some(fraction(params[0][step], params[1][step], buckets)));
        native::fractions(evaluator, &natives, &input, [&params[0], &params[1]], forced_at, &mut out);
        return out.merge_same_labels();
    }
    if call.function == FunctionId::HistogramQuantile {
        let mut out = quantiles(evaluator, &histograms, &input, &params[0], forced_at, steps);
        native::quantiles(evaluator, &natives, &input, &params[0], forced_at, &mut out);
        // A series may be classic for a while and native then.
        return out.merge_same_labels();
    }
    let Kind::Text(label) = &call.args[1].kind else { unreachable!("the parser lets only a text stand here") };
    let label = String::from_utf8_lossy(label);
    let mut out = Batch::new(steps.count);
    for phis in &params {
        let mut values = quantiles(evaluator, &histograms, &input, phis, forced_at, steps);
        native::quantiles(evaluator, &natives, &input, phis, forced_at, &mut values);
        add_labelled(&mut out, &values, &label, phis);
    }
    out.merge_same_labels()
}

/// Adds quantiles with their φ, which may be another at each step, as a label.
fn add_labelled(out: &mut Batch, values: &Batch, label: &str, phis: &[f64]) {
    let mut steps: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (step, phi) in phis.iter().enumerate() {
        bits::set(steps.entry(phi.to_bits()).or_insert_with(|| vec![0; bits::words(phis.len())]), step);
    }
    for (phi, steps) in steps {
        let text = numbers::label(f64::from_bits(phi));
        for row in 0..values.len() {
            let labels = values.key(row).labels.builder().set(label, &text).build();
            out.push_copy(SeriesKey { labels, drop_name: true }, values.values(row), &bits::both(values.present(row), &steps));
        }
    }
}

/// The classic histograms among some series; remarks about series that are no bucket.
fn histograms(evaluator: &mut Evaluator<'_>, input: &Batch, at: usize) -> Vec<Classic> {
    let mut histograms: Vec<Classic> = Vec::new();
    let without_bound: Vec<Labels> = input.keys().iter().map(|key| key.labels.filtered(|name| name != BOUND)).collect();
    let mut known = rustc_hash::FxHashMap::<&Labels, usize>::default();
    for (row, labels) in without_bound.iter().enumerate() {
        if !bits::any(&input.floats(row)) {
            continue;
        }
        let text = input.key(row).labels.get(BOUND).unwrap_or_default();
        let Ok(bound) = text.parse::<f64>() else {
            let metric = evaluator.name_of(labels).to_owned();
            evaluator.annotate(Annotation::BadBucketLabel { value: text.to_owned(), metric }, at);
            continue;
        };
        let place = *known.entry(labels).or_insert_with(|| {
            let key = SeriesKey { labels: labels.clone(), drop_name: true };
            histograms.push(Classic { key, rows: Vec::new(), native: Vec::new() });
            histograms.len() - 1
        });
        histograms[place].rows.push((bound, row));
    }
    histograms
}

/// Computes a value of each histogram's buckets, sorted by bound, at each step at which it has any.
fn each(histograms: &[Classic], input: &Batch, mut compute: impl FnMut(&SeriesKey, usize, &mut Vec<Bucket>) -> Option<f64>) -> Batch {
    let mut out = Batch::new(input.steps());
    let mut buckets = Vec::new();
    for histogram in histograms {
        out.push_with(histogram.key.clone(), |row| {
            for step in 0..input.steps() {
                buckets.clear();
                buckets.extend(
                    histogram.rows.iter().filter_map(|(bound, row)| input.get(*row, step).map(|count| Bucket { bound: *bound, count })),
                );
                if buckets.is_empty() || histogram.has_native(step) {
                    continue;
                }
                buckets.sort_by(|one, other| one.bound.total_cmp(&other.bound));
                if let Some(value) = compute(&histogram.key, step, &mut buckets) {
                    row.set(step, value);
                }
            }
        });
    }
    out
}

fn quantiles(evaluator: &mut Evaluator<'_>, histograms: &[Classic], input: &Batch, phis: &[f64], at: usize, steps: Steps) -> Batch {
    each(histograms, input, |key, step, buckets| {
        let (value, forced) = quantile(phis[step], buckets);
        if let Some(forced) = forced {
            let remark = ForcedMonotonicity {
                metric: evaluator.name_of(&key.labels).to_owned(),
                min_bucket: forced.min_bound,
                max_bucket: forced.max_bound,
                max_diff: forced.max_diff,
                min_t: steps.at(step),
                max_t: steps.at(step),
                count: 1,
            };
            evaluator.annotate(Annotation::ForcedMonotonicity(remark), at);
        }
        Some(value)
    })
}

/// The φ-quantile of a histogram: linear within a bucket, the lowest of which begins at 0 if its bound is above.
///
/// * `buckets`: sorted by bound; changed.
/// * Returns NaN without observations, with fewer than two buckets or without one up to +Inf; the highest finite bound for what lies
///   beyond it.
pub(crate) fn quantile(phi: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Forced>) {
    if phi.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&phi) {
        return (if phi < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return (f64::NAN, None);
    }
    coalesce(buckets);
    let forced = make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, None);
    }
    let mut rank = phi * observations;
    let place = buckets[..last].partition_point(|bucket| bucket.count.partial_cmp(&rank).is_none_or(Ordering::is_lt));
    if place == last {
        return (buckets[last - 1].bound, forced);
    }
    if place == 0 && buckets[0].bound <= 0.0 {
        return (buckets[0].bound, forced);
    }
    let (mut start, mut count) = (0.0, buckets[place].count);
    if place > 0 {
        start = buckets[place - 1].bound;
        count -= buckets[place - 1].count;
        rank -= buckets[place - 1].count;
    }
    (start + (buckets[place].bound - start) * (rank / count), forced)
}

/// The share of observations between two values.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    coalesce(buckets);
    let observations = buckets[buckets.len() - 1].count;
    if observations == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets) - rank_of(lower, buckets)) / observations
}

/// How many observations lie below a value.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let observations = buckets[buckets.len() - 1].count;
    let mut start = if buckets[0].bound > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    let mut below = 0.0;
    for bucket in buckets {
        if start >= value {
            return below;
        }
        if bucket.bound > value {
            // Nothing is known about how observations lie in a bucket without a lower bound.
            let rank =
                if start.is_infinite() { bucket.count } else { below + (bucket.count - below) * (value - start) / (bucket.bound - start) };
            return rank.min(observations);
        }
        below = bucket.count;
        start = bucket.bound;
    }
    observations
}

/// Makes one bucket of those with equal bounds.
fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Makes counts rise: what rounding did passes silently, other falls are reported.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if almost_equal(before, count) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let bound = bucket.bound;
            let diff = before - count;
            let so_far = forced.get_or_insert(Forced { min_bound: bound, max_bound: bound, max_diff: diff });
            so_far.min_bound = so_far.min_bound.min(bound);
            so_far.max_bound = so_far.max_bound.max(bound);
            so_far.max_diff = so_far.max_diff.max(diff);
        } else {
            before = count;
        }
    }
    forced
}

/// True when two counts differ by no more than rounding.
fn almost_equal(one: f64, other: f64) -> bool {
    if one == other || (one.is_nan() && other.is_nan()) {
        return true;
    }
    let sum = one.abs() + other.abs();
    let difference = (one - other).abs();
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
