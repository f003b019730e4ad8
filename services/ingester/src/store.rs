//! The recent data of one signal: its log, and a head per tenant.
//!
//! The path of a push: [`SignalStore::push`] lets the head encode it, the log takes the record, and when the record is durable the
//! head makes it visible. What a cut must not see half done is kept out by each head's gate.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use runtime::{Clock, Compute, Tasks};
use signal::head::Share;
use signal::{Appended, Head, HeadContext, InstanceLimit, Pending, Plugin, Push, SegmentId, SeriesRoom};
use storage::block::BlockId;
use storage::catalog::Catalog;
use storage::wal::{Durable, Replay, Seq, Wal, WalError};
use tenancy::TenantId;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::error::PushError;
use crate::limits::Room;
use crate::read_back::ReadBack;

/// The heads of one signal over one log.
pub struct SignalStore {
    /// The signal.
    pub plugin: Plugin,
    /// Its log.
    pub wal: Wal,
    /// Blocks of this ingester that were read back from the catalog lately.
    pub read_back: ReadBack,
    pub(crate) catalog: Arc<Catalog>,
    heads: RwLock<HashMap<TenantId, Arc<TenantHead>>>,
    directory: PathBuf,
    share: Arc<dyn Share>,
    room: Arc<SeriesRoom>,
    max_tenants: u64,
    clock: Arc<dyn Clock>,
    pub(crate) compute: Compute,
    tasks: Tasks,
}

/// What a store is given by the role.
#[derive(Clone)]
pub struct StoreContext {
    /// Divides limits of the whole cluster.
    pub share: Arc<dyn Share>,
    /// What all heads may hold together.
    pub room: Arc<SeriesRoom>,
    /// How many heads there may be; 0 is no limit.
    pub max_tenants: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where records are encoded.
    pub compute: Compute,
    /// Who owns pushes whose client has gone.
    pub tasks: Tasks,
    /// Where heads keep what they do not hold in memory.
    pub directory: PathBuf,
    /// Says which rows were deleted.
    pub catalog: Arc<Catalog>,
}

/// The head of one tenant with what keeps its pushes and cuts apart.
pub struct TenantHead {
    /// Whose.
    pub tenant: TenantId,
    /// The rows.
    pub head: Arc<dyn Head>,
    /// Pushes hold it for reading from their preparation to their commit; a cut holds it for writing.
    gate: Arc<tokio::sync::RwLock<()>>,
    /// Prepare and append happen under it: the order of records is the order of preparations.
    pub(crate) last: Mutex<Option<Seq>>,
    /// When the oldest row that is not cut yet arrived, ns; 0: there is none.
    oldest: AtomicI64,
    /// Cuts that readers do not find in blocks yet.
    cuts: Mutex<Vec<Served>>,
    /// Deletes of rows up to this number are done: what they name of the rows that were here is gone.
    pub(crate) deletes_done: AtomicU64,
    /// Whether the log may not say that number any more.
    pub(crate) deletes_unsaid: AtomicBool,
}

/// Tells when readers find a cut in blocks, and in how many.
pub type Served = watch::Receiver<Option<usize>>;

/// A cut with the number of the last record in it.
#[derive(Debug)]
pub struct Taken {
    /// The rows.
    pub cut: signal::Cut,
    /// The last record that it holds.
    pub upto: Seq,
    /// When its oldest row arrived, ns.
    pub arrived: i64,
    /// Deletes of rows up to this number are done in it.
    pub deletes_done: u64,
}

impl SignalStore {
    /// A store over an open log; nothing is replayed yet.
    #[must_use]
    pub fn new(plugin: Plugin, wal: Wal, read_back: ReadBack, context: StoreContext) -> Self {
        let StoreContext { share, room, max_tenants, clock, compute, tasks, directory, catalog } = context;
        Self { plugin, wal, read_back, catalog, heads: RwLock::default(), directory, share, room, max_tenants, clock, compute, tasks }
    }

