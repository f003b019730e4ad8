//! The second half of a push, and records that come back from the WAL.

use rustc_hash::FxHashMap;
use signal::{Appended, SegmentId, SignalError};

use super::Shared;
use super::prepare::PendingPush;
use super::record::{Entry, RecordReader};
use super::series::Put;
use super::state::{Rows, State};
use crate::instruments::User;
use crate::model::{Labels, Sample};
use crate::wire::DecodeError;

/// What the numbers of a segment's series mean, while it is replayed.
#[derive(Debug, Default)]
pub(super) struct Replay {
    segment: Option<SegmentId>,
    /// From the number in the segment to the one here.
    numbers: FxHashMap<u32, u32>,
}

/// Makes a prepared push visible.
pub(super) fn commit(shared: &Shared, mut pending: PendingPush) -> Appended {
    debug_assert!(std::ptr::eq(shared, &*pending.shared), "a head commits what it prepared itself");
    let now = shared.now_ms();
    let mut rows = Rows::default();
    let mut state = shared.state.write();
    for (number, samples) in pending.runs() {
        state.change(number, |series| {
            series.release(samples);
            series.logged = series.logged.max(Some(pending.segment));
        });
        rows.join(store(shared, &mut state, number, samples, now));
    }
    state.stored(rows);
    drop(state);
    // Nothing waits any more: nothing is to be released when it is dropped.
    pending.runs.clear();
    let refused = std::mem::take(&mut pending.refused);
    count(shared, rows.count, &refused);
    Appended { rows: rows.count, refused, deletes: None }
}

fn count(shared: &Shared, stored: u64, refused: &[signal::Refusal]) {
    let instruments = &shared.deps.instruments;
    let user = User::from(&shared.tenant);
    instruments.ingested_samples.get_or_create(&user).inc_by(stored);
    for refusal in refused {
        instruments.ingested_samples_failures.get_or_create(&user).inc_by(u64::from(refusal.rows));
        instruments.discard_samples(&shared.tenant, &refusal.reason, u64::from(refusal.rows));
    }
}

/// Puts samples into a series and makes it visible.
fn store(shared: &Shared, state: &mut State, number: u32, samples: &[Sample], now: i64) -> Rows {
    let mut rows = Rows::default();
    state.change(number, |series| {
        for sample in samples {
            if series.put(*sample) == Put::Stored {
                rows.add(sample.t);
            }
        }
        series.touched = now;
        if !std::mem::replace(&mut series.visible, true) {
            shared.index.add(number, series.labels.iter());
        }
    });
    rows
}

/// Takes a record again. Limits and windows do not count: what stands in the log was good.
pub(super) fn replay(shared: &Shared, replay: &mut Replay, record: &[u8], segment: SegmentId) -> Result<Appended, SignalError> {
    if replay.segment != Some(segment) {
        *replay = Replay { segment: Some(segment), numbers: FxHashMap::default() };
    }
    // All of it is read before any of it is taken.
    let entries = RecordReader::new(record).and_then(|reader| reader.collect::<Result<Vec<Entry>, DecodeError>>());
    let entries = entries.map_err(|err| SignalError::internal(format!("record of segment {}: {err}", segment.0)))?;
    let now = shared.now_ms();
    let mut rows = Rows::default();
    let mut created = 0;
    let mut state = shared.state.write();
    let mut result = Ok(());
    for entry in entries {
        match replay.meaning(&mut state, entry.number, entry.labels, segment, &mut created) {
            Ok(number) => rows.join(store(shared, &mut state, number, &entry.samples, now)),
            Err(err) => {
                result = Err(err);
                break;
            }
        }
    }
    state.stored(rows);
    drop(state);
    shared.count_created(created);
    result.map(|()| Appended { rows: rows.count, ..Appended::default() })
}

impl Replay {
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
