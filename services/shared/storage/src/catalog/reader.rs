//! Following the log.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use runtime::{Chain, Clock, Tasks};
use tenancy::TenantId;
use tokio::time::Instant;
use tracing::{info, warn};

use super::config::CatalogConfig;
use super::error::CatalogError;
use super::log::{self, LogObject, Root};
use super::map::{Map, PartObject};
use super::metrics::CatalogMetrics;
use crate::block::BlockId;
use crate::bucket::Bucket;
use crate::codec::Kind;
use crate::layout;

/// Objects that are read at once.
const READS_AT_ONCE: usize = 16;
/// A root may be removed between its listing and its reading, if the list took days: how often that is believed.
const ROOT_ATTEMPTS: usize = 3;

/// The catalog as one process knows it. Share it in an `Arc`.
#[derive(Debug)]
pub struct Catalog {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: CatalogConfig,
    map: ArcSwap<Map>,
    metrics: CatalogMetrics,
    /// One reads at a time; who waited for another's look that began after it asked has looked.
    reading: tokio::sync::Mutex<Reading>,
    last_success: Mutex<Option<Instant>>,
}

/// When things were done last.
#[derive(Debug, Default)]
struct Reading {
    began: Option<Instant>,
    roots: Option<Instant>,
    /// The time of day, which goes on while a machine sleeps.
    wall_ms: i64,
}

