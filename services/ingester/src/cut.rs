//! Rows on their way into blocks: cut, written, uploaded, announced, read back, forgotten (DESIGN 11.2).
//!
//! Each cut is a task of its own from the cut to the end of its grace. Nothing is lost when it fails at any point: the rows stay visible in
//! the head, and in the log, until readers were seen to find them in blocks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use runtime::{Chain, Clock, Compute, Tasks};
use signal::{NewBlock, WriteOptions};
use storage::block::{BlockId, BlockUpload, SignalId};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog, Entry, Record};
use storage::time::TimeRange;
use tenancy::TenantId;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::config::IngesterConfig;
use crate::metrics::IngesterMetrics;
use crate::store::{SignalStore, Taken, TenantHead};

/// Takes heads into blocks.
pub struct Cutter {
    stores: Arc<[Arc<SignalStore>]>,
    bucket: Arc<dyn Bucket>,
    catalog: Arc<Catalog>,
    announcer: Announcer,
    clock: Arc<dyn Clock>,
    compute: Compute,
    tasks: Tasks,
    metrics: IngesterMetrics,
    config: IngesterConfig,
    writing: Semaphore,
}

/// What a cutter is given by the role.
pub struct CutterContext {
    /// Where blocks go.
    pub bucket: Arc<dyn Bucket>,
    /// Where they are read back.
    pub catalog: Arc<Catalog>,
    /// Where they are announced.
    pub announcer: Announcer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where blocks are written.
    pub compute: Compute,
    /// Who owns the cuts on their way.
    pub tasks: Tasks,
    /// The role's instruments.
    pub metrics: IngesterMetrics,
}

/// Blocks that were written and have their names.
struct Written {
    blocks: Vec<(BlockId, NewBlock)>,
}

impl Cutter {
    /// A cutter over the stores of all signals.
    #[must_use]
    pub fn new(stores: Arc<[Arc<SignalStore>]>, config: &IngesterConfig, context: CutterContext) -> Self {
        let CutterContext { bucket, catalog, announcer, clock, compute, tasks, metrics } = context;
        let writing = Semaphore::new(config.cut_concurrency.max(1));
        Self { stores, bucket, catalog, announcer, clock, compute, tasks, metrics, config: config.clone(), writing }
    }

