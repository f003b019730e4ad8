//! One sub-query: the signal executes it over the leaves, within its time and its memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use runtime::{Chain, ErrorKind};
use signal::{PartialStream, Plugins, Policy, QueryError, SubQuery, TimeRange};
use tenancy::Tenants;
use tenancy::budget::{Budget, Budgets, Scope};
use tokio::time::Instant;

use crate::leaves::{LeafContext, QueryLeaves};

/// Executes sub-queries of all signals.
pub struct Execute {
    plugins: Plugins,
    leaves: LeafContext,
    tenants: Budgets,
    per_query: Option<u64>,
    max_catalog_age: Duration,
}

/// A sub-query whose signal is still a word.
#[derive(Clone, Debug)]
pub struct PartOfQuery {
    /// Whose.
    pub tenants: Tenants,
    /// What to do.
    pub payload: bytes::Bytes,
    /// The data it reads at most.
    pub range: TimeRange,
    /// How long it may take.
    pub timeout: Duration,
}

impl PartOfQuery {
    /// The sub-query of a signal.
    #[must_use]
    pub fn of(self, signal: signal::SignalName) -> SubQuery {
        let Self { tenants, payload, range, timeout } = self;
        SubQuery { tenants, signal, payload, range, timeout }
    }
}

impl Execute {
    /// * `process`: the memory of all queries.
    /// * `per_query`: bytes of one query of a tenant whose limits say nothing.
    #[must_use]
    pub fn new(plugins: Plugins, leaves: LeafContext, process: Budget, per_query: Option<u64>, max_catalog_age: Duration) -> Self {
        let tenants = Budgets::new(process, "querier.max_query_memory");
        Self { plugins, leaves, tenants, per_query, max_catalog_age }
    }

    /// Whether this process knows the catalog well enough to answer anything.
    #[must_use]
    pub fn may_work(&self) -> bool {
        self.leaves.catalog.age_of_last_success().is_some_and(|age| age <= self.max_catalog_age)
    }

    /// Runs one sub-query. `catalog_number` is the state of the catalog that its sender has seen.
    pub fn run(self: Arc<Self>, signal: String, part: PartOfQuery, catalog_number: u64) -> BoxFuture<'static, PartialStream> {
        let deadline = Instant::now() + part.timeout;
        async move {
            match self.begin(&signal, part, catalog_number).await {
                Ok(answer) => within(answer, deadline),
                Err(err) => futures::stream::once(std::future::ready(Err(err))).boxed(),
            }
        }
        .boxed()
    }

    async fn begin(&self, signal: &str, part: PartOfQuery, catalog_number: u64) -> Result<PartialStream, QueryError> {
        let plugin = self.plugins.get(signal).cloned();
        let plugin = plugin.ok_or_else(|| QueryError::new(ErrorKind::Unsupported, format!("signal {signal:?} is not enabled")))?;
        let unread = |err: storage::catalog::CatalogError| {
            QueryError::new(ErrorKind::Unavailable, format!("the catalog cannot be read: {}", Chain(&err)))
        };
        self.leaves.catalog.refresh_to(catalog_number).await.map_err(unread)?;
        let budget = self.budget(&part.tenants, &*plugin.policy);
        let leaves = QueryLeaves::new(self.leaves.clone(), plugin.clone(), part.tenants.clone(), budget);
        Ok(plugin.queries.execute(part.of(plugin.name), Arc::new(leaves)))
    }

    /// The budget of a query: that of its first tenant, and of several limits the least.
    fn budget(&self, tenants: &Tenants, policy: &dyn Policy) -> Budget {
        let limits = tenants.all().iter().map(|tenant| policy.max_query_bytes(tenant)).filter(|limit| *limit > 0);
        let limit = limits.min().or(self.per_query);
        self.tenants.of(tenants.first(), None).within("max_estimated_memory_consumption_per_query", limit, Scope::Tenant)
    }
}

/// The parts that come before the deadline, then an error.
fn within(answer: PartialStream, deadline: Instant) -> PartialStream {
    let timed_out = || QueryError::new(ErrorKind::Timeout, "query timed out in expression evaluation");
    futures::stream::unfold(Some(answer), move |answer| async move {
        let mut answer = answer?;
        match tokio::time::timeout_at(deadline, answer.next()).await {
            Ok(Some(Ok(part))) => Some((Ok(part), Some(answer))),
            Ok(Some(Err(err))) => Some((Err(err), None)),
            Ok(None) => None,
            Err(_) => Some((Err(timed_out()), None)),
        }
    })
    .boxed()
}

impl fmt::Debug for Execute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execute").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}
