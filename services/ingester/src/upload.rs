//! Blocks on their way into the bucket, and to the leader's ears: large ones as objects of their own, small ones of many tenants in few.
//!
//! Cuts that begin together are a [`Round`]. Each of them brings its small blocks there; they go up when enough have come, when no cut of
//! the round is left that could bring one, or when the first of them has waited for `ingester.packed_wait`. What becomes of a packed block
//! afterwards is what becomes of any: its cut waits until it reads it back.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use runtime::{Chain, Clock, Tasks};
use storage::block::{BlockId, BlockUpload, SignalId, packed};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Entry, Record};
use storage::error::StoreError;
use tenancy::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::config::IngesterConfig;
use crate::metrics::IngesterMetrics;

/// A block that waits takes at least so much of the room: its facts and its place in the line.
const LEAST: u64 = 4 << 10;

/// Uploads and announces blocks. Clones share the room in which small blocks wait.
#[derive(Clone)]
pub struct Uploader {
    bucket: Arc<dyn Bucket>,
    announcer: Announcer,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    metrics: IngesterMetrics,
    bounds: Bounds,
    /// Bytes of small blocks that may be in memory, of all signals.
    room: Arc<Semaphore>,
}

/// What is packed, and how much of it into one object.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Blocks below it are small, bytes; 0: none is.
    small: u64,
    /// An object is full when another small block may not fit, bytes.
    object: u64,
    /// Blocks in one object.
    blocks: usize,
    /// How long a block waits for others.
    wait: Duration,
    /// Pause between two tries.
    retry: Duration,
}

/// Where the cuts that began together bring the small blocks of one signal. It is over when all clones are dropped.
#[derive(Clone, Debug)]
pub struct Round {
    blocks: mpsc::UnboundedSender<Waiting>,
}

/// A small block that waits for others.
#[derive(Debug)]
struct Waiting {
    tenant: TenantId,
    block: BlockUpload,
    announced: oneshot::Sender<()>,
    room: Room,
}

/// A place for a small block in memory.
#[derive(Debug)]
pub struct Room {
    _permits: OwnedSemaphorePermit,
}

/// Blocks of one object.
#[derive(Debug, Default)]
struct Pack {
    blocks: Vec<(TenantId, BlockUpload)>,
    announced: Vec<oneshot::Sender<()>>,
    rooms: Vec<Room>,
    bytes: u64,
}

/// A small block was given up before it was announced: the process is stopping, or there is a bug.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a small block was given up")]
pub struct GivenUp;

