//! Files of blocks, read through a cache in aligned pages.
//!
//! A read is made of the pages that it touches. Pages that the cache has not are fetched in runs of neighbours, one request each, and
//! a page that is being fetched is waited for, not fetched again.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared, join_all, try_join_all};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Cache;
use crate::block::{BlockReader, Ranged};
use crate::error::StoreError;
use crate::layout::BlockFile;

/// Version of the keys: raised when pages come to mean something else.
const KEYS: u16 = 1;
/// Pages that are fetched with one request.
const MAX_RUN: u64 = 32;
/// Smallest page; smaller ones cost more in keys and requests than they save.
const MIN_PAGE: u64 = 4 << 10;

/// Puts a cache before the files of blocks. Clones share it.
#[derive(Clone, Debug)]
pub struct CachedBlocks {
    cache: Arc<dyn Cache>,
    page: u64,
    flights: Arc<Flights>,
}

/// A file of a block, read through a cache.
#[derive(Clone, Debug)]
pub struct CachedRanged {
    inner: Arc<dyn Ranged>,
    blocks: CachedBlocks,
    /// Beginning of the keys of its pages.
    prefix: Arc<str>,
}

/// Pages on their way.
#[derive(Debug, Default)]
struct Flights(Mutex<FxHashMap<Arc<str>, WeakFlight>>);

type Fetched = Result<Run, Arc<StoreError>>;
type Flight = Shared<BoxFuture<'static, Fetched>>;
type WeakFlight = WeakShared<BoxFuture<'static, Fetched>>;

/// Neighbouring pages.
#[derive(Clone, Debug)]
struct Run {
    /// Where the first of them begins in the file.
    start: u64,
    bytes: Bytes,
}

/// Takes the pages of a run out of [`Flights`] when it has come, or when nobody waits for it any more.
struct Landing {
    flights: Arc<Flights>,
    keys: Vec<Arc<str>>,
}

impl CachedBlocks {
    /// Pages of `page` bytes (at least 4 KiB) in `cache`.
    #[must_use]
    pub fn new(cache: Arc<dyn Cache>, page: u64) -> Self {
        Self { cache, page: page.max(MIN_PAGE), flights: Arc::default() }
    }

    /// The block, read through the cache.
    #[must_use]
    pub fn reader(&self, block: BlockReader) -> BlockReader {
        let BlockReader { id, facts, data, index } = block;
        let file = |inner, file: BlockFile| -> Arc<dyn Ranged> {
            let prefix = format!("p{KEYS}:{id}:{}:{}:{}:", file.as_str(), facts.schema_version, self.page);
            Arc::new(CachedRanged { inner, blocks: self.clone(), prefix: prefix.into() })
        };
        let data = file(data, BlockFile::Data);
        let index = index.map(|index| file(index, BlockFile::Index));
        BlockReader { id, facts, data, index }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.flights.0.lock().is_empty()
    }
}

impl Ranged for CachedRanged {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        let (this, len) = (self.clone(), self.len());
        Box::pin(async move {
            if range.start > range.end || range.end > len {
                return Err(StoreError::Range { start: range.start, end: range.end, len });
            }
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            this.read_pages(range).await
        })
    }
}

impl CachedRanged {
    /// Reads a range that is not empty and lies inside the file.
    async fn read_pages(self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let page = self.blocks.page;
        let pages: Vec<u64> = (range.start / page..=(range.end - 1) / page).collect();
        let keys: Vec<Arc<str>> = pages.iter().map(|number| format!("{}{number}", self.prefix).into()).collect();
        let cached = join_all(keys.iter().map(|key| self.blocks.cache.get(key))).await;

        let mut runs = Vec::new();
        let mut missing = Vec::new();
        for ((number, key), bytes) in pages.into_iter().zip(keys).zip(cached) {
            let extent = self.extent(number);
            match bytes.filter(|bytes| bytes.len() as u64 == extent.end - extent.start) {
                Some(bytes) => runs.push(Run { start: extent.start, bytes }),
                None => missing.push((number, key)),
            }
        }
        let fetched = try_join_all(self.flights(missing)).await.map_err(|err| copy_of(&err))?;
        runs.extend(fetched);
        join(runs, &range).ok_or(StoreError::Range { start: range.start, end: range.end, len: self.inner.len() })
    }

    /// Where a page lies in the file; the last one is shorter.
    fn extent(&self, page: u64) -> Range<u64> {
        let size = self.blocks.page;
        page * size..(page + 1).saturating_mul(size).min(self.inner.len())
    }

