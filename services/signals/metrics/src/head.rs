//! The head: a tenant's recent samples.
//!
//! `prepare` checks a push against what the head knows and encodes the record; a sample then *waits* with its series until
//! `commit` or until the push is dropped, so that a second push can be checked against it. Nothing that waits is visible.
//! `commit` puts samples into chunks: in order into the open one, late ones beside it. A `cut` marks everything that is in
//! chunks; marked chunks stay visible until `forget`.
//!
//! **Invariants.** Commits in any order leave the same samples. A push that is dropped leaves no trace. A record names a
//! series by its number only if an earlier committed record of the same segment, and of the same cut, holds its labels: a restart may skip
//! all records of a cut that is in blocks.
//!
//! One lock per head, held for steps of the size of a push or of a list of chunk references; never while encoding for readers.
//! Full chunks go to files, see `files`, so that an active series takes less than a kilobyte of memory; a late sample may have to read
//! one back under the lock.
//!
//! Beside samples a head has exemplars, a ring over all series, and metadata of metrics. Both are rows as samples are: in the log, in
//! cuts, forgotten with them.

mod active;
mod cardinality;
mod commit;
mod cut;
mod delete;
mod exemplars;
mod figures;
mod files;
mod held;
mod metadata;
mod more;
mod pace;
mod prepare;
pub mod record;
mod refuse;
mod scan;
mod series;
mod state;
mod trackers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use signal::{
    Appended, Cut, CutId, Head, HeadContext, HeadStats, Heads, Pending, Prepared, Push, RowDrop, ScanQuery, ScanStream, SegmentId,
    SignalError,
};
use tenancy::TenantId;

use crate::Deps;
use crate::instruments::User;
use commit::Replay;
use figures::Figures;
use index::MutableIndex;
use pace::Pace;
use prepare::PendingPush;
pub(crate) use refuse::{ACTIVE_SERIES_LIMIT, Rfc3339};
use state::State;

/// How long a series without rows is kept after its last sample, ms: its newest timestamp is what late samples are measured by.
const IDLE_MS: i64 = 20 * 60 * 1000;

/// Makes the heads of the metrics signal.
#[derive(Clone, Debug)]
pub struct MetricsHeads {
    deps: Deps,
}

impl MetricsHeads {
    /// With what the process gives.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        Self { deps }
    }

    /// An empty head for a tenant, with its own type.
    #[must_use]
    pub fn open_head(&self, tenant: &TenantId, context: &HeadContext) -> MetricsHead {
        self.deps.instruments.memory_users.inc();
        MetricsHead {
            shared: Arc::new(Shared {
                tenant: tenant.clone(),
                deps: self.deps.clone(),
                context: context.clone(),
                index: MutableIndex::new(),
                state: RwLock::new(State::new(context.directory.clone(), context.room.part())),
                pace: Mutex::default(),
                exemplars: AtomicI64::new(0),
                figures: Mutex::default(),
            }),
            replay: Mutex::new(Replay::default()),
        }
    }
}

impl Heads for MetricsHeads {
    fn open(&self, tenant: &TenantId, context: &HeadContext) -> Arc<dyn Head> {
        Arc::new(self.open_head(tenant, context))
    }
}

/// The recent samples of one tenant.
pub struct MetricsHead {
    shared: Arc<Shared>,
    replay: Mutex<Replay>,
}

/// What pushes that wait and scans that run share with the head.
struct Shared {
    tenant: TenantId,
    deps: Deps,
    context: HeadContext,
    /// Series that are visible. Its own lock is taken after that of `state`, or alone.
    index: MutableIndex,
    state: RwLock<State>,
    /// What arrived of late; its lock is taken alone.
    pace: Mutex<Pace>,
    /// As many exemplars as the instruments count of this head.
    exemplars: AtomicI64,
    /// What the instruments know of this head; its lock is taken before all others.
    figures: Mutex<Figures>,
}

/// A limit that is so large that the share of it says what the share is.
const WHOLE: u64 = 1 << 40;

impl Shared {
    /// The time, ms since the Unix epoch.
    fn now_ms(&self) -> i64 {
        self.context.clock.now_ms()
    }

    /// This head's share of a limit of the whole cluster; 0, which is no limit, becomes the largest number.
    fn share(&self, limit: u64) -> u64 {
        if limit == 0 { u64::MAX } else { self.context.share.of(&self.tenant, limit) }
    }

