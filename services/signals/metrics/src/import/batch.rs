//! Series that are taken over together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use signal::{BlockFormat, Cut, CutId, TimeRange, WriteOptions};

use super::{BATCH_CHUNKS, BATCH_LABEL_BYTES, BATCH_SERIES, ImportError, Imported};
use crate::block::MetricsBlocks;
use crate::block::cut::{CutData, SeriesRows};
use crate::chunk::{encode_histogram_run, encode_run};
use crate::tsdb::{ChunkBytes, SeriesEntry, TsdbBlock, TsdbError};

/// Series that are taken over together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    series: Vec<SeriesEntry>,
    /// Chunks of all of them.
    chunks: usize,
    /// Bytes of their labels, about.
    label_bytes: usize,
    /// What must be read of each file below `chunks/`, by its number from 0: from where to where. Ends beyond the file's end mean its end.
    pub wanted: BTreeMap<u64, Range<usize>>,
    /// Where the next batch begins.
    next: u64,
}

impl Batch {
    /// The batch that begins at a place of the index: as many series as have about so many bytes of chunks. None: nothing is left there.
    pub fn read(block: &TsdbBlock, from: u64, batch_bytes: usize) -> Result<Option<Self>, TsdbError> {
        let mut series = block.series_from(from).peekable();
        let mut batch = Self { series: Vec::new(), chunks: 0, label_bytes: 0, wanted: BTreeMap::new(), next: from };
        while !batch.is_full(batch_bytes) {
            match series.next() {
                Some(entry) => batch.push(entry?),
                None => break,
            }
        }
        if batch.series.is_empty() {
            return Ok(None);
        }
        batch.end(series.peek().and_then(|next| next.as_ref().ok()));
        Ok(Some(batch))
    }

    fn is_full(&self, batch_bytes: usize) -> bool {
        self.bytes() >= batch_bytes
            || self.series.len() >= BATCH_SERIES
            || self.chunks >= BATCH_CHUNKS
            || self.label_bytes >= BATCH_LABEL_BYTES
    }

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
        self.next = entry.next;
        self.chunks += entry.chunks.len();
        self.label_bytes += entry.labels.heap_bytes();
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
        let next = self.next;
        if series.is_empty() {
            return Ok(Imported { blocks: Vec::new(), series: 0, samples, next });
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
        Ok(Imported { blocks, series: count, samples, next })
    }
}
