//! The signal of the simulation: a row is a place on the ring, a number and a time; the union of rows is their merge.
//!
//! A block that no other source overlaps is counted as one that aggregates: its rows go into the answer without being compared with
//! others. So a plan that calls a block alone which is not shows as rows that stand twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use runtime::ErrorKind;
use signal::{
    BlockFormat, Cut, Head, HeadContext, Heads, Leaves, MergeInput, MergeOptions, NewBlock, PartialStream, Plugin, Plugins, Policy,
    Queries, QueryError, QueryExecutor, Receivers, Routes, Scan, ScanAccount, ScanError, ScanQuery, ScanStream, SignalError, SignalName,
    Source, SubQuery, TimeRange, WriteOptions, WriteSink,
};
use storage::block::{BlockFacts, BlockReader};
use storage::catalog::Shard;
use storage::error::StoreError;
use tenancy::TenantId;

/// Its name.
pub(crate) const SIGNAL: SignalName = SignalName::new("metrics");

/// Bytes of a row.
const WIDTH: usize = 20;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// When it was sent, ns.
    pub(crate) at: i64,
    /// Its place on the ring.
    pub(crate) key: u32,
    /// Its number; no two rows have the same.
    pub(crate) id: u64,
}

/// The signal with nothing inside.
#[derive(Debug)]
struct Rows;

/// Rows one after the other.
pub(crate) fn encode<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Bytes {
    let mut bytes = BytesMut::new();
    for row in rows {
        bytes.put_i64(row.at);
        bytes.put_u32(row.key);
        bytes.put_u64(row.id);
    }
    bytes.freeze()
}

/// What [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Row> {
    let read = |row: &[u8]| {
        let (at, rest) = row.split_first_chunk().expect("a row is 20 bytes");
        let (key, rest) = rest.split_first_chunk().expect("a row is 20 bytes");
        let id = rest.first_chunk().expect("a row is 20 bytes");
        Row { at: i64::from_be_bytes(*at), key: u32::from_be_bytes(*key), id: u64::from_be_bytes(*id) }
    };
    assert!(bytes.len().is_multiple_of(WIDTH), "rows in {} bytes", bytes.len());
    bytes.chunks_exact(WIDTH).map(read).collect()
}

/// The times of rows; none for no rows.
pub(crate) fn range<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Option<TimeRange> {
    rows.into_iter().map(|row| TimeRange { start: row.at, end: row.at }).reduce(|a, b| a.union(&b))
}

/// Rows as blocks, one for each window.
pub(crate) fn blocks<'a>(rows: impl IntoIterator<Item = &'a Row>, window_ns: i64) -> Vec<NewBlock> {
    let mut windows: BTreeMap<i64, BTreeSet<Row>> = BTreeMap::new();
    for row in rows {
        windows.entry(row.at.div_euclid(window_ns)).or_default().insert(*row);
    }
    let block = |rows: BTreeSet<Row>| {
        let keys = rows.iter().map(|row| row.key);
        let hash_range = (keys.clone().min().unwrap_or(0), keys.max().unwrap_or(u32::MAX));
        let range = range(&rows).unwrap_or(TimeRange::ALL);
        let facts = BlockFacts { range, rows: rows.len() as u64, series: 1, hash_range, footer_len: 0, schema_version: 1 };
        NewBlock { facts, data: encode(&rows).into(), index: None, shard: Shard::WHOLE }
    };
    windows.into_values().map(block).collect()
}

/// The signal as roles hold it.
pub(crate) fn plugins() -> Plugins {
    let rows = Arc::new(Rows);
    let (receivers, heads, blocks, queries) = (rows.clone(), rows.clone(), rows.clone(), rows.clone());
    let plugin = Plugin { name: SIGNAL, receivers, heads, blocks, queries, policy: rows, uploads: None };
    Plugins::new(vec![plugin])
}

