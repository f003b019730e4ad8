//! Instant vector selectors: what each series has at each step.

use super::EvalError;
use super::annotations::Annotation;
use super::batch::{Batch, RowMut, SeriesKey, Steps};
use super::counts::counted;
use super::eval::{Evaluator, advance};
use super::kernels::{Each, EachMixed, Remark, Remarks, smoothed_histogram, smoothed_value};
use super::numbers::seconds;
use super::plan::{Select, Windows};
use super::range::without_markers;
use super::result::PointValue;
use super::starts::Starts;
use crate::histogram::HistogramSample;
use crate::model::{Sample, is_stale};

/// What of a sample is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// Its value.
    Value,
    /// Its time in seconds.
    Time,
    /// Its start timestamp in seconds, 0 where that is unknown.
    Start,
}

impl Pick {
    /// What is wanted of a float whose start timestamp is unknown.
    fn of(self, sample: Sample) -> f64 {
        match self {
            Self::Value => sample.v,
            Self::Time => seconds(sample.t),
            Self::Start => 0.0,
        }
    }
}

impl Evaluator<'_> {
    /// The newest sample of each series at each step, if it is young enough and no staleness marker. `at` is where the selector stands
    /// in the query.
    pub(crate) fn select(&mut self, select: &Select, at: usize, steps: Steps, pick: Pick) -> Result<Batch, EvalError> {
        if select.smoothed && pick == Pick::Value {
            return self.select_smoothed(select, at, steps);
        }
        let data = self.data;
        let look = Look { select, steps, lookback: self.lookback, pick };
        let mut out = Batch::new(steps.count);
        let mut count = 0;
        let starts = self.starts_of(select.selector);
        for (place, series) in data[select.selector].iter().enumerate() {
            self.cancel.check()?;
            let key = SeriesKey { labels: series.labels.clone(), drop_name: false };
            let starts = starts.get(place).filter(|_| pick == Pick::Start);
            count += out.push_with(key, |row| {
                if series.histograms.is_empty() && starts.is_none() {
                    look.floats(&series.samples, row);
                } else {
                    let histograms = counted(&series.histograms, select.counts_only);
                    look.mixed(&series.samples, &histograms, starts.unwrap_or(&Starts::default()), row);
                }
            });
            self.check_limit(count)?;
        }
        self.counting.selected(&out, steps);
        Ok(out)
    }

    /// The value of each series at each step on the line between the samples before and after it.
    fn select_smoothed(&mut self, select: &Select, at: usize, steps: Steps) -> Result<Batch, EvalError> {
        let lookback = self.lookback;
        let windows = Windows { steps, range: 2 * lookback, offset: select.offset - lookback, fixed: select.fixed };
        let data = self.data;
        let mut out = Batch::new(steps.count);
        let mut count = 0;
        for series in &data[select.selector] {
            self.cancel.check()?;
            let floats = without_markers(&series.samples, |sample| is_stale(sample.v));
            let histograms = without_markers(counted(&series.histograms, select.counts_only), |sample| sample.h.is_stale());
            let mut remarks = Remarks::default();
            count += out.push_with(SeriesKey { labels: series.labels.clone(), drop_name: false }, |row| {
                if histograms.is_empty() {
                    Each { samples: &floats, windows }.run(row, |window| smoothed_value(window.samples, window.end - lookback));
                    return;
                }
                EachMixed { floats: &floats, histograms: &histograms, starts: None, windows }.run(row, |window| {
                    let time = window.end - lookback;
                    if window.is_mixed() {
                        remarks.note(Remark::MixedRange);
                        return None;
                    }
                    match smoothed_value(window.floats, time) {
                        Some(value) => Some(PointValue::Float(value)),
                        None => smoothed_histogram(window.histograms, time, &mut remarks).map(PointValue::Histogram),
                    }
                });
            });
            let metric = series.labels.metric_name().unwrap_or_default();
            let found: Vec<Annotation> = remarks.iter().map(|remark| remark.about(metric)).collect();
            found.into_iter().for_each(|remark| self.annotate(remark, at));
            self.check_limit(count)?;
        }
        self.counting.selected(&out, steps);
        Ok(out)
    }
}

/// How samples are looked up.
struct Look<'a> {
    select: &'a Select,
    steps: Steps,
    lookback: i64,
    pick: Pick,
}

impl Look<'_> {
    /// The steps, each with the time to look at.
    fn times(&self) -> impl Iterator<Item = (usize, i64)> {
        let Select { fixed, offset, .. } = *self.select;
        self.steps.times().enumerate().map(move |(step, time)| (step, fixed.unwrap_or(time).saturating_sub(offset)))
    }

    fn floats(&self, samples: &[Sample], row: &mut RowMut<'_>) {
        let mut next = 0;
        for (step, time) in self.times() {
            next = advance(samples, next, time);
            let Some(sample) = next.checked_sub(1).map(|last| samples[last]) else { continue };
            if sample.t > time.saturating_sub(self.lookback) && !is_stale(sample.v) {
                row.set(step, self.pick.of(sample));
            }
        }
    }

    /// Of a series that has histograms or start timestamps: the newest sample of either kind counts.
    fn mixed(&self, samples: &[Sample], histograms: &[HistogramSample], starts: &Starts, row: &mut RowMut<'_>) {
        let (mut next, mut next_histogram) = (0, 0);
        let start_of = |starts: &[i64], place: usize| seconds(starts.get(place).copied().unwrap_or_default());
        for (step, time) in self.times() {
            next = advance(samples, next, time);
            next_histogram = advance(histograms, next_histogram, time);
            let oldest = time.saturating_sub(self.lookback);
            let float = next.checked_sub(1).map(|last| (last, samples[last])).filter(|(_, sample)| sample.t > oldest);
            let histogram = next_histogram.checked_sub(1).map(|last| (last, &histograms[last])).filter(|(_, sample)| sample.t > oldest);
            match (float, histogram) {
                (float, Some((place, newest))) if float.is_none_or(|(_, float)| float.t < newest.t) => match self.pick {
                    _ if newest.h.is_stale() => {}
                    Pick::Value => row.set_histogram(step, newest.h.clone()),
                    Pick::Time => row.set(step, seconds(newest.t)),
                    Pick::Start => row.set(step, start_of(&starts.histograms, place)),
                },
                (Some((place, newest)), _) if !is_stale(newest.v) => match self.pick {
                    Pick::Value => row.set(step, newest.v),
                    Pick::Time => row.set(step, seconds(newest.t)),
                    Pick::Start => row.set(step, start_of(&starts.floats, place)),
                },
                _ => {}
            }
        }
    }
}
