//! What a log held when it was opened.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use runtime::Chain;
use rustc_hash::FxHashMap;
use tenancy::TenantId;
use tracing::{error, info, warn};

use super::books::{Books, Intervals, SegmentBook};
use super::error::OpenError;
use super::frame::{Frame, Kind};
use super::mark::{self, Mark};
use super::metrics::Instruments;
use super::reader::{ReadError, SegmentReader, Step};
use super::{FRESH, Segment, Seq, Shared, segment_number, segment_path};
use crate::block::BlockId;

/// Threads that read the heads of records when a log is opened.
const READERS: usize = 4;

/// What is to be done with an opened log before it is used: look at the marks, then take the rows.
#[derive(Debug)]
pub struct Replay {
    hold: Hold,
    segments: Vec<u64>,
    open: Vec<Mark>,
    read_back: Vec<Mark>,
}

/// The rows of a log that are in no block, in the order of their sequences. Reads the disk as it goes; damaged records are reported,
/// counted and left out.
#[derive(Debug)]
pub struct Rows {
    hold: Hold,
    segments: std::vec::IntoIter<u64>,
    reader: Option<(u64, SegmentReader)>,
    done: FxHashMap<TenantId, Intervals>,
}

/// Rows as a head encoded them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The segment they were prepared for.
    pub segment: Segment,
    /// The number of the record.
    pub seq: Seq,
    /// Whose rows.
    pub tenant: TenantId,
    /// What was appended.
    pub payload: Bytes,
}

/// Keeps compaction away from the segments that are read.
struct Hold {
    shared: Arc<Shared>,
    since: Instant,
}

/// What [`survey`] found.
pub(super) struct Found {
    pub(super) books: Books,
    /// Segments that can be read, ascending.
    pub(super) segments: Vec<u64>,
    pub(super) marks: Marks,
    pub(super) next_seq: u64,
    pub(super) next_segment: u64,
}

/// Marks in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Marks {
    first: Vec<Mark>,
    second: Vec<Mark>,
}

/// What one segment holds.
struct Scanned {
    book: SegmentBook,
    marks: Marks,
    next_seq: u64,
}

impl Replay {
    pub(super) fn new(shared: Arc<Shared>, segments: Vec<u64>, marks: Marks) -> Self {
        let recent_ns = shared.clock.now_ns().saturating_sub(shared.config.keep_read_back.as_ns());
        let (open, read_back) = {
            let books = shared.books.lock();
            let open = marks.first.into_iter().filter(|mark| books.is_open(mark)).collect();
            (open, marks.second.into_iter().filter(|mark| mark.at_ns > recent_ns).collect())
        };
        Self { hold: Hold { shared, since: Instant::now() }, segments, open, read_back }
    }

    /// First marks without a second one: whether their rows come in again depends on what the catalog knows of their ids.
    #[must_use]
    pub fn open_marks(&self) -> &[Mark] {
        &self.open
    }

    /// Second marks younger than `wal.keep_read_back`: blocks that were read back from the catalog, and when.
    #[must_use]
    pub fn read_back(&self) -> &[Mark] {
        &self.read_back
    }

    /// The rows that no second mark covers, nor a first one all of whose ids are `known`: by the catalog, live or tombstoned. Such a
    /// first mark gets its second one now.
    pub fn rows(self, known: impl Fn(&TenantId, &BlockId) -> bool) -> Rows {
        let shared = &self.hold.shared;
        for mark in self.open.iter().filter(|mark| mark.ids.iter().all(|id| known(&mark.tenant, id))) {
            shared.books.lock().cover(mark);
            // Without it, a later restart asks the catalog again.
            if let Err(err) = shared.append_mark(Kind::SecondMark, &mark.tenant, mark.after, mark.upto, &mark.ids) {
                warn!(tenant = %mark.tenant, error = %Chain(&err), "a second mark could not be written");
            }
        }
        let (done, segments) = {
            let books = shared.books.lock();
            let segments: Vec<u64> = self.segments.into_iter().filter(|segment| !books.is_done(*segment)).collect();
            (books.done(), segments)
        };
        Rows { hold: self.hold, segments: segments.into_iter(), reader: None, done }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if self.reader.is_none() {
                let segment = self.segments.next()?;
                match SegmentReader::open(&self.hold.shared.path(segment)) {
                    Ok(reader) => self.reader = Some((segment, reader)),
                    Err(err) => self.lost(segment, &err),
                }
            }
            let Some((segment, reader)) = &mut self.reader else { continue };
            let segment = *segment;
            match next_row(segment, reader, &self.done) {
                Ok(Some(Ok(row))) => return Some(row),
                Ok(Some(Err(seq))) => {
                    self.hold.shared.instruments.corruptions.inc();
                    error!(segment, seq, "a record of the log is damaged and was left out");
                }
                Ok(None) => self.reader = None,
                Err(err) => {
                    self.reader = None;
                    self.lost(segment, &err);
                }
            }
        }
    }
}

