//! A bad day of the store: requests that fail, wait, or are done without an answer. For tests and drills.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::block::Contents;
use crate::bucket::{Bucket, Created, FlakyConfig, ObjectMeta};
use crate::error::StoreError;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing bad.
    None,
    /// It fails and nothing was done.
    Fail,
    /// It is done, and its answer is lost.
    Lose,
    /// It waits before it is done.
    Delay(Duration),
}

/// The fault of a request that was made up in a drill or a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match .0 { Fault::Lose => "made up: the answer was lost", _ => "made up: the request failed" })]
pub struct MadeUp(Fault);

/// A bucket with faults. Clones share them.
#[derive(Clone, Debug)]
pub struct Flaky {
    inner: Arc<dyn Bucket>,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug)]
struct Faults {
    config: FlakyConfig,
    rng: SmallRng,
    script: VecDeque<Scripted>,
}

/// The fault of the next request that fits.
#[derive(Debug)]
struct Scripted {
    operation: &'static str,
    key_part: String,
    fault: Fault,
}

impl Flaky {
    /// Wraps `inner`; faults come from the shares and the seed of `config`.
    #[must_use]
    pub fn new(inner: Arc<dyn Bucket>, config: &FlakyConfig) -> Self {
        let faults = Faults { config: config.clone(), rng: SmallRng::seed_from_u64(config.seed), script: VecDeque::new() };
        Self { inner, faults: Arc::new(Mutex::new(faults)) }
    }

    /// Gives a fault to the next `operation` (get, get_range, head, put, create, delete, list) whose key contains `key_part`.
    /// Such orders go before the shares, each is used once, the oldest that fits first.
    pub fn order(&self, operation: &'static str, key_part: &str, fault: Fault) {
        self.faults.lock().script.push_back(Scripted { operation, key_part: key_part.to_owned(), fault });
    }

    /// How many faults were ordered that no request has met yet.
    #[must_use]
    pub fn ordered(&self) -> usize {
        self.faults.lock().script.len()
    }

    /// Sets other shares from now on.
    pub fn set(&self, config: &FlakyConfig) {
        self.faults.lock().config = config.clone();
    }

    async fn suffer<T>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = self.faults.lock().next(operation, key);
        let failed = || StoreError::Failed { operation, key: key.to_owned(), source: Box::new(MadeUp(fault)) };
        match fault {
            Fault::None => work.await,
            Fault::Fail => Err(failed()),
            Fault::Lose => {
                work.await?;
                Err(failed())
            }
            Fault::Delay(delay) => {
                tokio::time::sleep(delay).await;
                work.await
            }
        }
    }
}

impl Faults {
    fn next(&mut self, operation: &str, key: &str) -> Fault {
        if let Some(at) = self.script.iter().position(|order| order.operation == operation && key.contains(&order.key_part)) {
            return self.script.remove(at).map_or(Fault::None, |order| order.fault);
        }
        let FlakyConfig { fail, lose, slow, delay, seed: _ } = self.config;
        match self.rng.random::<f64>() {
            dice if dice < fail => Fault::Fail,
            dice if dice < fail + lose => Fault::Lose,
            dice if dice < fail + lose + slow => Fault::Delay(delay.get()),
            _ => Fault::None,
        }
    }
}

impl Bucket for Flaky {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.suffer("get", key, async move { self.inner.get(key).await }))
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.suffer("get_range", key, async move { self.inner.get_range(key, range).await }))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<ObjectMeta, StoreError>> {
        Box::pin(self.suffer("head", key, async move { self.inner.head(key).await }))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.suffer("put", key, async move { self.inner.put(key, bytes).await }))
    }

    fn put_contents<'a>(&'a self, key: &'a str, contents: Contents) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.suffer("put", key, async move { self.inner.put_contents(key, contents).await }))
    }

    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Created, StoreError>> {
        Box::pin(self.suffer("create", key, async move { self.inner.create(key, bytes).await }))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.suffer("delete", key, async move { self.inner.delete(key).await }))
    }

    fn list<'a>(&'a self, prefix: &'a str, start_after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        Box::pin(self.suffer("list", prefix, async move { self.inner.list(prefix, start_after).await }))
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(self.suffer("list", prefix, async move { self.inner.folders(prefix).await }))
    }
}
