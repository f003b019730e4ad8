//! The first half of a push: checks against what the head knows, the record, and what waits until the commit.
//!
//! Hot file: decodes before it takes the lock; no allocation per float sample, none per known series once the buffers have grown.

mod items;

use std::sync::Arc;

use bytes::Bytes;
use signal::{Push, Refusal, SegmentId};

use super::exemplars::Verdict;
use super::files::Files;
use super::metadata::{Awaited, MetadataLimits, Verdict as OfMetadata};
use super::record::{Parts, RecordWriter};
use super::refuse::{Cause, Refusals};
use super::series::{Known, Series, Shown, Value};
use super::state::State;
use super::{IDLE_MS, Shared};
use crate::histogram::{Histogram, HistogramSample};
use crate::limits::MetricsLimits;
use crate::model::{Exemplar, Labels, Sample, is_stale};
use crate::wire::MetadataEntry;
use items::{Decoded, Items, to_labels};

/// About how many bytes of a record one sample takes.
const SAMPLE_BYTES: usize = 10;

/// A push that is prepared. Dropped before it is committed, it leaves no trace.
#[derive(Debug)]
pub(super) struct PendingPush {
    pub(super) shared: Arc<Shared>,
    pub(super) segment: SegmentId,
    pub(super) runs: Vec<Run>,
    parts: AllParts,
    pub(super) metadata: Vec<(Box<str>, MetadataEntry)>,
    pub(super) refused: Vec<Refusal>,
    pub(super) failed: Failed,
}

/// What all runs bring, one after the other.
#[derive(Debug, Default)]
struct AllParts {
    samples: Vec<Sample>,
    histograms: Vec<HistogramSample>,
    exemplars: Vec<Exemplar>,
}

/// What one push brings to one series: samples sorted by time, each time once. Each kind ends here and begins where the run before
/// ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    number: u32,
    samples: usize,
    histograms: usize,
    exemplars: usize,
}

/// What is not stored and is no sample.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failed {
    pub(super) exemplars: u64,
    pub(super) metadata_per_user: u64,
    pub(super) metadata_per_metric: u64,
}

impl AllParts {
    /// What lies between the ends of two runs.
    fn between(&self, start: Run, end: Run) -> Parts<'_> {
        Parts {
            samples: &self.samples[start.samples..end.samples],
            histograms: &self.histograms[start.histograms..end.histograms],
            exemplars: &self.exemplars[start.exemplars..end.exemplars],
        }
    }

    /// The end of a run that ends here.
    fn end(&self, number: u32) -> Run {
        Run { number, samples: self.samples.len(), histograms: self.histograms.len(), exemplars: self.exemplars.len() }
    }
}

impl PendingPush {
    /// The series with what comes to them.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, Parts<'_>)> {
        let mut start = Run::default();
        self.runs.iter().map(move |run| {
            let parts = self.parts.between(start, *run);
            start = *run;
            (run.number, parts)
        })
    }
}

