//! Takes over blocks of Prometheus and Mimir: [`Batches`] says what to read of a [`TsdbBlock`], [`Batch::blocks`] makes Quartet's blocks of it.
//!
//! A block of the TSDB may be far larger than memory, so its series are taken in batches, each with the one range of every file below
//! `chunks/` that holds its chunks. Small blocks are what comes out; compaction merges them like those of an ingester.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use signal::{BlockFormat, Cut, CutId, NewBlock, SignalError, TimeRange, WriteOptions};

use crate::block::MetricsBlocks;
use crate::block::cut::{CutData, SeriesRows};
use crate::chunk::{encode_histogram_run, encode_run};
use crate::tsdb::{ChunkBytes, SeriesEntry, TsdbBlock, TsdbError};

/// About how many bytes of chunks, as the TSDB has them, a batch has.
const BATCH_BYTES: usize = 32 << 20;

/// Why a batch cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The block cannot be read.
    #[error(transparent)]
    Tsdb(#[from] TsdbError),
    /// Quartet's block cannot be written.
    #[error("write a block")]
    Write(#[from] SignalError),
    /// The written blocks hold another number of samples than was read.
    #[error("{read} samples were read and {written} written")]
    Count {
        /// Read, without deleted ones.
        read: u64,
        /// Written.
        written: u64,
    },
}

/// Series that are taken over together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    series: Vec<SeriesEntry>,
    /// What must be read of each file below `chunks/`, by its number from 0: from where to where. Ends beyond the file's end mean its end.
    pub wanted: BTreeMap<u64, Range<usize>>,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The blocks: one for each window of data time.
    pub blocks: Vec<NewBlock>,
    /// Series that had samples.
    pub series: u64,
    /// Samples.
    pub samples: u64,
}

/// The batches of a block, in the order of their series.
#[derive(Debug)]
pub struct Batches<I: Iterator<Item = Result<SeriesEntry, TsdbError>>> {
    series: Peekable<I>,
    bytes: usize,
}

impl<I: Iterator<Item = Result<SeriesEntry, TsdbError>>> Batches<I> {
    /// Of the series of a block: see [`TsdbBlock::series`].
    pub fn new(series: I) -> Self {
        Self { series: series.peekable(), bytes: BATCH_BYTES }
    }

    /// The same with batches of about so many bytes of chunks.
    #[must_use]
    pub fn of_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl<I: Iterator<Item = Result<SeriesEntry, TsdbError>>> Iterator for Batches<I> {
    type Item = Result<Batch, TsdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch { series: Vec::new(), wanted: BTreeMap::new() };
        while batch.bytes() < self.bytes {
            match self.series.next() {
                Some(Ok(entry)) => batch.push(entry),
                Some(Err(err)) => return Some(Err(err)),
                None => break,
            }
        }
        if batch.series.is_empty() {
            return None;
        }
        batch.end(self.series.peek().and_then(|next| next.as_ref().ok()));
        Some(Ok(batch))
    }
}

impl Batch {
    /// Bytes from the first to the last chunk.
    fn bytes(&self) -> usize {
        self.wanted.values().map(ExactSizeIterator::len).sum()
    }

    fn push(&mut self, entry: SeriesEntry) {
        for chunk in &entry.chunks {
            let at = chunk.reference.at;
            let range = self.wanted.entry(chunk.reference.segment).or_insert(at..at + 1);
            *range = range.start.min(at)..range.end.max(at + 1);
        }
        self.series.push(entry);
    }

    /// A chunk does not say in the index how long it is: the last one of a file ends where the next series begins, if that stands after it,
    /// or with the file.
    fn end(&mut self, next: Option<&SeriesEntry>) {
        let next = next.and_then(|entry| entry.chunks.first()).map(|chunk| chunk.reference);
        for (segment, range) in &mut self.wanted {
            range.end = match next {
                Some(next) if next.segment == *segment && next.at >= range.end => next.at,
                _ => usize::MAX,
            };
        }
    }

    /// Makes blocks of the batch. Heavy on the CPU.
    ///
    /// * `bytes`: what [`Batch::wanted`] asks for.
    pub fn blocks(&self, block: &TsdbBlock, bytes: &ChunkBytes, options: &WriteOptions) -> Result<Imported, ImportError> {
        let (mut series, mut samples) = (Vec::with_capacity(self.series.len()), 0);
        for entry in &self.series {
            let read = block.samples(entry, bytes)?;
            samples += (read.samples.len() + read.histograms.len()) as u64;
            let chunks: Vec<_> = encode_run(&read.samples).chain(encode_histogram_run(&read.histograms)).collect();
            if !chunks.is_empty() {
                series.push(SeriesRows { labels: read.labels, chunks, exemplars: Vec::new() });
            }
        }
        if series.is_empty() {
            return Ok(Imported { blocks: Vec::new(), series: 0, samples });
        }
        let count = series.len() as u64;
        let data = CutData::new(series, Vec::new());
        // What a cut says beside its data is for ingesters.
        let cut = Cut { id: CutId(0), range: TimeRange::ALL, rows: samples, data: Arc::new(data) };
        let blocks = MetricsBlocks.write(&cut, options)?;
        let written = blocks.iter().map(|block| block.facts.rows).sum();
        if written != samples {
            return Err(ImportError::Count { read: samples, written });
        }
        Ok(Imported { blocks, series: count, samples })
    }
}

#[cfg(test)]
mod tests;
