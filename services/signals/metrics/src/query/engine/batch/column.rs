//! The histograms of a row.

use std::sync::Arc;

use crate::histogram::Histogram;
use crate::query::engine::bits;

/// The histograms of a row, from the step of its first value to that of its last.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The step of the first place.
    from: usize,
    /// A histogram, or nothing where the step has a float or nothing at all.
    places: Vec<Option<Arc<Histogram>>>,
}

impl Column {
    /// Room for a whole row.
    pub(crate) fn new(steps: usize) -> Self {
        Self { from: 0, places: vec![None; steps] }
    }

    /// The histogram at a step.
    pub(crate) fn get(&self, step: usize) -> Option<&Arc<Histogram>> {
        self.places.get(step.checked_sub(self.from)?)?.as_ref()
    }

    /// Puts a histogram, or nothing, at a step.
    pub(crate) fn set(&mut self, step: usize, histogram: Option<Arc<Histogram>>) {
        self.places[step - self.from] = histogram;
    }

    /// All histograms, each with its step.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Histogram>)> + '_ {
        self.places.iter().zip(self.from..).filter_map(|(place, step)| place.as_ref().map(|h| (step, h)))
    }

    /// All histograms, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Arc<Histogram>> + '_ {
        self.places.iter_mut().flatten()
    }

    /// The histograms of `first..=last` at steps whose bit is set; nothing where there is none.
    pub(crate) fn part(&self, first: usize, last: usize, present: &[u64]) -> Option<Self> {
        let places: Vec<_> = (first..=last).map(|step| self.get(step).filter(|_| bits::get(present, step)).cloned()).collect();
        places.iter().any(Option::is_some).then_some(Self { from: first, places })
    }
}
