//! Patience: failed requests are tried again for a bounded time.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use rand::Rng as _;
use runtime::Classify as _;
use tokio::time::Instant;

use super::{Bucket, Created, ObjectMeta, StorageConfig};
use crate::block::Contents;
use crate::error::StoreError;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// No attempt begins later than this after the first.
    pub total: Duration,
    /// The first pause; later ones double, up to ten seconds, and each is shortened by up to a half at random.
    pub pause: Duration,
    /// An attempt that takes longer has failed.
    pub attempt: Duration,
}

impl RetryPolicy {
    pub(super) fn of(config: &StorageConfig) -> Self {
        // An upload of several parts is several requests.
        Self { total: config.retry_for.get(), pause: config.retry_pause.get(), attempt: config.request_timeout.get().saturating_mul(4) }
    }
}

/// A bucket that tries failed requests again. Create-if-absent may answer [`Created::Exists`] for an object that an
/// earlier attempt of the same call made: callers put a nonce inside where that matters.
#[derive(Clone, Debug)]
pub struct Retrying {
    inner: Arc<dyn Bucket>,
    policy: RetryPolicy,
}

impl Retrying {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Bucket>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    async fn retry<T, F>(&self, operation: &'static str, key: &str, attempt: impl Fn() -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let end = Instant::now() + self.policy.total;
        let mut pause = self.policy.pause;
        loop {
            let result = tokio::time::timeout(self.policy.attempt, attempt())
                .await
                .unwrap_or_else(|late| Err(StoreError::Failed { operation, key: key.to_owned(), source: Box::new(late) }));
            let wait = pause.mul_f64(rand::rng().random_range(0.5..1.0));
            match result {
                Err(err) if err.retryable() && Instant::now() + wait < end => {
                    tracing::debug!(error = %runtime::Chain(&err), "trying again");
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                result => return result,
            }
        }
    }
}

impl Bucket for Retrying {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.retry("get", key, move || self.inner.get(key)))
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.retry("get_range", key, move || self.inner.get_range(key, range.clone())))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<ObjectMeta, StoreError>> {
        Box::pin(self.retry("head", key, move || self.inner.head(key)))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.retry("put", key, move || self.inner.put(key, bytes.clone())))
    }

    fn put_contents<'a>(&'a self, key: &'a str, contents: Contents) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.retry("put", key, move || self.inner.put_contents(key, contents.clone())))
    }

    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Created, StoreError>> {
        Box::pin(self.retry("create", key, move || self.inner.create(key, bytes.clone())))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.retry("delete", key, move || self.inner.delete(key)))
    }

    fn list<'a>(&'a self, prefix: &'a str, start_after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        Box::pin(self.retry("list", prefix, move || self.inner.list(prefix, start_after)))
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(self.retry("list", prefix, move || self.inner.folders(prefix)))
    }
}
