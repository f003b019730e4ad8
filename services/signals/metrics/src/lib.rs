//! The metrics signal: Prometheus remote write in, Gorilla chunks in heads and blocks, PromQL out.
//!
//! The rooms in the order in which the data passes them: `ingest`, `head`, `block`, `query`, `api`.
//! Knows no role: what it is given and what it gives crosses the seam of the crate `signal`.

pub mod api;
pub mod block;
pub mod chunk;
pub mod drops;
pub mod export;
pub mod head;
pub mod histogram;
pub mod import;
pub mod ingest;
pub mod instruments;
pub mod limits;
pub mod merge;
pub mod model;
pub mod policy;
pub mod promqltest;
pub mod query;
pub mod tsdb;
pub mod uploads;
pub mod wire;

use std::sync::Arc;

use runtime::config::{ByteSize, HumanDuration};
use runtime::{Clock, Compute};
use signal::{Plugin, SignalName};
use tenancy::Overrides;

use crate::block::MetricsBlocks;
use crate::head::MetricsHeads;
use crate::ingest::MetricsReceivers;
use crate::limits::MetricsLimits;
use crate::policy::MetricsPolicy;
use crate::query::MetricsQueries;
use crate::uploads::MetricsUploads;

/// The signal's name.
pub const NAME: SignalName = SignalName::new("metrics");

/// What the signal is given by the process.
#[derive(Clone)]
pub struct Deps {
    /// Limits of every tenant.
    pub limits: Overrides<MetricsLimits>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The pool for heavy computation.
    pub compute: Compute,
    /// What the signal counts; registered once per process.
    pub instruments: instruments::Instruments,
    /// How requests are taken in.
    pub ingest: ingest::IngestConfig,
    /// Which replicas of high-availability pairs are elected; `None` where nothing is taken in, or where pairs are not told apart.
    pub ha: Option<ingest::ha::HaTracker>,
    /// How queries are planned and evaluated.
    pub query: query::QueryConfig,
    /// How long data stays.
    pub retention: Retention,
}

/// How long data stays that no limit of its tenant says anything of; zero is for ever, and any size. Only told to who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// From its time on.
    pub age: HumanDuration,
    /// All of it together.
    pub bytes: ByteSize,
}

/// What the signal brings to each stop.
#[must_use]
pub fn plugin(deps: &Deps) -> Plugin {
    Plugin {
        name: NAME,
        receivers: Arc::new(MetricsReceivers::new(deps.clone())),
        heads: Arc::new(MetricsHeads::new(deps.clone())),
        blocks: Arc::new(MetricsBlocks),
        queries: Arc::new(MetricsQueries::new(deps)),
        policy: Arc::new(MetricsPolicy::new(deps.limits.clone())),
        uploads: Some(Arc::new(MetricsUploads::new(deps))),
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}
