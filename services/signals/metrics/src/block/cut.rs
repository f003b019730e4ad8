//! What a head hands over for a block.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;

use crate::chunk::Chunk;
use crate::model::{Exemplar, Labels};
use crate::wire::MetricMetadata;

/// Series that are read from a head at once.
const STEP: usize = 256;

/// The rows of one cut: the type inside of [`signal::Cut::data`].
#[derive(Debug)]
pub struct CutData {
    rows: Source,
    metadata: Vec<MetricMetadata>,
}

/// Where the rows are.
#[derive(Debug)]
enum Source {
    /// Sorted by labels, each once.
    Memory(Vec<SeriesRows>),
    Head(Box<dyn RowsOfCut>),
}

/// A head that keeps the rows of a cut until they are written: none is copied before its turn comes.
pub(crate) trait RowsOfCut: Send + Sync + fmt::Debug {
    /// How many series there are.
    fn series(&self) -> usize;

    /// The series at these places, which count in the order of labels; those that have lost all rows since are left out. An error is one
    /// of the file where the chunks are.
    fn read(&self, places: Range<usize>) -> io::Result<Vec<SeriesRows>>;

    /// A file without a name, for a block of these rows.
    fn file(&self) -> io::Result<File>;
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
        let series = series.into_iter().map(|(labels, (chunks, exemplars))| SeriesRows { labels, chunks, exemplars });
        Self { rows: Source::Memory(series.collect()), metadata }
    }

    /// Rows that a head keeps.
    pub(crate) fn of_head(rows: Box<dyn RowsOfCut>, metadata: Vec<MetricMetadata>) -> Self {
        Self { rows: Source::Head(rows), metadata }
    }

    /// The series, sorted by labels, read a few at a time. An error is one of the file where a head keeps chunks: some series are missing there.
    pub fn series(&self) -> impl Iterator<Item = io::Result<SeriesRows>> {
        let (memory, head) = match &self.rows {
            Source::Memory(rows) => (rows.as_slice(), None),
            Source::Head(head) => (&[][..], Some(head)),
        };
        let steps = head.into_iter().flat_map(|head| {
            let all = head.series();
            (0..all).step_by(STEP).map(move |from| head.read(from..all.min(from + STEP)))
        });
        let read = steps.flat_map(|read| match read {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(err) => vec![Err(err)],
        });
        memory.iter().cloned().map(Ok).chain(read)
    }

    /// Where a block of these rows is to be written: a file without a name beside the chunks; `None`: memory, as the rows are there too.
    pub(super) fn file(&self) -> io::Result<Option<File>> {
        match &self.rows {
            Source::Memory(_) => Ok(None),
            Source::Head(head) => head.file().map(Some),
        }
    }

    /// What is known about metrics, sorted by their names.
    #[must_use]
    pub fn metadata(&self) -> &[MetricMetadata] {
        &self.metadata
    }
}
