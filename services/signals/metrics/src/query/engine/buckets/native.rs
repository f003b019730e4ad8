//! Native histograms beside classic ones.

use rustc_hash::FxHashMap;

use super::Classic;
use crate::histogram::{Histogram, NanNote};
use crate::model::Labels;
use crate::query::engine::annotations::{Annotation, NanEffect};
use crate::query::engine::batch::{Batch, SeriesKey};
use crate::query::engine::bits;
use crate::query::engine::eval::Evaluator;

/// The histograms of a row.
pub(super) struct Native {
    row: usize,
    /// The steps that count.
    present: Vec<u64>,
}

/// The rows that have native histograms. Where a classic histogram of the same name and labels has buckets at the same step, neither
/// counts, and that is remarked.
pub(super) fn natives(evaluator: &mut Evaluator<'_>, input: &Batch, classics: &mut [Classic], at: usize) -> Vec<Native> {
    let places: FxHashMap<Labels, usize> = if input.has_histograms() {
        classics.iter().enumerate().map(|(place, classic)| (classic.key.labels.clone(), place)).collect()
    } else {
        FxHashMap::default()
    };
    let mut natives = Vec::new();
    for row in input.rows_with_histograms() {
        let mut present = vec![0; bits::words(input.steps())];
        input.row_histograms(row).for_each(|(step, _)| bits::set(&mut present, step));
        let labels = &input.key(row).labels;
        if let Some(place) = places.get(labels) {
            let classic = &mut classics[*place];
            let mut buckets = vec![0; present.len()];
            classic.rows.iter().for_each(|(_, row)| bits::union(&mut buckets, &input.floats(*row)));
            let both = bits::both(&present, &buckets);
            if bits::any(&both) {
                let metric = evaluator.name_of(labels).to_owned();
                evaluator.annotate(Annotation::MixedClassicNative { metric }, at);
                bits::subtract(&mut present, &both);
                classic.native = both;
            }
        }
        natives.push(Native { row, present });
    }
    natives
}

/// Adds the φ-quantiles of native histograms.
pub(super) fn quantiles(evaluator: &mut Evaluator<'_>, natives: &[Native], input: &Batch, phis: &[f64], at: usize, out: &mut Batch) {
    let named = evaluator.delayed_names;
    each(natives, input, out, named, |metric, step, histogram| {
        let (value, note) = histogram.quantile(phis[step]);
        if let Some(note) = note {
            let effect = match note {
                NanNote::ResultIsNan => NanEffect::QuantileIsNan,
                NanNote::Skewed => NanEffect::QuantileIsHigher,
            };
            evaluator.annotate(Annotation::NanObservations { metric: metric.to_owned(), effect }, at);
        }
        value
    });
}

/// Adds the shares of observations of native histograms between two values.
pub(super) fn fractions(evaluator: &mut Evaluator<'_>, natives: &[Native], input: &Batch, bounds: [&[f64]; 2], at: usize, out: &mut Batch) {
    let [lower, upper] = bounds;
    let named = evaluator.delayed_names;
    each(natives, input, out, named, |metric, step, histogram| {
        let (value, excludes_nan) = histogram.fraction(lower[step], upper[step]);
        if excludes_nan {
            evaluator.annotate(Annotation::NanObservations { metric: metric.to_owned(), effect: NanEffect::NotInFraction }, at);
        }
        value
    });
}

/// Adds what `compute` makes of each native histogram; it is told the metric, where the name is `named`.
fn each(natives: &[Native], input: &Batch, out: &mut Batch, named: bool, mut compute: impl FnMut(&str, usize, &Histogram) -> f64) {
    for native in natives {
        let labels = &input.key(native.row).labels;
        let metric = if named { labels.metric_name().unwrap_or_default() } else { "" };
        out.push_with(SeriesKey { labels: labels.clone(), drop_name: true }, |target| {
            for (step, histogram) in input.row_histograms(native.row).filter(|(step, _)| bits::get(&native.present, *step)) {
                target.set(step, compute(metric, step, histogram));
            }
        });
    }
}
