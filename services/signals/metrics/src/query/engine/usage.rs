//! How much an evaluation looked at and held: what `stats` of the API tells.

use super::batch::{Batch, Steps};
use super::plan::Windows;
use crate::model::Sample;

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
            for sample in batch.row_samples(row, steps) {
                let step = usize::try_from((sample.t - steps.start) / steps.step).expect("a row has values at its steps only");
                self.add(step, 1, steps);
            }
        }
    }

    /// Counts the samples of one series in each window of a range vector.
    pub(super) fn windows(&mut self, samples: &[Sample], windows: Windows) {
        if !self.counts() {
            return;
        }
        for step in 0..windows.steps.count {
            let end = windows.end(step);
            let first = samples.partition_point(|sample| sample.t <= end.saturating_sub(windows.range));
            let last = samples.partition_point(|sample| sample.t <= end);
            self.add(step, last.saturating_sub(first) as u64, windows.steps);
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
