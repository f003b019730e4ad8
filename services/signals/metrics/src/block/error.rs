//! What can go wrong with a block.

use index::{IndexError, RegexError};
use runtime::{Chain, Classify, ErrorKind};
use signal::{ScanError, SignalError};
use storage::block::BlockId;
use storage::error::StoreError;

use crate::chunk::ChunkError;
use crate::drops::DropError;
use crate::wire::DecodeError;

/// Why a block could not be written, read or merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The store.
    #[error("read block {block}")]
    Store {
        /// The block.
        block: BlockId,
        /// What the store said.
        source: StoreError,
    },
    /// The file `index` of a block that was read.
    #[error("read index of block {block}")]
    Index {
        /// The block.
        block: BlockId,
        /// What is wrong.
        source: IndexError,
    },
    /// Bytes of a block that no writer makes.
    #[error("block {block} is corrupt: {what}")]
    Corrupt {
        /// The block.
        block: BlockId,
        /// The part, and what is wrong with it.
        what: &'static str,
    },
    /// Written by a newer version.
    #[error("block {block} has schema version {version}, the newest known here is {known}")]
    Version {
        /// The block.
        block: BlockId,
        /// Its version.
        version: u16,
        /// The newest known here.
        known: u16,
    },
    /// A chunk that does not decode.
    #[error("chunk of {series}")]
    Chunk {
        /// Labels of its series.
        series: String,
        /// What is wrong.
        source: ChunkError,
    },
    /// The question of a leaf.
    #[error("decode query")]
    Query(#[from] DecodeError),
    /// A matcher of the question.
    #[error(transparent)]
    Matcher(#[from] RegexError),
    /// What is to be left out.
    #[error(transparent)]
    Drops(#[from] DropError),
    /// A cut that another signal made.
    #[error("cut is not of metrics")]
    ForeignCut,
    /// Chunks of a cut that are in a file of the head.
    #[error("read chunks of the cut")]
    ReadCut(#[source] std::io::Error),
    /// Metadata could not be compressed.
    #[error("write metadata")]
    WriteMetadata(#[source] std::io::Error),
    /// More than a block can hold.
    #[error("write index")]
    WriteIndex(#[source] IndexError),
    /// The file of a block.
    #[error("write the file of a block")]
    WriteFile(#[source] std::io::Error),
    /// The Parquet writer.
    #[error("write rows")]
    WriteRows(#[source] parquet::errors::ParquetError),
    /// The arrays for the Parquet writer.
    #[error("collect rows")]
    Rows(#[source] arrow_schema::ArrowError),
}

impl Classify for BlockError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { source, .. } => source.kind(),
            Self::Query(_) | Self::Matcher(_) => ErrorKind::BadInput,
            Self::Version { .. } => ErrorKind::Unsupported,
            Self::Index { .. }
            | Self::Corrupt { .. }
            | Self::Chunk { .. }
            | Self::Drops(_)
            | Self::ForeignCut
            | Self::ReadCut(_)
            | Self::WriteMetadata(_)
            | Self::WriteIndex(_)
            | Self::WriteFile(_)
            | Self::WriteRows(_)
            | Self::Rows(_) => ErrorKind::Internal,
        }
    }
}

impl From<BlockError> for SignalError {
    fn from(err: BlockError) -> Self {
        Self::new(err.kind(), Chain(&err).to_string())
    }
}

impl From<BlockError> for ScanError {
    fn from(err: BlockError) -> Self {
        match err {
            BlockError::Store { block, source: StoreError::NotFound { .. } } => Self::Gone { block: block.to_string() },
            other => Self::Signal(other.into()),
        }
    }
}