    /// Takes the records again that no block holds, and gives the number of rows. Blocks; ends early when `stop` fires. A record that
    /// cannot be read is reported and left out: the log's checksum was right, so an earlier version wrote something that this one does
    /// not know.
    pub fn replay(&self, replay: Replay, known: impl Fn(&TenantId, &BlockId) -> bool, stop: &CancellationToken) -> u64 {
        let mut rows = 0;
        let now = self.clock.now_ns();
        let known = |tenant: &TenantId, id: &BlockId| {
            let known = known(tenant, id);
            if known {
                // Its rows are left out here: readers must know it from now on.
                self.read_back.add(tenant, [*id], now);
            }
            known
        };
        for row in replay.rows(known) {
            if stop.is_cancelled() {
                return rows;
            }
            // How far deletes are done in these rows, the log itself says.
            let head = self.head(&row.tenant, 0);
            match head.head.replay(&row.payload, SegmentId(row.segment.0)) {
                Ok(appended) => {
                    rows += appended.rows;
                    *head.last.lock() = Some(row.seq);
                    match appended.deletes {
                        Some(number) => drop(head.deletes_done.fetch_max(number, Ordering::SeqCst)),
                        None => head.touch(self.clock.now_ns()),
                    }
                }
                Err(err) => warn!(tenant = %row.tenant, seq = row.seq.0, error = %err, "a record of the log cannot be read"),
            }
        }
        rows
    }

    /// The heads there are.
    #[must_use]
    pub fn heads(&self) -> Vec<Arc<TenantHead>> {
        self.heads.read().values().cloned().collect()
    }

    /// The head of a tenant, if it has one.
    #[must_use]
    pub fn get(&self, tenant: &TenantId) -> Option<Arc<TenantHead>> {
        self.heads.read().get(tenant).cloned()
    }

    /// The head of a tenant; a new one has nothing that deletes up to `deletes_done` would name.
    fn head(&self, tenant: &TenantId, deletes_done: u64) -> Arc<TenantHead> {
        if let Some(head) = self.get(tenant) {
            return head;
        }
        let mut heads = self.heads.write();
        heads.entry(tenant.clone()).or_insert_with(|| self.open(tenant, deletes_done)).clone()
    }

    /// The same for a push, while there are fewer heads than there may be.
    fn head_within_limit(&self, tenant: &TenantId, deletes_done: u64) -> Result<Arc<TenantHead>, InstanceLimit> {
        if let Some(head) = self.get(tenant) {
            return Ok(head);
        }
        let mut heads = self.heads.write();
        if self.max_tenants > 0 && heads.len() as u64 >= self.max_tenants && !heads.contains_key(tenant) {
            return Err(InstanceLimit::Tenants);
        }
        Ok(heads.entry(tenant.clone()).or_insert_with(|| self.open(tenant, deletes_done)).clone())
    }

    fn open(&self, tenant: &TenantId, deletes_done: u64) -> Arc<TenantHead> {
        let directory = self.directory.join(tenant.as_str());
        let (share, room, clock) = (self.share.clone(), self.room.clone(), self.clock.clone());
        Arc::new(TenantHead {
            tenant: tenant.clone(),
            head: self.plugin.heads.open(tenant, &HeadContext { directory, share, room, clock }),
            gate: Arc::default(),
            last: Mutex::new(None),
            oldest: AtomicI64::new(0),
            cuts: Mutex::default(),
            deletes_done: AtomicU64::new(deletes_done),
            deletes_unsaid: AtomicBool::new(true),
        })
    }

    /// Stores a push: answers when it is durable and visible. Goes on to its end when the caller goes away, and keeps `room` until then.
    pub async fn push(self: &Arc<Self>, tenant: &TenantId, push: Push, room: Room) -> Result<Appended, PushError> {
        let (done, answer) = oneshot::channel();
        let store = self.clone();
        let head = self.head_within_limit(tenant, self.catalog.number())?;
        self.tasks.detach("push", async move {
            let result = store.store(head, push).await;
            drop(room);
            // Where nobody waits any more, the push is stored all the same.
            let _nobody = done.send(result);
        });
        answer.await.map_err(|_| PushError::Lost)?
    }

