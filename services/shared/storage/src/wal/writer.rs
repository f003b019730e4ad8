//! The thread that writes the log.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use runtime::Chain;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::disk::LogFile;
use super::error::WalError;
use super::frame::{Frame, Kind, PREAMBLE, SegmentHeader};
use super::{Fsync, Shared, mark};

/// Bytes that are gathered for one write.
const BUFFER: usize = 1 << 20;
/// Payloads from this length on are written from where they are.
const LONG: usize = 64 << 10;

/// What waits for the writer.
#[derive(Debug)]
pub(super) enum Work {
    Write(Item),
    Sync(Done),
}

/// A record that waits for the disk.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) segment: u64,
    pub(super) frame: Frame,
    pub(super) payload: Bytes,
    pub(super) done: Done,
}

pub(super) type Done = oneshot::Sender<Result<(), WalError>>;

pub(super) struct Writer {
    shared: Arc<Shared>,
    open: Option<OpenSegment>,
    /// When written records are synced, in the mode `interval`.
    sync_at: Option<Instant>,
    /// When the disk is tried again after a failure.
    retry_at: Option<Instant>,
    buffer: Vec<u8>,
}

struct OpenSegment {
    number: u64,
    salt: u32,
    len: u64,
    /// Something was written since the last sync.
    dirty: bool,
    file: Box<dyn LogFile>,
}

enum Wake {
    Work(Vec<Work>),
    Time,
    Closed,
}

impl Writer {
    /// Begins the first segment: its header says where sequences go on when all older segments are gone. A disk that does not take
    /// it is waited for, as after any failure.
    pub(super) fn begin(shared: Arc<Shared>) -> Self {
        let (base, segment) = {
            let state = shared.state.lock();
            (state.next, state.segment)
        };
        let mut writer = Self { shared, open: None, sync_at: None, retry_at: None, buffer: Vec::new() };
        if let Err(err) = writer.create(segment, base) {
            writer.fail(err, Vec::new());
        }
        writer
    }

    /// Writes until the log is closed and nothing waits.
    pub(super) fn run(mut self) {
        loop {
            match self.wait() {
                Wake::Work(work) => self.work(work),
                Wake::Time => self.tick(),
                Wake::Closed => break,
            }
        }
        if let Err(err) = self.sync() {
            error!(error = %Chain(&err), "the log could not be synced at its end");
        }
    }

    fn wait(&self) -> Wake {
        let deadline = self.sync_at.into_iter().chain(self.retry_at).min();
        let mut state = self.shared.state.lock();
        loop {
            if !state.queue.is_empty() {
                state.queued = 0;
                return Wake::Work(std::mem::take(&mut state.queue));
            }
            if state.closed {
                return Wake::Closed;
            }
            match deadline {
                None => self.shared.wake.wait(&mut state),
                Some(deadline) => {
                    if self.shared.wake.wait_until(&mut state, deadline).timed_out() {
                        return Wake::Time;
                    }
                }
            }
        }
    }

    /// Writes runs of records of one segment; each run is one group.
    fn work(&mut self, work: Vec<Work>) {
        let mut work = work.into_iter().peekable();
        let mut syncs = Vec::new();
        while let Some(next) = work.next() {
            let first = match next {
                Work::Write(item) => item,
                Work::Sync(done) => {
                    syncs.push(done);
                    continue;
                }
            };
            let mut group = vec![first];
            loop {
                match work.next_if(|next| matches!(next, Work::Write(item) if item.segment == group[0].segment)) {
                    Some(Work::Write(item)) => group.push(item),
                    Some(Work::Sync(done)) => syncs.push(done),
                    None => break,
                }
            }
            match self.write(&group) {
                Ok(()) => self.complete(group),
                Err(err) => {
                    let refused = group.into_iter().map(Work::Write).chain(work).chain(syncs.into_iter().map(Work::Sync)).collect();
                    return self.fail(err, refused);
                }
            }
        }
        if !syncs.is_empty() {
            match self.sync() {
                Ok(()) => syncs.into_iter().for_each(|done| drop(done.send(Ok(())))),
                Err(err) => self.fail(err, syncs.into_iter().map(Work::Sync).collect()),
            }
        }
    }

    /// Writes a group, not empty, and syncs it if that is asked for. After an error none of it is in the file.
    fn write(&mut self, group: &[Item]) -> io::Result<()> {
        let Item { segment, frame, .. } = &group[0];
        if self.open.as_ref().is_none_or(|open| open.number != *segment) {
            self.create(*segment, frame.seq)?;
        }
        let open = self.open.as_mut().expect("a segment was opened above");
        let before = open.len;
        let always = self.shared.config.fsync == Fsync::Always;
        let mut written = open.write(group, &mut self.buffer);
        if written.is_ok() && always {
            written = self.sync();
        }
        if written.is_err() {
            self.take_back(before);
        } else if self.shared.config.fsync == Fsync::Interval && self.sync_at.is_none() {
            self.sync_at = Some(Instant::now() + self.shared.config.fsync_interval.get());
        }
        written
    }

