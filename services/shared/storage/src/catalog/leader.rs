//! Writing the log: one leader at a time, fenced by the log itself.
//!
//! Who leads is decided elsewhere and may be decided wrongly: two leaders are harmless. Each number is created
//! if-absent, so one of two gets it; the other finds a stranger's nonce under it and lays down the office.

mod cleanup;
mod history;
mod inbox;
mod snapshot;

pub(super) use snapshot::write as write_snapshot;

use std::collections::HashSet;
use std::sync::Arc;

use runtime::Chain;
use tenancy::TenantId;
use tokio::time::Instant;
use tracing::{info, warn};
use ulid::Ulid;

use super::entry::{Change, Record};
use super::error::CatalogError;
use super::log::LogObject;
use super::map::{Map, Stamp};
use super::metrics::LeaderMetrics;
use super::probe;
use super::reader::{self, Catalog};
use crate::block::{BlockId, SignalId};
use crate::bucket::Created;
use crate::codec::{self, Kind};
use crate::layout;

/// How often a number is written again whose earlier attempt turned out to be there.
const ATTEMPTS: usize = 8;

/// The office. Its holder calls [`Leader::step`] about every second and drops it at an error that is
/// [`CatalogError::LostOffice`] or [`CatalogError::Rebuilding`]; other errors are the store's, and the next step goes on.
#[derive(Debug)]
pub struct Leader {
    catalog: Arc<Catalog>,
    metrics: LeaderMetrics,
    name: String,
    /// Stands in every number that this office writes.
    session: Ulid,
    attempt: u64,
    /// The newest number, as far as this office wrote or read it.
    number: u64,
    active: Active,
    /// Announcements that cannot be read: they are not read again, and go at their age.
    unreadable: HashSet<Ulid>,
    /// The newest snapshot's number.
    snapshot: u64,
    due: Due,
    /// How far the store's clock is ahead of ours, milliseconds; `None`: not known.
    ahead_ms: Option<i64>,
}

/// When this office last knew that it was one.
#[derive(Clone, Copy, Debug)]
struct Active {
    at: Instant,
    wall_ms: i64,
}

/// When periodical work was done last.
#[derive(Clone, Copy, Debug)]
struct Due {
    snapshot: Instant,
    files: Option<Instant>,
    clock: Instant,
}

/// What became of one attempt to write a number.
enum Attempt {
    /// It stands in the log.
    Written,
    /// An earlier attempt of this office stands there: plan again.
    Earlier,
}

impl Leader {
    /// Takes the office: reads the catalog as a reader does first, and compares the clocks.
    ///
    /// * `name`: of this process, for people.
    pub async fn elected(catalog: Arc<Catalog>, name: &str, metrics: LeaderMetrics) -> Result<Self, CatalogError> {
        let number = catalog.refresh_from_roots().await?;
        let now = Instant::now();
        let wall_ms = catalog.clock.now_ms();
        let session = Ulid::from_parts(u64::try_from(wall_ms).unwrap_or(0), rand::random());
        let snapshot = reader::newest_root(&*catalog.bucket).await?.unwrap_or(0);
        let mut leader = Self {
            catalog,
            metrics,
            name: name.to_owned(),
            session,
            attempt: 0,
            number,
            active: Active { at: now, wall_ms },
            unreadable: HashSet::new(),
            snapshot,
            due: Due { snapshot: now, files: None, clock: now },
            ahead_ms: None,
        };
        leader.confirm().await?;
        leader.compare_clocks().await;
        info!(number, session = %leader.session, "this process leads the catalog");
        Ok(leader)
    }

    /// The newest number that this office knows.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Shows how many blocks each tenant has. Walks all of the map: not for every step.
    pub fn observe(&self) {
        self.metrics.count(&self.catalog.map(), self.catalog.clock.now_ms());
    }

    /// The map as of the last step.
    #[must_use]
    pub fn map(&self) -> Arc<Map> {
        self.catalog.map()
    }