impl Catalog {
    /// A catalog that has read nothing yet.
    #[must_use]
    pub fn new(bucket: Arc<dyn Bucket>, config: &CatalogConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            bucket,
            clock,
            config: config.clone(),
            map: ArcSwap::from_pointee(Map::default()),
            metrics: CatalogMetrics::default(),
            reading: tokio::sync::Mutex::default(),
            last_success: Mutex::new(None),
        }
    }

    /// A catalog that follows the log as long as `tasks` run. It has read nothing when this returns: look at
    /// [`Catalog::age_of_last_success`], or [`Catalog::refresh`] it.
    pub fn follow(
        bucket: Arc<dyn Bucket>,
        config: &CatalogConfig,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
        registry: &mut Registry,
    ) -> Arc<Self> {
        let mut catalog = Self::new(bucket, config, clock);
        catalog.metrics = CatalogMetrics::register(registry);
        let catalog = Arc::new(catalog);
        let (follower, stop) = (catalog.clone(), tasks.stopping());
        tasks.spawn("catalog", async move {
            while !stop.is_cancelled() {
                if let Err(err) = follower.refresh().await {
                    warn!(error = %Chain(&err), "the catalog cannot be read");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(follower.config.follow_every.get()) => {}
                }
            }
            Ok::<(), std::convert::Infallible>(())
        });
        catalog
    }

    /// The newest map.
    #[must_use]
    pub fn map(&self) -> Arc<Map> {
        self.map.load_full()
    }

    /// The newest number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.map.load().number()
    }

    /// The periods it goes by.
    #[must_use]
    pub const fn config(&self) -> &CatalogConfig {
        &self.config
    }

    /// How long ago the log was last read to its end; `None`: never.
    #[must_use]
    pub fn age_of_last_success(&self) -> Option<Duration> {
        self.last_success.lock().map(|at| at.elapsed())
    }

    /// Reads the log to its end, as it is now or later, and returns its newest number. Calls that wait share one look.
    pub async fn refresh(&self) -> Result<u64, CatalogError> {
        self.look(Instant::now(), false).await
    }

    /// As [`Catalog::refresh`], and looks for a newer snapshot first: what a leader does before it writes.
    pub(super) async fn refresh_from_roots(&self) -> Result<u64, CatalogError> {
        self.look(Instant::now(), true).await
    }

    /// Makes sure that it knows `number`, which another process has seen. Errors: [`CatalogError::Behind`] when the log does not have it.
    pub async fn refresh_to(&self, number: u64) -> Result<(), CatalogError> {
        let mut at = self.number();
        if at < number {
            at = self.refresh().await?;
        }
        if at < number {
            // Not yet there, or gone already: then a snapshot is above it.
            at = self.refresh_from_roots().await?;
        }
        if at < number { Err(CatalogError::Behind { at, wanted: number }) } else { Ok(()) }
    }

    /// Waits until the catalog knows all of these blocks of a tenant, at most `deadline`. True when it does: they are live, or were.
    pub async fn wait_for(&self, tenant: &TenantId, ids: &[BlockId], deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        loop {
            let map = self.map();
            if ids.iter().all(|id| map.knows(tenant, *id)) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            let pause = self.config.follow_every.get().max(Duration::from_millis(1));
            tokio::time::sleep(pause).await;
            // Whoever follows has looked already: hundreds may wait here.
            if self.age_of_last_success().is_none_or(|age| age >= pause)
                && let Err(err) = self.refresh().await
            {
                warn!(error = %Chain(&err), "the catalog cannot be read");
            }
        }
    }

    /// Boxed: the compiler cannot see through the streams inside that it is Send for every lifetime.
    fn look(&self, asked: Instant, from_roots: bool) -> BoxFuture<'_, Result<u64, CatalogError>> {
        self.look_now(asked, from_roots).boxed()
    }

    async fn look_now(&self, asked: Instant, from_roots: bool) -> Result<u64, CatalogError> {
        let mut reading = self.reading.lock().await;
        if !from_roots && reading.began.is_some_and(|began| began > asked) && self.last_success.lock().is_some_and(|at| at > asked) {
            return Ok(self.number());
        }
        let now = Instant::now();
        let wall_ms = self.clock.now_ms();
        let pause = self.config.roots_every.get();
        let slept = wall_ms.saturating_sub(reading.wall_ms) > self.config.roots_every.as_ms();
        let due = reading.roots.is_none_or(|at| now.duration_since(at) >= pause) || slept || from_roots;
        if due {
            self.restart_if_behind().await?;
            self.catch_up().await?;
            reading.roots = Some(now);
        }
        self.step().await?;
        reading.began = Some(now);
        reading.wall_ms = wall_ms;
        *self.last_success.lock() = Some(Instant::now());
        let map = self.map.load();
        self.metrics.read(&map, self.clock.now_ms());
        Ok(map.number())
    }

    /// Notes where a snapshot that was just made keeps the parts.
    pub(super) async fn mark_stored(&self, number: u64, stored: &[Option<u64>]) {
        let _reading = self.reading.lock().await;
        let mut map = Map::clone(&self.map.load());
        map.mark_stored(number, stored);
        self.map.store(Arc::new(map));
    }

    /// Restarts from the newest snapshot where that is above our number.
    async fn restart_if_behind(&self) -> Result<(), CatalogError> {
        for _ in 0..ROOT_ATTEMPTS {
            let Some(number) = newest_root(&*self.bucket).await?.filter(|root| *root > self.number()) else { return Ok(()) };
            if let Some(map) = load(&*self.bucket, number, &self.map()).await? {
                info!(from = self.number(), to = number, "the catalog is read from a snapshot");
                self.map.store(Arc::new(map));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads the numbers that are known to be there, many at a time.
    async fn catch_up(&self) -> Result<(), CatalogError> {
        let from = self.number();
        let listed = self.bucket.list(layout::LOG, Some(&layout::log(from))).await?;
        let numbers = listed.iter().filter_map(|object| match layout::parse(&object.key) {
            Some(layout::Key::Log(number)) => Some(number),
            _ => None,
        });
        let next: Vec<u64> = (from + 1..).zip(numbers).take_while(|(wanted, listed)| wanted == listed).map(|(number, _)| number).collect();
        let mut objects = futures::stream::iter(next).map(|number| read_log(&*self.bucket, number)).buffered(READS_AT_ONCE);
        while let Some(Some(object)) = objects.try_next().await? {
            self.apply(&object);
        }
        Ok(())
    }

    /// Reads number by number until there is none.
    async fn step(&self) -> Result<(), CatalogError> {
        while let Some(object) = read_log(&*self.bucket, self.number() + 1).await? {
            self.apply(&object);
        }
        Ok(())
    }

    fn apply(&self, object: &LogObject) {
        let (map, _) = self.map.load().after(object.stamp(), &object.records);
        self.map.store(Arc::new(map));
    }
}

/// One object of the log; `None` where there is none.
pub(super) async fn read_log(bucket: &dyn Bucket, number: u64) -> Result<Option<LogObject>, CatalogError> {
    let key = layout::log(number);
    let object: Option<LogObject> = log::read(bucket, Kind::Log, &key).await?;
    match object {
        Some(object) if object.number != number => Err(CatalogError::Number { key, says: object.number }),
        object => Ok(object),
    }
}

/// The number of the newest snapshot.
pub(super) async fn newest_root(bucket: &dyn Bucket) -> Result<Option<u64>, CatalogError> {
    let roots = bucket.list(layout::ROOT, None).await?;
    Ok(roots.iter().rev().find_map(|object| match layout::parse(&object.key) {
        Some(layout::Key::Root(number)) => Some(number),
        _ => None,
    }))
}

/// A snapshot, with what `have` holds already taken from there; `None` when it is gone.
pub(super) async fn load(bucket: &dyn Bucket, number: u64, have: &Map) -> Result<Option<Map>, CatalogError> {
    let key = layout::root(number);
    let Some(root): Option<Root> = log::read(bucket, Kind::Root, &key).await? else { return Ok(None) };
    if root.number != number {
        return Err(CatalogError::Number { key, says: root.number });
    }
    let parts = futures::stream::iter((0..=u8::MAX).zip(root.parts.iter().copied()))
        .map(|(index, stored)| async move {
            let object = match (stored, have.reuse(index, stored)) {
                (None, _) => PartObject::default(),
                (Some(_), Some(object)) => object,
                (Some(number), None) => {
                    let key = layout::part(number, index);
                    let bytes = bucket.get(&key).await?;
                    log::parse(Kind::Part, &key, &bytes)?
                }
            };
            Ok::<_, CatalogError>((stored, object))
        })
        .buffered(READS_AT_ONCE);
    let mut parts: Vec<(Option<u64>, PartObject)> = parts.try_collect().await?;
    parts.resize_with(layout::PARTS, Default::default);
    Ok(Some(Map::from_parts(number, root.forget_before_ms, parts)))
}

#[cfg(test)]
mod tests;
