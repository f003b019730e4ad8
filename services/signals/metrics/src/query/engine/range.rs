//! Functions over ranges: each walks the samples of a series once, over the windows of all steps.

mod function;
mod mixed;
mod raw;

use std::borrow::Cow;
use std::sync::Arc;

use self::function::RangeFunction;
pub(crate) use self::raw::raw;
use super::EvalError;
use super::annotations::Annotation;
use super::batch::{Batch, SeriesKey, Steps};
use super::bits;
use super::counts::counted;
use super::eval::{Evaluator, absent};
use super::kernels::Remarks;
use super::plan::{CallNode, Kind, Node, Origin, RangeSource, Windows};
use super::starts::Starts;
use crate::histogram::{Histogram, HistogramSample, ResetHint};
use crate::merge::SeriesSamples;
use crate::model::{Sample, is_stale};
use crate::query::promql::ast::Extension;
use crate::query::promql::functions::FunctionId;

/// The series that a range vector draws from.
#[derive(Debug)]
pub(crate) enum Inputs<'a> {
    /// Those of a selector, their start timestamps where there are any, and whether only counts and sums of histograms are looked at.
    Stored(&'a [SeriesSamples], &'a [Starts], bool),
    /// Those of a subquery, at its steps.
    Computed(Batch, Steps),
}

/// One of them: no staleness markers, times rise.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// Which series.
    pub(crate) key: SeriesKey,
    /// Its floats.
    pub(crate) samples: Cow<'a, [Sample]>,
    /// Its histograms; no time stands in both.
    pub(crate) histograms: Cow<'a, [HistogramSample]>,
    /// Since when each of them counts, where anything is known of that.
    pub(crate) starts: Option<Starts>,
}

impl<'a> Inputs<'a> {
    /// The series of a range vector.
    pub(crate) fn of(evaluator: &mut Evaluator<'a>, source: &RangeSource, windows: Windows) -> Result<Self, EvalError> {
        match &source.origin {
            Origin::Selector(selector) => Ok(Self::Stored(&evaluator.data[*selector], evaluator.starts_of(*selector), source.counts_only)),
            Origin::Subquery { expr, step } => {
                let steps = windows.inner_steps(*step);
                if steps.count == 0 {
                    return Ok(Self::Computed(Batch::new(0), steps));
                }
                let outside = std::mem::replace(&mut evaluator.several, steps.start != windows.end_of_all());
                evaluator.counting.enter();
                let batch = evaluator.vector(expr, steps)?;
                evaluator.counting.leave();
                evaluator.several = outside;
                Ok(Self::Computed(batch, steps))
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Stored(series, ..) => series.len(),
            Self::Computed(batch, _) => batch.len(),
        }
    }

    fn get(&self, index: usize) -> Input<'a> {
        match self {
            Self::Stored(series, starts, counts_only) => Input {
                key: SeriesKey { labels: series[index].labels.clone(), drop_name: false },
                samples: without_markers(&series[index].samples, |sample| is_stale(sample.v)),
                histograms: without_markers(counted(&series[index].histograms, *counts_only), |sample| sample.h.is_stale()),
                starts: starts
                    .get(index)
                    .filter(|starts| **starts != Starts::default())
                    .map(|starts| starts.without_markers(&series[index])),
            },
            Self::Computed(batch, steps) => Input {
                key: batch.key(index).clone(),
                samples: Cow::Owned(batch.row_samples(index, *steps)),
                histograms: Cow::Owned(batch.row_histogram_samples(index, *steps).into_iter().map(without_hint).collect()),
                starts: None,
            },
        }
    }

