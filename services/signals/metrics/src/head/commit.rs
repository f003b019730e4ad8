//! The second half of a push, and records that come back from the WAL.

use rustc_hash::FxHashMap;
use signal::{Appended, SegmentId, SignalError};

use super::Shared;
use super::prepare::{Failed, PendingPush};
use super::record::{Entry, Parts, RecordReader, SeriesEntry};
use super::series::Put;
use super::state::{Rows, State};
use crate::instruments::{User, discard};
use crate::model::Labels;
use crate::wire::{DecodeError, MetadataEntry};

/// What the numbers of a segment's series mean, while it is replayed.
#[derive(Debug, Default)]
pub(super) struct Replay {
    segment: Option<SegmentId>,
    /// From the number in the segment to the one here.
    numbers: FxHashMap<u32, u32>,
}

/// What was stored, by kind.
#[derive(Clone, Copy, Debug, Default)]
struct Stored {
    rows: Rows,
    /// Floats and histograms.
    samples: u64,
    exemplars: u64,
    metadata: u64,
}

/// Makes a prepared push visible.
pub(super) fn commit(shared: &Shared, mut pending: PendingPush) -> Appended {
    debug_assert!(std::ptr::eq(shared, &*pending.shared), "a head commits what it prepared itself");
    let mut storing = Storing::new(shared);
    let mut state = shared.state.write();
    state.glance_at(pending.runs().map(|(number, _)| number));
    for (number, parts) in pending.runs() {
        state.change(number, |series, _| {
            series.release(parts.samples, parts.histograms);
            series.logged_in(pending.segment);
        });
        storing.series(&mut state, number, parts);
    }
    for (metric, entry) in &pending.metadata {
        storing.metadata(&mut state, metric, entry.clone());
    }
    state.stored(storing.stored.rows);
    if storing.stored.exemplars > 0 {
        shared.show_exemplars(&state);
    }
    drop(state);
    shared.pace.lock().add(storing.now, storing.stored.samples);
    // Nothing waits any more: nothing is to be released when it is dropped.
    pending.runs.clear();
    let refused = std::mem::take(&mut pending.refused);
    storing.count();
    count_refused(shared, &refused);
    count_failed(shared, pending.failed);
    Appended { rows: storing.stored.rows.count, refused, deletes: None }
}

fn count_refused(shared: &Shared, refused: &[signal::Refusal]) {
    let instruments = &shared.deps.instruments;
    let user = User::from(&shared.tenant);
    for refusal in refused {
        instruments.ingested_samples_failures.get_or_create(&user).inc_by(u64::from(refusal.rows));
        // What the ingester has no room for is not discarded: it is sent again.
        if refusal.instance_limit().is_none() {
            instruments.discard_samples(&shared.tenant, &refusal.reason, u64::from(refusal.rows));
        }
    }
}

fn count_failed(shared: &Shared, failed: Failed) {
    let Failed { exemplars, metadata_per_user, metadata_per_metric } = failed;
    let instruments = &shared.deps.instruments;
    instruments.ingested_exemplars_failures.inc_by(exemplars);
    instruments.ingested_metadata_failures.inc_by(metadata_per_user + metadata_per_metric);
    discard(&instruments.discarded_metadata, &shared.tenant, "per_user_metadata_limit", metadata_per_user);
    discard(&instruments.discarded_metadata, &shared.tenant, "per_metric_metadata_limit", metadata_per_metric);
}

/// Stores what a push or a record brings.
struct Storing<'a> {
    shared: &'a Shared,
    now: i64,
    /// Whether it came before, and was written to the log then.
    again: bool,
    /// How many exemplars the head may have.
    exemplars: u64,
    stored: Stored,
}

