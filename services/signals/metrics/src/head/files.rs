//! Full chunks outside of a head's memory: a file for what each cut will take.
//!
//! Chunks gather in memory and go to the file [`FLUSH_BYTES`] at a time, so that a chunk that becomes full costs a copy and no system
//! call. They are read back with `pread`: the page cache holds what is read often, and gives way where memory is short, as it would
//! for a mapped file; but a disk that fails is an error here, not a signal that ends the process.
//!
//! A file has no name: it is removed as soon as it is open, so that its space returns when the head has forgotten the cut and the last
//! reader is gone, and nothing is left behind by a crash. Everything in it is also in the WAL.
//!
//! Format of a chunk: length of its bytes `u32`, samples `u16`, tag of its encoding `u8`, all little-endian; then its bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use signal::CutId;
use tracing::warn;

use crate::chunk::{Chunk, Encoding};

/// How much is written at once, bytes.
const FLUSH_BYTES: usize = 64 << 10;

/// Bytes in front of those of a chunk.
const HEADER: usize = 7;

/// What is read at first: most chunks whole.
const FIRST_READ: usize = 512;

/// The files of a head.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// The number of what no cut has taken.
    current: u32,
    /// What no cut has taken, and what cuts took and is not forgotten.
    all: BTreeMap<u32, Arc<ChunkFile>>,
}

/// A full chunk: where it is and what has to be known to leave it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Time of its first sample, ms.
    pub(super) min_t: i64,
    /// Milliseconds to its last sample.
    pub(super) span: u32,
    /// The number of its file.
    pub(super) file: u32,
    /// Where in the file.
    pub(super) at: u64,
}

/// The longest time that a chunk of a head may span, ms: seven weeks.
pub(super) const MAX_SPAN: i64 = u32::MAX as i64;

/// A chunk of a file, for readers: keeps the file open.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    file: Arc<ChunkFile>,
    held: Held,
}

/// The chunks of one cut.
#[derive(Debug)]
struct ChunkFile {
    path: PathBuf,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Made when there is enough to be written.
    file: Option<Arc<File>>,
    /// Bytes in the file.
    written: u64,
    /// What follows them.
    tail: Vec<u8>,
    /// Length of the tail at which writing is tried next.
    flush_at: usize,
    /// Whether somebody was told that the file cannot be written.
    warned: bool,
}

impl Held {
    /// True when a part of `start..=end`, ms, lies in the chunk.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.min_t <= end && start <= self.max_t()
    }

    pub(super) fn max_t(&self) -> i64 {
        self.min_t.saturating_add(i64::from(self.span))
    }

    /// The cut that took it, or will.
    pub(super) fn cut(&self) -> CutId {
        CutId(u64::from(self.file))
    }
}

impl Files {
    /// No file yet; they will be made in this directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        let mut files = Self { directory, current: 0, all: BTreeMap::new() };
        files.begin();
        files
    }

    fn begin(&mut self) {
        self.current += 1;
        let path = self.directory.join(format!("chunks-{}", self.current));
        let inner = Inner { flush_at: FLUSH_BYTES, ..Inner::default() };
        self.all.insert(self.current, Arc::new(ChunkFile { path, inner: RwLock::new(inner) }));
    }

    /// Takes a chunk over that no cut has taken. It spans at most [`MAX_SPAN`].
    pub(super) fn keep(&self, chunk: &ChunkRef<'_>) -> Held {
        debug_assert!(chunk.max_t - chunk.min_t <= MAX_SPAN, "chunks are closed before they span more");
        let span = u32::try_from(chunk.max_t.saturating_sub(chunk.min_t)).unwrap_or(u32::MAX);
        let at = self.all.get(&self.current).map_or(0, |file| file.append(chunk));
        Held { min_t: chunk.min_t, span, file: self.current, at }
    }

    /// Takes over what is left of a chunk: it stays where the whole one is.
    pub(super) fn keep_beside(&self, held: &Held, chunk: &ChunkRef<'_>) -> Held {
        let span = u32::try_from(chunk.max_t.saturating_sub(chunk.min_t)).unwrap_or(u32::MAX);
        let at = self.all.get(&held.file).map_or(0, |file| file.append(chunk));
        Held { min_t: chunk.min_t, span, file: held.file, at }
    }

    /// Where files are made.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether no cut has taken a chunk.
    pub(super) fn is_fresh(&self, held: &Held) -> bool {
        held.file == self.current
    }

    /// A chunk for readers. `None`: it is forgotten.
    pub(super) fn stored(&self, held: &Held) -> Option<Stored> {
        Some(Stored { file: self.all.get(&held.file)?.clone(), held: *held })
    }

    /// The number that the next cut will have.
    pub(super) fn next_cut(&self) -> CutId {
        CutId(u64::from(self.current))
    }

    /// Whether what a cut took is still there.
    pub(super) fn has(&self, cut: CutId) -> bool {
        u32::try_from(cut.0).is_ok_and(|number| self.all.contains_key(&number))
    }

    /// What was kept since the last cut is that of a new one.
    pub(super) fn cut(&mut self) -> CutId {
        let id = self.next_cut();
        self.begin();
        id
    }

    /// Drops the file of a cut.
    pub(super) fn forget(&mut self, cut: CutId) {
        if let Ok(number) = u32::try_from(cut.0)
            && number != self.current
        {
            self.all.remove(&number);
        }
    }

    /// Bytes of the chunks that no cut has taken, in memory and in the file.
    pub(super) fn fresh_bytes(&self) -> u64 {
        self.all.get(&self.current).map_or(0, |file| {
            let inner = file.inner.read();
            inner.written + inner.tail.len() as u64
        })
    }

    /// Bytes of memory that the chunks take which are not in a file.
    pub(super) fn heap_bytes(&self) -> usize {
        self.all.values().map(|file| file.inner.read().tail.capacity()).sum()
    }
}

