//! A bucket in memory: `memory://`, and the store of tests, where its clock is theirs.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use runtime::Clock;

use super::{Bucket, Created, ObjectMeta};
use crate::error::StoreError;

/// Objects in memory. Clones are the same bucket.
#[derive(Clone, Debug)]
pub struct Memory {
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    written_ms: i64,
}

impl Memory {
    /// An empty bucket that stamps its objects with the time of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { objects: Arc::default(), clock }
    }

    fn object(&self, key: &str) -> Result<Object, StoreError> {
        self.objects.lock().get(key).cloned().ok_or_else(|| StoreError::NotFound { key: key.to_owned() })
    }

    fn stamped(&self, bytes: Bytes) -> Object {
        Object { bytes, written_ms: self.clock.now_ms() }
    }
}

fn meta(key: &str, object: &Object) -> ObjectMeta {
    ObjectMeta { key: key.to_owned(), size: object.bytes.len() as u64, last_modified_ms: object.written_ms }
}

/// The bytes of a range that must lie inside.
pub(super) fn slice(bytes: &Bytes, range: &Range<u64>) -> Result<Bytes, StoreError> {
    let inside = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (inside(range.start), inside(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => Err(StoreError::Range { start: range.start, end: range.end, len: bytes.len() as u64 }),
    }
}

impl Bucket for Memory {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        ready(self.object(key).map(|object| object.bytes)).boxed()
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        ready(self.object(key).and_then(|object| slice(&object.bytes, &range))).boxed()
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<ObjectMeta, StoreError>> {
        ready(self.object(key).map(|object| meta(key, &object))).boxed()
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        // A copy: a slice would keep the whole buffer that it was cut from.
        let object = self.stamped(Bytes::copy_from_slice(&bytes));
        self.objects.lock().insert(key.to_owned(), object);
        ready(Ok(())).boxed()
    }

    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Created, StoreError>> {
        let object = self.stamped(Bytes::copy_from_slice(&bytes));
        let created = match self.objects.lock().entry(key.to_owned()) {
            std::collections::btree_map::Entry::Occupied(_) => Created::Exists,
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(object);
                Created::Created
            }
        };
        ready(Ok(created)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.objects.lock().remove(key);
        ready(Ok(())).boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, start_after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        let from = match start_after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let objects = self.objects.lock();
        let below = objects.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        let found = below.map(|(key, object)| meta(key, object)).collect();
        drop(objects);
        ready(Ok(found)).boxed()
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let objects = self.objects.lock();
        let below = objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        let mut names: Vec<String> = below.filter_map(|(key, _)| Some(key[prefix.len()..].split_once('/')?.0.to_owned())).collect();
        drop(objects);
        names.sort();
        names.dedup();
        ready(Ok(names)).boxed()
    }
}
