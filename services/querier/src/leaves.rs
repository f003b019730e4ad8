//! The leaves of one sub-query: heads first, then the blocks that they and the catalog name. Every source is answered, or
//! the query fails.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, stream};
use parking_lot::Mutex;
use ring::Membership;
use ring::roles::{INGESTER, STORE_GATEWAY};
use runtime::{Chain, Clock, ErrorKind};
use signal::{LeafBatch, LeafStream, Leaves, Plugin, QueryError, Scan, TimeRange};
use storage::block::BlockId;
use storage::catalog::{Catalog, Map};
use tenancy::Tenants;
use tenancy::budget::{Budget, Reservation};
use tokio::sync::mpsc;
use xxhash_rust::xxh3::xxh3_64;

use crate::blocks::{self, BlocksScan};
use crate::heads::HeadsScan;
use crate::leaf::LeafClients;
use crate::metrics::QuerierMetrics;

/// What the leaves of all queries have in common.
#[derive(Clone)]
pub struct LeafContext {
    /// Who holds what.
    pub membership: Arc<dyn Membership>,
    /// How leaves are reached.
    pub clients: Arc<dyn LeafClients>,
    /// Which blocks there are.
    pub catalog: Arc<Catalog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// See [`crate::QuerierConfig::ask_all_after`].
    pub ask_all_after: Duration,
    /// See [`crate::QuerierConfig::recent`].
    pub recent: Duration,
    /// See [`crate::QuerierConfig::block_replicas`].
    pub block_replicas: usize,
    /// How old the view of the ring may be: `ring.join_grace`.
    pub max_ring_age: Duration,
    /// What is counted.
    pub metrics: QuerierMetrics,
}

/// The leaves as one sub-query sees them.
pub struct QueryLeaves {
    context: LeafContext,
    plugin: Plugin,
    tenants: Tenants,
    budget: Budget,
    held: Mutex<Option<Reservation>>,
}

/// How many batches of rows may wait for the query.
const ROWS_AHEAD: usize = 16;

/// How often a plan is made anew since blocks of it had been replaced meanwhile.
const PLANS: usize = 3;

impl QueryLeaves {
    /// For one sub-query of some tenants.
    #[must_use]
    pub fn new(context: LeafContext, plugin: Plugin, tenants: Tenants, budget: Budget) -> Self {
        Self { context, plugin, tenants, budget, held: Mutex::new(None) }
    }
}

impl Leaves for QueryLeaves {
    fn scan(&self, scan: Scan) -> LeafStream {
        let (rows, receiver) = mpsc::channel(ROWS_AHEAD);
        if !self.tenants.all().contains(&scan.tenant) {
            // A signal that leaves its tenants is mistaken, and is not to be helped.
            let text = format!("tenant {} is none of those that asked", scan.tenant);
            return stream::once(std::future::ready(Err(QueryError::new(ErrorKind::Internal, text)))).boxed();
        }
        let task = ScanTask { context: self.context.clone(), plugin: self.plugin.clone(), scan, rows };
        Driven { driver: Some(task.run().boxed()), rows: receiver }.boxed()
    }

    fn reserve(&self, bytes: u64) -> Result<(), QueryError> {
        let mut held = self.held.lock();
        let refused = |err: tenancy::budget::BudgetExceeded| QueryError::new(runtime::Classify::kind(&err), err.to_string());
        match held.as_mut() {
            Some(held) => held.grow(bytes).map_err(refused),
            None => {
                *held = Some(self.budget.reserve(bytes).map_err(refused)?);
                Ok(())
            }
        }
    }
}

/// One scan of all leaves.
struct ScanTask {
    context: LeafContext,
    plugin: Plugin,
    scan: Scan,
    rows: mpsc::Sender<LeafBatch>,
}

impl ScanTask {
    async fn run(self) -> Result<(), QueryError> {
        let heads = self.heads().await?;
        self.know(&heads.read_back).await?;
        self.blocks(&heads.ranges).await
    }