    /// Cuts what is old or large enough, until the process stops.
    pub async fn run(self: Arc<Self>) {
        let stop = self.tasks.stopping();
        let mut check = tokio::time::interval(self.config.cut_check.get().max(Duration::from_millis(10)));
        let mut compact = tokio::time::interval(self.config.wal_compact_period.get().max(Duration::from_millis(100)));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = check.tick() => self.cut_due().await,
                _ = compact.tick() => self.compact_logs().await,
            }
        }
    }

    async fn cut_due(self: &Arc<Self>) {
        let now = self.clock.now_ns();
        let after = self.config.cut_after.as_ns();
        for store in self.stores.iter() {
            for head in store.heads() {
                head.head.tidy();
                let old = head.oldest().is_some_and(|oldest| now.saturating_sub(oldest) >= after);
                if old || head.head.stats().fresh_bytes >= self.config.cut_bytes.0 {
                    // The end of the cut is nobody's business here: it goes on by itself.
                    drop(self.cut(store.clone(), head).await);
                }
            }
            store.read_back.tidy(now);
            store.drop_idle();
            self.metrics.observe(store);
        }
    }

    async fn compact_logs(&self) {
        for store in self.stores.iter().cloned() {
            let signal = store.plugin.name;
            match self.compute.run(move || store.wal.compact()).await {
                Ok(Ok(compacted)) => debug!(%signal, ?compacted, "log compacted"),
                Ok(Err(err)) => warn!(%signal, error = %Chain(&err), "the log could not be compacted"),
                Err(err) => warn!(%signal, error = %Chain(&err), "the log could not be compacted"),
            }
        }
    }

    /// Cuts every head of the tenants (none named: of all), and waits until readers find all of it in blocks. Returns the number of blocks.
    pub async fn flush(self: &Arc<Self>, tenants: &[TenantId]) -> usize {
        let mut cuts = Vec::new();
        for store in self.stores.iter() {
            for head in store.heads() {
                if tenants.is_empty() || tenants.contains(&head.tenant) {
                    cuts.push(self.cut(store.clone(), head).await);
                }
            }
        }
        join_all(cuts).await.into_iter().sum()
    }

    /// Cuts one head. What is returned ends when readers find the rows in blocks, with the number of these; dropping it changes
    /// nothing. Heads of a flush that finds an earlier cut still on its way wait for that one too.
    async fn cut(self: &Arc<Self>, store: Arc<SignalStore>, head: Arc<TenantHead>) -> BoxFuture<'static, usize> {
        let earlier = head.on_the_way();
        // A failure is made good later: the blocks say which deletes are done in them.
        if let Err(err) = store.delete(&head, &[]).await {
            warn!(tenant = %head.tenant, error = %Chain(&err), "deletes of rows could not be done");
        }
        let Some(taken) = head.cut().await else {
            return earlier.boxed();
        };
        let (served, readers) = tokio::sync::watch::channel(None);
        head.add_cut(readers.clone());
        let cutter = self.clone();
        let stop = self.tasks.stopping();
        self.tasks.detach("cut", async move {
            tokio::select! {
                biased;
                // What is not in blocks yet is in the log: a restart cuts it anew.
                () = stop.cancelled() => {}
                () = cutter.follow(&store, &head, taken, served) => {}
            }
        });
        async move { earlier.await + crate::store::served(readers).await }.boxed()
    }

    /// Brings one cut to its end.
    async fn follow(&self, store: &SignalStore, head: &TenantHead, taken: Taken, served: tokio::sync::watch::Sender<Option<usize>>) {
        let arrival = TimeRange { start: taken.arrived, end: self.clock.now_ns() };
        let ids = loop {
            let entries = self.upload(store, head, &taken, arrival).await;
            let ids: Vec<BlockId> = entries.iter().map(|entry| entry.id).collect();
            if self.read_back(&head.tenant, entries).await {
                break ids;
            }
            warn!(tenant = %head.tenant, "blocks are not in the catalog: their rows are uploaded again");
        };
        self.mark(head, store, &taken, &ids, true).await;
        store.read_back.add(&head.tenant, ids.iter().copied(), self.clock.now_ns());
        self.metrics.uploads.inc_by(ids.len() as u64);
        served.send_replace(Some(ids.len()));
        tokio::time::sleep(self.config.keep_after_upload.get()).await;
        head.head.forget(taken.cut.id);
    }

    /// Writes and uploads the blocks of a cut, as often as it takes.
    async fn upload(&self, store: &SignalStore, head: &TenantHead, taken: &Taken, arrival: TimeRange) -> Vec<Entry> {
        let Some(signal) = SignalId::parse(store.plugin.name.as_str()) else {
            unreachable!("the names of signals are given in the code, and are names of signals in keys")
        };
        let written = self.write(store, head, taken).await;
        let ids: Vec<BlockId> = written.blocks.iter().map(|(id, _)| *id).collect();
        self.mark(head, store, taken, &ids, false).await;
        let mut entries = Vec::with_capacity(ids.len());
        for (id, block) in written.blocks {
            let upload = BlockUpload::cut(id, block.facts, block.data, block.index, arrival, taken.deletes_done);
            let entry = loop {
                match storage::block::upload(&*self.bucket, &head.tenant, &signal, upload.clone()).await {
                    Ok(entry) => break entry,
                    Err(err) => {
                        self.metrics.upload_failures.inc();
                        warn!(tenant = %head.tenant, block = %id, error = %Chain(&err), "a block could not be uploaded");
                        tokio::time::sleep(self.config.upload_retry.get()).await;
                    }
                }
            };
            entries.push(entry);
        }
        entries
    }

    async fn write(&self, store: &SignalStore, head: &TenantHead, taken: &Taken) -> Written {
        loop {
            let _turn = self.writing.acquire().await;
            let format = store.plugin.blocks.clone();
            let cut = taken.cut.clone();
            let options = WriteOptions { tenant: head.tenant.clone(), window_ns: self.config.block_window.as_ns().max(1) };
            match self.compute.run(move || format.write(&cut, &options)).await {
                Ok(Ok(blocks)) => {
                    let named = blocks.into_iter().map(|block| (BlockId::new(self.clock.now_ms()), block)).collect();
                    return Written { blocks: named };
                }
                Ok(Err(err)) => warn!(tenant = %head.tenant, error = %err, "a block could not be written"),
                Err(err) => warn!(tenant = %head.tenant, error = %Chain(&err), "a block could not be written"),
            }
            tokio::time::sleep(self.config.upload_retry.get()).await;
        }
    }

    /// Announces blocks and waits until the catalog has them all. False: it has not taken them in all the time that
    /// announcements are kept.
    async fn read_back(&self, tenant: &TenantId, entries: Vec<Entry>) -> bool {
        let ids: Vec<BlockId> = entries.iter().map(|entry| entry.id).collect();
        let Some(record) = Record::add(entries) else { return true };
        self.announcer.announce(record);
        self.catalog.wait_for(tenant, &ids, self.config.announce_again_after.get()).await
    }

    /// Writes a mark, as often as it takes: without it a restart would bring the rows again, which is slow and not wrong.
    async fn mark(&self, head: &TenantHead, store: &SignalStore, taken: &Taken, ids: &[BlockId], done: bool) {
        loop {
            let appended =
                if done { store.wal.mark_done(&head.tenant, taken.upto, ids) } else { store.wal.mark(&head.tenant, taken.upto, ids) };
            let durable = match appended {
                Ok(appended) => appended.durable.await,
                Err(err) => Err(err),
            };
            match durable {
                Ok(()) => return,
                Err(err) => warn!(tenant = %head.tenant, error = %Chain(&err), "a mark could not be written to the log"),
            }
            tokio::time::sleep(self.config.upload_retry.get()).await;
        }
    }
}

impl fmt::Debug for Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cutter").field("stores", &self.stores).finish_non_exhaustive()
    }
}

impl fmt::Debug for CutterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CutterContext").finish_non_exhaustive()
    }
}