impl Rows {
    fn lost(&self, segment: u64, err: &(dyn std::error::Error + 'static)) {
        self.hold.shared.instruments.corruptions.inc();
        error!(segment, error = %Chain(err), "the rest of a segment of the log cannot be read");
    }
}

/// The next rows that are not done; `Ok(Some(Err(seq)))` for damaged ones, `None` at the end of the segment.
fn next_row(segment: u64, reader: &mut SegmentReader, done: &FxHashMap<TenantId, Intervals>) -> io::Result<Option<Result<Row, u64>>> {
    loop {
        let frame = match reader.step()? {
            Step::Frame(frame) => frame,
            // Reported when the log was opened.
            Step::Gap => continue,
            Step::End { .. } => return Ok(None),
        };
        if frame.kind != Kind::Rows || done.get(&frame.tenant).is_some_and(|done| done.covers(frame.seq)) {
            continue;
        }
        let Some(payload) = reader.payload(&frame)? else { return Ok(Some(Err(frame.seq))) };
        return Ok(Some(Ok(Row { segment: Segment(segment), seq: Seq(frame.seq), tenant: frame.tenant, payload: payload.into() })));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.instruments.replay.observe(self.since.elapsed().as_secs_f64());
        self.shared.replaying.store(false, Ordering::Release);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

/// Reads the heads of all records in `directory`, mends the last segment's tail, and removes what failed writes left behind.
pub(super) fn survey(directory: &Path, instruments: &Instruments) -> Result<Found, OpenError> {
    let numbers = list(directory)?;
    let scans: Vec<Mutex<Option<Result<Scanned, ReadError>>>> = numbers.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let last = numbers.len().saturating_sub(1);
    std::thread::scope(|scope| {
        for _ in 0..READERS.min(numbers.len()) {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&number) = numbers.get(turn) else { break };
                    *scans[turn].lock() = Some(scan(directory, number, turn == last, instruments));
                }
            });
        }
    });
    let mut found = Found { books: Books::default(), segments: Vec::new(), marks: Marks::default(), next_seq: 1, next_segment: 1 };
    for (&number, scanned) in numbers.iter().zip(scans) {
        found.next_segment = number.saturating_add(1);
        match scanned.into_inner().expect("each segment had its turn") {
            Ok(scanned) => found.add(number, scanned),
            // No record was ever in it.
            Err(ReadError::Short) => remove(&segment_path(directory, number)),
            Err(err) => {
                instruments.corruptions.inc();
                error!(segment = number, error = %Chain(&err), "a segment of the log cannot be read and is left where it is");
            }
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, number: u64, scanned: Scanned) {
        self.books.found(number, scanned.book);
        self.segments.push(number);
        self.marks.first.extend(scanned.marks.first);
        self.marks.second.extend(scanned.marks.second);
        self.next_seq = self.next_seq.max(scanned.next_seq);
    }
}

/// Numbers of the segments, ascending. Removes half-made copies of a compaction.
fn list(directory: &Path) -> Result<Vec<u64>, OpenError> {
    let entries = fs::read_dir(directory).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut numbers = Vec::new();
    for entry in entries.map_err(OpenError::at("list", directory))? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == FRESH) {
            remove(&path);
        }
        numbers.extend(segment_number(&path));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn remove(path: &Path) {
    if let Err(err) = fs::remove_file(path) {
        warn!(path = %path.display(), error = %Chain(&err), "a useless file of the log could not be removed");
    }
}

/// Reads the heads of one segment's records. Of the last segment also the payloads, to tell a tail that a crash has torn from damage.
fn scan(directory: &Path, number: u64, last: bool, instruments: &Instruments) -> Result<Scanned, ReadError> {
    let path = segment_path(directory, number);
    let mut reader = SegmentReader::open(&path)?;
    let mut scanned = Scanned { book: SegmentBook::default(), marks: Marks::default(), next_seq: reader.header().base };
    // End of the last record that is whole, and the records after it, whose payloads are not: damage if another whole one follows.
    let mut whole = reader.position();
    let mut doubtful = Vec::new();
    loop {
        match reader.step()? {
            Step::Gap => damaged(number, instruments, &"some bytes are no record"),
            Step::Frame(frame) if last || frame.kind != Kind::Rows => match reader.payload(&frame)? {
                None if last => doubtful.push(frame),
                payload => {
                    whole = reader.position();
                    doubtful.drain(..).for_each(|frame| scanned.note(number, &frame, None, instruments));
                    scanned.note(number, &frame, payload.as_deref(), instruments);
                }
            },
            Step::Frame(frame) => scanned.note(number, &frame, None, instruments),
            Step::End { rest } if last => {
                let torn = reader.len().saturating_sub(whole);
                if torn > 0 {
                    info!(segment = number, bytes = torn, trailing = rest, "the torn tail of the log is cut off");
                    cut(&path, whole);
                }
                return Ok(scanned);
            }
            Step::End { rest } => {
                if rest > 0 {
                    damaged(number, instruments, &format_args!("the last {rest} bytes are no record"));
                }
                return Ok(scanned);
            }
        }
    }
}

impl Scanned {
    /// Takes a record; `payload` need only be there for marks.
    fn note(&mut self, segment: u64, frame: &Frame, payload: Option<&[u8]>, instruments: &Instruments) {
        self.next_seq = frame.seq.saturating_add(1);
        let mark = payload.filter(|_| frame.kind != Kind::Rows).and_then(|payload| mark::decode(&frame.tenant, payload));
        self.book.note(frame, mark.as_ref());
        match (frame.kind, mark) {
            (Kind::FirstMark, Some(mark)) => self.marks.first.push(mark),
            (Kind::SecondMark, Some(mark)) => self.marks.second.push(mark),
            // A damaged payload of rows is found when they are read.
            (Kind::Rows, _) => {}
            (kind, _) => damaged(segment, instruments, &format_args!("a record of kind {kind:?} cannot be understood")),
        }
    }
}

fn damaged(segment: u64, instruments: &Instruments, what: &dyn std::fmt::Display) {
    instruments.corruptions.inc();
    error!(segment, what = %what, "a segment of the log is damaged; its other records are used");
}

fn cut(path: &Path, len: u64) {
    let shortened = fs::OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(len)?;
        file.sync_all()
    });
    if let Err(err) = shortened {
        // Nothing is appended to this segment any more, so the tail does no harm.
        warn!(path = %path.display(), error = %Chain(&err), "the torn tail of the log could not be cut off");
    }
}
