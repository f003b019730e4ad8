//! Start timestamps: since when a counter has counted what a sample says. Experimental, as in Prometheus: nothing that stores samples here
//! stores them, so that only callers which bring their own samples have any.

use crate::merge::SeriesSamples;
use crate::model::is_stale;

/// The start timestamps of a series, ms since the Unix epoch: one for each of its samples, 0 where it is unknown. Both lists are empty for
/// a series without any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    /// Those of its floats.
    pub floats: Vec<i64>,
    /// Those of its histograms.
    pub histograms: Vec<i64>,
}

impl Starts {
    /// Those of samples that are no staleness markers.
    pub(super) fn without_markers(&self, series: &SeriesSamples) -> Self {
        let floats = self.floats.iter().zip(&series.samples).filter(|(_, sample)| !is_stale(sample.v));
        let histograms = self.histograms.iter().zip(&series.histograms).filter(|(_, sample)| !sample.h.is_stale());
        Self { floats: floats.map(|(start, _)| *start).collect(), histograms: histograms.map(|(start, _)| *start).collect() }
    }
}

/// A sample's time and since when it counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// The time of the sample, ms since the Unix epoch.
    pub(crate) t: i64,
    /// Since when, 0 where that is unknown.
    pub(crate) start: i64,
}

impl Counted {
    /// True when the counter began anew between another sample and this one.
    pub(crate) const fn begins_after(self, before: Self) -> bool {
        if self.start == 0 || self.start >= self.t || self.start < before.t {
            return false;
        }
        // Counting from the very sample before is a reset for one that says only what was new: it said so of that one as well. Else the
        // first start was simply not known.
        self.start > before.t || (before.start != 0 && before.start < before.t)
    }

    /// True when this sample counts from before the other one, and from another time than that.
    pub(crate) const fn overlaps(self, before: Self) -> bool {
        self.start != 0 && self.start < before.t && self.start != before.start
    }
}
