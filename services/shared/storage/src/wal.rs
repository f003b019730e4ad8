//! The write-ahead log of one signal: many tenants in one directory of segments.
//!
//! A record belongs to the segment for which it was prepared: heads encode a series once per segment and then refer to it.
//! So [`Wal::append`] refuses a record whose segment has closed meanwhile, and the caller prepares it again.
//!
//! Appending only puts a record into a queue, under a short lock that also gives it its sequence: the order of sequences is the order
//! in the file. One thread writes what has gathered, syncs it, and completes the [`Durable`]s of the whole group.
//!
//! When a write fails, its group is taken out of the file and refused, the segment closes, and until the disk takes writes again
//! every append is refused with the reason. Nothing after a refused record can refer to it, since its segment has closed.
//!
//! **Marks** say which rows are in blocks. A first mark covers the rows of a tenant above its previous one up to a sequence and names
//! the blocks they went into; a second mark says that all of these were read back from the catalog. A restart yields the rows that no
//! second mark covers, nor a first one all of whose blocks are known; [`Wal::compact`] removes the others from the disk. So a head must
//! not let rows after a cut refer to what only rows of that cut define.

mod books;
mod compact;
mod config;
mod disk;
mod error;
mod frame;
mod mark;
mod metrics;
mod reader;
mod replay;
mod writer;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use runtime::Clock;
use tenancy::TenantId;
use tokio::sync::oneshot;

use self::books::Books;
use self::disk::{Disk, RealDisk};
use self::frame::{Frame, Kind};
use self::writer::{Item, Work, Writer};
use crate::block::BlockId;

pub use self::compact::Compacted;
pub use self::config::{Fsync, WalConfig};
pub use self::error::{OpenError, WalError};
pub use self::mark::Mark;
pub use self::metrics::{Instruments, WalMetrics};
pub use self::replay::{Replay, Row, Rows};

/// The number of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment(pub u64);

/// The number of a record; rises with each, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// The log of one signal. Dropping it writes what was appended and ends its thread.
pub struct Wal {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A record that has its place in the log.
#[derive(Debug)]
#[must_use = "a record is not kept before `durable` says so"]
pub struct Appended {
    /// Its number.
    pub seq: Seq,
    /// Completes when the record is as durable as `wal.fsync` asks. Dropping it changes nothing for the record.
    pub durable: Durable,
}

/// Completes when a record is durable, or when it is certain that it is not in the log.
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<Result<(), WalError>>);

struct Shared {
    directory: PathBuf,
    config: WalConfig,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    instruments: Instruments,
    state: Mutex<State>,
    wake: Condvar,
    books: Mutex<Books>,
    /// Held by the compaction that runs.
    compacting: Mutex<()>,
    /// A replay reads the segments: none may go.
    replaying: AtomicBool,
}

/// What appends change, under one short lock.
struct State {
    /// Sequence of the next record.
    next: u64,
    /// The open segment.
    segment: u64,
    /// Bytes of the open segment, those in the queue included.
    segment_bytes: u64,
    /// Bytes in the queue.
    queued: u64,
    queue: Vec<Work>,
    /// Why writes are refused now.
    failed: Option<WalError>,
    /// The log was closed.
    closed: bool,
}

