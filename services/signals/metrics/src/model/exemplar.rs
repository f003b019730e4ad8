//! Exemplars: single observations beside a series, mostly with the id of a trace.

use std::cmp::Ordering;

use super::Labels;

/// One observation that stands for many. Its identity within a series is all of it: time, bits of the value, labels.
#[derive(Clone, Debug)]
pub struct Exemplar {
    /// Its own labels, `trace_id` mostly; not those of the series.
    pub labels: Labels,
    /// The value; its bits matter.
    pub value: f64,
    /// When, ms since the Unix epoch.
    pub t: i64,
}

/// By time, then by the bits of the value, then by labels: an order that every process agrees on.
impl Ord for Exemplar {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |exemplar: &Self| (exemplar.t, exemplar.value.to_bits());
        key(self).cmp(&key(other)).then_with(|| self.labels.cmp(&other.labels))
    }
}

impl PartialOrd for Exemplar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Exemplar {
    fn eq(&self, other: &Self) -> bool {
        self.t == other.t && self.value.to_bits() == other.value.to_bits() && self.labels == other.labels
    }
}

impl Eq for Exemplar {}