    /// One round: settles what was announced, and does what has become due: a snapshot, the removal of old numbers and of
    /// the files of blocks that were taken out. Returns how many records took effect.
    pub async fn step(&mut self) -> Result<usize, CatalogError> {
        self.confirm().await?;
        let settled = self.settle_inbox().await?;
        if self.due.clock.elapsed() >= self.catalog.config.snapshot_every.get() {
            self.compare_clocks().await;
        }
        self.snapshot_if_due().await?;
        self.remove_files_if_due().await?;
        Ok(settled)
    }

    /// Writes records into the log: those of this process itself, which need no announcement. Returns how many took effect;
    /// records that do not fit any more do not, and are no error.
    pub async fn append(&mut self, records: Vec<Record>) -> Result<usize, CatalogError> {
        for _ in 0..ATTEMPTS {
            self.confirm().await?;
            let map = self.catalog.map();
            if map.number() != self.number {
                // Another's number came in between: the next round says whose.
                continue;
            }
            let stamp = self.stamp(&map);
            let (_, effects) = map.after(stamp, &records);
            let effective: Vec<Record> =
                records.iter().zip(effects).filter(|(_, effect)| *effect).map(|(record, _)| record.clone()).collect();
            if effective.is_empty() {
                // The office before this one may have ended between the two writes.
                self.keep_deletes(&records).await?;
                return Ok(0);
            }
            let count = effective.len();
            if matches!(self.write(stamp, effective).await?, Attempt::Written) {
                self.catalog.refresh_to(self.number).await?;
                self.keep_deletes(&records).await?;
                return Ok(count);
            }
        }
        Err(CatalogError::Vanishing { number: self.number + 1 })
    }

    /// Takes out the blocks of a tenant's signal whose retention is over: those that count from before `before_ns`,
    /// nanoseconds since the Unix epoch. Takes none out while our clock is wrong. Returns how many blocks went.
    pub async fn retire(&mut self, tenant: &TenantId, signal: &SignalId, before_ns: i64) -> Result<usize, CatalogError> {
        if !self.clock_is_right() {
            return Ok(0);
        }
        let all = self.catalog.map().blocks(tenant, signal, crate::time::TimeRange::ALL);
        let ids: Vec<BlockId> = all.iter().filter(|entry| entry.retention_ns < before_ns).map(|entry| entry.id).collect();
        self.take_out(tenant, signal, ids).await
    }

    /// Takes out everything of a tenant. Returns how many blocks went.
    pub async fn remove_tenant(&mut self, tenant: &TenantId) -> Result<usize, CatalogError> {
        let map = self.catalog.map();
        let mut gone = 0;
        for signal in map.signals(tenant) {
            let all = map.blocks(tenant, &signal, crate::time::TimeRange::ALL);
            gone += self.take_out(tenant, &signal, all.iter().map(|entry| entry.id).collect()).await?;
        }
        Ok(gone)
    }

    async fn take_out(&mut self, tenant: &TenantId, signal: &SignalId, ids: Vec<BlockId>) -> Result<usize, CatalogError> {
        let count = ids.len();
        if count == 0 {
            return Ok(0);
        }
        let record = Record { tenant: tenant.clone(), signal: signal.clone(), change: Change::Remove { ids } };
        Ok(if self.append(vec![record]).await? == 0 { 0 } else { count })
    }

    /// Makes sure that this office still is one: nobody rebuilds, and nobody else has written a number. After a pause of our
    /// own it reads as at the start, since the numbers that would tell may be gone.
    async fn confirm(&mut self) -> Result<(), CatalogError> {
        let bucket = self.catalog.bucket.clone();
        match bucket.head(layout::REBUILDING).await {
            Ok(_) => return Err(CatalogError::Rebuilding),
            Err(err) if err.is_not_found() => {}
            Err(err) => return Err(err.into()),
        }
        let newest = if self.has_paused() { self.catalog.refresh_from_roots().await? } else { self.catalog.refresh().await? };
        while newest > self.number {
            let number = self.number + 1;
            match reader::read_log(&*bucket, number).await? {
                Some(object) if object.session == self.session => self.number = number,
                _ => return Err(CatalogError::LostOffice { number }),
            }
        }
        if newest < self.number {
            return Err(CatalogError::Behind { at: newest, wanted: self.number });
        }
        self.active = Active { at: Instant::now(), wall_ms: self.catalog.clock.now_ms() };
        Ok(())
    }

