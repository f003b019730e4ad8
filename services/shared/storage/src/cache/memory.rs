//! The cache in memory.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use moka::sync::Cache as Moka;

use super::Cache;

/// What an entry costs besides its key and value, about.
const OVERHEAD: usize = 150;

/// Keeps what is read often, bounded by bytes.
#[derive(Debug)]
pub struct Memory(Moka<Arc<str>, Bytes>);

impl Memory {
    /// A cache of at most `bytes`, keys and bookkeeping included.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let weight = |key: &Arc<str>, value: &Bytes| u32::try_from(key.len() + value.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self(Moka::builder().max_capacity(bytes).weigher(weight).build())
    }
}

impl Cache for Memory {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>> {
        ready(self.0.get(key)).boxed()
    }

    fn put(&self, key: &str, value: Bytes) {
        self.0.insert(key.into(), value);
    }
}
