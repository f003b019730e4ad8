//! Caches of immutable bytes: in memory, on a local disk, in memcached, and one behind the other.
//!
//! Keys say which version of which thing a value is, so nothing is ever invalidated, and a cache that loses, refuses or delays something
//! costs speed only: reading has no errors, and writing returns before it is done.

mod config;
mod disk;
mod memcached;
mod memory;
mod metrics;
mod queue;
mod ranged;
mod tiered;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use config::{CacheConfig, DiskCacheConfig, MemcachedConfig};
pub use disk::{Disk, DiskError};
pub use memcached::Memcached;
pub use memory::Memory;
pub use metrics::{CacheMetrics, Instruments, Metered};
pub use ranged::{CachedBlocks, CachedRanged};
pub use tiered::Tiered;

/// A cache.
pub trait Cache: Send + Sync + fmt::Debug {
    /// The value of a key, if the cache has it and can say so in time.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Bytes>>;

    /// Offers a value; whether and when it is kept is the cache's affair. Does not block. `value` should not be a small slice of
    /// something large, which it would keep in memory.
    fn put(&self, key: &str, value: Bytes);
}

/// Makes the cache that `config` describes: memory, then disk, then memcached, as far as they are configured.
///
/// * `name`: what its figures are called, `chunks-cache` or `index-cache`.
///
/// Errors: [`DiskError`] when the directory of the disk cache cannot be used. Memcached servers need not be there.
pub fn open(name: &'static str, config: &CacheConfig, metrics: &CacheMetrics) -> Result<Arc<dyn Cache>, DiskError> {
    let instruments = metrics.of(name);
    let mut levels: Vec<(&'static str, Arc<dyn Cache>)> = Vec::new();
    if config.memory_bytes.0 > 0 {
        levels.push(("memory", Arc::new(Memory::new(config.memory_bytes.0))));
    }
    if !config.disk.directory.is_empty() && config.disk.bytes.0 > 0 {
        let directory = std::path::Path::new(&config.disk.directory).join(name);
        levels.push(("disk", Arc::new(Disk::open(directory, config.disk.bytes.0, &instruments)?)));
    }
    if !config.memcached.addresses.is_empty() {
        levels.push(("memcached", Arc::new(Memcached::new(&config.memcached, &instruments))));
    }
    Ok(Arc::new(Metered::new(Arc::new(Tiered::new(levels, &instruments)), &instruments)))
}

#[cfg(test)]
mod tests;
