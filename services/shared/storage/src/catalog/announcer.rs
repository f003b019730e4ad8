//! Telling the leader what was uploaded.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::{Chain, Clock, Tasks};
use tokio::sync::Notify;
use tracing::warn;
use ulid::Ulid;

use super::config::CatalogConfig;
use super::entry::Record;
use super::log::Announcement;
use crate::bucket::Bucket;
use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::layout;

/// Announces records, several in one object. Clones share it.
///
/// What is announced and not yet written is lost with the process: whoever announces waits until it reads its blocks back.
#[derive(Clone, Debug)]
pub struct Announcer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bucket: Arc<dyn Bucket>,
    clock: Arc<dyn Clock>,
    /// Who announces; for people.
    from: String,
    /// Where the names of announcements come from.
    names: Mutex<SmallRng>,
    waiting: Mutex<Vec<Record>>,
    more: Notify,
    /// One writes at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Announcer {
    /// An announcer that nobody drives: call [`Announcer::flush`].
    #[must_use]
    pub fn new(bucket: Arc<dyn Bucket>, clock: Arc<dyn Clock>, from: &str) -> Self {
        Self::seeded(bucket, clock, from, rand::random())
    }

    /// As [`Announcer::new`], for simulations: the names of its announcements follow from `seed`, which no other may have.
    #[must_use]
    pub fn seeded(bucket: Arc<dyn Bucket>, clock: Arc<dyn Clock>, from: &str, seed: u64) -> Self {
        let names = Mutex::new(SmallRng::seed_from_u64(seed));
        let (waiting, more, writing) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Self { shared: Arc::new(Shared { bucket, clock, from: from.to_owned(), names, waiting, more, writing }) }
    }

    /// An announcer that writes at most one object per `catalog.announce_every`, as long as `tasks` run, and what is left at their end.
    ///
    /// * `from`: the name of this process.
    #[must_use]
    pub fn start(bucket: Arc<dyn Bucket>, config: &CatalogConfig, clock: Arc<dyn Clock>, from: &str, tasks: &Tasks) -> Self {
        let announcer = Self::new(bucket, clock, from);
        let (writer, stop, pause) = (announcer.clone(), tasks.stopping(), config.announce_every.get());
        tasks.spawn("announcer", async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = writer.shared.more.notified() => {}
                }
                if let Err(err) = writer.flush().await {
                    warn!(error = %Chain(&err), "blocks could not be announced");
                    writer.shared.more.notify_one();
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(pause) => {}
                }
            }
            writer.flush().await
        });
        announcer
    }

    /// Takes a record that will be written soon.
    pub fn announce(&self, record: Record) {
        self.announce_all([record]);
    }

    /// Takes records that will be written soon, all of them in one object: either all are known then, or none.
    pub fn announce_all(&self, records: impl IntoIterator<Item = Record>) {
        self.shared.waiting.lock().extend(records);
        self.shared.more.notify_one();
    }

    /// Writes what waits. After an error it waits on.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let _turn = self.shared.writing.lock().await;
        let records = std::mem::take(&mut *self.shared.waiting.lock());
        if records.is_empty() {
            return Ok(());
        }
        let now_ms = u64::try_from(self.shared.clock.now_ms()).unwrap_or(0);
        let key = layout::inbox(Ulid::from_parts(now_ms, self.shared.names.lock().random()));
        let announcement = Announcement { from: self.shared.from.clone(), records };
        let written = self.shared.bucket.put(&key, codec::encode(Kind::Inbox, &announcement)).await;
        if written.is_err() {
            // It may be there nevertheless: the same record twice is the record once.
            self.shared.waiting.lock().splice(0..0, announcement.records);
        }
        written
    }
}

#[cfg(test)]
mod tests;
