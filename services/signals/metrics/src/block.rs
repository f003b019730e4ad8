//! The block format of metrics: rows are chunks, sorted by the labels of their series, then by time.
//!
//! # `data.parquet`, schema versions 1 and 2
//!
//! | column | type | |
//! | --- | --- | --- |
//! | `series` | `UINT_32` | number of the series in this block, from 0; also in `index` |
//! | `metric` | `STRING` | the label `__name__`, empty when there is none |
//! | `labels` | `MAP<STRING, STRING>` | all other labels |
//! | `min_time`, `max_time` | `TIMESTAMP(MILLIS, UTC)` | times of the chunk's first and last sample |
//! | `samples` | `UINT_16` | samples of the chunk, or exemplars |
//! | `encoding` | `UINT_8` | how the chunk is encoded: [`crate::chunk::Encoding`]; 200: the row holds exemplars |
//! | `chunk` | `BINARY` | the samples, or the exemplars as they are on the wire; `PLAIN`, zstd, pages of about [`schema::PAGE_BYTES`] |
//!
//! Nothing is null. Every row carries the labels, so that other tools can read a block without `index`; dictionaries make that cheap.
//! Rows of a series: chunks, sorted by time, then exemplars. Times of float chunks do not overlap, nor do those of histograms; a series
//! that has both kinds has no time in both. `quartet.schema` in the footer's metadata says `metrics/` and the version.
//!
//! A block is of version 2 if it has native histograms, exemplars or metadata, which readers of version 1 do not know; else of version 1.
//!
//! # `index`
//!
//! The crate `index` holds labels and postings. Beside each series stands where its rows are and what is known of each chunk, beside all
//! series where the pages of the column `chunk` lie, each with a CRC, and the metadata of the block: see [`skip`]. So a scan needs the index and those pages of one
//! column that hold wanted chunks, nothing else; it does not read the footer.

pub mod cut;
pub mod error;
mod merge;
mod page;
mod reader;
mod scan;
pub mod schema;
pub mod skip;
mod windows;
mod writer;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use signal::{BlockFormat, Cut, MergeInput, MergeOptions, NewBlock, ScanAccount, ScanQuery, ScanStream, SignalError, WriteOptions};
use storage::block::BlockReader;

pub use cut::CutData;
pub use error::BlockError;
pub(crate) use merge::{Joined, Selected};

/// Writes, scans and merges blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsBlocks;

impl BlockFormat for MetricsBlocks {
    fn write(&self, cut: &Cut, options: &WriteOptions) -> Result<Vec<NewBlock>, SignalError> {
        let data = cut.data.downcast_ref::<CutData>().ok_or(BlockError::ForeignCut)?;
        Ok(writer::write(data, options)?)
    }

    fn scan(&self, block: BlockReader, query: &ScanQuery, account: &Arc<ScanAccount>) -> ScanStream {
        scan::scan(block, query.clone(), account.clone())
    }

    fn merge(&self, inputs: Vec<MergeInput>, options: MergeOptions) -> BoxFuture<'static, Result<Vec<NewBlock>, SignalError>> {
        merge::merge(inputs, options).map_err(SignalError::from).boxed()
    }
}

#[cfg(test)]
mod tests;
