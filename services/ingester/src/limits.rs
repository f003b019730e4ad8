//! The limits of an ingester as a whole that are asked at its door: how much it does at once, and how fast rows may come.
//!
//! Those of what it holds are asked where that grows: tenants in the [store](crate::store), series in the heads.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use runtime::Clock;
use signal::InstanceLimit;
use tenancy::{Budget, Reservation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::IngesterConfig;

/// The part of the newest second in the rate.
const NEWEST: f64 = 0.2;

/// The limits. Clones share what is counted.
#[derive(Clone)]
pub struct Limits {
    pushes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    bytes: Budget,
    pace: Arc<Mutex<Pace>>,
    /// Rows per second; 0 is no limit.
    max_rate: f64,
    clock: Arc<dyn Clock>,
}

/// A push on its way. Dropped when it is stored.
#[derive(Debug)]
pub struct Room {
    _bytes: Reservation,
    _push: OwnedSemaphorePermit,
}

/// A scan that runs.
pub type Reading = OwnedSemaphorePermit;

impl Limits {
    /// The limits of a configuration.
    #[must_use]
    pub fn new(config: &IngesterConfig, clock: Arc<dyn Clock>) -> Self {
        let bytes = config.max_inflight_push.0;
        Self {
            pushes: Arc::new(Semaphore::new(permits(config.max_inflight_push_requests))),
            reads: Arc::new(Semaphore::new(permits(config.max_inflight_reads))),
            bytes: Budget::process(InstanceLimit::InflightPushBytes.setting(), (bytes > 0).then_some(bytes)),
            pace: Arc::default(),
            max_rate: config.max_ingestion_rate,
            clock,
        }
    }

    /// Lets a push in, or names the limit that forbids it. One without a payload counts as a byte, and one that is alone always fits: else
    /// it could never be stored.
    ///
    /// * `payload`: its bytes.
    pub fn push(&self, payload: u64) -> Result<Room, InstanceLimit> {
        let push = self.pushes.clone().try_acquire_owned().map_err(|_| InstanceLimit::InflightPushes)?;
        let bytes = self.bytes.reserve_or_alone(payload.saturating_add(1)).map_err(|_| InstanceLimit::InflightPushBytes)?;
        if self.max_rate > 0.0 && self.pace.lock().rate(self.second()) >= self.max_rate {
            return Err(InstanceLimit::IngestionRate);
        }
        Ok(Room { _bytes: bytes, _push: push })
    }

    /// Lets a scan in, or names the limit that forbids it.
    pub fn read(&self) -> Result<Reading, InstanceLimit> {
        self.reads.clone().try_acquire_owned().map_err(|_| InstanceLimit::InflightReads)
    }

    /// Counts rows that were stored.
    pub fn stored(&self, rows: u64) {
        if self.max_rate > 0.0 {
            self.pace.lock().add(self.second(), rows);
        }
    }

    /// The bytes of pushes on their way: 0 while there is none.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.used()
    }

    fn second(&self) -> i64 {
        self.clock.now_ms().div_euclid(1000)
    }
}

/// How many may be let in at once; 0 is no limit.
fn permits(limit: u64) -> usize {
    let most = Semaphore::MAX_PERMITS;
    if limit == 0 { most } else { usize::try_from(limit).unwrap_or(most).min(most) }
}

/// Rows per second, as a moving average that takes a fifth of each second that ends, and all of the first.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// The second that runs, since the Unix epoch; none before the first row.
    second: Option<i64>,
    rows: u64,
    /// Of the seconds before; none until one has ended.
    average: Option<f64>,
}

impl Pace {
    fn add(&mut self, second: i64, rows: u64) {
        self.advance(second);
        self.second.get_or_insert(second);
        self.rows += rows;
    }

    /// The rate of the seconds that have ended.
    fn rate(&mut self, second: i64) -> f64 {
        self.advance(second);
        self.average.unwrap_or_default()
    }

    /// Ends the seconds before `second`. A clock that goes back ends none.
    #[allow(clippy::cast_precision_loss, reason = "the rows of one second are far fewer than 2^53")]
    fn advance(&mut self, second: i64) {
        let Some(running) = self.second.filter(|running| *running < second) else { return };
        let ended = std::mem::take(&mut self.rows) as f64;
        let average = self.average.map_or(ended, |average| average + NEWEST * (ended - average));
        // In the others nothing came.
        let silent = i32::try_from(second - running - 1).unwrap_or(i32::MAX);
        self.average = Some(average * (1.0 - NEWEST).powi(silent));
        self.second = Some(second);
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("bytes", &self.bytes).field("max_rate", &self.max_rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
