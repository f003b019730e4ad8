//! The object store as everything else sees it: keys, bytes, create-if-absent and sorted lists.
//!
//! [`Bucket`] is a trait, so that instruments, retries, caches and a bad day of the store are decorators of it.
//! [`open`] makes the one that `storage.url` names.

mod config;
pub mod contract;
mod memory;
mod metered;
mod open;
mod remote;
mod retrying;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use config::{AzureConfig, FlakyConfig, GcsConfig, LocalConfig, S3Config, StorageConfig};
pub use memory::Memory;
pub use metered::{BucketMetrics, Metered};
pub use open::{OpenError, open};
pub use retrying::{RetryPolicy, Retrying};

use crate::block::Contents;
use crate::error::StoreError;

/// An object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key, below the prefix.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the store's clock: milliseconds since the Unix epoch.
    pub last_modified_ms: i64,
}

/// What became of a create-if-absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object is ours.
    Created,
    /// An object of this key was there and is untouched. After an attempt whose answer was lost it may be our own.
    Exists,
}

/// An object store, or a part of one below a prefix.
///
/// Keys are segments joined by `/`, without one at either end. A write whose future fails or is dropped may have been done
/// nevertheless. Reads see what was written before they began.
pub trait Bucket: Send + Sync + fmt::Debug {
    /// The whole object.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>>;

    /// Bytes of a range that lies inside the object; the range is not empty.
    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, StoreError>>;

    /// Length and age.
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<ObjectMeta, StoreError>>;

    /// Writes an object, over one that is there. Large ones go up in several parts; they appear at once and whole.
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes an object as [`Bucket::put`] does. What is in a file need not be in memory at once: where it is, this method is not
    /// overridden.
    fn put_contents<'a>(&'a self, key: &'a str, contents: Contents) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.put(key, read(contents.clone(), 0..contents.len(), key).await?).await })
    }

    /// Writes an object if there is none: of any number of concurrent calls one at most is told [`Created::Created`].
    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Created, StoreError>>;

    /// Removes an object; it is no error when there is none.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// All objects below `prefix`, at any depth, sorted by key.
    ///
    /// * `prefix`: whole segments, empty or ending in `/`.
    /// * `start_after`: only keys greater than this one.
    fn list<'a>(&'a self, prefix: &'a str, start_after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>>;

    /// Names of the folders one level below `prefix` (empty or ending in `/`), sorted, without slashes.
    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;
}

/// Reads a part of what goes up; from a disk on a thread that may wait.
async fn read(contents: Contents, range: Range<u64>, key: &str) -> Result<Bytes, StoreError> {
    let bytes = match contents {
        Contents::Memory(_) => contents.read(range),
        Contents::File(..) => tokio::task::spawn_blocking(move || contents.read(range)).await.unwrap_or_else(|err| Err(err.into())),
    };
    bytes.map_err(|source| StoreError::Failed { operation: "read what goes up", key: key.to_owned(), source: Box::new(source) })
}