    async fn store(self: Arc<Self>, head: Arc<TenantHead>, push: Push) -> Result<Appended, PushError> {
        let _in = head.gate.clone().read_owned().await;
        let store = self.clone();
        let keeper = head.clone();
        let written = self.compute.run(move || store.write(&keeper, &push)).await.map_err(|_| PushError::Lost)??;
        if let Some(durable) = written.durable {
            durable.await?;
            head.touch(self.clock.now_ns());
        }
        Ok(head.head.commit(written.pending))
    }

    /// Encodes a push and puts it into the log. Each segment defines what it refers to, so a push that was prepared for one
    /// that has closed meanwhile is prepared again.
    fn write(&self, head: &TenantHead, push: &Push) -> Result<Written, PushError> {
        self.say_deletes(head)?;
        let mut last = head.last.lock();
        loop {
            let segment = self.wal.segment();
            let prepared = head.head.prepare(push, SegmentId(segment.0));
            if prepared.record.is_empty() {
                return Ok(Written { pending: prepared.pending, durable: None });
            }
            match self.wal.append(segment, &head.tenant, prepared.record) {
                Ok(appended) => {
                    *last = Some(appended.seq);
                    return Ok(Written { pending: prepared.pending, durable: Some(appended.durable) });
                }
                Err(WalError::SegmentClosed(_)) => {}
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Drops heads that hold nothing and have had nothing to do. A push that has just got such a head finishes on it: its rows
    /// would be lost to readers, so a head goes only while nobody holds it.
    pub fn drop_idle(&self) {
        let mut heads = self.heads.write();
        heads.retain(|_, head| {
            let stats = head.head.stats();
            let empty = stats.rows == 0 && stats.cut_rows == 0 && head.oldest.load(Ordering::SeqCst) == 0;
            !(empty && Arc::strong_count(head) == 1)
        });
    }
}

struct Written {
    pending: Pending,
    durable: Option<Durable>,
}

impl TenantHead {
    fn touch(&self, now_ns: i64) {
        // Only the first row after a cut sets it.
        let _set_already = self.oldest.compare_exchange(0, now_ns.max(1), Ordering::SeqCst, Ordering::SeqCst);
    }

    /// When the oldest row that is not cut yet arrived, ns; none: there is no such row.
    #[must_use]
    pub fn oldest(&self) -> Option<i64> {
        match self.oldest.load(Ordering::SeqCst) {
            0 => None,
            ns => Some(ns),
        }
    }

    /// Waits until everything that was prepared is visible, and keeps pushes out.
    pub(crate) async fn alone(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// Takes everything that was pushed for a block, when all of it is visible.
    pub async fn cut(&self) -> Option<Taken> {
        let _alone = self.alone().await;
        let arrived = self.oldest.swap(0, Ordering::SeqCst);
        let cut = self.head.cut()?;
        let upto = (*self.last.lock())?;
        self.deletes_unsaid.store(true, Ordering::SeqCst);
        Some(Taken { cut, upto, arrived, deletes_done: self.deletes_done.load(Ordering::SeqCst) })
    }

    /// A cut is on its way.
    pub fn add_cut(&self, served: Served) {
        let mut cuts = self.cuts.lock();
        cuts.retain(|cut| cut.borrow().is_none() && cut.has_changed().is_ok());
        cuts.push(served);
    }

    /// Ends when readers find all earlier cuts in blocks, with the number of these.
    pub fn on_the_way(&self) -> impl Future<Output = usize> + Send + use<> {
        let cuts: Vec<Served> = self.cuts.lock().iter().filter(|cut| cut.borrow().is_none()).cloned().collect();
        async move {
            let mut blocks = 0;
            for cut in cuts {
                blocks += served(cut).await;
            }
            blocks
        }
    }
}

/// Waits until readers find a cut in blocks. A cut that the process gave up has none: it is in the log.
pub async fn served(mut cut: Served) -> usize {
    match cut.wait_for(Option::is_some).await {
        Ok(blocks) => blocks.unwrap_or(0),
        Err(_) => 0,
    }
}

impl fmt::Debug for SignalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalStore").field("signal", &self.plugin.name).field("heads", &self.heads.read().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for StoreContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreContext").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl fmt::Debug for TenantHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantHead").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
