//! What signals are given: the queue, the cache of results, and what the catalog says of old rows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use signal::{PartialStream, Plugins, QueryExecutor, RowDeletes, SignalName, SubQuery, TimeRange};
use storage::cache::Cache;
use storage::catalog::{Catalog, Map};
use tenancy::TenantId;

use crate::dispatch::{Answer, Dispatch};

/// How long rows may wait in an ingester before they are in a block: so much younger than its rows a block can be without being late.
const CUT_SLACK: Duration = Duration::from_secs(2 * 3600);

/// The executor of one process.
#[derive(Clone)]
pub struct Executor {
    /// Whose limits say which queriers work for a tenant.
    pub plugins: Plugins,
    /// The jobs of this process.
    pub dispatch: Arc<Dispatch>,
    /// Results that were remembered.
    pub results: Arc<dyn Cache>,
    /// Which blocks and deletes there are.
    pub catalog: Arc<Catalog>,
    /// Records deletes of rows.
    pub deletes: Arc<dyn RowDeletes>,
    /// Stands before keys of results: other clusters may use the same servers.
    pub cluster_id: String,
}

impl QueryExecutor for Executor {
    fn run(&self, query: SubQuery) -> PartialStream {
        let queriers = self.queriers(&query);
        match self.dispatch.enqueue(query, queriers) {
            Err(err) => futures::stream::once(async move { Err(err) }).boxed(),
            Ok(queued) => Answer::new(self.dispatch.clone(), queued).boxed(),
        }
    }

    fn deletes(&self) -> Option<Arc<dyn RowDeletes>> {
        Some(self.deletes.clone())
    }

    fn parallelism(&self) -> usize {
        self.dispatch.threads()
    }

    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        let key = self.key(key);
        Box::pin(async move { self.results.get(&key).await })
    }

    fn remember(&self, key: &str, value: Bytes) {
        self.results.put(&self.key(key), value);
    }

    fn generation(&self, tenant: &TenantId, signal: SignalName, accepted: Duration) -> u64 {
        generation(&self.catalog.map(), tenant, signal, accepted)
    }
}

impl Executor {
    /// How many queriers work for the tenants of a query, 0 is all: of several limits the least holds.
    fn queriers(&self, query: &SubQuery) -> usize {
        let Some(plugin) = self.plugins.get(query.signal.as_str()) else { return 0 };
        let limits = query.tenants.all().iter().map(|tenant| plugin.policy.querier_shard(tenant));
        limits.filter(|limit| *limit > 0).min().unwrap_or(0)
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.cluster_id)
    }
}

/// The number of the last delete, together with the arrival of the youngest block that came later than rows are accepted.
fn generation(map: &Map, tenant: &TenantId, signal: SignalName, accepted: Duration) -> u64 {
    let deleted = map.deletes(tenant, signal.as_str()).last().map_or(0, |delete| delete.number);
    let late_after = i64::try_from((accepted + CUT_SLACK).as_nanos()).unwrap_or(i64::MAX);
    let blocks = map.blocks(tenant, signal.as_str(), TimeRange::ALL).into_iter();
    let late = blocks.filter(|entry| entry.arrival.end.saturating_sub(entry.facts.range.end) > late_after);
    let newest = late.map(|entry| entry.arrival.end).max().unwrap_or(0);
    deleted.rotate_left(40) ^ newest.cast_unsigned()
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("dispatch", &self.dispatch).finish_non_exhaustive()
    }
}