impl Drop for PendingPush {
    fn drop(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let mut removed = 0;
        let since = self.shared.now_ms().saturating_sub(IDLE_MS);
        let bounded = self.shared.deps.limits.of(&self.shared.tenant).max_active_series_per_user > 0;
        let mut state = self.shared.state.write();
        for (number, parts) in self.runs() {
            let left = state.change(number, |series, _| {
                series.release(parts.samples, parts.histograms);
                (series.holders == 0).then(|| (series.visible, series.is_idle_since(since)))
            });
            match left.flatten() {
                Some((false, _)) => {
                    state.remove(number);
                    state.active.goes(number);
                    removed += 1;
                }
                // It would have become active, or has fallen idle meanwhile and was counted since it waited.
                Some((true, true)) if bounded => state.active.goes(number),
                _ => {}
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
        record: RecordWriter::with_capacity(items.parts.samples.len() * SAMPLE_BYTES),
        runs: Vec::with_capacity(items.items.len()),
        parts: AllParts { samples: Vec::with_capacity(items.parts.samples.len()), ..AllParts::default() },
        metadata: Vec::new(),
        awaited: Awaited::default(),
        refusals,
        failed: Failed::default(),
        created: 0,
        shares: None,
        active_share: None,
    };
    let labels = |item: &Decoded| &items.labels[item.labels.clone()];
    let mut state = shared.state.write();
    let hashes = items.items.iter().map(|item| item.hash);
    let known = state.find_all(hashes, |place, known| known.are(labels(&items.items[place])));
    for (item, known) in items.items.iter().zip(known) {
        preparing.item(&mut state, item, known, labels(item), items.parts.between(item.start, item.end));
    }
    for metadata in items.metadata {
        preparing.metadata(&state, metadata);
    }
    drop(state);
    shared.count_created(preparing.created);
    let Preparing { record, runs, parts, metadata, refusals, failed, .. } = preparing;
    let pending = PendingPush { shared: Arc::clone(shared), segment, runs, parts, metadata, refused: refusals.into_inner(), failed };
    (record.finish().into(), pending)
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
    parts: AllParts,
    metadata: Vec<(Box<str>, MetadataEntry)>,
    awaited: Awaited,
    refusals: Refusals,
    failed: Failed,
    created: u64,
    /// This head's shares of the limits of series, per tenant and per metric: worked out when the first new series asks.
    shares: Option<(u64, u64)>,
    /// The same of the limit of active series.
    active_share: Option<u64>,
}

impl Preparing<'_> {
    /// `known`: the number of the series, if it was found.
    fn item(&mut self, state: &mut State, item: &Decoded, known: Option<u32>, labels: &[(&[u8], &[u8])], parts: Parts<'_>) {
        let (number, becomes_active) = match known.or_else(|| state.find(item.hash, |known| known.are(labels))) {
            Some(number) => match self.activity(state, number, item, parts) {
                Some(becomes_active) => (number, becomes_active),
                None => return,
            },
            None => match self.create(state, item, labels, parts) {
                Some(number) => (number, false),
                None => return,
            },
        };
        let start = self.parts.end(number);
        if let Some(series) = state.get(number) {
            match end_of_histograms(series, parts) {
                Some(marker) => self.histograms(series, &state.files, item.index, &[marker], start.samples),
                None => {
                    self.floats(series, &state.files, item.index, parts.samples);
                    self.histograms(series, &state.files, item.index, parts.histograms, start.samples);
                }
            }
        }
        if !parts.exemplars.is_empty() {
            self.exemplars(state, number, item.index, parts.exemplars);
        }
        let end = self.parts.end(number);
        let taken = self.parts.between(start, end);
        if taken.samples.is_empty() && taken.histograms.is_empty() && taken.exemplars.is_empty() {
            if becomes_active {
                state.active.goes(number);
            }
            return;
        }
        state.change(number, |series, _| {
            series.hold(taken.samples);
            series.hold_histograms(taken.histograms);
            let said = series.is_logged_in(self.segment);
            self.record.push(number, (!said).then_some(&series.labels), taken);
        });
        self.runs.push(end);
    }

    /// Whether a series that is there becomes active by its samples: it was idle. None: the tenant's limit does not allow it.
    fn activity(&mut self, state: &mut State, number: u32, item: &Decoded, parts: Parts<'_>) -> Option<bool> {
        let limit = self.limits.max_active_series_per_user;
        let rows = parts.samples.len() + parts.histograms.len();
        let since = self.shared.now_ms().saturating_sub(IDLE_MS);
        if limit == 0 || rows == 0 || !state.get(number).is_some_and(|series| series.holders == 0 && series.is_idle_since(since)) {
            return Some(false);
        }
        if state.active.count() < self.active_share(limit) {
            state.active.begins(number);
            return Some(true);
        }
        self.failed.exemplars += parts.exemplars.len() as u64;
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.refusals.add(item.index, Cause::ActiveSeries { limit }, rows, || state.get(number).map(|series| series.labels.clone()));
        None
    }

    /// This head's share of the limit of active series: worked out when the first series asks.
    fn active_share(&mut self, limit: u64) -> u64 {
        *self.active_share.get_or_insert_with(|| self.shared.share(limit))
    }

    /// Adds a series that is not there, if it has samples and the tenant's limits allow it.
    fn create(&mut self, state: &mut State, item: &Decoded, labels: &[(&[u8], &[u8])], parts: Parts<'_>) -> Option<u32> {
        // Labels become text, and are checked to be that, when their series is new.
        let labels = to_labels(labels);
        let rows = parts.samples.len() + parts.histograms.len();
        let created = match &labels {
            _ if rows == 0 => Err(parts.exemplars.first().map(|exemplar| Cause::ExemplarSeriesMissing { exemplar: exemplar.clone() })?),
            Some(labels) => self.create_within_limits(state, labels.clone()),
            None => Err(Cause::Malformed),
        };
        self.failed.exemplars += if created.is_err() { parts.exemplars.len() as u64 } else { 0 };
        let refuse = |cause| self.refusals.add(item.index, cause, u32::try_from(rows).unwrap_or(u32::MAX), || labels);
        created.map_err(refuse).ok()
    }

    fn create_within_limits(&mut self, state: &mut State, labels: Labels) -> Result<u32, Cause> {
        let (per_user, per_metric) = (self.limits.max_global_series_per_user, self.limits.max_global_series_per_metric);
        let shares = || (self.shared.share(per_user), self.shared.share(per_metric));
        let (user_share, metric_share) = *self.shares.get_or_insert_with(shares);
        if !state.has_room() {
            return Err(Cause::NoRoom);
        }
        if state.series_count() >= user_share {
            return Err(Cause::SeriesPerUser { limit: per_user });
        }
        let active = self.limits.max_active_series_per_user;
        if active > 0 && state.active.count() >= self.active_share(active) {
            return Err(Cause::ActiveSeries { limit: active });
        }
        if per_metric > 0 && state.metric_count(labels.metric_name().unwrap_or_default()) >= metric_share {
            return Err(Cause::SeriesPerMetric { limit: per_metric });
        }
        let number = state.add(labels).ok_or(Cause::Full)?;
        self.created += 1;
        Ok(number)
    }

    /// Takes the float samples of a series, sorted by time, that are to be stored.
    fn floats(&mut self, series: &Series, files: &Files, item: u32, samples: &[Sample]) {
        let start = self.parts.samples.len();
        for sample in samples.iter().copied() {
            let before = self.parts.samples[start..].last().copied().filter(|before| before.t == sample.t);
            let verdict = match before {
                Some(before) if before == sample => Ok(false),
                Some(before) => {
                    Err(Cause::Duplicate { t: sample.t, new: Value::Float(sample.v).shown(), old: Value::Float(before.v).shown() })
                }
                None => judge(series, files, sample.t, Value::Float(sample.v), self.window),
            };
            match verdict {
                Ok(true) => self.parts.samples.push(sample),
                Ok(false) => {}
                Err(cause) => self.refusals.add(item, cause, 1, || Some(series.labels.clone())),
            }
        }
    }

    /// Takes its histograms likewise. `floats` is where its float samples of this push begin.
    fn histograms(&mut self, series: &Series, files: &Files, item: u32, samples: &[HistogramSample], floats: usize) {
        let start = self.parts.histograms.len();
        for sample in samples {
            let before = self.parts.histograms[start..].last().filter(|before| before.t == sample.t);
            let float = self.parts.samples[floats..].binary_search_by_key(&sample.t, |float| float.t);
            let verdict = match before {
                Some(before) if before.h.same_bits(&sample.h) => Ok(false),
                None if float.is_err() => judge(series, files, sample.t, Value::Histogram(&sample.h), self.window),
                _ => {
                    let of = |place: usize| Value::Float(self.parts.samples[floats + place].v).shown();
                    Err(Cause::Duplicate { t: sample.t, new: Shown::Histogram, old: float.map_or(Shown::Histogram, of) })
                }
            };
            match verdict {
                Ok(true) => self.parts.histograms.push(sample.clone()),
                Ok(false) => {}
                Err(cause) => self.refusals.add(item, cause, 1, || Some(series.labels.clone())),
            }
        }
    }

    /// Takes its exemplars, in the order in which they came. That some are out of order is told only when all of them are: those of
    /// native histograms come again with each scrape.
    fn exemplars(&mut self, state: &State, number: u32, item: u32, exemplars: &[Exemplar]) {
        if self.limits.max_global_exemplars_per_user == 0 {
            return;
        }
        let start = self.parts.exemplars.len();
        let mut late = 0;
        for exemplar in exemplars {
            let verdict = match self.parts.exemplars[start..].last() {
                Some(before) if before == exemplar => Verdict::Known,
                Some(before) if before > exemplar => Verdict::OutOfOrder,
                _ => state.exemplars.judge(number, exemplar),
            };
            match verdict {
                Verdict::New => self.parts.exemplars.push(exemplar.clone()),
                Verdict::Known => {}
                Verdict::OutOfOrder => late += 1,
            }
        }
        self.failed.exemplars += late as u64;
        if late == exemplars.len()
            && !self.limits.ignore_ooo_exemplars
            && let Some(last) = exemplars.last()
        {
            let cause = Cause::ExemplarOutOfOrder { exemplar: last.clone() };
            self.refusals.add(item, cause, 0, || state.get(number).map(|series| series.labels.clone()));
        }
    }

    /// Takes an entry of metadata, if the tenant's limits allow it. Clients are not told when they do not.
    fn metadata(&mut self, state: &State, (metric, entry): (Box<str>, MetadataEntry)) {
        let limits = MetadataLimits {
            metrics: self.shared.share(self.limits.max_global_metadata_per_user),
            per_metric: self.shared.share(self.limits.max_global_metadata_per_metric),
        };
        let entry = MetadataEntry { t: self.shared.now_ms(), ..entry };
        match state.metadata.judge(&metric, &entry.metadata, entry.t, limits, &mut self.awaited) {
            OfMetadata::New => {
                self.record.push_metadata(&metric, std::slice::from_ref(&entry));
                self.metadata.push((metric, entry));
            }
            OfMetadata::Known => {}
            OfMetadata::TooManyMetrics => self.failed.metadata_per_user += 1,
            OfMetadata::TooManyOfMetric => self.failed.metadata_per_metric += 1,
        }
    }
}

/// The marker with which a series of native histograms ends, if that is all that comes to it. Senders that only know that a target is gone
/// mark all of its series with a float; stored as it came it would begin a run of floats, and readers of chunks would see two kinds.
fn end_of_histograms(series: &Series, parts: Parts<'_>) -> Option<HistogramSample> {
    let [marker] = parts.samples else { return None };
    let ends = parts.histograms.is_empty() && is_stale(marker.v) && series.newest_buckets().is_some();
    ends.then(|| HistogramSample { t: marker.t, h: Histogram::stale().into() })
}

/// Whether a sample is to be stored: `false` when it is there already.
///
/// A sample that only waits is not there yet: the same sample is stored again with this push, since the other may never be
/// committed. Only what is committed makes a sample late: of two pushes at one time either may be the first.
fn judge(series: &Series, files: &Files, t: i64, value: Value<'_>, window: i64) -> Result<bool, Cause> {
    let new = value.shown();
    if let Known::Other(old) = series.waits(t, value) {
        return Err(Cause::Duplicate { t, new, old });
    }
    let Some(newest) = series.newest_t().filter(|newest| *newest >= t) else {
        return Ok(true);
    };
    match series.holds(t, value, files) {
        Known::Same => Ok(false),
        Known::Other(old) => Err(Cause::Duplicate { t, new, old }),
        Known::Nothing if window == 0 => Err(Cause::OutOfOrder { t, new, newest, old: series.newest_shown() }),
        Known::Nothing if t < newest.saturating_sub(window) => Err(Cause::TooOld { t, new, newest, old: series.newest_shown() }),
        Known::Nothing => Ok(true),
    }
}
