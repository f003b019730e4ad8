//! Query-frontend (routes, plan, merge) and querier (execute).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tenancy::{TenantId, Tenants};

use crate::{QueryError, Routes, RowDeletes, RowDrop, ScanError, SignalName, TimeRange};

/// A signal's query APIs.
pub trait Queries: Send + Sync {
    /// Query-frontend: mounts the routes. A handler parses, splits and shards the request into [`SubQuery`]s, runs them
    /// through `exec`, merges what comes back and encodes it as the original API does.
    fn mount(&self, routes: &mut Routes, exec: Arc<dyn QueryExecutor>);

    /// Querier: answers one sub-query from the leaves. The stream is dropped when nobody waits any more: work ends with it.
    fn execute(&self, query: SubQuery, leaves: Arc<dyn Leaves>) -> PartialStream;
}

/// Parts of an answer, encoded by the signal.
pub type PartialStream = BoxStream<'static, Result<Bytes, QueryError>>;

/// Queues sub-queries, fairly per tenant. Dropping the stream cancels the work.
pub trait QueryExecutor: Send + Sync {
    /// Runs one sub-query on some querier.
    fn run(&self, query: SubQuery) -> PartialStream;

    /// Where deletes of rows are recorded; none where this process has no catalog.
    fn deletes(&self) -> Option<Arc<dyn RowDeletes>> {
        None
    }

    /// How many sub-queries all connected queriers can compute at the same time: more shards than that make a query no faster.
    fn parallelism(&self) -> usize {
        1
    }

    /// What was remembered under a key; nothing when it was not, or has been lost. Keys of different clusters are different.
    fn recall<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(std::future::ready(None))
    }

    /// Remembers a value, for as long as there is room.
    fn remember(&self, _key: &str, _value: Bytes) {}

    /// A number that changes when rows of a tenant that were final have changed: with a delete of rows, and with a block of rows
    /// older than `accepted` when they arrived.
    fn generation(&self, _tenant: &TenantId, _signal: SignalName, _accepted: Duration) -> u64 {
        0
    }
}

/// A part of a query that one querier answers.
#[derive(Clone, Debug)]
pub struct SubQuery {
    /// Whose: several where the query federates.
    pub tenants: Tenants,
    /// Which signal's.
    pub signal: SignalName,
    /// What to do, encoded by the signal; the first byte is its version.
    pub payload: Bytes,
    /// The data it reads at most.
    pub range: TimeRange,
    /// How long it may take from now on.
    pub timeout: Duration,
}

/// The leaves of one sub-query as the querier role sees them: ingesters and store-gateways.
pub trait Leaves: Send + Sync {
    /// Scans everything that may hold rows of a tenant and the range: the heads of its ingesters and the catalog's blocks. The stream ends well only when every source has been answered; the same row may come from several.
    fn scan(&self, scan: Scan) -> LeafStream;

    /// A budget in bytes for what the signal holds of the answers; refused reservations are limit errors.
    fn reserve(&self, bytes: u64) -> Result<(), QueryError>;
}

/// Batches of rows with where they came from.
pub type LeafStream = BoxStream<'static, Result<LeafBatch, QueryError>>;

/// What is asked of every leaf.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Whose data: one of [`SubQuery::tenants`].
    pub tenant: TenantId,
    /// The data it reads.
    pub range: TimeRange,
    /// The signal's filter; the first byte is its version.
    pub payload: Bytes,
}

/// Rows of one source.
#[derive(Clone, Debug)]
pub struct LeafBatch {
    /// Where they come from.
    pub source: Source,
    /// The rows, encoded by the signal.
    pub payload: Bytes,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The head of an ingester.
    Head(String),
    /// A block.
    Block(String),
}

/// What a leaf is asked to do with one source.
#[derive(Clone, Debug)]
pub struct ScanQuery {
    /// Whose data.
    pub tenant: TenantId,
    /// Rows outside it are not wanted.
    pub range: TimeRange,
    /// The signal's filter.
    pub payload: Bytes,
    /// True when no other source of the query overlaps this one: the leaf may aggregate.
    pub alone: bool,
    /// Rows that are no more: they are left out.
    pub drops: Arc<[RowDrop]>,
}

/// Rows of one source, encoded by the signal.
pub type ScanStream = BoxStream<'static, Result<Bytes, ScanError>>;
