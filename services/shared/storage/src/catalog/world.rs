//! What the tests of the catalog share: a bucket with bad days, the time, and those who live there.

use std::sync::Arc;
use std::time::Duration;

use runtime::{Clock as _, ManualClock};

use super::{Announcer, Catalog, CatalogConfig, Entry, Leader, LeaderMetrics, Map, Record};
use crate::block::{self, BlockId};
use crate::bucket::{Bucket as _, FlakyConfig, Memory};
use crate::flaky::Flaky;
use crate::testing::{clock, cut, memory, metrics, tenant};

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A bucket, its bad days, and the time.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) memory: Memory,
    pub(super) flaky: Flaky,
    pub(super) config: CatalogConfig,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = clock();
        let memory = memory(&clock);
        let flaky = Flaky::new(Arc::new(memory.clone()), &FlakyConfig::default());
        Self { clock, memory, flaky, config: CatalogConfig::default() }
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        Arc::new(Catalog::new(Arc::new(self.flaky.clone()), &self.config, self.clock.clone()))
    }

    pub(super) async fn leader(&self, name: &str) -> Leader {
        Leader::elected(self.catalog(), name, LeaderMetrics::default()).await.unwrap()
    }

    /// A reader that starts now.
    pub(super) async fn reader(&self) -> Arc<Catalog> {
        let catalog = self.catalog();
        catalog.refresh().await.unwrap();
        catalog
    }

    pub(super) async fn upload(&self, owner: &str) -> Entry {
        let id = BlockId::new(self.clock.now_ms());
        block::upload(&self.memory, &tenant(owner), &metrics(), cut(id)).await.unwrap()
    }

    pub(super) async fn announce(&self, records: impl IntoIterator<Item = Record>) {
        let announcer = Announcer::new(Arc::new(self.memory.clone()), self.clock.clone(), "writer");
        for record in records {
            announcer.announce(record);
        }
        announcer.flush().await.unwrap();
    }

    pub(super) async fn keys(&self, prefix: &str) -> Vec<String> {
        self.memory.list(prefix, None).await.unwrap().into_iter().map(|object| object.key).collect()
    }
}

pub(super) fn add<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Record {
    Record::add(entries.into_iter().cloned().collect()).unwrap()
}

pub(super) fn replace(parents: &[&Entry], entries: &[&Entry]) -> Record {
    let first = parents[0];
    let ids = parents.iter().map(|entry| entry.id).collect();
    Record::replace(first.tenant.clone(), first.signal.clone(), ids, entries.iter().map(|entry| (*entry).clone()).collect())
}

/// Everything that a map says, to be compared.
pub(super) fn content(map: &Map) -> (u64, Vec<BlockId>, Vec<BlockId>) {
    let mut live: Vec<BlockId> = map.entries().map(|entry| entry.id).collect();
    let mut gone: Vec<BlockId> = map.tombstones().map(|(.., gone)| gone.id).collect();
    live.sort();
    gone.sort();
    (map.number(), live, gone)
}