    /// One after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Input<'a>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// A histogram of a subquery. It says nothing of resets: what stood between it and the one before was left out, or it stands twice.
fn without_hint(sample: HistogramSample) -> HistogramSample {
    if !matches!(sample.h.hint, ResetHint::Reset | ResetHint::NotReset) {
        return sample;
    }
    let histogram = Histogram { hint: ResetHint::Unknown, ..Histogram::clone(&sample.h) };
    HistogramSample { t: sample.t, h: Arc::new(histogram) }
}

/// Samples without staleness markers; copied only where there are any.
pub(crate) fn without_markers<'a, S: Clone>(samples: impl Into<Cow<'a, [S]>>, is_marker: impl Fn(&S) -> bool) -> Cow<'a, [S]> {
    let samples = samples.into();
    if samples.iter().any(&is_marker) { Cow::Owned(samples.iter().filter(|sample| !is_marker(sample)).cloned().collect()) } else { samples }
}

/// The value of a call whose argument at `position` is a range vector.
pub(crate) fn call(evaluator: &mut Evaluator<'_>, call: &CallNode, position: usize, steps: Steps) -> Result<Batch, EvalError> {
    let Node { kind: Kind::Range(source), at, .. } = &call.args[position] else {
        unreachable!("the caller has found a range vector there");
    };
    check_extension(call, source)?;
    let windows = Windows::of(source, steps);
    let inputs = Inputs::of(evaluator, source, windows)?;
    let mut params = Vec::new();
    for arg in call.args.iter().enumerate().filter_map(|(index, arg)| (index != position).then_some(arg)) {
        params.push(evaluator.scalar(arg, steps)?);
    }
    let function = RangeFunction { id: call.function, params: &params, windows, extension: source.extension, lookback: evaluator.lookback };
    if inputs.len() > 0 {
        function.check()?;
    }
    let mut out = Batch::new(steps.count);
    let mut count = 0;
    for Input { mut key, samples, histograms, starts } in inputs.iter() {
        evaluator.cancel.check()?;
        evaluator.counting.windows(&samples, &histograms, windows);
        key.drop_name |= function.drops_name();
        let labels = key.labels.clone();
        let metric = labels.metric_name().unwrap_or_default();
        let floats = if histograms.is_empty() && starts.is_none() {
            let written = out.push_with(key, |row| function.run(&samples, row));
            count += written;
            written > 0
        } else {
            let mut remarks = Remarks::default();
            let written = out.push_with(key, |row| function.run_mixed(&samples, &histograms, starts.as_ref(), row, &mut remarks));
            count += written;
            remarks.iter().for_each(|remark| evaluator.annotate(remark.about(metric), call.args[0].at));
            written > 0 && bits::any(&out.floats(out.len() - 1))
        };
        evaluator.check_limit(count)?;
        if floats && function.wants_counters() && !metric.is_empty() && !is_counter_name(metric) {
            evaluator.annotate(Annotation::PossibleNonCounter { metric: metric.to_owned() }, *at);
        }
    }
    function.remarks(&out).into_iter().for_each(|remark| evaluator.annotate(remark, call.args[0].at));
    if call.function == FunctionId::AbsentOverTime {
        return Ok(absent(&out.any_present(), call.absent.clone(), true, steps.count));
    }
    Ok(out)
}

/// Errors where a range is anchored or smoothed for a function that cannot take it so.
fn check_extension(call: &CallNode, source: &RangeSource) -> Result<(), EvalError> {
    use FunctionId::{Changes, Delta, Increase, Rate, Resets};
    let (modifier, allowed, fits) = match source.extension {
        None => return Ok(()),
        Some(Extension::Anchored) => {
            ("anchored", "changes, delta, increase, rate, resets", matches!(call.function, Changes | Delta | Increase | Rate | Resets))
        }
        Some(Extension::Smoothed) => ("smoothed", "delta, increase, rate", matches!(call.function, Delta | Increase | Rate)),
    };
    if fits { Ok(()) } else { Err(EvalError::Extension { modifier, allowed, function: call.name }) }
}

/// True for a name that ends like that of a counter.
fn is_counter_name(metric: &str) -> bool {
    ["_total", "_sum", "_count", "_bucket"].iter().any(|end| metric.ends_with(end))
}
