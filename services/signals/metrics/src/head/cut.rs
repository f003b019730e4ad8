//! Cuts: what goes into a block.

use std::sync::Arc;

use signal::Cut;

use super::Shared;
use super::state::time_range;
use crate::block::cut::CutData;
use crate::wire::SeriesChunks;

/// Takes everything that is committed and in no cut yet. It stays visible.
pub(super) fn cut(shared: &Shared) -> Option<Cut> {
    let mut series = Vec::new();
    let (id, rows) = shared.state.write().cut(|one, id| {
        let chunks = one.cut(id);
        let any = !chunks.is_empty();
        if any {
            series.push(SeriesChunks { labels: one.labels.clone(), chunks });
        }
        any
    })?;
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    let range = time_range(rows.range?);
    Some(Cut { id, range, rows: rows.count, data: Arc::new(CutData { series }) })
}
