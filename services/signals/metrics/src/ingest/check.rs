//! Checks series after series against the tenant's limits, takes out what is refused, and packs the rest into items.
//!
//! A series that came sorted and clean is handed on as the range of the body where it stands. One that had to be mended
//! (labels sorted or rewritten, samples left out) or that came in another form is written behind the end of the body.
//!
//! Hot file: no allocation per series or sample that is good.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use rustc_hash::FxHashSet;
use signal::Item;
use tenancy::{Reservation, TenantId};

use super::error::DecodeError;
use super::fault::Fault;
use super::histograms;
use super::labels;
use super::metadata::RawMetadata;
use super::relabel::Relabeled;
use super::series::{RawExemplar, RawLabel, RawSeries};
use crate::instruments::Delays;
use crate::limits::MetricsLimits;
use crate::model::{METRIC_NAME, Sample, shard_key};

/// Most characters of an exemplar's labels, names and values together (OpenMetrics 1.0, "Exemplars").
const EXEMPLAR_CHARACTERS: usize = 128;

/// How much older than the earliest sample of its request an exemplar may be, ms, as in Mimir.
const EXEMPLARS_BEFORE_BATCH: i64 = 5 * 60 * 1000;

/// The label `reason` of samples that the tenant's relabeling left out.
const RELABELED_AWAY: &str = "relabel_configuration";

/// What a request is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) limits: &'a MetricsLimits,
    /// The time, ms since the Unix epoch.
    pub(crate) now: i64,
    /// The label that is taken off every series: it names the replica that the request came from.
    pub(crate) replica_label: Option<&'a str>,
}

/// How many of what were refused, and why.
pub(crate) type Discarded = Vec<(&'static str, u64)>;

/// Something of a request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The label `reason`.
    pub(crate) reason: &'static str,
    /// What the client is told.
    pub(crate) text: String,
}

/// A request after its checks: the good part of it, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What goes on, in the order in which it came.
    pub(crate) items: Vec<Item>,
    /// What the items point into.
    pub(crate) bytes: Bytes,
    /// The first fault of each reason, in the order in which they were found.
    pub(crate) faults: Vec<Complaint>,
    /// Items whose refusal is of no interest: values at the start of a counter, which may be known already.
    pub(crate) extras: FxHashSet<u32>,
    /// Greatest timestamp of a good sample, ms.
    pub(crate) latest: Option<i64>,
    pub(crate) incoming: Counts,
    pub(crate) good: Counts,
    pub(crate) discarded_samples: Discarded,
    pub(crate) discarded_exemplars: Discarded,
    pub(crate) discarded_metadata: Discarded,
    /// How many labels each series has that was looked at.
    pub(crate) label_counts: Vec<u32>,
    /// How old the samples were.
    pub(crate) delays: Delays,
}

/// How much a request, or a part of it, holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Float samples.
    pub(crate) samples: u64,
    /// Native histograms.
    pub(crate) histograms: u64,
    pub(crate) exemplars: u64,
    pub(crate) metadata: u64,
}

impl Counts {
    /// What a series holds.
    pub(crate) fn of(series: &RawSeries<'_>) -> Self {
        Self {
            samples: series.samples.len() as u64,
            histograms: series.histograms.len() as u64,
            exemplars: series.exemplars.len() as u64,
            metadata: u64::from(series.metadata.is_some()),
        }
    }

    /// Samples of either kind.
    pub(crate) const fn points(self) -> u64 {
        self.samples + self.histograms
    }

    /// All that counts for the rate of ingestion.
    pub(crate) const fn all(self) -> u64 {
        self.points() + self.exemplars + self.metadata
    }

    fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.exemplars += other.exemplars;
        self.metadata += other.metadata;
    }
}

/// Checks the series of one request.
#[derive(Debug)]
pub(super) struct Checker<'r> {
    rules: Rules<'r>,
    times: Times,
    checked: Checked,
    /// What is written behind the body, and how long that is.
    mended: Vec<u8>,
    base: usize,
    /// Memory for what is mended.
    memory: &'r mut Reservation,
    reserved: usize,
    /// Where the counter of the series that is being taken began.
    start: Start,
}