    /// The fetches that bring the `missing` pages, ascending: those on their way, and new ones for the others.
    fn flights(&self, missing: Vec<(u64, Arc<str>)>) -> Vec<Flight> {
        let mut flights = Vec::new();
        let mut run: Vec<(u64, Arc<str>)> = Vec::new();
        let mut under_way = self.blocks.flights.0.lock();
        for (number, key) in missing {
            let known = under_way.get(&key).and_then(WeakShared::upgrade);
            let full = run.len() as u64 == MAX_RUN;
            let joins = run.last().is_none_or(|(last, _)| last + 1 == number) && !full && known.is_none();
            if !joins && !run.is_empty() {
                flights.push(self.begin(std::mem::take(&mut run), &mut under_way));
            }
            match known {
                Some(flight) => flights.push(flight),
                None => run.push((number, key)),
            }
        }
        if !run.is_empty() {
            flights.push(self.begin(run, &mut under_way));
        }
        flights
    }

    /// Makes the fetch of neighbouring pages; whoever polls it first starts it.
    fn begin(&self, run: Vec<(u64, Arc<str>)>, under_way: &mut FxHashMap<Arc<str>, WeakFlight>) -> Flight {
        let extents: Vec<(Arc<str>, Range<u64>)> = run.into_iter().map(|(number, key)| (key, self.extent(number))).collect();
        let whole = extents.first().map_or(0, |(_, first)| first.start)..extents.last().map_or(0, |(_, last)| last.end);
        let keys: Vec<Arc<str>> = extents.iter().map(|(key, _)| key.clone()).collect();
        let landing = Landing { flights: self.blocks.flights.clone(), keys: keys.clone() };
        let (reading, cache) = (self.inner.read(whole.clone()), self.blocks.cache.clone());
        let fetch = async move {
            let _landing = landing;
            let bytes = reading.await.map_err(Arc::new)?;
            if bytes.len() as u64 != whole.end - whole.start {
                return Err(Arc::new(StoreError::Range { start: whole.start, end: whole.end, len: whole.start + bytes.len() as u64 }));
            }
            let alone = extents.len() == 1;
            for (key, extent) in extents {
                let page = slice(&bytes, whole.start, &extent).unwrap_or_default();
                // A slice would keep the whole run in memory.
                cache.put(&key, if alone { page } else { Bytes::copy_from_slice(&page) });
            }
            Ok(Run { start: whole.start, bytes })
        };
        let flight = fetch.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.extend(keys.into_iter().map(|key| (key, weak.clone())));
        }
        flight
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut under_way = self.flights.0.lock();
        for key in &self.keys {
            under_way.remove(key);
        }
    }
}

/// Puts the runs together; `None` when they leave a hole in `range`, which is not empty.
fn join(mut runs: Vec<Run>, range: &Range<u64>) -> Option<Bytes> {
    runs.sort_unstable_by_key(|run| run.start);
    // Most reads lie in one run and need no copy.
    if let Some(found) = runs.iter().find_map(|run| slice(&run.bytes, run.start, range)) {
        return Some(found);
    }
    let mut joined = BytesMut::with_capacity(usize::try_from(range.end - range.start).ok()?);
    let mut at = range.start;
    for run in runs {
        let end = (run.start + run.bytes.len() as u64).min(range.end);
        // A run that two pages waited for is there twice.
        if end > at {
            joined.extend_from_slice(&slice(&run.bytes, run.start, &(at..end))?);
            at = end;
        }
    }
    (at == range.end).then(|| joined.freeze())
}

/// The part of `bytes`, which begin at `start` of a file, that is `range` of the file.
fn slice(bytes: &Bytes, start: u64, range: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

/// An error for each of those who waited for the same fetch.
fn copy_of(err: &Arc<StoreError>) -> StoreError {
    let source = || Box::new(err.clone());
    match &**err {
        StoreError::NotFound { key } => StoreError::NotFound { key: key.clone() },
        StoreError::Range { start, end, len } => StoreError::Range { start: *start, end: *end, len: *len },
        StoreError::Refused { operation, key, .. } => StoreError::Refused { operation, key: key.clone(), source: source() },
        StoreError::Failed { operation, key, .. } => StoreError::Failed { operation, key: key.clone(), source: source() },
    }
}

#[cfg(test)]
mod tests;
