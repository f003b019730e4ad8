//! Cuts: what goes into a block.
//!
//! A cut is a list of series: their labels and chunks stay with the head, and are read when their turn comes to be written. So a cut
//! takes a few bytes a series while it is on its way. Deletes of rows that come meanwhile leave fewer rows to be read.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustc_hash::FxHashMap;
use signal::{Cut, CutId};

use super::Shared;
use super::files::{Stored, open_nameless};
use super::state::{State, time_range};
use crate::block::cut::{CutData, RowsOfCut, SeriesRows};
use crate::model::{Exemplar, Labels};

/// Takes everything that is committed and in no cut yet. It stays visible.
pub(super) fn cut(shared: &Arc<Shared>) -> Option<Cut> {
    let mut state = shared.state.write();
    if !state.has_fresh_rows() {
        return None;
    }
    let next = state.files.next_cut();
    let exemplars = state.exemplars.cut(next);
    let metadata = state.metadata.cut(next);
    let (id, rows) = state.cut(|number, one, files| one.cut(files) || exemplars.contains_key(&number));
    let series = labelled(&state, id);
    drop(state);
    let range = time_range(rows.range?);
    let kept = KeptRows { shared: shared.clone(), id, series: sorted(series), exemplars, files: AtomicU32::new(0) };
    Some(Cut { id, range, rows: rows.count, data: Arc::new(CutData::of_head(Box::new(kept), metadata)) })
}

/// The series of a cut with their labels.
fn labelled(state: &State, id: CutId) -> Vec<(Labels, u32)> {
    let series = state.series_of(id).iter();
    series.filter_map(|number| Some((state.get(*number)?.labels.clone(), *number))).collect()
}

/// Numbers of series, in the order of their labels.
fn sorted(mut series: Vec<(Labels, u32)>) -> Box<[u32]> {
    series.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    series.into_iter().map(|(_, number)| number).collect()
}

/// The rows of a cut, where the head keeps them until it forgets it.
struct KeptRows {
    shared: Arc<Shared>,
    id: CutId,
    /// In the order of labels.
    series: Box<[u32]>,
    exemplars: FxHashMap<u32, Vec<Exemplar>>,
    /// Files that were made for blocks.
    files: AtomicU32,
}

/// A series whose chunks are still to be read.
struct Unread {
    labels: Labels,
    chunks: Vec<Stored>,
    exemplars: Vec<Exemplar>,
}

impl RowsOfCut for KeptRows {
    fn series(&self) -> usize {
        self.series.len()
    }

    fn read(&self, places: Range<usize>) -> io::Result<Vec<SeriesRows>> {
        // The lock is not held while files are read.
        let unread = self.unread(places)?;
        let read = unread.into_iter().map(|Unread { labels, chunks, exemplars }| {
            let chunks = chunks.iter().map(Stored::read).collect::<io::Result<_>>()?;
            Ok(SeriesRows { labels, chunks, exemplars })
        });
        read.collect()
    }

    fn file(&self) -> io::Result<File> {
        let directory = self.shared.state.read().files.directory().to_owned();
        // Cuts may be written at once, and each of them in several blocks; the name is there for a moment.
        open_nameless(&directory.join(format!("block-{}-{}", self.id.0, self.files.fetch_add(1, Ordering::Relaxed))))
    }
}

impl KeptRows {
    fn unread(&self, places: Range<usize>) -> io::Result<Vec<Unread>> {
        let numbers = self.series.get(places).unwrap_or_default();
        let state = self.shared.state.read();
        if !state.files.has(self.id) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the cut is forgotten"));
        }
        let unread = numbers.iter().filter_map(|number| {
            let series = state.get(*number)?;
            let chunks = series.taken(self.id, &state.files);
            let exemplars = self.exemplars.get(number).cloned().unwrap_or_default();
            (!chunks.is_empty() || !exemplars.is_empty()).then(|| Unread { labels: series.labels.clone(), chunks, exemplars })
        });
        Ok(unread.collect())
    }
}

impl fmt::Debug for KeptRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRows").field("id", &self.id).field("series", &self.series.len()).finish_non_exhaustive()
    }
}
