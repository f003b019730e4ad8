//! Deletes of rows that have arrived: they leave memory at once, and the log says so, so that a restart does the same.
//!
//! Format of the record, after the byte [`DELETE`]: number of the delete as an unsigned number, then its drops as JSON.

use bytes::Bytes;
use index::RoaringBitmap;
use runtime::Chain;
use rustc_hash::FxHashMap;
use signal::{Appended, RowDrop, SignalError};
use tracing::warn;

use super::Shared;
use crate::drops::{self, Drops};
use crate::wire::codec::{DecodeError, Reader, put_varint};

/// First byte of a record that deletes: no version of a record of samples.
pub(super) const DELETE: u8 = 0xd0;

/// Drops rows, and encodes that.
pub(super) fn delete(shared: &Shared, number: u64, rows: &[RowDrop]) -> Bytes {
    drop_rows(shared, rows);
    let mut record = vec![DELETE];
    put_varint(&mut record, number);
    serde_json::to_writer(&mut record, rows).expect("drops are JSON, and memory takes them");
    record.into()
}

/// Does again what a record says.
pub(super) fn replay(shared: &Shared, record: &[u8]) -> Result<Appended, SignalError> {
    let bad = |what: String| SignalError::internal(format!("record of a delete: {what}"));
    let mut from = Reader::new(record);
    let short = |err: DecodeError| bad(err.to_string());
    from.byte().map_err(short)?;
    let number = from.varint().map_err(short)?;
    let rows: Vec<RowDrop> = serde_json::from_slice(from.take(from.left()).map_err(short)?).map_err(|err| bad(err.to_string()))?;
    drop_rows(shared, &rows);
    Ok(Appended { deletes: Some(number), ..Appended::default() })
}

/// What is not understood was written by a later version: it deletes nothing here.
fn drop_rows(shared: &Shared, rows: &[RowDrop]) {
    let drops = match Drops::compile(rows) {
        Ok(drops) => drops,
        Err(err) => return warn!(tenant = %shared.tenant, error = %Chain(&err), "a delete of rows is not understood"),
    };
    let meant = drops.sets().fold(RoaringBitmap::new(), |all, set| all | shared.index.select(set));
    let mut state = shared.state.write();
    let mut all_spans = FxHashMap::default();
    for number in meant {
        let Some(spans) = state.get(number).map(|series| drops.of(&series.labels)) else { continue };
        let thinned = state.change(number, |series, files| {
            series.thin(&spans, files).map(|()| {
                let empty = series.has_no_rows();
                if empty {
                    // Lists tell of it no more; the next sample makes it visible again.
                    series.visible = false;
                    shared.index.remove(number, series.labels.iter());
                }
                empty
            })
        });
        all_spans.insert(number, spans);
        match thinned {
            Some(Ok(true)) => state.note_emptied(number),
            Some(Err(err)) => warn!(tenant = %shared.tenant, error = %Chain(&err), "rows could not be deleted"),
            Some(Ok(false)) | None => {}
        }
    }
    state.exemplars.retain(|number, t| all_spans.get(&number).is_none_or(|spans| !drops::drops(spans, t)));
    shared.show_exemplars(&state);
}