    /// What the whole cluster has of something, if all heads have as much as their shares are.
    fn of_all(&self, here: u64) -> u64 {
        let share = self.context.share.of(&self.tenant, WHOLE).max(1);
        u64::try_from(u128::from(here) * u128::from(WHOLE) / u128::from(share)).unwrap_or(u64::MAX)
    }

    /// Tells how many exemplars there are.
    fn show_exemplars(&self, state: &State) {
        let all = &self.deps.instruments.head_exemplars;
        let count = i64::try_from(state.exemplars.len()).unwrap_or(i64::MAX);
        let before = self.exemplars.swap(count, Ordering::Relaxed);
        if (count, before) == (0, 0) {
            return;
        }
        all.stored.inc_by(count - before);
        let user = User::from(&self.tenant);
        all.series.get_or_create(&user).set(i64::try_from(state.exemplars.series_count()).unwrap_or(i64::MAX));
        all.oldest.get_or_create(&user).set(state.exemplars.oldest().map_or(0.0, |ms| ms as f64 / 1000.0));
    }

    /// How many exemplars it may have; here 0 is none.
    fn max_exemplars(&self) -> u64 {
        match self.deps.limits.of(&self.tenant).max_global_exemplars_per_user {
            0 => 0,
            limit => self.share(limit),
        }
    }

    fn count_created(&self, series: u64) {
        if series > 0 {
            self.deps.instruments.memory_series.inc_by(i64::try_from(series).unwrap_or(i64::MAX));
            self.deps.instruments.series_created.get_or_create(&User::from(&self.tenant)).inc_by(series);
        }
    }

    fn count_removed(&self, series: u64) {
        if series > 0 {
            self.deps.instruments.memory_series.dec_by(i64::try_from(series).unwrap_or(i64::MAX));
            self.deps.instruments.series_removed.get_or_create(&User::from(&self.tenant)).inc_by(series);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.hide_figures();
        let instruments = &self.deps.instruments;
        instruments.memory_users.dec();
        instruments.head_exemplars.stored.dec_by(*self.exemplars.get_mut());
        let user = User::from(&self.tenant);
        instruments.head_exemplars.series.remove(&user);
        instruments.head_exemplars.oldest.remove(&user);
        instruments.memory_series.dec_by(i64::try_from(self.state.get_mut().series_count()).unwrap_or(i64::MAX));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Head for MetricsHead {
    fn prepare(&self, push: &Push, segment: SegmentId) -> Prepared {
        // Whoever prepares has replayed everything.
        *self.replay.lock() = Replay::default();
        let begun = Instant::now();
        let (record, pending) = prepare::prepare(&self.shared, push, segment);
        self.shared.deps.instruments.heads.add.observe(begun.elapsed().as_secs_f64());
        Prepared { record, pending: Box::new(pending) }
    }

    fn commit(&self, pending: Pending) -> Appended {
        let pending = pending.downcast::<PendingPush>().expect("a head commits what it prepared");
        let begun = Instant::now();
        let appended = commit::commit(&self.shared, *pending);
        self.shared.deps.instruments.heads.commit.observe(begun.elapsed().as_secs_f64());
        appended
    }

    fn replay(&self, record: &[u8], segment: SegmentId) -> Result<Appended, SignalError> {
        if record.first() == Some(&delete::DELETE) {
            return delete::replay(&self.shared, record);
        }
        commit::replay(&self.shared, &mut self.replay.lock(), record, segment)
    }

    fn scan(&self, query: &ScanQuery) -> ScanStream {
        scan::scan(&self.shared, query)
    }

    fn cut(&self) -> Option<Cut> {
        cut::cut(&self.shared)
    }

    fn forget(&self, cut: CutId) {
        let mut state = self.shared.state.write();
        state.forget(cut);
        self.shared.show_exemplars(&state);
    }

    fn delete(&self, number: u64, rows: &[RowDrop], _: SegmentId) -> Bytes {
        delete::delete(&self.shared, number, rows)
    }

    fn stats(&self) -> HeadStats {
        let index = self.shared.index.heap_bytes() as u64;
        let mut stats = self.shared.state.read().stats();
        stats.bytes += index;
        stats.milli_rows = self.shared.pace.lock().milli_samples(self.shared.now_ms());
        stats
    }

    fn tidy(&self) {
        self.shared.show_figures();
        if !self.shared.state.read().has_emptied() {
            return;
        }
        let before = self.shared.now_ms().saturating_sub(IDLE_MS);
        let removed = self.shared.state.write().drop_idle(before, &self.shared.index);
        self.shared.count_removed(removed);
    }
}

impl fmt::Debug for MetricsHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsHead").field("tenant", &self.shared.tenant).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
