//! Queries: PromQL's text, its tree and its evaluation, and what of it runs where.
//!
//! The query-frontend parses, splits ([`plan`]) and sends parts ([`subquery`]); the querier answers one part ([`execute`]): it
//! gathers chunks from the leaves, merges replicas, evaluates, and sends the answer back in pieces ([`partial`]).

pub mod access;
mod cardinality;
pub mod config;
pub mod engine;
mod execute;
mod gather;
pub mod limit;
mod lists;
pub mod partial;
pub mod plan;
pub mod promql;
pub mod scope;
pub mod shard;
pub mod subquery;

use std::fmt;
use std::sync::Arc;

use signal::{Leaves, PartialStream, Queries, QueryExecutor, Routes, SubQuery};

pub use config::QueryConfig;
pub(crate) use execute::{CancelOnDrop, timed_out};
pub(crate) use gather::run;

use crate::{Deps, api};

/// The signal's query APIs.
pub struct MetricsQueries {
    deps: Arc<Deps>,
}

impl MetricsQueries {
    /// With what the process gives.
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { deps: Arc::new(deps.clone()) }
    }
}

impl Queries for MetricsQueries {
    fn mount(&self, routes: &mut Routes, exec: Arc<dyn QueryExecutor>) {
        api::mount(&self.deps, routes, exec);
    }

    fn execute(&self, query: SubQuery, leaves: Arc<dyn Leaves>) -> PartialStream {
        execute::execute(self.deps.clone(), query, leaves)
    }
}

impl fmt::Debug for MetricsQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsQueries").finish_non_exhaustive()
    }
}