impl Uploader {
    /// * `clock`: names objects.
    /// * `tasks`: own what waits.
    #[must_use]
    pub fn new(
        bucket: Arc<dyn Bucket>,
        announcer: Announcer,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        metrics: IngesterMetrics,
        config: &IngesterConfig,
    ) -> Self {
        let object = config.packed_object_size.0;
        let bounds = Bounds {
            // An object has room for two of the largest: else each would be alone.
            small: config.packed_block_size.0.min(object / 2),
            object,
            blocks: config.packed_blocks,
            wait: config.packed_wait.get(),
            retry: config.upload_retry.get(),
        };
        // Blocks may come while the object before is on its way up.
        let room = usize::try_from(object.saturating_mul(2)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { bucket, announcer, clock, tasks, metrics, bounds, room: Arc::new(Semaphore::new(room)) }
    }

    /// A place for a small block; none for one that is not small. Waits until there is room: not for who holds some already, since those
    /// who wait for each other would wait for ever.
    pub async fn room(&self, bytes: u64) -> Option<Room> {
        let _permits = self.room.clone().acquire_many_owned(self.permits(bytes)?).await.ok()?;
        Some(Room { _permits })
    }

    /// As [`Uploader::room`], and none where there is no room now.
    #[must_use]
    pub fn room_now(&self, bytes: u64) -> Option<Room> {
        let _permits = self.room.clone().try_acquire_many_owned(self.permits(bytes)?).ok()?;
        Some(Room { _permits })
    }

    fn permits(&self, bytes: u64) -> Option<u32> {
        u32::try_from(bytes.max(LEAST)).ok().filter(|_| bytes < self.bounds.small)
    }

    /// Begins a round of cuts of one signal.
    #[must_use]
    pub fn round(&self, signal: &SignalId) -> Round {
        let (blocks, waiting) = mpsc::unbounded_channel();
        let (uploader, signal, stop) = (self.clone(), signal.clone(), self.tasks.stopping());
        self.tasks.detach("pack", async move {
            tokio::select! {
                biased;
                // What was not announced is in the log: a restart cuts it anew.
                () = stop.cancelled() => {}
                () = uploader.gather(&signal, waiting) => {}
            }
        });
        Round { blocks }
    }

    async fn gather(&self, signal: &SignalId, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
        while let Some(first) = waiting.recv().await {
            let (mut pack, end) = (Pack::default(), Instant::now() + self.bounds.wait);
            pack.push(first);
            while pack.takes_more(self.bounds) {
                match tokio::time::timeout_at(end, waiting.recv()).await {
                    Ok(Some(block)) => pack.push(block),
                    Ok(None) | Err(_) => break,
                }
            }
            self.upload(signal, pack).await;
        }
    }

    /// Uploads what was gathered and announces all of it at once: when the leader knows one block of an object, it knows them all.
    async fn upload(&self, signal: &SignalId, pack: Pack) {
        let Pack { blocks, announced, rooms, bytes } = pack;
        let entries = if several_tenants(&blocks) {
            let object = BlockId::new(self.clock.now_ms()).0;
            debug!(%signal, %object, blocks = blocks.len(), bytes, "small blocks go up as one object");
            let entries = self.until_done(object, || packed::upload(&*self.bucket, signal, object, &blocks)).await;
            self.metrics.packed_objects.inc();
            self.metrics.packed_blocks.inc_by(entries.len() as u64);
            entries
        } else {
            let mut entries = Vec::with_capacity(blocks.len());
            for (tenant, block) in blocks {
                entries.push(self.plain(&tenant, signal, block).await);
            }
            entries
        };
        drop(rooms);
        self.announcer.announce_all(entries.into_iter().filter_map(|entry| Record::add(vec![entry])));
        for cut in announced {
            // A cut that ended early is in the log.
            let _nobody = cut.send(());
        }
    }

    /// Uploads a block as objects of its own, as often as it takes. The entry is to be announced.
    pub async fn plain(&self, tenant: &TenantId, signal: &SignalId, block: BlockUpload) -> Entry {
        self.until_done(block.id, || storage::block::upload(&*self.bucket, tenant, signal, block.clone())).await
    }

    /// Announces blocks of one tenant.
    pub fn announce(&self, entries: Vec<Entry>) {
        if let Some(record) = Record::add(entries) {
            self.announcer.announce(record);
        }
    }

    /// Tries again after each failure: the same bytes under the same name, so that an answer that was lost does no harm.
    async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(&self, name: impl fmt::Display, mut upload: impl FnMut() -> F) -> T {
        loop {
            match upload().await {
                Ok(done) => return done,
                Err(err) => {
                    self.metrics.upload_failures.inc();
                    warn!(%name, error = %Chain(&err), "an upload failed");
                }
            }
            tokio::time::sleep(self.bounds.retry).await;
        }
    }
}

impl Round {
    /// Brings a small block, which is in memory. What is returned ends when it is uploaded and announced.
    ///
    /// Errors: [`GivenUp`]; it may have been uploaded.
    pub fn bring(&self, tenant: TenantId, block: BlockUpload, room: Room) -> impl Future<Output = Result<(), GivenUp>> + Send + use<> {
        let (announced, heard) = oneshot::channel();
        // Where nobody gathers any more, the other end of `heard` is gone with the block.
        let _given_up = self.blocks.send(Waiting { tenant, block, announced, room });
        async move { heard.await.map_err(|_| GivenUp) }
    }
}

impl Pack {
    fn push(&mut self, waiting: Waiting) {
        let Waiting { tenant, block, announced, room } = waiting;
        self.bytes = self.bytes.saturating_add(size(&block));
        self.blocks.push((tenant, block));
        self.announced.push(announced);
        self.rooms.push(room);
    }

    fn takes_more(&self, bounds: Bounds) -> bool {
        self.blocks.len() < bounds.blocks && self.bytes.saturating_add(bounds.small) <= bounds.object
    }
}

/// Bytes of a block's files.
#[must_use]
pub fn size(block: &BlockUpload) -> u64 {
    block.data.len().saturating_add(block.index.as_ref().map_or(0, |index| index.len() as u64))
}

/// Blocks of one tenant gain little from being packed, and would lose their folder.
fn several_tenants(blocks: &[(TenantId, BlockUpload)]) -> bool {
    blocks.split_first().is_some_and(|((first, _), rest)| rest.iter().any(|(tenant, _)| tenant != first))
}

impl fmt::Debug for Uploader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploader").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
