//! What the scans of one request took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The account of one request to a store-gateway. A signal adds to it a few times for each block, never for each row; the role shows what
/// it says when the request is over. Several blocks add at the same time.
#[derive(Debug, Default)]
pub struct ScanAccount {
    indexes: Cell,
    row_scans: Cell,
    groups: Cell,
    rows_read: Cell,
    rows_returned: Cell,
    stages: [AtomicU64; Stage::ALL.len()],
}

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the index, and finding in it what is wanted.
    Select,
    /// Reading rows and unpacking them.
    Read,
    /// Packing rows for the querier.
    Encode,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Select, Self::Read, Self::Encode];
}

/// A number of things, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// How many bytes they take.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Cell {
    fn add(&self, more: Amount) {
        self.count.fetch_add(more.count, Ordering::Relaxed);
        self.bytes.fetch_add(more.bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Amount {
        Amount { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

impl ScanAccount {
    /// An index was read, so many bytes.
    pub fn add_index(&self, bytes: u64) {
        self.indexes.add(Amount { count: 1, bytes });
    }

    /// Rows of a block are wanted, not only what its index knows.
    pub fn add_row_scan(&self) {
        self.row_scans.add(Amount { count: 1, bytes: 0 });
    }

    /// Rows were read. The bytes are those that came of the store or a cache, packed, with what stood between them.
    pub fn add_read(&self, more: Amount) {
        self.rows_read.add(more);
    }

    /// Rows go to the querier, of so many series, streams, or whatever else rows belong to.
    pub fn add_returned(&self, groups: u64, rows: Amount) {
        self.groups.add(Amount { count: groups, bytes: 0 });
        self.rows_returned.add(rows);
    }

    /// A part of the work took so long.
    pub fn add_time(&self, stage: Stage, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.stages[stage as usize].fetch_add(ns, Ordering::Relaxed);
    }

    /// Indexes that were read.
    #[must_use]
    pub fn indexes(&self) -> Amount {
        self.indexes.get()
    }

    /// Series, or whatever rows belong to, of which rows went to the querier, those of each block counted by themselves. None: no rows
    /// were wanted.
    #[must_use]
    pub fn groups(&self) -> Option<u64> {
        (self.row_scans.get().count > 0).then(|| self.groups.get().count)
    }

    /// Rows that were read, those included that nobody wanted but that lie beside wanted ones.
    #[must_use]
    pub fn rows_read(&self) -> Amount {
        self.rows_read.get()
    }

    /// Rows that went to the querier.
    #[must_use]
    pub fn rows_returned(&self) -> Amount {
        self.rows_returned.get()
    }

    /// How long a part of the work took, in all blocks together.
    #[must_use]
    pub fn time(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.stages[stage as usize].load(Ordering::Relaxed))
    }
}