impl Wal {
    /// Opens the log in `directory`, which is made if need be, and begins a new segment.
    ///
    /// Reads the heads of all records on the calling thread and a few of its own; call it where blocking is allowed. A torn tail is cut
    /// off; corrupt places are reported and skipped. Give the [`Replay`] its turn before the first [`Wal::compact`], which does
    /// nothing until the replay is dropped.
    ///
    /// Errors: [`OpenError`] when the directory cannot be made or listed.
    pub fn open(
        directory: impl Into<PathBuf>,
        config: WalConfig,
        clock: Arc<dyn Clock>,
        instruments: Instruments,
    ) -> Result<(Self, Replay), OpenError> {
        Self::open_on(Arc::new(RealDisk), directory.into(), config, clock, instruments)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        config: WalConfig,
        clock: Arc<dyn Clock>,
        instruments: Instruments,
    ) -> Result<(Self, Replay), OpenError> {
        std::fs::create_dir_all(&directory).map_err(OpenError::at("create", &directory))?;
        let found = replay::survey(&directory, &instruments)?;
        let state = State {
            next: found.next_seq,
            segment: found.next_segment,
            segment_bytes: 0,
            queued: 0,
            queue: Vec::new(),
            failed: None,
            closed: false,
        };
        let shared = Arc::new(Shared {
            directory,
            config,
            clock,
            disk,
            instruments,
            state: Mutex::new(state),
            wake: Condvar::new(),
            books: Mutex::new(found.books),
            compacting: Mutex::new(()),
            replaying: AtomicBool::new(true),
        });
        let replay = Replay::new(shared.clone(), found.segments, found.marks);
        let writer = Writer::begin(shared.clone());
        let thread = std::thread::Builder::new()
            .name("wal-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::at("start the writer of", &shared.directory))?;
        Ok((Self { shared, thread: Some(thread) }, replay))
    }

    /// The open segment: what to prepare the next record for.
    #[must_use]
    pub fn segment(&self) -> Segment {
        Segment(self.shared.state.lock().segment)
    }

    /// Puts rows of `tenant` into the log, as they were prepared for `segment`. Never waits for the disk.
    ///
    /// Errors: [`WalError::SegmentClosed`] when another segment is open by now; [`WalError::Full`] and [`WalError::Io`] while the disk
    /// refuses writes; [`WalError::Backlog`]; [`WalError::TooLarge`]; [`WalError::Closed`].
    pub fn append(&self, segment: Segment, tenant: &TenantId, payload: Bytes) -> Result<Appended, WalError> {
        self.shared.append(Some(segment), tenant, Kind::Rows, payload)
    }

    /// Writes a first mark: the rows of `tenant` up to `upto` that no earlier first mark of this process covers went into the blocks
    /// `ids`. Called again with the same `upto` when they were uploaded under other ids.
    ///
    /// Errors: as [`Wal::append`], without [`WalError::SegmentClosed`].
    pub fn mark(&self, tenant: &TenantId, upto: Seq, ids: &[BlockId]) -> Result<Appended, WalError> {
        let after = self.shared.books.lock().first_mark(tenant, upto.0);
        self.shared.append_mark(Kind::FirstMark, tenant, Seq(after), upto, ids)
    }

    /// Writes a second mark: the blocks `ids` of the first mark up to `upto` were read back from the catalog.
    ///
    /// The rows count as covered at once, also when the mark cannot be written: so a full disk is emptied by [`Wal::compact`]. A
    /// caller told of a failure repeats the call, else a restart may bring the rows again.
    ///
    /// Errors: as [`Wal::append`], without [`WalError::SegmentClosed`].
    pub fn mark_done(&self, tenant: &TenantId, upto: Seq, ids: &[BlockId]) -> Result<Appended, WalError> {
        let after = self.shared.books.lock().second_mark(tenant, upto.0);
        self.shared.append_mark(Kind::SecondMark, tenant, Seq(after), upto, ids)
    }

    /// Completes when everything appended before is on the disk, whatever `wal.fsync` says.
    pub async fn sync(&self) -> Result<(), WalError> {
        self.shared.request_sync()?.await
    }

    /// Refuses appends from now on, and completes when all earlier ones are on the disk.
    ///
    /// Errors: what kept them from it.
    pub async fn close(&self) -> Result<(), WalError> {
        let synced = self.shared.request_sync();
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_one();
        synced?.await
    }

    /// Deletes segments none of whose records is needed any more, and rewrites those of which little is. Blocks; call it now and then
    /// where that is allowed. What one call finds is bounded by what is on the disk; idle tenants cost nothing.
    ///
    /// Errors: [`WalError::Full`] or [`WalError::Io`]; what was done before stays done.
    pub fn compact(&self) -> Result<Compacted, WalError> {
        compact::run(&self.shared)
    }

    /// Bytes of all segments on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.shared.books.lock().bytes()
    }
}