impl<'a> Storing<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, now: shared.now_ms(), again: false, exemplars: shared.max_exemplars(), stored: Stored::default() }
    }

    /// Stores what came of a series and makes it visible.
    fn series(&mut self, state: &mut State, number: u32, parts: Parts<'_>) {
        let Self { shared, now, again, stored, .. } = self;
        state.change(number, |series, files| {
            for sample in parts.samples {
                if series.put(*sample, files) == Put::Stored {
                    stored.rows.add(sample.t);
                    stored.samples += 1;
                }
            }
            for sample in parts.histograms {
                if series.put_histogram(sample, files) == Put::Stored {
                    stored.rows.add(sample.t);
                    stored.samples += 1;
                }
            }
            // The log does not say when it came: not before its samples were taken, as a rule.
            let newest = parts.samples.last().map(|sample| sample.t).max(parts.histograms.last().map(|sample| sample.t));
            series.touch(if *again { newest.map_or(*now, |newest| newest.min(*now)) } else { *now });
            if !std::mem::replace(&mut series.visible, true) {
                shared.index.add(number, series.labels.iter());
            }
        });
        for exemplar in parts.exemplars {
            if state.exemplars.put(number, exemplar.clone(), self.exemplars) {
                stored.rows.add(exemplar.t);
                stored.exemplars += 1;
            }
        }
    }

    fn metadata(&mut self, state: &mut State, metric: &str, entry: MetadataEntry) {
        self.stored.rows.add(entry.t);
        self.stored.metadata += 1;
        state.metadata.put(metric, entry);
    }

    fn count(&self) {
        let instruments = &self.shared.deps.instruments;
        let user = User::from(&self.shared.tenant);
        instruments.ingested_samples.get_or_create(&user).inc_by(self.stored.samples);
        instruments.ingested_exemplars.inc_by(self.stored.exemplars);
        instruments.head_exemplars.appended.inc_by(self.stored.exemplars);
        instruments.ingested_metadata.inc_by(self.stored.metadata);
    }
}

/// Takes a record again. Limits and windows do not count: what stands in the log was good.
pub(super) fn replay(shared: &Shared, replay: &mut Replay, record: &[u8], segment: SegmentId) -> Result<Appended, SignalError> {
    if replay.segment != Some(segment) {
        *replay = Replay { segment: Some(segment), numbers: FxHashMap::default() };
    }
    // All of it is read before any of it is taken.
    let entries = RecordReader::new(record).and_then(|reader| reader.collect::<Result<Vec<Entry>, DecodeError>>());
    let mut entries = entries.map_err(|err| SignalError::internal(format!("record of segment {}: {err}", segment.0)))?;
    let mut storing = Storing { again: true, ..Storing::new(shared) };
    let mut created = 0;
    let mut state = shared.state.write();
    let (numbers, result) = replay.meanings(&mut state, &mut entries, segment, &mut created);
    state.glance_at(numbers.iter().copied());
    let mut numbers = numbers.into_iter();
    for entry in entries {
        match entry {
            Entry::Series(SeriesEntry { samples, histograms, exemplars, .. }) => {
                // The first whose meaning is not known ends it.
                let Some(number) = numbers.next() else { break };
                storing.series(&mut state, number, Parts { samples: &samples, histograms: &histograms, exemplars: &exemplars });
            }
            Entry::Metadata(of_metric) => {
                for entry in of_metric.entries {
                    storing.metadata(&mut state, &of_metric.metric, entry);
                }
            }
        }
    }
    state.stored(storing.stored.rows);
    if storing.stored.exemplars > 0 {
        shared.show_exemplars(&state);
    }
    drop(state);
    shared.count_created(created);
    result.map(|()| Appended { rows: storing.stored.rows.count, ..Appended::default() })
}

impl Replay {
    /// The numbers here of the series of a record, whose labels are taken out of it; those before the first that means nothing, and that.
    ///
    /// All are found before the first is appended to, so that their waits for memory overlap.
    fn meanings(
        &mut self,
        state: &mut State,
        entries: &mut [Entry],
        segment: SegmentId,
        created: &mut u64,
    ) -> (Vec<u32>, Result<(), SignalError>) {
        let mut numbers = Vec::with_capacity(entries.len());
        for entry in entries {
            let Entry::Series(entry) = entry else { continue };
            match self.meaning(state, entry.number, entry.labels.take(), segment, created) {
                Ok(number) => numbers.push(number),
                Err(err) => return (numbers, Err(err)),
            }
        }
        (numbers, Ok(()))
    }

    /// The number here of a number in the segment.
    fn meaning(
        &mut self,
        state: &mut State,
        number: u32,
        labels: Option<Labels>,
        segment: SegmentId,
        created: &mut u64,
    ) -> Result<u32, SignalError> {
        if let Some(labels) = labels {
            let here = match state.find(labels.hash(), |known| *known == labels) {
                Some(here) => here,
                None => {
                    *created += 1;
                    state.add(labels).ok_or_else(|| SignalError::internal("all numbers of series are given"))?
                }
            };
            self.numbers.insert(number, here);
            return Ok(here);
        }
        let here = self.numbers.get(&number).copied().filter(|here| state.get(*here).is_some());
        here.ok_or_else(|| SignalError::internal(format!("segment {} does not say what series {number} is", segment.0)))
    }
}
