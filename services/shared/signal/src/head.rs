//! Ingester: the recent data of one tenant.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use runtime::Clock;
use tenancy::TenantId;

use crate::{Push, Refusal, RowDrop, ScanQuery, ScanStream, SeriesRoom, SignalError, TimeRange};

/// The number of a WAL segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

/// The number of a WAL record; rises by one with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalSeq(pub u64);

/// The number of a cut within its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutId(pub u64);

/// Makes heads.
pub trait Heads: Send + Sync {
    /// An empty head for a tenant.
    fn open(&self, tenant: &TenantId, context: &HeadContext) -> Arc<dyn Head>;
}

/// What a head is given by the ingester.
#[derive(Clone)]
pub struct HeadContext {
    /// A directory of the head's own for what it keeps outside memory; not made yet. It is scratch: removed at start, since
    /// the WAL has all of it.
    pub directory: PathBuf,
    /// Divides limits of the whole cluster.
    pub share: Arc<dyn Share>,
    /// What all heads of the signal may hold together: a head takes part in it, and refuses new series as [`Refusal::without_room`] while
    /// there is no room.
    pub room: Arc<SeriesRoom>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl HeadContext {
    /// Of an ingester that has all series: there is no cluster to divide limits among.
    #[must_use]
    pub fn alone(directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { directory, share: Arc::new(Whole), room: SeriesRoom::new(0), clock }
    }
}

impl fmt::Debug for HeadContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadContext").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// This ingester's share of a limit that holds for the whole cluster (DESIGN 11.5).
pub trait Share: Send + Sync {
    /// `limit` series or streams over all ingesters become this many here, never 0 for a limit above 0. 0 means no limit and stays so.
    fn of(&self, tenant: &TenantId, limit: u64) -> u64;
}

/// All of it.
struct Whole;

impl Share for Whole {
    fn of(&self, _: &TenantId, limit: u64) -> u64 {
        limit
    }
}

/// The recent data of one tenant and signal.
///
/// The ingester calls `prepare` and appends its record to the WAL under one lock per head, so the order of records is the
/// order of `prepare`; `commit` follows when the record is durable, in any order. `cut` is called when every prepared push is
/// committed, and no push is prepared while it runs.
pub trait Head: Send + Sync + fmt::Debug {
    /// Encodes what the WAL keeps for `push`, if it goes into `segment`; makes nothing visible. Called again with the
    /// next segment when that one has closed meanwhile; the earlier result is then dropped.
    fn prepare(&self, push: &Push, segment: SegmentId) -> Prepared;

    /// Makes a prepared push visible to `scan`.
    fn commit(&self, pending: Pending) -> Appended;

    /// Takes a record of the WAL again after a restart, in the order of the log.
    fn replay(&self, record: &[u8], segment: SegmentId) -> Result<Appended, SignalError>;

    /// Rows that match, of everything committed and not yet forgotten, from a consistent view.
    fn scan(&self, query: &ScanQuery) -> ScanStream;

    /// Takes everything committed so far for a block; it stays visible to `scan` until it is forgotten. `None`: nothing there.
    ///
    /// Records prepared after a cut refer to nothing that records before it define, also in the same segment: once the cut is in
    /// a block, a replay leaves those out and compaction removes them from the log.
    fn cut(&self) -> Option<Cut>;

    /// Readers find the rows of a cut in blocks from now on: drop them.
    fn forget(&self, cut: CutId);

    /// Drops rows of everything committed and not yet forgotten, and encodes that for the WAL: the record of `segment` makes a replay do
    /// the same to what came before it, and give back `number`. Called like `cut`: nothing waits, and no push is prepared meanwhile.
    fn delete(&self, number: u64, rows: &[RowDrop], segment: SegmentId) -> Bytes;

    /// Figures for limits, cuts and pages.
    fn stats(&self) -> HeadStats;

    /// Called now and then: close what is idle, drop series without rows.
    fn tidy(&self);
}

/// A push that is encoded and not yet visible.
pub struct Prepared {
    /// What the WAL keeps; empty when nothing of the push was good.
    pub record: Bytes,
    /// For `commit`.
    pub pending: Pending,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("record", &self.record.len()).finish_non_exhaustive()
    }
}

/// What a head keeps of a push between `prepare` and `commit`; its own type inside.
pub type Pending = Box<dyn Any + Send>;

/// What became of a push.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    /// Rows stored.
    pub rows: u64,
    /// What was not stored, found in `prepare` or in `commit`.
    pub refused: Vec<Refusal>,
    /// Of a replay: the number of a delete that was done again.
    pub deletes: Option<u64>,
}

/// The rows of one cut.
#[derive(Clone)]
pub struct Cut {
    /// Its number in this head.
    pub id: CutId,
    /// Times of its rows.
    pub range: TimeRange,
    /// How many rows, about.
    pub rows: u64,
    /// What [`crate::BlockFormat::write`] takes; the signal's own type inside.
    pub data: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cut").field("id", &self.id).field("range", &self.range).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Figures of a head.
#[derive(Clone, Debug, Default)]
pub struct HeadStats {
    /// Series, streams or live traces.
    pub series: u64,
    /// Bytes of memory.
    pub bytes: u64,
    /// Bytes of rows which are not yet cut, in memory and in files: what a cut by size goes by.
    pub fresh_bytes: u64,
    /// Rows not yet cut.
    pub rows: u64,
    /// Rows cut and not yet forgotten.
    pub cut_rows: u64,
    /// Rows that came in a second, over the last minute, in thousandths.
    pub milli_rows: u64,
    /// Times of all rows that `scan` can return.
    pub range: Option<TimeRange>,
}