    async fn heads(&self) -> Result<crate::heads::HeadsAnswer, QueryError> {
        let LeafContext { membership, clients, clock, ask_all_after, recent, max_ring_age, .. } = &self.context;
        // A member that has joined since then may have taken rows already, and would not be asked.
        let age = membership.age();
        if age > *max_ring_age {
            let text = format!("the members of the ring were last read {} s ago by this querier", age.as_secs());
            return Err(QueryError::new(ErrorKind::Unavailable, text));
        }
        let ring = membership.view().ring(INGESTER);
        let size = self.plugin.policy.ingest_shard(&self.scan.tenant);
        let recent = i64::try_from(recent.as_millis()).unwrap_or(i64::MAX);
        let sets = ring.read_shard(self.scan.tenant.as_str(), self.plugin.name.as_str(), size, recent, clock.now_ms());
        let ask = HeadsScan {
            clients: &**clients,
            tenant: &self.scan.tenant,
            signal: self.plugin.name,
            range: self.scan.range,
            payload: self.scan.payload.clone(),
            deletes: self.deletes(&self.context.catalog.map()),
            ask_all_after: *ask_all_after,
            turn: xxh3_64(&clock.now_ns().to_le_bytes()),
            rows: &self.rows,
            metrics: &self.context.metrics,
        };
        ask.run(&sets).await
    }

    /// Makes sure that this process knows every block which an ingester has read back: rows may have left its memory (DESIGN 11.2).
    async fn know(&self, read_back: &[String]) -> Result<(), QueryError> {
        let unknown = |ids: &[String]| -> Vec<String> {
            let map = self.context.catalog.map();
            let known = |id: &String| id.parse().is_ok_and(|id| map.knows(&self.scan.tenant, BlockId(id)));
            ids.iter().filter(|id| !known(id)).cloned().collect()
        };
        let missing = unknown(read_back);
        if missing.is_empty() {
            return Ok(());
        }
        self.refresh().await?;
        match unknown(&missing).first() {
            None => Ok(()),
            Some(id) => Err(QueryError::new(ErrorKind::Unavailable, format!("block {id} is not in the catalog that this querier reads"))),
        }
    }

    fn deletes(&self, map: &Map) -> bytes::Bytes {
        signal::rpc::encode_deletes(map.deletes(&self.scan.tenant, self.plugin.name.as_str()))
    }

    async fn refresh(&self) -> Result<(), QueryError> {
        let failed = |err: storage::catalog::CatalogError| {
            QueryError::new(ErrorKind::Unavailable, format!("the catalog cannot be read: {}", Chain(&err)))
        };
        self.context.catalog.refresh().await.map(drop).map_err(failed)
    }

    async fn blocks(&self, heads: &[TimeRange]) -> Result<(), QueryError> {
        let mut answered = std::collections::HashSet::new();
        for _ in 0..PLANS {
            let map = self.context.catalog.map();
            let mut entries = map.blocks(&self.scan.tenant, self.plugin.name.as_str(), self.scan.range);
            entries.retain(|entry| !answered.contains(&entry.id));
            entries.sort_unstable_by_key(|entry| entry.id);
            let ask = BlocksScan {
                clients: &*self.context.clients,
                tenant: &self.scan.tenant,
                signal: self.plugin.name,
                range: self.scan.range,
                payload: self.scan.payload.clone(),
                deletes: self.deletes(&map),
                replicas: self.context.block_replicas,
                rows: &self.rows,
                metrics: &self.context.metrics,
            };
            let ring = self.context.membership.view().ring(STORE_GATEWAY);
            let asks = blocks::plan(entries, heads);
            let ids: Vec<BlockId> = asks.iter().map(|ask| ask.entry.id).collect();
            let gone = ask.run(&ring, asks).await?;
            if gone.0.is_empty() {
                return Ok(());
            }
            // Their rows are in others by now; those that were answered need not be read again.
            answered.extend(ids.into_iter().filter(|id| !gone.0.contains(id)));
            self.refresh().await?;
        }
        Err(QueryError::new(ErrorKind::Unavailable, "blocks were replaced again and again while the query read them"))
    }
}

/// Rows as they come while the scan behind them is driven on; dropping it ends all of it.
struct Driven {
    driver: Option<BoxFuture<'static, Result<(), QueryError>>>,
    rows: mpsc::Receiver<LeafBatch>,
}

impl Stream for Driven {
    type Item = Result<LeafBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(driver) = &mut self.driver {
            match driver.poll_unpin(context) {
                Poll::Ready(Ok(())) => self.driver = None,
                Poll::Ready(Err(err)) => {
                    self.driver = None;
                    self.rows.close();
                    while self.rows.try_recv().is_ok() {}
                    return Poll::Ready(Some(Err(err)));
                }
                Poll::Pending => {}
            }
        }
        // The driver holds the sender: without it the channel ends when it is empty.
        self.rows.poll_recv(context).map(|row| row.map(Ok))
    }
}

impl fmt::Debug for LeafContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafContext").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl fmt::Debug for QueryLeaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryLeaves").field("tenants", &self.tenants).finish_non_exhaustive()
    }
}