/// Where the counter of a series began, as far as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// The values there, 0, of float samples.
    pub(crate) samples: Vec<Sample>,
    /// When the one of its native histograms did, ms; 0 is unknown.
    pub(crate) histogram: i64,
}

impl Start {
    pub(crate) fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.histogram == 0
    }

    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.histogram = 0;
    }
}

impl<'r> Checker<'r> {
    /// A checker of a request.
    ///
    /// * `base`: bytes of the body into which clean series point.
    /// * `memory`: grows with what has to be written anew.
    pub(super) fn new(rules: Rules<'r>, base: usize, memory: &'r mut Reservation) -> Self {
        let times = Times::new(rules);
        Self { rules, times, checked: Checked::default(), mended: Vec::new(), base, memory, reserved: 0, start: Start::default() }
    }

    /// Says of a request with exemplars when its earliest sample is, ms: before its first series that has any is taken.
    ///
    /// Client libraries repeat an exemplar on every scrape until another takes its place, so one that is much older than the samples that
    /// it came with was told before.
    pub(super) fn batch_begins(&mut self, earliest: Option<i64>) {
        self.times.exemplars = earliest.map(|earliest| earliest.saturating_sub(EXEMPLARS_BEFORE_BATCH));
    }

    /// What came of it; `body` is what clean series point into, `base` bytes long.
    pub(super) fn finish(mut self, mut body: Vec<u8>) -> Checked {
        debug_assert_eq!(body.len(), self.base, "clean series point into the body");
        if body.is_empty() {
            body = self.mended;
        } else {
            body.append(&mut self.mended);
        }
        self.checked.bytes = body.into();
        self.checked
    }

