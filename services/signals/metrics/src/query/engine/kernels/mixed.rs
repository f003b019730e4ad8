//! Windows over a series that has histograms, and perhaps floats as well.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::histogram::{Histogram, HistogramSample};
use crate::model::Sample;
use crate::query::engine::annotations::{Annotation, Operation};
use crate::query::engine::batch::{Point, RowMut};
use crate::query::engine::eval::advance;
use crate::query::engine::plan::Windows;
use crate::query::engine::result::PointValue;
use crate::query::engine::starts::{Counted, Starts};

/// The samples of a series and the windows over them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EachMixed<'a> {
    /// All floats; times rise.
    pub(crate) floats: &'a [Sample],
    /// All histograms; times rise, none is that of a float.
    pub(crate) histograms: &'a [HistogramSample],
    /// The start timestamps of all samples, where there are any.
    pub(crate) starts: Option<&'a Starts>,
    /// The windows.
    pub(crate) windows: Windows,
}

/// One window that has samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MixedWindow<'a> {
    /// The floats in it: after its start, up to its end.
    pub(crate) floats: &'a [Sample],
    /// The histograms in it.
    pub(crate) histograms: &'a [HistogramSample],
    /// The place of the first of these histograms among all.
    pub(crate) first: usize,
    /// The start timestamps of both, where there are any.
    pub(crate) starts: Option<(&'a [i64], &'a [i64])>,
    /// The step it is for.
    pub(crate) step: usize,
    /// Its end, ms since the Unix epoch.
    pub(crate) end: i64,
}

impl<'a> EachMixed<'a> {
    /// Computes a value for each window that has samples.
    pub(crate) fn run(self, row: &mut RowMut<'_>, mut compute: impl FnMut(MixedWindow<'a>) -> Option<PointValue>) {
        let (mut float, mut floats_after, mut first, mut after) = (0, 0, 0, 0);
        for step in 0..self.windows.steps.count {
            let end = self.windows.end(step);
            let start = end.saturating_sub(self.windows.range);
            float = advance(self.floats, float, start);
            floats_after = advance(self.floats, floats_after.max(float), end);
            first = advance(self.histograms, first, start);
            after = advance(self.histograms, after.max(first), end);
            if float == floats_after && first == after {
                continue;
            }
            let (floats, histograms) = (&self.floats[float..floats_after], &self.histograms[first..after]);
            let starts = self.starts.map(|starts| {
                let of = |list: &'a [i64], from: usize, to: usize| list.get(from..to).unwrap_or_default();
                (of(&starts.floats, float, floats_after), of(&starts.histograms, first, after))
            });
            if let Some(value) = compute(MixedWindow { floats, histograms, first, starts, step, end }) {
                row.set_value(step, value);
            }
        }
    }
}

impl<'a> MixedWindow<'a> {
    /// True when it has samples of both kinds.
    pub(crate) const fn is_mixed(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }

    /// All samples with their times, which rise.
    pub(crate) fn points(&self) -> impl Iterator<Item = (i64, Point<'a>)> + Clone + use<'a> {
        let (mut floats, mut histograms) = (self.floats, self.histograms);
        std::iter::from_fn(move || {
            if let Some((float, rest)) = floats.split_first()
                && histograms.first().is_none_or(|histogram| float.t < histogram.t)
            {
                floats = rest;
                return Some((float.t, Point::Float(float.v)));
            }
            let (histogram, rest) = histograms.split_first()?;
            histograms = rest;
            Some((histogram.t, Point::Histogram(&histogram.h)))
        })
    }

    /// All samples, each with since when it counts.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (Counted, Point<'a>)> + use<'a> {
        let (mut floats, mut histograms) = self.starts.unwrap_or_default();
        self.points().map(move |(t, point)| {
            let starts = if matches!(point, Point::Float(_)) { &mut floats } else { &mut histograms };
            let start = starts.split_off_first().copied().unwrap_or_default();
            (Counted { t, start }, point)
        })
    }

    /// The first sample.
    pub(crate) fn first_point(&self) -> Option<(i64, Point<'a>)> {
        self.points().next()
    }

    /// The last two samples, the last one last; fewer where there are fewer.
    pub(crate) fn last_points(&self) -> SmallVec<[(i64, Point<'a>); 2]> {
        let tail = MixedWindow {
            floats: &self.floats[self.floats.len().saturating_sub(2)..],
            histograms: &self.histograms[self.histograms.len().saturating_sub(2)..],
            ..*self
        };
        let points: SmallVec<[_; 4]> = tail.points().collect();
        points[points.len().saturating_sub(2)..].iter().copied().collect()
    }

    /// True when the last sample tells that the counter began anew before it.
    pub(crate) fn last_began(&self) -> bool {
        let mut before = Counted::default();
        let mut began = false;
        if self.starts.is_some() {
            for (counted, _) in self.counted() {
                began = counted.begins_after(before);
                before = counted;
            }
        }
        began
    }
}

impl Point<'_> {
    /// The same, held by itself.
    pub(crate) fn to_value(self) -> PointValue {
        match self {
            Self::Float(value) => PointValue::Float(value),
            Self::Histogram(histogram) => PointValue::Histogram(histogram.clone()),
        }
    }
}

/// What a computed histogram is as a value.
pub(crate) fn histogram_value(histogram: Histogram) -> PointValue {
    PointValue::Histogram(Arc::new(histogram))
}

/// What there is to remark about a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// [`Annotation::MixedRange`]
    MixedRange,
    /// [`Annotation::MixedBuckets`]
    MixedBuckets,
    /// [`Annotation::NotCounter`]
    NotCounter,
    /// [`Annotation::NotGauge`]
    NotGauge,
    /// [`Annotation::IgnoredInRange`]
    Ignored,
    /// [`Annotation::StartOverlap`]
    StartOverlap,
    /// [`Annotation::ReconciledBounds`]
    Reconciled(Operation),
    /// [`Annotation::ResetCollision`]
    Collision(Operation),
}

impl Remark {
    /// The remark in words.
    pub(crate) fn about(self, metric: &str) -> Annotation {
        let metric = metric.to_owned();
        match self {
            Self::MixedRange => Annotation::MixedRange { metric },
            Self::MixedBuckets => Annotation::MixedBuckets { metric },
            Self::NotCounter => Annotation::NotCounter { metric },
            Self::NotGauge => Annotation::NotGauge { metric },
            Self::Ignored => Annotation::IgnoredInRange { metric },
            Self::StartOverlap => Annotation::StartOverlap { metric },
            Self::Reconciled(operation) => Annotation::ReconciledBounds { operation },
            Self::Collision(operation) => Annotation::ResetCollision { operation },
        }
    }
}

/// All there is to remark about a series, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remarks(SmallVec<[Remark; 4]>);

impl Remarks {
    /// Adds a remark.
    pub(crate) fn note(&mut self, remark: Remark) {
        if !self.0.contains(&remark) {
            self.0.push(remark);
        }
    }

    /// Adds those of others.
    pub(crate) fn merge(&mut self, others: Self) {
        others.0.into_iter().for_each(|remark| self.note(remark));
    }

    /// One after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Remark> + '_ {
        self.0.iter().copied()
    }
}
