//! What a head hands over for a block.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::chunk::Chunk;
use crate::head::files::{ChunkFile, Held};
use crate::model::{Exemplar, Labels};
use crate::wire::MetricMetadata;

/// The rows of one cut: the type inside of [`signal::Cut::data`].
#[derive(Debug, Default)]
pub struct CutData {
    /// Sorted by labels, each once.
    series: Vec<CutSeries>,
    metadata: Vec<MetricMetadata>,
    /// Where chunks are that are not in memory.
    file: Option<Arc<ChunkFile>>,
}

/// One series of a cut.
#[derive(Debug)]
pub(crate) struct CutSeries {
    labels: Labels,
    chunks: Chunks,
    exemplars: Vec<Exemplar>,
}

#[derive(Debug)]
enum Chunks {
    Memory(Vec<Chunk>),
    Held(Vec<Held>),
}

/// Everything that a cut or a block has of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesRows {
    /// Which series.
    pub labels: Labels,
    /// Its chunks: of any size; they may overlap (out-of-order samples).
    pub chunks: Vec<Chunk>,
    /// Its exemplars, in any order.
    pub exemplars: Vec<Exemplar>,
}

impl CutSeries {
    /// A series of which the chunks are in the file of the cut.
    pub(crate) fn held(labels: Labels, chunks: Vec<Held>, exemplars: Vec<Exemplar>) -> Self {
        Self { labels, chunks: Chunks::Held(chunks), exemplars }
    }
}

impl CutData {
    /// Rows that are in memory, in any order; what comes of a series several times is put together.
    #[must_use]
    pub fn new(rows: Vec<SeriesRows>, metadata: Vec<MetricMetadata>) -> Self {
        let mut series: BTreeMap<Labels, (Vec<Chunk>, Vec<Exemplar>)> = BTreeMap::new();
        for SeriesRows { labels, chunks, exemplars } in rows {
            let known = series.entry(labels).or_default();
            known.0.extend(chunks);
            known.1.extend(exemplars);
        }
        let series =
            series.into_iter().map(|(labels, (chunks, exemplars))| CutSeries { labels, chunks: Chunks::Memory(chunks), exemplars });
        Self::of_head(series.collect(), metadata, None)
    }

    /// Rows of which the chunks are in a file. Each series once, in any order.
    pub(crate) fn of_head(mut series: Vec<CutSeries>, metadata: Vec<MetricMetadata>, file: Option<Arc<ChunkFile>>) -> Self {
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        Self { series, metadata, file }
    }

    /// The series, sorted by labels, read one after the other. An error is one of the file.
    pub fn series(&self) -> impl Iterator<Item = io::Result<SeriesRows>> {
        self.series.iter().map(|series| {
            let chunks = match &series.chunks {
                Chunks::Memory(chunks) => chunks.clone(),
                Chunks::Held(held) => {
                    let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                    held.iter().map(|held| file.chunk(held)).collect::<io::Result<_>>()?
                }
            };
            Ok(SeriesRows { labels: series.labels.clone(), chunks, exemplars: series.exemplars.clone() })
        })
    }

    /// What is known about metrics, sorted by their names.
    #[must_use]
    pub fn metadata(&self) -> &[MetricMetadata] {
        &self.metadata
    }
}