    /// Takes a series.
    ///
    /// * `place`: where it stands in the body, if it may go on from there.
    pub(super) fn series<'a>(&mut self, series: &mut RawSeries<'a>, place: Option<Range<usize>>) -> Result<(), DecodeError> {
        self.checked.incoming.add(Counts::of(series));
        let mut clean = true;
        if let Some(replica) = self.rules.replica_label {
            let before = series.labels.len();
            series.labels.retain(|label| label.name != replica.as_bytes());
            clean &= before == series.labels.len();
        }
        let limits = self.rules.limits;
        if !limits.metric_relabel_configs.is_empty() || !limits.drop_labels.is_empty() {
            match Relabeled::new(&series.labels, self.rules.tenant, limits) {
                Some(relabeled) => return self.with_labels(series, &relabeled.labels()),
                // That is no fault, but whoever misses samples finds them here.
                None => {
                    count(&mut self.checked.discarded_samples, RELABELED_AWAY, Counts::of(series).points());
                    return Ok(());
                }
            }
        }
        clean &= series.tidy();
        if labels::has_long_value(&series.labels, limits) {
            let labels = std::mem::take(&mut series.labels);
            return self.with_labels(series, &labels);
        }
        self.tidy(series, place.filter(|_| clean))
    }

    /// Goes on with a series under other labels; values that are too long are shortened, if the tenant has it so.
    fn with_labels(&mut self, series: &mut RawSeries<'_>, labels: &[RawLabel<'_>]) -> Result<(), DecodeError> {
        let values: Vec<_> = labels.iter().map(|label| labels::shortened(label.value, self.rules.limits)).collect();
        let mut other = RawSeries {
            labels: labels.iter().zip(&values).map(|(label, value)| RawLabel { name: label.name, value }).collect(),
            ascii: false,
            samples: std::mem::take(&mut series.samples),
            exemplars: std::mem::take(&mut series.exemplars),
            exemplar_labels: std::mem::take(&mut series.exemplar_labels),
            histograms: std::mem::take(&mut series.histograms),
            metadata: series.metadata.take(),
        };
        other.tidy();
        self.tidy(&mut other, None)
    }

    /// Takes a series whose labels are sorted and have values.
    fn tidy(&mut self, series: &mut RawSeries<'_>, place: Option<Range<usize>>) -> Result<(), DecodeError> {
        let checked = &mut self.checked;
        checked.label_counts.push(u32::try_from(series.labels.len()).unwrap_or(u32::MAX));
        if let Err(fault) = labels::check(&series.labels, series.ascii, self.rules.limits) {
            count(&mut checked.discarded_samples, fault.reason(), Counts::of(series).points());
            checked.complain(&fault, &series.labels);
            return Ok(());
        }
        let mut clean = self.samples(series);
        clean &= self.histograms(series)?;
        clean &= self.exemplars(series);
        clean &= self.metadata_of(series)?;
        if series.is_empty() {
            return Ok(());
        }
        self.checked.good.add(Counts::of(series));
        if !self.start.is_empty() {
            self.start_of(series)?;
        }
        let range = match place.filter(|_| clean) {
            Some(place) => place,
            None => self.write(series)?,
        };
        self.push(range, series.hash());
        Ok(())
    }

    /// Takes out samples that are too far from now. True when there were none.
    fn samples(&mut self, series: &mut RawSeries<'_>) -> bool {
        let (times, now, checked) = (self.times, self.rules.now, &mut self.checked);
        let before = series.samples.len();
        for sample in &series.samples {
            checked.delays.add(now.saturating_sub(sample.t));
        }
        if let Some(first) = series.samples.iter().find_map(|sample| times.check(sample.t)) {
            checked.complain(&first, &series.labels);
            series.samples.retain(|sample| match times.check(sample.t) {
                Some(fault) => {
                    count(&mut checked.discarded_samples, fault.reason(), 1);
                    false
                }
                None => true,
            });
        }
        checked.latest = series.samples.iter().map(|sample| sample.t).fold(checked.latest, |latest, t| latest.max(Some(t)));
        before == series.samples.len()
    }

    /// Takes out bad native histograms, and makes others coarser. True when nothing had to be done.
    fn histograms(&mut self, series: &mut RawSeries<'_>) -> Result<bool, DecodeError> {
        if series.histograms.is_empty() {
            return Ok(true);
        }
        if !self.rules.limits.native_histograms_ingestion_enabled {
            series.histograms.clear();
            return Ok(false);
        }
        let (times, now) = (self.times, self.rules.now);
        let mut clean = true;
        for message in std::mem::take(&mut series.histograms) {
            let borrowed = matches!(message, Cow::Borrowed(_));
            let delays = &mut self.checked.delays;
            let time = |t: i64| {
                delays.add(now.saturating_sub(t));
                times.check(t)
            };
            match histograms::check(message, self.rules.limits, time)? {
                Ok(good) => {
                    clean &= matches!(good.message, Cow::Borrowed(_)) == borrowed;
                    self.checked.latest = self.checked.latest.max(Some(good.t));
                    series.histograms.push(good.message);
                }
                Err(fault) => {
                    clean = false;
                    count(&mut self.checked.discarded_samples, fault.reason(), 1);
                    self.checked.complain(&fault, &series.labels);
                }
            }
        }
        Ok(clean)
    }

    /// Takes out bad exemplars, counted under what is wrong with them: a bad one does not refuse its series. Sorts the others by time, since
    /// ingesters take no late ones. True when nothing had to be done.
    fn exemplars(&mut self, series: &mut RawSeries<'_>) -> bool {
        if series.exemplars.is_empty() {
            return true;
        }
        let mut exemplars = std::mem::take(&mut series.exemplars);
        let before = exemplars.len();
        let discarded = &mut self.checked.discarded_exemplars;
        let wanted = self.rules.limits.max_global_exemplars_per_user > 0;
        let most = self.rules.limits.max_exemplars_per_series_per_request;
        if wanted && most > 0 && exemplars.len() > most {
            // Before they are looked at, and the first ones stay, as in Mimir.
            count(discarded, "too_many_exemplars_per_series_per_request", (exemplars.len() - most) as u64);
            exemplars.truncate(most);
        }
        exemplars.retain(|exemplar| match self.times.check_exemplar(exemplar, series.labels_of(exemplar)) {
            // Who keeps none has no interest in what is wrong with them.
            _ if !wanted => false,
            Some(reason) => {
                count(discarded, reason, 1);
                false
            }
            None => true,
        });
        let sorted = exemplars.is_sorted_by_key(|exemplar| exemplar.sample.t);
        if !sorted {
            exemplars.sort_by_key(|exemplar| exemplar.sample.t);
        }
        series.exemplars = exemplars;
        sorted && before == series.exemplars.len()
    }

    /// Checks what a series says of its metric. True when it is as it should be.
    fn metadata_of(&mut self, series: &mut RawSeries<'_>) -> Result<bool, DecodeError> {
        let Some(message) = series.metadata.take() else { return Ok(true) };
        let came = RawMetadata::read(&message, 0..message.len())?;
        let Some(good) = self.good_metadata(came) else { return Ok(false) };
        let clean = came == good;
        if !clean {
            let mut mended = Vec::with_capacity(message.len());
            good.write(&mut mended);
            series.metadata = Some(Cow::Owned(mended));
        } else {
            series.metadata = Some(message);
        }
        Ok(clean)
    }

    /// Takes a metadata entry that came apart from any series: it becomes an item of its own.
    pub(super) fn metadata(&mut self, came: RawMetadata<'_>) -> Result<(), DecodeError> {
        self.checked.incoming.metadata += 1;
        let Some(good) = self.good_metadata(came) else { return Ok(()) };
        self.checked.good.metadata += 1;
        let mut message = Vec::with_capacity(good.metric.len() + good.help.len() + good.unit.len() + 16);
        good.write(&mut message);
        let label = RawLabel { name: METRIC_NAME.as_bytes(), value: good.metric };
        let series = RawSeries { labels: vec![label], metadata: Some(message.into()), ..RawSeries::default() };
        let range = self.write(&series)?;
        self.push(range, series.hash());
        Ok(())
    }

    /// A metadata entry with its help cut to the limit. `None`: it is refused, and that is counted.
    fn good_metadata<'m>(&mut self, came: RawMetadata<'m>) -> Option<RawMetadata<'m>> {
        let limit = self.rules.limits.max_metadata_length;
        let fault = match came {
            one if one.metric.is_empty() => Fault::MetadataWithoutName,
            one if one.metric.len() > limit => Fault::MetadataNameTooLong { name: one.metric },
            one if one.unit.len() > limit => Fault::UnitTooLong { unit: one.unit, name: one.metric },
            one if !one.is_text() => Fault::MetadataNotText { name: one.metric },
            one => return Some(one.with_help_of(limit)),
        };
        count(&mut self.checked.discarded_metadata, fault.reason(), 1);
        self.checked.complain(&fault, &[]);
        None
    }

    /// Takes a series whose counter began at known times: the values there go on as an item of their own, whose refusal is of no interest,
    /// since senders tell the same start with each request.
    pub(super) fn series_with_start(&mut self, series: &mut RawSeries<'_>, start: &Start) -> Result<(), DecodeError> {
        self.start.clone_from(start);
        let taken = self.series(series, None);
        self.start.clear();
        taken
    }

    /// Packs where the counter of a series began.
    fn start_of(&mut self, series: &mut RawSeries<'_>) -> Result<(), DecodeError> {
        let times = self.times;
        let Start { mut samples, histogram } = std::mem::take(&mut self.start);
        samples.retain(|zero| times.check(zero.t).is_none());
        let first = series.histograms.first().filter(|_| times.check(histogram).is_none());
        let zero = first.map(|first| histograms::zero(first, histogram)).transpose()?.flatten();
        if samples.is_empty() && zero.is_none() {
            return Ok(());
        }
        let histograms = zero.into_iter().map(Cow::Owned).collect();
        let mut start = RawSeries { labels: std::mem::take(&mut series.labels), samples, histograms, ..RawSeries::default() };
        let range = self.write(&start);
        std::mem::swap(&mut series.labels, &mut start.labels);
        self.checked.extras.insert(u32::try_from(self.checked.items.len()).unwrap_or(u32::MAX));
        self.push(range?, series.hash());
        Ok(())
    }

    /// Appends a series behind the body.
    fn write(&mut self, series: &RawSeries<'_>) -> Result<Range<usize>, DecodeError> {
        let start = self.mended.len();
        series.write(&mut self.mended);
        if self.mended.len() > self.reserved {
            // Twice as much each time, so that it is seldom asked for.
            let more = (self.mended.len() - self.reserved).max(self.reserved);
            self.memory.grow(more as u64)?;
            self.reserved += more;
        }
        Ok(self.base + start..self.base + self.mended.len())
    }

    fn push(&mut self, range: Range<usize>, hash: u64) {
        let at = |offset: usize| u32::try_from(offset).expect("bodies, and what is mended of them, are limited far below 4 GiB");
        let key = shard_key(self.rules.tenant.as_str(), hash);
        self.checked.items.push(Item { key, start: at(range.start), end: at(range.end) });
    }
}

