//! The first half of a push: checks against what the head knows, the record, and what waits until the commit.
//!
//! Hot file: decodes before it takes the lock; no allocation per sample, none per known series once the buffers have grown.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use signal::{Push, Refusal, SegmentId};

use super::Shared;
use super::record::RecordWriter;
use super::refuse::{Cause, Refusals};
use super::series::{Known, Series};
use super::state::State;
use crate::ingest::FORMAT;
use crate::ingest::series::RawSeries;
use crate::limits::MetricsLimits;
use crate::model::{Labels, Sample, SeriesHash};

/// About how many bytes of a record one sample takes.
const SAMPLE_BYTES: usize = 10;

/// A push that is prepared. Dropped before it is committed, it leaves no trace.
#[derive(Debug)]
pub(super) struct PendingPush {
    pub(super) shared: Arc<Shared>,
    pub(super) segment: SegmentId,
    pub(super) runs: Vec<Run>,
    /// The samples of all runs, one after the other.
    pub(super) samples: Vec<Sample>,
    pub(super) refused: Vec<Refusal>,
}

/// Samples of one series, sorted by time, each time once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) number: u32,
    /// One past its last sample; it begins where the one before ends.
    pub(super) end: usize,
}

impl PendingPush {
    /// The runs with their samples.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, &[Sample])> {
        let mut start = 0;
        self.runs.iter().map(move |run| {
            let samples = &self.samples[start..run.end];
            start = run.end;
            (run.number, samples)
        })
    }
}

impl Drop for PendingPush {
    fn drop(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let mut removed = 0;
        let mut state = self.shared.state.write();
        for (number, samples) in self.runs() {
            let unused = state.change(number, |series| {
                series.release(samples);
                !series.visible && series.holders == 0
            });
            if unused == Some(true) {
                state.remove(number);
                removed += 1;
            }
        }
        drop(state);
        self.shared.count_removed(removed);
    }
}

/// Prepares a push for a segment; the record is empty when there is nothing to be stored.
pub(super) fn prepare(shared: &Arc<Shared>, push: &Push, segment: SegmentId) -> (Bytes, PendingPush) {
    let mut refusals = Refusals::default();
    let items = Items::decode(push, &mut refusals);
    let limits = shared.deps.limits.of(&shared.tenant);
    let mut preparing = Preparing {
        shared,
        limits: &limits,
        window: limits.out_of_order_time_window.as_ms(),
        segment,
        record: RecordWriter::with_capacity(items.samples.len() * SAMPLE_BYTES),
        runs: Vec::with_capacity(items.items.len()),
        samples: Vec::with_capacity(items.samples.len()),
        refusals,
        created: 0,
        shares: None,
    };
    let mut state = shared.state.write();
    for item in &items.items {
        preparing.item(&mut state, item, &items.labels[item.labels.clone()], &items.samples[item.samples.clone()]);
    }
    drop(state);
    shared.count_created(preparing.created);
    let Preparing { record, runs, samples, refusals, .. } = preparing;
    let pending = PendingPush { shared: Arc::clone(shared), segment, runs, samples, refused: refusals.into_inner() };
    (record.finish().into(), pending)
}

/// The items of a push, decoded.
#[derive(Debug, Default)]
struct Items<'a> {
    items: Vec<Decoded>,
    labels: Vec<(&'a [u8], &'a [u8])>,
    samples: Vec<Sample>,
}

/// One item: where its parts are.
#[derive(Debug)]
struct Decoded {
    index: u32,
    hash: u64,
    labels: Range<usize>,
    samples: Range<usize>,
}

impl<'a> Items<'a> {
    /// Decodes what the receivers encoded. An item that is not as they make it is refused; the others are taken.
    fn decode(push: &'a Push, refusals: &mut Refusals) -> Self {
        let mut all = Self::default();
        let mut series = RawSeries::default();
        for (index, item) in (0u32..).zip(&push.items) {
            let (labels, samples) = (all.labels.len(), all.samples.len());
            let read = series.read(&item.bytes, 0..item.bytes.len()).is_ok() && push.format == FORMAT;
            let Some(hash) = read.then(|| all.take(&series)).flatten() else {
                all.labels.truncate(labels);
                refusals.add(index, Cause::Malformed, u32::try_from(series.samples.len()).unwrap_or(u32::MAX), || None);
                continue;
            };
            let run = &mut all.samples[samples..];
            if !run.is_sorted_by_key(|sample| sample.t) {
                // Stable: of two values with one time the first stays the first.
                run.sort_by_key(|sample| sample.t);
            }
            all.items.push(Decoded { index, hash, labels: labels..all.labels.len(), samples: samples..all.samples.len() });
        }
        all
    }

