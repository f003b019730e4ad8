//! How much an evaluation looked at and held: what `stats` of the API tells.

use super::batch::{Batch, Point, Steps};
use super::bits;
use super::plan::Windows;
use crate::histogram::{Histogram, HistogramSample};
use crate::model::Sample;

/// For how many floats a histogram counts where samples are counted: by the bytes that it takes in Prometheus, of which a float and
/// its time take 16.
pub(super) fn weight(histogram: &Histogram) -> usize {
    /// A histogram without its lists, and its time.
    const FIXED: usize = 168 + 8;
    let lists = [&histogram.positive, &histogram.negative].map(|buckets| buckets.spans.len() + buckets.counts.len());
    (FIXED + 8 * (lists[0] + lists[1] + histogram.bounds.len())) / 16
}

/// How much an evaluation looked at and held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The most samples that were held at once.
    pub peak: u64,
    /// Samples that selectors and the windows of range vectors had, for each step of the query. What a subquery looks at to compute
    /// its samples does not count, its samples do: so Prometheus has it.
    pub per_step: Vec<u64>,
}

/// What is counted during an evaluation.
#[derive(Debug, Default)]
pub(super) struct Counting {
    usage: Usage,
    /// Whether `per_step` is wanted: it costs a look at every window.
    wanted: bool,
    /// How many subqueries the evaluation is within.
    subqueries: usize,
}

impl Counting {
    /// Counts for each of `steps` steps.
    pub(super) fn of_steps(steps: usize) -> Self {
        Self { usage: Usage { peak: 0, per_step: vec![0; steps] }, wanted: true, subqueries: 0 }
    }

    /// So many samples are held now.
    pub(super) fn holds(&mut self, samples: usize) {
        self.usage.peak = self.usage.peak.max(samples as u64);
    }

    /// The evaluation goes into a subquery.
    pub(super) const fn enter(&mut self) {
        self.subqueries += 1;
    }

    /// The evaluation leaves a subquery.
    pub(super) const fn leave(&mut self) {
        self.subqueries -= 1;
    }

    const fn counts(&self) -> bool {
        self.wanted && self.subqueries == 0
    }

    /// Counts the samples that a selector has at its steps.
    pub(super) fn selected(&mut self, batch: &Batch, steps: Steps) {
        if !self.counts() {
            return;
        }
        for row in 0..batch.len() {
            let values = batch.values(row);
            for step in bits::ones(batch.present(row)) {
                let count = match values.point(step) {
                    Point::Float(_) => 1,
                    Point::Histogram(h) => weight(h) as u64,
                };
                self.add(step, count, steps);
            }
        }
    }

    /// Counts the samples of one series in each window of a range vector.
    pub(super) fn windows(&mut self, samples: &[Sample], histograms: &[HistogramSample], windows: Windows) {
        if !self.counts() {
            return;
        }
        for step in 0..windows.steps.count {
            let floats = windows.window(samples, step).len();
            let histograms: usize = windows.window(histograms, step).iter().map(|sample| weight(&sample.h)).sum();
            self.add(step, (floats + histograms) as u64, windows.steps);
        }
    }

    /// Adds to a step, or to all where one value stands for all steps.
    fn add(&mut self, step: usize, count: u64, steps: Steps) {
        let per_step = &mut self.usage.per_step;
        if steps.count == 1 {
            per_step.iter_mut().for_each(|all| *all += count);
        } else if let Some(one) = per_step.get_mut(step) {
            *one += count;
        }
    }

    /// What was counted.
    pub(super) fn finish(self) -> Usage {
        self.usage
    }
}