/// A chunk that is to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkRef<'a> {
    pub(super) min_t: i64,
    pub(super) max_t: i64,
    pub(super) count: u16,
    pub(super) encoding: Encoding,
    pub(super) bytes: &'a [u8],
}

impl ChunkRef<'_> {
    /// A copy with bytes of its own.
    pub(super) fn to_chunk(self) -> Chunk {
        let Self { min_t, max_t, count, encoding, bytes } = self;
        Chunk { min_t, max_t, count, encoding, bytes: Bytes::copy_from_slice(bytes) }
    }
}

impl<'a> From<&'a Chunk> for ChunkRef<'a> {
    fn from(chunk: &'a Chunk) -> Self {
        Self { min_t: chunk.min_t, max_t: chunk.max_t, count: chunk.count, encoding: chunk.encoding, bytes: &chunk.bytes }
    }
}

impl ChunkFile {
    /// Appends a chunk and returns where it is.
    fn append(&self, chunk: &ChunkRef<'_>) -> u64 {
        let mut inner = self.inner.write();
        let at = inner.written + inner.tail.len() as u64;
        let len = u32::try_from(chunk.bytes.len()).expect("a push of more than 4 GiB is refused at the door");
        inner.tail.extend_from_slice(&len.to_le_bytes());
        inner.tail.extend_from_slice(&chunk.count.to_le_bytes());
        inner.tail.push(chunk.encoding.tag());
        inner.tail.extend_from_slice(chunk.bytes);
        if inner.tail.len() >= inner.flush_at {
            inner.flush(&self.path);
        }
        at
    }

    /// Reads a chunk that is in this file.
    fn chunk(&self, held: &Held) -> io::Result<Chunk> {
        let (count, tag, bytes) = self.read(held.at)?;
        let encoding = Encoding::from_tag(tag).map_err(|err| io::Error::new(io::ErrorKind::InvalidData, err))?;
        Ok(Chunk { min_t: held.min_t, max_t: held.max_t(), count, encoding, bytes })
    }

    /// Reads a header and the bytes after it.
    fn read(&self, at: u64) -> io::Result<(u16, u8, Bytes)> {
        let inner = self.inner.read();
        let Some(from_tail) = at.checked_sub(inner.written) else {
            let file = inner.file.clone();
            drop(inner);
            return read_file(&*file.ok_or(io::ErrorKind::NotFound)?, at);
        };
        let rest = usize::try_from(from_tail).ok().and_then(|at| inner.tail.get(at..)).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (len, count, tag) = header(rest)?;
        let bytes = rest.get(HEADER..HEADER + len).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((count, tag, Bytes::copy_from_slice(bytes)))
    }
}

impl Inner {
    /// Writes the tail to the file. Where that fails it stays in memory, and grows until writing succeeds again.
    fn flush(&mut self, path: &Path) {
        match self.try_flush(path) {
            Ok(()) => {
                self.written += self.tail.len() as u64;
                self.tail.clear();
                self.tail.shrink_to(FLUSH_BYTES);
                self.flush_at = FLUSH_BYTES;
            }
            Err(error) => {
                self.flush_at = self.tail.len() + FLUSH_BYTES;
                if !std::mem::replace(&mut self.warned, true) {
                    warn!(path = %path.display(), %error, "full chunks stay in memory");
                }
            }
        }
    }

    fn try_flush(&mut self, path: &Path) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Arc::new(open_nameless(path)?)),
        };
        file.write_all_at(&self.tail, self.written)
    }
}

/// Makes a file that nobody else finds.
pub(super) fn open_nameless(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Never a file that somebody else has open.
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Length, samples and tag of a chunk.
fn header(bytes: &[u8]) -> io::Result<(usize, u16, u8)> {
    match bytes {
        [l0, l1, l2, l3, c0, c1, tag, ..] => {
            let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
            Ok((len as usize, u16::from_le_bytes([*c0, *c1]), *tag))
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn read_file(file: &File, at: u64) -> io::Result<(u16, u8, Bytes)> {
    let mut bytes = vec![0; FIRST_READ];
    let mut read = 0;
    while read < HEADER {
        match file.read_at(&mut bytes[read..], at + read as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(some) => read += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (len, count, tag) = header(&bytes)?;
    let whole = HEADER + len;
    if whole > read {
        // The length is one that this process wrote.
        bytes.resize(whole, 0);
        file.read_exact_at(&mut bytes[read..], at + read as u64)?;
    }
    bytes.truncate(whole);
    bytes.shrink_to_fit();
    Ok((count, tag, Bytes::from(bytes).slice(HEADER..)))
}

impl Stored {
    /// Time of its first sample, ms.
    pub(super) fn min_t(&self) -> i64 {
        self.held.min_t
    }

    /// Time of its last sample, ms.
    pub(super) fn max_t(&self) -> i64 {
        self.held.max_t()
    }

    /// Reads the chunk.
    pub(super) fn read(&self) -> io::Result<Chunk> {
        self.file.chunk(&self.held)
    }
}

#[cfg(test)]
mod tests;