    fn complete(&self, group: Vec<Item>) {
        let instruments = &self.shared.instruments;
        instruments.records.inc_by(group.len() as u64);
        instruments.bytes.inc_by(group.iter().map(|item| item.frame.size()).sum());
        {
            let mut books = self.shared.books.lock();
            for Item { segment, frame, payload, .. } in &group {
                let mark = if frame.kind == Kind::Rows { None } else { mark::decode(&frame.tenant, payload) };
                books.note(*segment, frame, mark.as_ref());
            }
            self.shared.show_size(&books);
        }
        for item in group {
            // Whoever appended need not wait for the answer.
            drop(item.done.send(Ok(())));
        }
    }

    /// Closes the open segment for good and begins the next.
    fn create(&mut self, number: u64, base: u64) -> io::Result<()> {
        self.sync()?;
        if let Some(open) = self.open.take() {
            self.shared.books.lock().close(open.number);
        }
        let path = self.shared.path(number);
        let header = SegmentHeader { salt: rand::random(), segment: number, base, created_ns: self.shared.clock.now_ns() };
        let made = self.shared.disk.create(&path).and_then(|mut file| {
            file.write_all(&header.encode())?;
            file.sync()?;
            self.shared.disk.sync_directory(&self.shared.directory)?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                self.open = Some(OpenSegment { number, salt: header.salt, len: PREAMBLE as u64, dirty: false, file });
                let mut books = self.shared.books.lock();
                books.opened(number);
                self.shared.show_size(&books);
                Ok(())
            }
            Err(err) => {
                self.remove(number);
                Err(err)
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_at = None;
        let Some(open) = self.open.as_mut().filter(|open| open.dirty) else { return Ok(()) };
        let started = Instant::now();
        open.file.sync()?;
        open.dirty = false;
        self.shared.instruments.fsync.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Cuts what a failed write left behind, and closes the segment.
    fn take_back(&mut self, len: u64) {
        let Some(mut open) = self.open.take() else { return };
        if let Err(err) = open.file.truncate(len) {
            // A restart finds a torn tail there, or records that were refused and may be sent again: the same rows.
            warn!(segment = open.number, error = %Chain(&err), "the tail of a failed write could not be cut off");
        }
        if len == PREAMBLE as u64 {
            self.remove(open.number);
        }
        self.shared.books.lock().close(open.number);
    }

    fn remove(&self, segment: u64) {
        // The file holds no record; if it stays, the next start removes it or reads nothing from it.
        if let Err(err) = std::fs::remove_file(self.shared.path(segment))
            && err.kind() != io::ErrorKind::NotFound
        {
            warn!(segment, error = %Chain(&err), "an empty segment could not be removed");
        }
        self.shared.books.lock().removed(segment);
    }

    /// Refuses `refused`, all that waits, and all that comes until the disk takes writes again.
    fn fail(&mut self, err: io::Error, refused: Vec<Work>) {
        error!(error = %Chain(&err), "the log cannot be written");
        self.shared.instruments.writes_failed.inc();
        if let Some(open) = self.open.take() {
            self.shared.books.lock().close(open.number);
        }
        let reason = WalError::of(err);
        let waiting = {
            let mut state = self.shared.state.lock();
            state.failed = Some(reason.clone());
            state.segment += 1;
            state.segment_bytes = 0;
            state.queued = 0;
            std::mem::take(&mut state.queue)
        };
        for work in refused.into_iter().chain(waiting) {
            let (Work::Write(Item { done, .. }) | Work::Sync(done)) = work;
            drop(done.send(Err(reason.clone())));
        }
        self.sync_at = None;
        self.retry_at = Some(Instant::now() + self.shared.config.retry_after.get());
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.sync_at.is_some_and(|at| at <= now)
            && let Err(err) = self.sync()
        {
            self.fail(err, Vec::new());
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.recover();
        }
    }

    /// Tries to begin a new segment; when that works, appends are taken again.
    fn recover(&mut self) {
        // Nothing is appended while `failed` is set, so both stay as they are.
        let (base, segment) = {
            let state = self.shared.state.lock();
            (state.next, state.segment)
        };
        match self.create(segment, base) {
            Ok(()) => {
                self.retry_at = None;
                self.shared.state.lock().failed = None;
                info!(segment, "the log can be written again");
            }
            Err(err) => {
                self.shared.state.lock().failed = Some(WalError::of(err));
                self.retry_at = Some(Instant::now() + self.shared.config.retry_after.get());
            }
        }
    }
}

impl OpenSegment {
    fn write(&mut self, group: &[Item], buffer: &mut Vec<u8>) -> io::Result<()> {
        self.dirty = true;
        buffer.clear();
        for Item { frame, payload, .. } in group {
            buffer.extend_from_slice(&frame.encode(self.salt));
            if payload.len() < LONG {
                buffer.extend_from_slice(payload);
            }
            if payload.len() >= LONG || buffer.len() >= BUFFER {
                self.file.write_all(buffer)?;
                buffer.clear();
            }
            if payload.len() >= LONG {
                self.file.write_all(payload)?;
            }
            self.len += frame.size();
        }
        self.file.write_all(buffer)
    }
}
