//! Functions over ranges of series that have histograms, and perhaps floats as well.

use super::function::RangeFunction;
use crate::histogram::{HistogramSample, Joined};
use crate::model::Sample;
use crate::query::engine::annotations::Operation;
use crate::query::engine::batch::RowMut;
use crate::query::engine::kernels::{
    self, Bordered, BorderedHistograms, EachMixed, MixedWindow, Neighbours, Rate, Remark, Remarks, histogram_value,
};
use crate::query::engine::numbers;
use crate::query::engine::result::PointValue;
use crate::query::engine::starts::Starts;
use crate::query::engine::totals::{Total, TotalKind};
use crate::query::promql::ast::Extension;
use crate::query::promql::functions::FunctionId;

impl RangeFunction<'_> {
    /// Writes the values of a series that has histograms.
    pub(super) fn run_mixed(
        &self,
        floats: &[Sample],
        histograms: &[HistogramSample],
        starts: Option<&Starts>,
        row: &mut RowMut<'_>,
        remarks: &mut Remarks,
    ) {
        use FunctionId as F;
        if let Some(extension) = self.extension {
            let windows = self.windows.extended(extension, self.lookback);
            EachMixed { floats, histograms, starts: None, windows }.run(row, |window| self.extended_value(&window, extension, remarks));
            return;
        }
        let mut scratch = Vec::new();
        let each = EachMixed { floats, histograms, starts, windows: self.windows };
        let range = self.windows.range;
        let mut changes = |rate| {
            let resets = kernels::resets(histograms);
            each.run(row, |window| kernels::mixed_rate(&window, &resets, range, rate, remarks));
        };
        match self.id {
            F::Rate => changes(Rate::PerSecond),
            F::Increase => changes(Rate::Increase),
            F::Delta => changes(Rate::Gauge),
            _ => each.run(row, |window| self.mixed_value(&window, &mut scratch, remarks)),
        }
    }

    fn mixed_value(&self, window: &MixedWindow<'_>, scratch: &mut Vec<f64>, remarks: &mut Remarks) -> Option<PointValue> {
        use FunctionId as F;
        let float = PointValue::Float;
        match self.id {
            F::Irate => kernels::mixed_instant_change(window, true, remarks),
            F::Idelta => kernels::mixed_instant_change(window, false, remarks),
            F::Changes => Some(float(Neighbours(window.points()).count(kernels::is_change))),
            F::Resets if window.starts.is_some() => Some(float(kernels::started_resets(window))),
            F::Resets => Some(float(Neighbours(window.points()).count(kernels::is_reset))),
            F::AbsentOverTime | F::PresentOverTime => Some(float(1.0)),
            F::CountOverTime => Some(float(numbers::to_float(window.floats.len() + window.histograms.len()))),
            F::FirstOverTime => window.first_point().map(|(_, point)| point.to_value()),
            F::LastOverTime => window.last_points().last().map(|(_, point)| point.to_value()),
            F::TsOfFirstOverTime => window.first_point().map(|(t, _)| float(numbers::seconds(t))),
            F::TsOfLastOverTime => window.last_points().last().map(|(t, _)| float(numbers::seconds(*t))),
            F::SumOverTime | F::AvgOverTime => self.total(window, scratch, remarks),
            _ => self.of_floats(window, scratch, remarks),
        }
    }

    /// The sum or the mean of samples of one kind.
    fn total(&self, window: &MixedWindow<'_>, scratch: &mut Vec<f64>, remarks: &mut Remarks) -> Option<PointValue> {
        if window.is_mixed() {
            remarks.note(Remark::MixedRange);
            return None;
        }
        let Some((first, rest)) = window.histograms.split_first() else { return self.of_floats(window, scratch, remarks) };
        let rest = rest.iter().map(|sample| sample.h.as_ref());
        let kind = if self.id == FunctionId::SumOverTime { TotalKind::Sum } else { TotalKind::Mean };
        let Ok(total) = Total::of(kind, &first.h, rest) else {
            remarks.note(Remark::MixedBuckets);
            return None;
        };
        let Joined { resets_collide, bounds_reconciled } = total.joined();
        if resets_collide {
            remarks.note(Remark::Collision(Operation::Aggregation));
        }
        if bounds_reconciled {
            remarks.note(Remark::Reconciled(Operation::Aggregation));
        }
        Some(histogram_value(total.finish()))
    }

    /// What a function says that looks at floats alone.
    fn of_floats(&self, window: &MixedWindow<'_>, scratch: &mut Vec<f64>, remarks: &mut Remarks) -> Option<PointValue> {
        if window.is_mixed() {
            remarks.note(Remark::Ignored);
        }
        self.float_value(window.floats, window.step, scratch).map(PointValue::Float)
    }

    fn extended_value(&self, window: &MixedWindow<'_>, extension: Extension, remarks: &mut Remarks) -> Option<PointValue> {
        use FunctionId as F;
        let end = self.windows.end(window.step);
        let start = end.saturating_sub(self.windows.range);
        let smoothed = extension == Extension::Smoothed;
        match self.id {
            F::Changes => return kernels::anchored_transitions(window, start, kernels::is_change).map(PointValue::Float),
            F::Resets => return kernels::anchored_transitions(window, start, kernels::is_reset).map(PointValue::Float),
            _ => {}
        }
        if window.is_mixed() {
            remarks.note(Remark::MixedRange);
            return None;
        }
        let counter = self.id != F::Delta;
        let seconds = (self.id == F::Rate).then(|| kernels::range_seconds(self.windows.range));
        if window.histograms.is_empty() {
            let range = Bordered { samples: window.floats, start, end, smoothed };
            let change = if counter { range.increase() } else { range.change() }?;
            return Some(PointValue::Float(seconds.map_or(change, |seconds| change / seconds)));
        }
        let range = BorderedHistograms { samples: window.histograms, start, end, smoothed };
        let mut change = range.change(counter, remarks)?;
        if let Some(seconds) = seconds {
            change.div(seconds);
        }
        Some(histogram_value(change))
    }
}