    /// True when this process has not looked for a while, by either clock: one of them stands still while a machine sleeps.
    fn has_paused(&self) -> bool {
        let pause = self.catalog.config.office_pause;
        let wall = self.catalog.clock.now_ms().saturating_sub(self.active.wall_ms);
        self.active.at.elapsed() > pause.get() || wall > pause.as_ms() || wall < -pause.as_ms()
    }

    fn stamp(&self, map: &Map) -> Stamp {
        let at_ms = self.catalog.clock.now_ms();
        let forget = at_ms.saturating_sub(self.catalog.config.tombstones_for.as_ms());
        // A clock that runs ahead would forget what must be remembered.
        let forget_before_ms = if self.clock_is_right() { map.forget_before_ms().max(forget) } else { map.forget_before_ms() };
        Stamp { number: self.number + 1, at_ms, forget_before_ms }
    }

    async fn write(&mut self, stamp: Stamp, records: Vec<Record>) -> Result<Attempt, CatalogError> {
        self.attempt += 1;
        let number = stamp.number;
        let object = LogObject {
            number,
            leader: self.name.clone(),
            session: self.session,
            attempt: self.attempt,
            at_ms: stamp.at_ms,
            forget_before_ms: stamp.forget_before_ms,
            records,
        };
        let bytes = codec::encode(Kind::Log, &object);
        let bucket = self.catalog.bucket.clone();
        for _ in 0..ATTEMPTS {
            if bucket.create(&layout::log(number), bytes.clone()).await? == Created::Created {
                self.wrote(&object);
                return Ok(Attempt::Written);
            }
            match reader::read_log(&*bucket, number).await? {
                // Gone again: a store that answered before it had written. It is tried again.
                None => {}
                Some(found) if found.session == self.session => {
                    self.wrote(&found);
                    return Ok(if found.attempt == object.attempt { Attempt::Written } else { Attempt::Earlier });
                }
                Some(_) => return Err(CatalogError::LostOffice { number }),
            }
        }
        Err(CatalogError::Vanishing { number })
    }

    fn wrote(&mut self, object: &LogObject) {
        self.number = object.number;
        self.metrics.written(&object.records);
        self.active = Active { at: Instant::now(), wall_ms: self.catalog.clock.now_ms() };
        self.metrics.appended.inc();
    }

    /// Measures how far the store's clock is from ours.
    async fn compare_clocks(&mut self) {
        self.due.clock = Instant::now();
        match probe::clock(&*self.catalog.bucket, &*self.catalog.clock, self.session).await {
            Ok(ahead_ms) => self.ahead_ms = Some(ahead_ms),
            Err(err) => {
                self.ahead_ms = None;
                warn!(error = %Chain(&err), "the store's clock could not be read");
            }
        }
        let right = self.clock_is_right();
        self.metrics.skewed.set(i64::from(!right));
        if !right {
            warn!(ahead_ms = ?self.ahead_ms, "nothing is removed: the clocks of this process and of the store differ");
        }
    }

    fn clock_is_right(&self) -> bool {
        self.ahead_ms.is_some_and(|ahead| ahead.abs() <= self.catalog.config.max_clock_skew.as_ms())
    }

    /// Now, by the store's clock; `None` while nothing may be removed.
    fn store_now_ms(&self) -> Option<i64> {
        let ahead = self.ahead_ms.filter(|_| self.clock_is_right())?;
        Some(self.catalog.clock.now_ms().saturating_add(ahead))
    }
}

#[cfg(test)]
mod tests;
