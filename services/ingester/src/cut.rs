//! Rows on their way into blocks: cut, written, uploaded, announced, read back, forgotten (DESIGN 11.2).
//!
//! Each cut is a task of its own from the cut to the end of its grace. Nothing is lost when it fails at any point: the rows stay visible in
//! the head, and in the log, until readers were seen to find them in blocks.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, try_join_all};
use runtime::{Chain, Clock, Compute, Tasks};
use signal::{NewBlock, SignalError, WriteOptions};
use storage::block::{BlockId, BlockUpload, SignalId};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog};
use storage::time::TimeRange;
use tenancy::TenantId;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::config::IngesterConfig;
use crate::metrics::IngesterMetrics;
use crate::store::{SignalStore, Taken, TenantHead};
use crate::upload::{GivenUp, Room, Round, Uploader, size};

/// Takes heads into blocks.
pub struct Cutter {
    stores: Arc<[Arc<SignalStore>]>,
    uploader: Uploader,
    catalog: Arc<Catalog>,
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

/// A block that was written and has its name.
struct Written {
    upload: BlockUpload,
    /// Its place among the small ones, if it is one: it is in memory then.
    room: Option<Room>,
}

/// Why a cut could not be written now.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    /// The signal could not.
    #[error("write")]
    Signal(#[from] SignalError),
    /// A computation was lost.
    #[error("compute")]
    Lost(#[from] runtime::compute::Lost),
    /// The disk does not give back what was written.
    #[error("read what was written")]
    ReadBack(#[source] io::Error),
}

/// One cut of a head.
struct Cutting {
    store: Arc<SignalStore>,
    head: Arc<TenantHead>,
    taken: Taken,
    arrival: TimeRange,
}

impl Cutter {
    /// A cutter over the stores of all signals.
    #[must_use]
    pub fn new(stores: Arc<[Arc<SignalStore>]>, config: &IngesterConfig, context: CutterContext) -> Self {
        let CutterContext { bucket, catalog, announcer, clock, compute, tasks, metrics } = context;
        let uploader = Uploader::new(bucket, announcer, clock.clone(), tasks.clone(), metrics.clone(), config);
        let writing = Semaphore::new(config.cut_concurrency.max(1));
        Self { stores, uploader, catalog, clock, compute, tasks, metrics, config: config.clone(), writing }
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
            let round = self.uploader.round(&signal_of(store));
            for head in store.heads() {
                head.head.tidy();
                let old = head.oldest().is_some_and(|oldest| now.saturating_sub(oldest) >= after);
                if old || head.head.stats().fresh_bytes >= self.config.cut_bytes.0 {
                    // The end of the cut is nobody's business here: it goes on by itself.
                    drop(self.cut(store.clone(), head, &round).await);
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
            let round = self.uploader.round(&signal_of(store));
            for head in store.heads() {
                if tenants.is_empty() || tenants.contains(&head.tenant) {
                    cuts.push(self.cut(store.clone(), head, &round).await);
                }
            }
        }
        join_all(cuts).await.into_iter().sum()
    }

    /// Cuts one head. What is returned ends when readers find the rows in blocks, with the number of these; dropping it changes
    /// nothing. Heads of a flush that finds an earlier cut still on its way wait for that one too.
    async fn cut(self: &Arc<Self>, store: Arc<SignalStore>, head: Arc<TenantHead>, round: &Round) -> BoxFuture<'static, usize> {
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
        let (cutter, round) = (self.clone(), round.clone());
        let arrival = TimeRange { start: taken.arrived, end: self.clock.now_ns() };
        let cutting = Cutting { store, head, taken, arrival };
        let stop = self.tasks.stopping();
        self.tasks.detach("cut", async move {
            tokio::select! {
                biased;
                // What is not in blocks yet is in the log: a restart cuts it anew.
                () = stop.cancelled() => {}
                () = cutter.follow(cutting, round, served) => {}
            }
        });
        async move { earlier.await + crate::store::served(readers).await }.boxed()
    }

    /// Brings one cut to its end.
    async fn follow(&self, cutting: Cutting, round: Round, served: tokio::sync::watch::Sender<Option<usize>>) {
        let tenant = &cutting.head.tenant;
        let mut round = Some(round);
        let ids = loop {
            // Only the first time others are cut as well.
            let round = round.take().unwrap_or_else(|| self.uploader.round(&signal_of(&cutting.store)));
            match self.upload(&cutting, round).await {
                Ok(ids) if self.catalog.wait_for(tenant, &ids, self.config.announce_again_after.get()).await => break ids,
                Ok(_) => warn!(%tenant, "blocks are not in the catalog: their rows are uploaded again"),
                Err(GivenUp) => warn!(%tenant, "blocks were given up: their rows are uploaded again"),
            }
            tokio::time::sleep(self.config.upload_retry.get()).await;
        };
        self.mark(&cutting, &ids, true).await;
        cutting.store.read_back.add(tenant, ids.iter().copied(), self.clock.now_ns());
        self.metrics.uploads.inc_by(ids.len() as u64);
        served.send_replace(Some(ids.len()));
        tokio::time::sleep(self.config.keep_after_upload.get()).await;
        cutting.head.head.forget(cutting.taken.cut.id);
    }

    /// Writes the blocks of a cut, uploads them as often as it takes, and announces them.
    async fn upload(&self, cutting: &Cutting, round: Round) -> Result<Vec<BlockId>, GivenUp> {
        let (tenant, signal) = (&cutting.head.tenant, signal_of(&cutting.store));
        let written = self.write(cutting).await;
        let ids: Vec<BlockId> = written.iter().map(|block| block.upload.id).collect();
        // Before anything is in the bucket.
        self.mark(cutting, &ids, false).await;
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for Written { upload, room } in written {
            match room {
                Some(room) => small.push(round.bring(tenant.clone(), upload, room)),
                None => large.push(upload),
            }
        }
        // The others of the round need not wait for the large ones.
        drop(round);
        let mut entries = Vec::with_capacity(large.len());
        for upload in large {
            entries.push(self.uploader.plain(tenant, &signal, upload).await);
        }
        self.uploader.announce(entries);
        try_join_all(small).await.map(|_| ids)
    }

    /// Writes the blocks of a cut, as often as it takes. Small ones are in memory when this ends, and only then others are written: so no
    /// more of them are in memory than the uploader has room for.
    async fn write(&self, cutting: &Cutting) -> Vec<Written> {
        loop {
            let turn = self.writing.acquire().await;
            match self.try_write(cutting).await {
                Ok(written) => return written,
                Err(err) => warn!(tenant = %cutting.head.tenant, error = %Chain(&err), "a block could not be written"),
            }
            drop(turn);
            tokio::time::sleep(self.config.upload_retry.get()).await;
        }
    }

    async fn try_write(&self, cutting: &Cutting) -> Result<Vec<Written>, WriteError> {
        let Cutting { store, head, taken, arrival } = cutting;
        let (format, cut) = (store.plugin.blocks.clone(), taken.cut.clone());
        let options = WriteOptions { tenant: head.tenant.clone(), window_ns: self.config.block_window.as_ns().max(1) };
        let blocks = self.compute.run(move || format.write(&cut, &options)).await??;
        let mut written = Vec::with_capacity(blocks.len());
        for NewBlock { facts, data, index, shard: _ } in blocks {
            let id = BlockId::new(self.clock.now_ms());
            let mut upload = BlockUpload::cut(id, facts, data, index, *arrival, taken.deletes_done);
            let holds_some = written.iter().any(|block: &Written| block.room.is_some());
            let bytes = size(&upload);
            let room = if holds_some { self.uploader.room_now(bytes) } else { self.uploader.room(bytes).await };
            if room.is_some() {
                let data = upload.data;
                upload.data = self.compute.run(move || data.to_bytes()).await?.map_err(WriteError::ReadBack)?.into();
            }
            written.push(Written { upload, room });
        }
        Ok(written)
    }

    /// Writes a mark, as often as it takes: without it a restart would bring the rows again, which is slow and not wrong.
    async fn mark(&self, cutting: &Cutting, ids: &[BlockId], done: bool) {
        let Cutting { store, head, taken, .. } = cutting;
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

/// The signal of a store as it stands in keys.
fn signal_of(store: &SignalStore) -> SignalId {
    let Some(signal) = SignalId::parse(store.plugin.name.as_str()) else {
        unreachable!("the names of signals are given in the code, and are names of signals in keys")
    };
    signal
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
