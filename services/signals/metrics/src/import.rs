//! Takes over blocks of Prometheus and Mimir: [`convert`] reads a block of the TSDB batch by batch and makes Quartet's blocks of it.
//!
//! A block of the TSDB may be far larger than memory, so its series are taken in batches, each with the one range of every file below
//! `chunks/` that holds its chunks; only its index is in memory as a whole. Small blocks are what comes out; compaction merges them like
//! those of an ingester.

mod batch;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use runtime::compute::Lost;
use runtime::{Classify, Compute, ErrorKind};
use signal::{NewBlock, SignalError, WriteOptions};
use storage::block::Ranged;
use storage::error::StoreError;

pub use batch::Batch;

use crate::tsdb::{ChunkBytes, Health, TsdbBlock, TsdbError};

/// About how many bytes of chunks, as the TSDB has them, a batch has.
const BATCH_BYTES: usize = 32 << 20;

/// Series of a batch at most, and chunks of all of them: what many series share, or what has no chunks, costs no bytes of chunks.
const BATCH_SERIES: usize = 100_000;
const BATCH_CHUNKS: usize = 500_000;

/// Bytes of labels of a batch, about.
const BATCH_LABEL_BYTES: usize = 64 << 20;

/// Bytes of chunks of one batch at most: those of one that holds a single series, or whose chunks lie far apart.
const MAX_BATCH_BYTES: u64 = 1 << 30;

/// Bytes of an index at most.
const MAX_INDEX_BYTES: u64 = 4 << 30;

/// Why a block cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The block cannot be read.
    #[error(transparent)]
    Tsdb(#[from] TsdbError),
    /// Its index tells of chunks as it should not.
    #[error("{0}")]
    Unhealthy(String),
    /// A file that is not there.
    #[error("open {name}: no such file or directory")]
    Missing {
        /// Which.
        name: String,
    },
    /// More bytes than are held in memory.
    #[error("{what} has {len} bytes, at most {limit} are taken over")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length.
        len: u64,
        /// How many may be.
        limit: u64,
    },
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
    /// The files cannot be read now.
    #[error("read the block")]
    Store(#[from] StoreError),
    /// A computation was lost.
    #[error("compute")]
    Lost(#[from] Lost),
}

impl Classify for ImportError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(err) => err.kind(),
            Self::Lost(_) => ErrorKind::Internal,
            // Writing waits for nothing: what fails would fail again.
            Self::Tsdb(_) | Self::Unhealthy(_) | Self::Missing { .. } | Self::TooLarge { .. } | Self::Write(_) | Self::Count { .. } => {
                ErrorKind::BadInput
            }
        }
    }
}

/// The files of a block.
#[derive(Clone, Debug)]
pub struct BlockFiles {
    /// `index`.
    pub index: Arc<dyn Ranged>,
    /// Those below `chunks/`, by their numbers from 0: `chunks/000001` is 0.
    pub chunks: BTreeMap<u64, Arc<dyn Ranged>>,
    /// `tombstones`; a block without deletes may have none.
    pub tombstones: Option<Arc<dyn Ranged>>,
}

/// How far a block is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// The first and the last time that the index may tell of, ms; none: it is not asked.
    pub times: Option<(i64, i64)>,
    /// Whether samples must be in order, and within the times that the index has of their chunk.
    pub samples: bool,
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
    /// Where the next batch begins.
    pub next: u64,
}

/// A block in the work.
struct Conversion {
    block: Arc<TsdbBlock>,
    files: BlockFiles,
    compute: Compute,
    options: WriteOptions,
    next: u64,
}

/// Makes Quartet's blocks of a block, batch by batch. The pool does the heavy part.
///
/// * `from`: where to begin: 0, or [`Imported::next`] of the batch before. What was checked at 0 is not checked again.
pub fn convert(
    files: BlockFiles,
    checks: Checks,
    options: WriteOptions,
    compute: Compute,
    from: u64,
) -> BoxStream<'static, Result<Imported, ImportError>> {
    let open = async move {
        let index = whole("the index", &files.index, MAX_INDEX_BYTES).await?;
        let tombstones = match &files.tombstones {
            Some(file) => Some(whole("the file of tombstones", file, MAX_INDEX_BYTES).await?),
            None => None,
        };
        let block = compute.run(move || open(index, tombstones, checks, from)).await??;
        let begun = Conversion { block: Arc::new(block), files, compute, options, next: from };
        Ok::<_, ImportError>(stream::try_unfold(begun, Conversion::step))
    };
    stream::once(open).try_flatten().boxed()
}

/// Opens a block and, at its beginning, checks it.
fn open(index: Bytes, tombstones: Option<Bytes>, checks: Checks, from: u64) -> Result<TsdbBlock, ImportError> {
    let block = TsdbBlock::open(index, tombstones)?;
    let asked = checks.times.filter(|_| from == 0);
    if let Some(fault) = asked.map(|times| Health::of(&block, times)).transpose()?.and_then(|health| health.fault()) {
        return Err(ImportError::Unhealthy(fault));
    }
    Ok(if checks.samples { block.strict() } else { block })
}

/// A file that is needed as a whole.
async fn whole(what: &'static str, file: &Arc<dyn Ranged>, limit: u64) -> Result<Bytes, ImportError> {
    let len = file.len();
    if len > limit {
        return Err(ImportError::TooLarge { what, len, limit });
    }
    Ok(file.read(0..len).await?)
}

impl Conversion {
    /// Takes the next batch; none: there is nothing left.
    async fn step(mut self) -> Result<Option<(Imported, Self)>, ImportError> {
        let (block, from) = (self.block.clone(), self.next);
        let Some(batch) = self.compute.run(move || Batch::read(&block, from, BATCH_BYTES)).await?? else { return Ok(None) };
        let bytes = self.chunks(&batch).await?;
        let (block, options) = (self.block.clone(), self.options.clone());
        let imported = self.compute.run(move || batch.blocks(&block, &bytes, &options)).await??;
        self.next = imported.next;
        Ok(Some((imported, self)))
    }

    /// Reads what a batch needs of the files below `chunks/`.
    async fn chunks(&self, batch: &Batch) -> Result<ChunkBytes, ImportError> {
        let (mut bytes, mut total) = (ChunkBytes::default(), 0u64);
        for (segment, range) in &batch.wanted {
            let name = || format!("chunks/{:06}", segment.saturating_add(1));
            let file = self.files.chunks.get(segment).ok_or_else(|| ImportError::Missing { name: name() })?;
            let start = range.start as u64;
            let end = (range.end as u64).min(file.len());
            if start >= end {
                return Err(TsdbError::Corrupt { file: "chunks", what: "a chunk that is not there", at: range.start }.into());
            }
            total = total.saturating_add(end - start);
            if total > MAX_BATCH_BYTES {
                return Err(ImportError::TooLarge {
                    what: "what lies between the chunks of some series",
                    len: total,
                    limit: MAX_BATCH_BYTES,
                });
            }
            let part = file.read(start..end).await?;
            bytes.add(*segment, range.start, part)?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
