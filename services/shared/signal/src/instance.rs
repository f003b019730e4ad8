//! Limits of an ingester as a whole: who reaches one is told which, and a signal says so in the words of the API that it serves.
//!
//! What crosses processes is [`InstanceLimit::word`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit of an ingester, whose data it is does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstanceLimit {
    /// Rows that are stored in a second.
    IngestionRate,
    /// Tenants with a head of one signal.
    Tenants,
    /// Series, streams or live traces in the heads of one signal.
    Series,
    /// Pushes that are on their way into heads.
    InflightPushes,
    /// The bytes of these.
    InflightPushBytes,
    /// Scans of heads that run.
    InflightReads,
}

impl InstanceLimit {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::IngestionRate, Self::Tenants, Self::Series, Self::InflightPushes, Self::InflightPushBytes, Self::InflightReads];

    /// The word that names it between processes.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::IngestionRate => "ingestion_rate",
            Self::Tenants => "tenants",
            Self::Series => "series",
            Self::InflightPushes => "inflight_pushes",
            Self::InflightPushBytes => "inflight_push_bytes",
            Self::InflightReads => "inflight_reads",
        }
    }

    /// The limit of a [`word`](Self::word); `None`: there is none of that name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.word() == word)
    }

    /// The setting that raises it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::IngestionRate => "ingester.max_ingestion_rate",
            Self::Tenants => "ingester.max_tenants",
            Self::Series => "ingester.max_series",
            Self::InflightPushes => "ingester.max_inflight_push_requests",
            Self::InflightPushBytes => "ingester.max_inflight_push",
            Self::InflightReads => "ingester.max_inflight_reads",
        }
    }
}

impl fmt::Display for InstanceLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ingester is at its limit {}", self.setting())
    }
}

/// How many series, streams or live traces all heads of a signal may hold together.
#[derive(Debug)]
pub struct SeriesRoom {
    limit: u64,
    held: AtomicU64,
}

impl SeriesRoom {
    /// Room for `limit` of them; 0 is no limit.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit: if limit == 0 { u64::MAX } else { limit }, held: AtomicU64::new(0) })
    }

    /// The part of one head, which holds none yet.
    #[must_use]
    pub fn part(self: &Arc<Self>) -> SeriesPart {
        SeriesPart { room: Arc::clone(self), held: 0 }
    }
}

/// What one head holds of a [`SeriesRoom`]. Dropped, it gives all of it back.
#[derive(Debug)]
pub struct SeriesPart {
    room: Arc<SeriesRoom>,
    held: u64,
}

impl SeriesPart {
    /// Whether one more fits. A head asks under its own lock and then [adds](Self::add): heads that ask at one time may pass the limit
    /// by one each.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.room.held.load(Ordering::Relaxed) < self.room.limit
    }

    /// Counts one more. What the log brings back is not refused, so this never fails.
    pub fn add(&mut self) {
        self.held += 1;
        self.room.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one less.
    pub fn remove(&mut self) {
        debug_assert!(self.held > 0, "a head removes what it has added");
        self.held -= 1;
        self.room.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many this head holds.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }
}

impl Drop for SeriesPart {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
