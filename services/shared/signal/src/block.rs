//! Ingester (write), store-gateway (scan), compactor (merge).

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use storage::block::{BlockFacts, BlockReader, Contents};
use storage::catalog::Shard;
use tenancy::TenantId;

use crate::{Cut, RowDrop, ScanAccount, ScanQuery, ScanStream, SignalError};

/// The format of a signal's blocks.
///
/// `write` and the decoding parts of the others are heavy on the CPU: callers run them on the compute pool.
pub trait BlockFormat: Send + Sync {
    /// Writes a cut as blocks: one per aligned window of data time.
    fn write(&self, cut: &Cut, options: &WriteOptions) -> Result<Vec<NewBlock>, SignalError>;

    /// Rows of a block that match. What that takes is added to the account of the request.
    fn scan(&self, block: BlockReader, query: &ScanQuery, account: &Arc<ScanAccount>) -> ScanStream;

    /// Merges blocks of one tenant into as many as `options` asks for, dropping rows that stand twice: the same
    /// function that the querier uses. The result holds every row of the inputs that none of the input's drops names, and no other.
    fn merge(&self, inputs: Vec<MergeInput>, options: MergeOptions) -> BoxFuture<'static, Result<Vec<NewBlock>, SignalError>>;
}

/// How a cut becomes blocks.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Whose.
    pub tenant: TenantId,
    /// Blocks do not cross multiples of this many nanoseconds of data time.
    pub window_ns: i64,
}

/// A block that is merged.
#[derive(Clone, Debug)]
pub struct MergeInput {
    /// The block.
    pub block: BlockReader,
    /// Rows of it that are left out.
    pub drops: Vec<RowDrop>,
}

/// How blocks are merged.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// Whose.
    pub tenant: TenantId,
    /// Blocks do not cross multiples of this many nanoseconds of data time.
    pub window_ns: i64,
    /// About how large a block may become, bytes.
    pub target_bytes: u64,
    /// Into how many shards rows are split by their shard key; 0 and 1: into none.
    pub shards: u32,
}

/// A block that was made and not yet uploaded.
#[derive(Clone, Debug)]
pub struct NewBlock {
    /// Facts for the catalog: times, rows, hash range, schema version.
    pub facts: BlockFacts,
    /// `data.parquet`: in a file, where it is large.
    pub data: Contents,
    /// `index`, where it serves something.
    pub index: Option<Bytes>,
    /// Its share of the tenant's series.
    pub shard: Shard,
}
