//! A range vector as the whole query: its samples as they are.

use super::{Input, Inputs};
use crate::query::engine::EvalError;
use crate::query::engine::annotations::Annotation;
use crate::query::engine::eval::Evaluator;
use crate::query::engine::grouping;
use crate::query::engine::kernels::{Bordered, BorderedHistograms, Remark, Remarks};
use crate::query::engine::plan::{RangeSource, Windows};
use crate::query::engine::result::RangeSeries;
use crate::query::promql::ast::Extension;

/// The samples of a range vector, sorted by labels. `at` is where it stands in the query.
pub(crate) fn raw(evaluator: &mut Evaluator<'_>, source: &RangeSource, windows: Windows, at: usize) -> Result<Vec<RangeSeries>, EvalError> {
    let inputs = Inputs::of(evaluator, source, windows)?;
    let mut found: Vec<RangeSeries> = Vec::new();
    for input in inputs.iter() {
        evaluator.counting.windows(&input.samples, &input.histograms, windows);
        let mut remarks = Remarks::default();
        let series = match source.extension {
            None => as_stored(input, windows),
            Some(extension) => bordered(input, windows, extension, evaluator.lookback, &mut remarks),
        };
        let metric = series.labels.metric_name().unwrap_or_default();
        let said: Vec<Annotation> = remarks.iter().map(|remark| remark.about(metric)).collect();
        said.into_iter().for_each(|remark| evaluator.annotate(remark, at));
        if !series.samples.is_empty() || !series.histograms.is_empty() {
            found.push(series);
        }
    }
    found.sort_by(|one, other| one.labels.cmp(&other.labels));
    if found.windows(2).any(|pair| pair[0].labels == pair[1].labels) { Err(EvalError::SameLabelset) } else { Ok(found) }
}

fn as_stored(input: Input<'_>, windows: Windows) -> RangeSeries {
    let samples = windows.window(&input.samples, 0).to_vec();
    let histograms = windows.window(&input.histograms, 0).to_vec();
    let labels = if input.key.drop_name { grouping::without_name(&input.key.labels) } else { input.key.labels };
    RangeSeries { labels, samples, histograms }
}

/// With a sample at each border.
fn bordered(input: Input<'_>, windows: Windows, extension: Extension, lookback: i64, remarks: &mut Remarks) -> RangeSeries {
    let end = windows.end(0);
    let start = end.saturating_sub(windows.range);
    let smoothed = extension == Extension::Smoothed;
    let around = as_stored(input, windows.extended(extension, lookback));
    let (samples, histograms) = (around.samples.as_slice(), around.histograms.as_slice());
    if !samples.is_empty() && !histograms.is_empty() {
        remarks.note(Remark::MixedRange);
        return RangeSeries::of_floats(around.labels, Vec::new());
    }
    let samples = Bordered { samples, start, end, smoothed }.samples().unwrap_or_default();
    let histograms = BorderedHistograms { samples: histograms, start, end, smoothed }.samples(remarks).unwrap_or_default();
    RangeSeries { labels: around.labels, samples, histograms }
}
