//! The cache on a local disk: one file per value, the least recently used go first.
//!
//! A file begins with `QCF1`, the CRC-32 of what follows (little-endian), the key's length (u32, little-endian) and the key; the value is
//! the rest. Nothing is synced: a file that a crash has left half-written does not have its checksum.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tracing::{debug, warn};
use xxhash_rust::xxh3::xxh3_128;

use super::queue::Queue;
use super::{Cache, Instruments};

const BACKEND: &str = "disk";
const MAGIC: [u8; 4] = *b"QCF1";
/// Magic, checksum, length of the key.
const HEAD: usize = 4 + 4 + 4;
/// Values that may wait for the disk.
const QUEUED: usize = 256;
/// Suffix of a file that is being written.
const PARTIAL: &str = "partial";

/// A directory of cached values. Dropping it ends its thread; the files stay for the next start.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The directory of a disk cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("use {} as a cache", directory.display())]
pub struct DiskError {
    /// The directory.
    directory: PathBuf,
    /// What the operating system said.
    source: io::Error,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    bound: u64,
    index: Mutex<Index>,
    queue: Queue<(String, Bytes)>,
    instruments: Instruments,
}

/// Files by the hash of their key, and the order of their use.
#[derive(Debug, Default)]
struct Index {
    files: FxHashMap<u128, Known>,
    by_use: BTreeMap<u64, u128>,
    bytes: u64,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    used: u64,
    len: u64,
}

impl Disk {
    /// A cache of at most `bytes` in `directory`, which is made if need be; it takes up the files that an earlier process left.
    ///
    /// Errors: when the directory cannot be made or listed.
    pub fn open(directory: PathBuf, bytes: u64, instruments: &Instruments) -> Result<Self, DiskError> {
        let at = |source| DiskError { directory: directory.clone(), source };
        fs::create_dir_all(&directory).map_err(at)?;
        let index = take_up(&directory).map_err(at)?;
        let shared = Arc::new(Shared {
            directory: directory.clone(),
            bound: bytes,
            index: Mutex::new(index),
            queue: Queue::new(QUEUED),
            instruments: instruments.clone(),
        });
        shared.evict();
        let writer = shared.clone();
        let write = move || {
            while let Some((key, value)) = writer.queue.pop() {
                writer.write(&key, &value);
            }
        };
        let thread = std::thread::Builder::new().name("disk-cache".to_owned()).spawn(write).map_err(at)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.index.lock().bytes
    }
}

impl Cache for Disk {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        let hash = xxh3_128(key.as_bytes());
        let known = self.shared.index.lock().touch(hash);
        let (shared, key) = (self.shared.clone(), key.to_owned());
        Box::pin(async move {
            let len = known?;
            tokio::task::spawn_blocking(move || shared.read(hash, &key, len)).await.ok().flatten()
        })
    }

    fn put(&self, key: &str, value: Bytes) {
        let size = (HEAD + key.len() + value.len()) as u64;
        let known = self.shared.index.lock().files.contains_key(&xxh3_128(key.as_bytes()));
        if known || size > self.shared.bound {
            return;
        }
        if self.shared.queue.push((key.to_owned(), value)).is_err() {
            self.shared.instruments.failed(BACKEND, "set", "queue-full");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.queue.close();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the writer of a disk cache panicked");
        }
    }
}

impl Shared {
    fn path(&self, hash: u128) -> PathBuf {
        self.directory.join(format!("{:02x}", hash >> 120)).join(format!("{hash:032x}"))
    }

    fn read(&self, hash: u128, key: &str, len: u64) -> Option<Bytes> {
        let started = Instant::now();
        let path = self.path(hash);
        let read = read_file(&path, len);
        let value = read.as_ref().ok().and_then(|file| value_of(file, key));
        match (&read, &value) {
            (_, Some(_)) => self.instruments.done(BACKEND, "get", started.elapsed()),
            // It was removed between the look into the index and the read.
            (Err(err), _) if err.kind() == io::ErrorKind::NotFound => self.index.lock().remove(hash),
            _ => {
                debug!(path = %path.display(), "a damaged file of the disk cache is removed");
                self.instruments.failed(BACKEND, "get", "damaged");
                self.index.lock().remove(hash);
                self.remove(hash);
            }
        }
        value
    }