/// The rows of a whole block.
async fn read(block: &BlockReader) -> Result<Bytes, StoreError> {
    block.data.read(0..block.data.len()).await
}

fn failed(err: &StoreError) -> SignalError {
    SignalError::new(ErrorKind::Unavailable, runtime::Chain(err).to_string())
}

/// One of each row that was compared, and the rows of each block that was alone as they are.
async fn merged(leaves: Arc<dyn Leaves>, scan: Scan) -> Result<Bytes, QueryError> {
    let mut compared = BTreeSet::new();
    let mut alone: BTreeMap<String, BTreeSet<Row>> = BTreeMap::new();
    let mut batches = leaves.scan(scan);
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let (how, rows) = batch.payload.split_first().ok_or_else(|| QueryError::new(ErrorKind::Internal, "a batch without a head"))?;
        match batch.source {
            Source::Block(block) if *how == 1 => alone.entry(block).or_default().extend(decode(rows)),
            _ => compared.extend(decode(rows)),
        }
    }
    let mut rows: Vec<Row> = compared.into_iter().chain(alone.into_values().flatten()).collect();
    rows.sort_unstable();
    Ok(encode(&rows))
}

/// A batch of a leaf: whether its rows were compared with nothing, and the rows.
pub(crate) fn batch(alone: bool, rows: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(rows.len() + 1);
    bytes.put_u8(u8::from(alone));
    bytes.put_slice(rows);
    bytes.freeze()
}

impl Receivers for Rows {
    fn mount(&self, _: &mut Routes, _: Arc<dyn WriteSink>) {}
}

impl Heads for Rows {
    fn open(&self, _: &TenantId, _: &HeadContext) -> Arc<dyn Head> {
        unreachable!("the ingesters of the simulation are models")
    }
}

impl BlockFormat for Rows {
    fn write(&self, _: &Cut, _: &WriteOptions) -> Result<Vec<NewBlock>, SignalError> {
        unreachable!("the ingesters of the simulation are models")
    }

    fn scan(&self, block: BlockReader, query: &ScanQuery, _: &Arc<ScanAccount>) -> ScanStream {
        let alone = query.alone;
        stream::once(async move {
            match read(&block).await {
                Ok(rows) => Ok(batch(alone, &rows)),
                Err(StoreError::NotFound { .. }) => Err(ScanError::Gone { block: block.id.to_string() }),
                Err(err) => Err(ScanError::Signal(failed(&err))),
            }
        })
        .boxed()
    }

    fn merge(&self, inputs: Vec<MergeInput>, options: MergeOptions) -> BoxFuture<'static, Result<Vec<NewBlock>, SignalError>> {
        async move {
            let mut rows = BTreeSet::new();
            for input in &inputs {
                rows.extend(decode(&read(&input.block).await.map_err(|err| failed(&err))?));
            }
            Ok(blocks(&rows, options.window_ns))
        }
        .boxed()
    }
}

impl Queries for Rows {
    fn mount(&self, _: &mut Routes, _: Arc<dyn QueryExecutor>) {}

    fn execute(&self, query: SubQuery, leaves: Arc<dyn Leaves>) -> PartialStream {
        stream::once(merged(leaves, Scan { tenant: query.tenants.first().clone(), range: query.range, payload: query.payload })).boxed()
    }
}

impl Policy for Rows {
    /// The tenant's name ends in its shard's size.
    fn ingest_shard(&self, tenant: &TenantId) -> usize {
        tenant.as_str().rsplit('-').next().and_then(|size| size.parse().ok()).unwrap_or(0)
    }

    fn store_shard(&self, _: &TenantId) -> usize {
        0
    }

    fn retention(&self, _: &TenantId) -> Option<Duration> {
        None
    }

    fn max_parallelism(&self, _: &TenantId) -> usize {
        1
    }

    fn max_query_bytes(&self, _: &TenantId) -> u64 {
        0
    }
}
