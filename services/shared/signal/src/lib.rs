//! The seam between roles and signals: a trait per stop on the way of the data.
//!
//! A role holds a list of [`Plugin`]s and never asks which signal one is; a signal implements the traits
//! and never asks which role calls. What crosses the seam is bytes owned by the signal, with just the facts
//! about them that a role needs: tenant, shard key, time range, size.

pub mod account;
pub mod batch;
pub mod block;
pub mod drops;
pub mod error;
pub mod head;
pub mod instance;
pub mod otlp;
pub mod policy;
pub mod query;
pub mod receive;
pub mod rpc;
pub mod upload;

use std::fmt;
use std::sync::Arc;

pub use account::{Amount, ScanAccount, Stage};
pub use batch::{Item, Push, PushItem, Refusal, WriteBatch};
pub use block::{BlockFormat, MergeInput, MergeOptions, NewBlock, WriteOptions};
pub use drops::{RowDeletes, RowDrop};
pub use error::{QueryError, ScanError, SignalError};
pub use head::{Appended, Cut, CutId, Head, HeadContext, HeadStats, Heads, Pending, Prepared, SegmentId, WalSeq};
pub use instance::{InstanceLimit, SeriesPart, SeriesRoom};
pub use policy::Policy;
pub use query::{LeafBatch, LeafStream, Leaves, PartialStream, Queries, QueryExecutor, Scan, ScanQuery, ScanStream, Source, SubQuery};
pub use receive::{Overloaded, Receivers, Routes, WriteError, WriteOutcome, WriteSink};
pub use storage::time::TimeRange;
pub use upload::{Depot, DepotError, Step, StepStream, UploadId, UploadState, Uploaded, Uploads};

/// The name of a signal: `metrics`, `logs`, `traces` or `profiles`; the word in keys, settings and labels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalName(&'static str);

impl SignalName {
    /// A name is given once, by the signal's crate.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One signal: what it brings to each stop.
#[derive(Clone)]
pub struct Plugin {
    /// Its name.
    pub name: SignalName,
    /// Distributor: public formats in.
    pub receivers: Arc<dyn Receivers>,
    /// Ingester: recent data.
    pub heads: Arc<dyn Heads>,
    /// Ingester, store-gateway, compactor: blocks.
    pub blocks: Arc<dyn BlockFormat>,
    /// Query-frontend and querier.
    pub queries: Arc<dyn Queries>,
    /// Every role: what a tenant's limits say about placement, retention and width.
    pub policy: Arc<dyn Policy>,
    /// Compactor: blocks of another system; none where the signal takes none.
    pub uploads: Option<Arc<dyn Uploads>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The enabled signals of a process.
#[derive(Clone, Debug, Default)]
pub struct Plugins(Vec<Plugin>);

impl Plugins {
    /// The list, in the order in which the signals are named in pages and logs.
    #[must_use]
    pub fn new(plugins: Vec<Plugin>) -> Self {
        Self(plugins)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.0.iter()
    }

    /// The signal of a name that came over the wire or out of the catalog.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        self.0.iter().find(|plugin| plugin.name.as_str() == name)
    }
}