impl Checked {
    /// Remembers a fault, if it is the first of its reason.
    fn complain(&mut self, fault: &Fault<'_>, labels: &[RawLabel<'_>]) {
        let reason = fault.reason();
        if !self.faults.iter().any(|known| known.reason == reason) {
            self.faults.push(Complaint { reason, text: fault.text(labels) });
        }
    }
}

/// The times that a sample may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    latest: i64,
    earliest: Option<i64>,
    /// Exemplars before it were told before: see [`Checker::batch_begins`].
    exemplars: Option<i64>,
}

impl Times {
    fn new(rules: Rules<'_>) -> Self {
        let past = rules.limits.past_grace_period.as_ms();
        let earliest = rules.now.saturating_sub(past).saturating_sub(rules.limits.out_of_order_time_window.as_ms());
        let latest = rules.now.saturating_add(rules.limits.creation_grace_period.as_ms());
        Self { latest, earliest: (past > 0).then_some(earliest), exemplars: None }
    }

    fn check(self, t: i64) -> Option<Fault<'static>> {
        if t > self.latest {
            return Some(Fault::TooFarInFuture { t });
        }
        self.earliest.is_some_and(|earliest| t < earliest).then_some(Fault::TooFarInPast { t })
    }

    /// What is wrong with an exemplar: a word for the counter.
    fn check_exemplar(self, exemplar: &RawExemplar, labels: &[RawLabel<'_>]) -> Option<&'static str> {
        let t = exemplar.sample.t;
        let characters = || labels.iter().map(|label| characters(label.name) + characters(label.value)).sum::<usize>();
        Some(match labels {
            [] => "exemplar_labels_missing",
            _ if t == 0 => "exemplar_timestamp_invalid",
            labels if characters() > EXEMPLAR_CHARACTERS => {
                debug_assert!(!labels.is_empty(), "matched above");
                "exemplar_labels_too_long"
            }
            labels if labels.iter().all(|label| label.name.is_empty() || label.value.is_empty()) => "exemplar_labels_blank",
            labels if !labels.iter().all(RawLabel::is_text) => "exemplar_labels_invalid",
            _ if self.earliest.max(self.exemplars).is_some_and(|earliest| t < earliest) => "exemplar_too_old",
            _ if t > self.latest => "exemplar_too_far_in_future",
            _ => return None,
        })
    }
}

/// Characters of a text: bytes that do not continue one.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn count(counts: &mut Discarded, reason: &'static str, more: u64) {
    if more == 0 {
        return;
    }
    match counts.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count += more,
        None => counts.push((reason, more)),
    }
}
