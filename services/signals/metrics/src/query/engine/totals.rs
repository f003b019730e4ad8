//! Sums and means of histograms: of a range of one series, and of many series at one step.

use crate::histogram::{Histogram, HistogramMean, HistogramSum, Joined, MixedSchemas};

/// Which total is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TotalKind {
    /// The sum.
    Sum,
    /// The mean.
    Mean,
}

/// A total under way.
#[derive(Clone, Debug)]
pub(crate) enum Total {
    /// A sum.
    Sum(HistogramSum),
    /// A mean.
    Mean(HistogramMean),
}

impl Total {
    /// The total of one histogram.
    pub(crate) fn new(kind: TotalKind, first: &Histogram) -> Self {
        match kind {
            TotalKind::Sum => Self::Sum(HistogramSum::new(first)),
            TotalKind::Mean => Self::Mean(HistogramMean::new(first)),
        }
    }

    /// The total of all histograms; the iterator has to have one.
    pub(crate) fn of<'a>(kind: TotalKind, first: &Histogram, rest: impl Iterator<Item = &'a Histogram>) -> Result<Self, MixedSchemas> {
        let mut total = Self::new(kind, first);
        for histogram in rest {
            total.add(histogram)?;
        }
        Ok(total)
    }

    /// Takes one more histogram.
    pub(crate) fn add(&mut self, histogram: &Histogram) -> Result<(), MixedSchemas> {
        match self {
            Self::Sum(sum) => sum.add(histogram),
            Self::Mean(mean) => mean.add(histogram),
        }
    }

    /// What happened on the way.
    pub(crate) const fn joined(&self) -> Joined {
        match self {
            Self::Sum(sum) => sum.joined(),
            Self::Mean(mean) => mean.joined(),
        }
    }

    /// The total.
    pub(crate) fn finish(&self) -> Histogram {
        match self {
            Self::Sum(sum) => sum.finish(),
            Self::Mean(mean) => mean.finish(),
        }
    }
}
