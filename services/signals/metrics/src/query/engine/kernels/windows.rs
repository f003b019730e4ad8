//! Slides a window over the samples of a series.

use crate::model::Sample;
use crate::query::engine::batch::RowMut;
use crate::query::engine::eval::advance;
use crate::query::engine::plan::Windows;

/// The samples of a series and the windows over them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Each<'a> {
    /// All samples; times rise.
    pub(crate) samples: &'a [Sample],
    /// The windows.
    pub(crate) windows: Windows,
}

/// One window that has samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    /// The samples in it: after its start, up to its end.
    pub(crate) samples: &'a [Sample],
    /// The place of the first of them among all.
    pub(crate) first: usize,
    /// The step it is for.
    pub(crate) step: usize,
    /// Its end, ms since the Unix epoch.
    pub(crate) end: i64,
}

impl<'a> Each<'a> {
    /// Computes a value for each window that has samples. Windows move forward, so both of their ends do.
    pub(crate) fn run(self, row: &mut RowMut<'_>, mut compute: impl FnMut(Window<'a>) -> Option<f64>) {
        let (mut first, mut after) = (0, 0);
        for step in 0..self.windows.steps.count {
            let end = self.windows.end(step);
            first = advance(self.samples, first, end.saturating_sub(self.windows.range));
            after = advance(self.samples, after.max(first), end);
            if first < after
                && let Some(value) = compute(Window { samples: &self.samples[first..after], first, step, end })
            {
                row.set(step, value);
            }
        }
    }
}