    fn write(&self, key: &str, value: &Bytes) {
        let hash = xxh3_128(key.as_bytes());
        if self.index.lock().files.contains_key(&hash) {
            return;
        }
        let started = Instant::now();
        match write_file(&self.path(hash), key, value) {
            Ok(len) => {
                self.index.lock().insert(hash, len);
                self.instruments.done(BACKEND, "set", started.elapsed());
                self.evict();
            }
            Err(err) => {
                debug!(%err, "the disk cache cannot be written");
                self.instruments.failed(BACKEND, "set", "write");
            }
        }
    }

    fn evict(&self) {
        loop {
            let Some(hash) = self.index.lock().take_oldest_above(self.bound) else { return };
            self.remove(hash);
        }
    }

    fn remove(&self, hash: u128) {
        if let Err(err) = fs::remove_file(self.path(hash))
            && err.kind() != io::ErrorKind::NotFound
        {
            warn!(%err, "a file of the disk cache cannot be removed");
        }
    }
}

impl Index {
    /// The length of a file, which is now the last that was used.
    fn touch(&mut self, hash: u128) -> Option<u64> {
        let known = self.files.get_mut(&hash)?;
        self.by_use.remove(&known.used);
        known.used = self.uses;
        self.by_use.insert(self.uses, hash);
        self.uses += 1;
        Some(known.len)
    }

    fn insert(&mut self, hash: u128, len: u64) {
        self.remove(hash);
        self.files.insert(hash, Known { used: self.uses, len });
        self.by_use.insert(self.uses, hash);
        self.uses += 1;
        self.bytes += len;
    }

    fn remove(&mut self, hash: u128) {
        if let Some(known) = self.files.remove(&hash) {
            self.by_use.remove(&known.used);
            self.bytes -= known.len;
        }
    }

    fn take_oldest_above(&mut self, bound: u64) -> Option<u128> {
        if self.bytes <= bound {
            return None;
        }
        let (_, hash) = self.by_use.first_key_value().map(|(used, hash)| (*used, *hash))?;
        self.remove(hash);
        Some(hash)
    }
}

/// The files of an earlier process, the oldest first. Half-written ones are removed, others left alone.
fn take_up(directory: &Path) -> io::Result<Index> {
    let mut found = Vec::new();
    for folder in fs::read_dir(directory)? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder)? {
            let file = file?;
            let path = file.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == PARTIAL) {
                fs::remove_file(&path)?;
            } else if let Ok(hash) = u128::from_str_radix(name, 16) {
                let facts = file.metadata()?;
                found.push((facts.modified().unwrap_or(SystemTime::UNIX_EPOCH), hash, facts.len()));
            }
        }
    }
    found.sort_unstable();
    let mut index = Index::default();
    found.into_iter().for_each(|(_, hash, len)| index.insert(hash, len));
    Ok(index)
}

fn write_file(path: &Path, key: &str, value: &Bytes) -> io::Result<u64> {
    let key_len = u32::try_from(key.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_le_bytes();
    let mut hasher = crc32fast::Hasher::new();
    [&key_len, key.as_bytes(), value].into_iter().for_each(|part| hasher.update(part));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension(PARTIAL);
    let written = File::create(&partial).and_then(|mut file| {
        [&MAGIC, &hasher.finalize().to_le_bytes(), &key_len, key.as_bytes(), value]
            .into_iter()
            .try_for_each(|part| file.write_all(part))?;
        fs::rename(&partial, path)
    });
    if written.is_err() {
        // The next start removes it if this does not.
        drop(fs::remove_file(&partial));
    }
    written.map(|()| (HEAD + key.len() + value.len()) as u64)
}

/// Reads a file of the length that the index knows.
fn read_file(path: &Path, len: u64) -> io::Result<Bytes> {
    if fs::metadata(path)?.len() != len {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fs::read(path).map(Bytes::from)
}

/// The value in a file, if the checksum agrees and it is that of `key`.
fn value_of(file: &Bytes, key: &str) -> Option<Bytes> {
    let mut rest = file.strip_prefix(&MAGIC)?;
    let crc = rest.try_get_u32_le().ok()?;
    if crc32fast::hash(rest) != crc {
        return None;
    }
    let key_len = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (rest.get(..key_len)? == key.as_bytes()).then(|| file.slice(HEAD + key_len..))
}

#[cfg(test)]
mod tests;
