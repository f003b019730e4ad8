//! Removes from the disk what is in blocks.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use runtime::Chain;
use tracing::{info, warn};

use super::books::{Needed, SegmentBook, Verdict};
use super::error::WalError;
use super::frame::{Frame, Kind};
use super::reader::{ReadError, SegmentReader, Step};
use super::{Shared, mark};

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments that were deleted.
    pub deleted: u64,
    /// Segments that were rewritten without what is in blocks.
    pub rewritten: u64,
}

/// Bytes that are gathered for one write.
const BUFFER: usize = 1 << 20;

pub(super) fn run(shared: &Shared) -> Result<Compacted, WalError> {
    let _alone = shared.compacting.lock();
    if shared.replaying.load(Ordering::Acquire) {
        return Ok(Compacted::default());
    }
    let started = Instant::now();
    let mut done = Compacted::default();
    let result = pass(shared, &mut done);
    {
        let mut books = shared.books.lock();
        books.forget_idle();
        shared.show_size(&books);
    }
    if done != Compacted::default() {
        shared.instruments.truncations.inc();
        shared.instruments.truncate.observe(started.elapsed().as_secs_f64());
        info!(deleted = done.deleted, rewritten = done.rewritten, "log compacted");
    }
    match result {
        Ok(()) => Ok(done),
        Err(err) => {
            shared.instruments.truncations_failed.inc();
            Err(WalError::of(err))
        }
    }
}

/// From the oldest segment on, each step durable before the next: marks are dropped only after the rows they cover.
fn pass(shared: &Shared, done: &mut Compacted) -> io::Result<()> {
    let keep_ns = shared.config.keep_read_back.as_ns();
    let recent_ns = shared.clock.now_ns().saturating_sub(keep_ns);
    let closed = shared.books.lock().closed();
    for segment in closed {
        let verdict = shared.books.lock().decide(segment, recent_ns, shared.config.rewrite_below);
        match verdict {
            Verdict::Keep => {}
            Verdict::Delete => {
                remove(&shared.path(segment))?;
                shared.disk.sync_directory(&shared.directory)?;
                shared.books.lock().removed(segment);
                done.deleted += 1;
            }
            Verdict::Rewrite(needed) => {
                let rewritten = rewrite(shared, segment, &needed);
                match rewritten {
                    Ok(book) => {
                        shared.books.lock().replace(segment, book);
                        done.rewritten += 1;
                    }
                    Err(ReadError::Io(err)) => return Err(err),
                    Err(err) => warn!(segment, error = %Chain(&err), "a segment that cannot be read stays as it is"),
                }
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// Replaces a segment with one that has only what is needed, under the same number, salt and sequences.
fn rewrite(shared: &Shared, segment: u64, needed: &Needed) -> Result<SegmentBook, ReadError> {
    let path = shared.path(segment);
    let fresh = path.with_extension(super::FRESH);
    let written = copy(shared, &path, &fresh, needed);
    if written.is_err() {
        // The copy is of no use; a start removes it if this does not.
        drop(remove(&fresh));
    }
    let book = written?;
    fs::rename(&fresh, &path)?;
    shared.disk.sync_directory(&shared.directory)?;
    Ok(book)
}

fn copy(shared: &Shared, from: &Path, to: &Path, needed: &Needed) -> Result<SegmentBook, ReadError> {
    let mut reader = SegmentReader::open(from)?;
    let header = *reader.header();
    let mut file = shared.disk.create(to)?;
    let mut book = SegmentBook::default();
    let mut buffer = header.encode();
    loop {
        match reader.step()? {
            Step::Gap => {}
            Step::End { .. } => break,
            Step::Frame(frame) if !needed.contains(&frame) => {}
            Step::Frame(frame) => {
                // Damaged rows were reported when the log was opened; there is nothing to keep of them.
                let Some(payload) = reader.payload(&frame)? else { continue };
                note(&mut book, &frame, &payload);
                buffer.extend_from_slice(&frame.encode(header.salt));
                buffer.extend_from_slice(&payload);
                if buffer.len() >= BUFFER {
                    file.write_all(&buffer)?;
                    buffer.clear();
                }
            }
        }
    }
    file.write_all(&buffer)?;
    file.sync()?;
    Ok(book)
}

fn note(book: &mut SegmentBook, frame: &Frame, payload: &[u8]) {
    let mark = if frame.kind == Kind::Rows { None } else { mark::decode(&frame.tenant, payload) };
    book.note(frame, mark.as_ref());
}