    /// Takes labels and samples of a series; returns the hash of its labels. `None`: the labels are not as they should be.
    fn take(&mut self, series: &RawSeries<'a>) -> Option<u64> {
        let mut hash = SeriesHash::default();
        let mut before: Option<&[u8]> = None;
        for label in &series.labels {
            if label.value.is_empty() || before.is_some_and(|before| before >= label.name) {
                return None;
            }
            before = Some(label.name);
            hash.add(label.name, label.value);
            self.labels.push((label.name, label.value));
        }
        self.samples.extend_from_slice(&series.samples);
        Some(hash.finish())
    }
}

/// Labels of a request as the head keeps them; `None` if they are not UTF-8.
fn to_labels(pairs: &[(&[u8], &[u8])]) -> Option<Labels> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let pairs: Option<Vec<(&str, &str)>> = pairs.iter().map(|(name, value)| text(name).zip(text(value))).collect();
    Some(Labels::from_sorted(pairs?))
}

/// A push on its way.
struct Preparing<'a> {
    shared: &'a Shared,
    limits: &'a MetricsLimits,
    /// The out-of-order window, ms.
    window: i64,
    segment: SegmentId,
    record: RecordWriter,
    runs: Vec<Run>,
    samples: Vec<Sample>,
    refusals: Refusals,
    created: u64,
    /// This head's shares of the limits of series, per tenant and per metric: worked out when the first new series asks.
    shares: Option<(u64, u64)>,
}

impl Preparing<'_> {
    fn item(&mut self, state: &mut State, item: &Decoded, labels: &[(&[u8], &[u8])], samples: &[Sample]) {
        if samples.is_empty() {
            return;
        }
        let number = match state.find(item.hash, |known| known.are(labels)) {
            Some(number) => number,
            None => {
                // Labels become text, and are checked to be that, when their series is new.
                let labels = to_labels(labels);
                match labels.clone().ok_or(Cause::Malformed).and_then(|labels| self.create(state, labels)) {
                    Ok(number) => number,
                    Err(cause) => {
                        let rows = u32::try_from(samples.len()).unwrap_or(u32::MAX);
                        return self.refusals.add(item.index, cause, rows, || labels);
                    }
                }
            }
        };
        let start = self.samples.len();
        if let Some(series) = state.get(number) {
            self.judge_all(series, item.index, samples);
        }
        let run = &self.samples[start..];
        if run.is_empty() {
            return;
        }
        state.change(number, |series| {
            series.hold(run);
            let said = series.logged == Some(self.segment);
            self.record.push(number, (!said).then_some(&series.labels), run);
        });
        self.runs.push(Run { number, end: self.samples.len() });
    }

    /// Adds a series, if the tenant's limits allow it.
    fn create(&mut self, state: &mut State, labels: Labels) -> Result<u32, Cause> {
        let share = |limit: u64| if limit == 0 { u64::MAX } else { self.shared.context.share.of(&self.shared.tenant, limit) };
        let (per_user, per_metric) = (self.limits.max_global_series_per_user, self.limits.max_global_series_per_metric);
        let (user_share, metric_share) = *self.shares.get_or_insert_with(|| (share(per_user), share(per_metric)));
        if state.series_count() >= user_share {
            return Err(Cause::SeriesPerUser { limit: per_user });
        }
        if per_metric > 0 && state.metric_count(labels.metric_name().unwrap_or_default()) >= metric_share {
            return Err(Cause::SeriesPerMetric { limit: per_metric });
        }
        let number = state.add(labels).ok_or(Cause::Full)?;
        self.created += 1;
        Ok(number)
    }

    /// Takes the samples of a series, sorted by time, that are to be stored.
    fn judge_all(&mut self, series: &Series, item: u32, samples: &[Sample]) {
        let start = self.samples.len();
        for sample in samples.iter().copied() {
            let before = self.samples[start..].last().copied().filter(|before| before.t == sample.t);
            let verdict = match before {
                Some(before) if before == sample => Ok(false),
                Some(_) => Err(Cause::Duplicate { t: sample.t }),
                None => judge(series, sample, self.window),
            };
            match verdict {
                Ok(true) => self.samples.push(sample),
                Ok(false) => {}
                Err(cause) => self.refusals.add(item, cause, 1, || Some(series.labels.clone())),
            }
        }
    }
}

/// Whether a sample is to be stored: `false` when it is there already.
///
/// A sample that only waits is not there yet: the same sample is stored again with this push, since the other may never be
/// committed. Only what is committed makes a sample late: of two pushes at one time either may be the first.
fn judge(series: &Series, sample: Sample, window: i64) -> Result<bool, Cause> {
    let Sample { t, .. } = sample;
    if series.waits(sample) == Known::Other {
        return Err(Cause::Duplicate { t });
    }
    let Some(newest) = series.newest().filter(|newest| newest.t >= t) else {
        return Ok(true);
    };
    match series.holds(sample) {
        Known::Same => Ok(false),
        Known::Other => Err(Cause::Duplicate { t }),
        Known::Nothing if window == 0 => Err(Cause::OutOfOrder { t }),
        Known::Nothing if t < newest.t.saturating_sub(window) => Err(Cause::TooOld { t }),
        Known::Nothing => Ok(true),
    }
}