impl Shared {
    fn append_mark(&self, kind: Kind, tenant: &TenantId, after: Seq, upto: Seq, ids: &[BlockId]) -> Result<Appended, WalError> {
        let mark = Mark { tenant: tenant.clone(), after, upto, ids: ids.to_vec(), at_ns: self.clock.now_ns() };
        self.append(None, tenant, kind, mark::encode(&mark).into())
    }

    /// Appends to `prepared`, or to whatever segment is open.
    fn append(&self, prepared: Option<Segment>, tenant: &TenantId, kind: Kind, payload: Bytes) -> Result<Appended, WalError> {
        let limit = usize::try_from(self.config.max_record.0).unwrap_or(usize::MAX).min(frame::MAX_PAYLOAD);
        let too_large = WalError::TooLarge { len: payload.len(), limit };
        if payload.len() > limit {
            return Err(too_large);
        }
        let len = u32::try_from(payload.len()).map_err(|_| too_large)?;
        let mut frame = Frame { seq: 0, kind, tenant: tenant.clone(), len, payload_crc: crc32fast::hash(&payload) };
        let size = frame.size();
        let (done, durable) = oneshot::channel();

        let mut state = self.state.lock();
        state.admit(size, self.config.max_queued.0)?;
        if prepared.is_some_and(|segment| segment.0 != state.segment) {
            return Err(WalError::SegmentClosed(Segment(state.segment)));
        }
        if state.segment_bytes > 0 && state.segment_bytes + size > self.config.segment_size.0 {
            state.segment += 1;
            state.segment_bytes = 0;
            if prepared.is_some() {
                return Err(WalError::SegmentClosed(Segment(state.segment)));
            }
        }
        frame.seq = state.next;
        state.next += 1;
        state.segment_bytes += size;
        state.queued += size;
        let seq = Seq(frame.seq);
        let segment = state.segment;
        state.queue.push(Work::Write(Item { segment, frame, payload, done }));
        drop(state);
        self.wake.notify_one();
        Ok(Appended { seq, durable: Durable(durable) })
    }

    fn request_sync(&self) -> Result<Durable, WalError> {
        let (done, durable) = oneshot::channel();
        let mut state = self.state.lock();
        state.admit(0, u64::MAX)?;
        state.queue.push(Work::Sync(done));
        drop(state);
        self.wake.notify_one();
        Ok(Durable(durable))
    }

    fn path(&self, segment: u64) -> PathBuf {
        segment_path(&self.directory, segment)
    }

    fn show_size(&self, books: &Books) {
        self.instruments.segments.set(i64::try_from(books.len()).unwrap_or(i64::MAX));
        self.instruments.disk_bytes.set(i64::try_from(books.bytes()).unwrap_or(i64::MAX));
    }
}

impl State {
    fn admit(&self, size: u64, max_queued: u64) -> Result<(), WalError> {
        if self.closed {
            return Err(WalError::Closed);
        }
        if let Some(reason) = &self.failed {
            return Err(reason.clone());
        }
        // One record is always let in, so that no setting can lock the log.
        if self.queued > 0 && self.queued + size > max_queued {
            return Err(WalError::Backlog { queued: self.queued });
        }
        Ok(())
    }
}

impl Durable {
    /// Waits on a thread that may block.
    pub fn wait(self) -> Result<(), WalError> {
        self.0.blocking_recv().unwrap_or(Err(WalError::Closed))
    }
}

impl Future for Durable {
    type Output = Result<(), WalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|sent| sent.unwrap_or(Err(WalError::Closed)))
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(directory = %self.shared.directory.display(), "the log's writer panicked");
        }
    }
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

const SUFFIX: &str = "wal";
/// Suffix of a segment that a compaction is writing.
const FRESH: &str = "fresh";

fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:012}.{SUFFIX}"))
}

/// The number of a segment's file; `None` for other files.
fn segment_number(path: &Path) -> Option<u64> {
    if path.extension()? != SUFFIX {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
