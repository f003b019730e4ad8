//! Cuts: what goes into a block.

use std::sync::Arc;

use signal::Cut;

use super::Shared;
use super::state::time_range;
use crate::block::cut::{CutData, CutSeries};

/// Takes everything that is committed and in no cut yet. It stays visible.
pub(super) fn cut(shared: &Shared) -> Option<Cut> {
    let mut series = Vec::new();
    let mut state = shared.state.write();
    if !state.has_fresh_rows() {
        return None;
    }
    let file = state.files.fresh();
    let next = state.files.next_cut();
    let mut exemplars = state.exemplars.cut(next);
    let metadata = state.metadata.cut(next);
    let (id, rows) = state.cut(|number, one, files| {
        let chunks = one.cut(files);
        let exemplars = exemplars.remove(&number).unwrap_or_default();
        let any = !chunks.is_empty() || !exemplars.is_empty();
        if any {
            series.push(CutSeries::held(one.labels.clone(), chunks, exemplars));
        }
        any
    });
    drop(state);
    let range = time_range(rows.range?);
    Some(Cut { id, range, rows: rows.count, data: Arc::new(CutData::of_head(series, metadata, file)) })
}
