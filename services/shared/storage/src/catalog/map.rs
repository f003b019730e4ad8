//! The catalog at one number: a value that is cheap to copy and never changes.

mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tenancy::TenantId;

pub use part::{NumberedDelete, ShardSize, Tombstone};
pub(crate) use part::{PartObject, SignalBlocks};

use super::entry::{Change, Entry, Record};
use super::log::LogObject;
use crate::block::{BlockId, SignalId};
use crate::layout::{self, PARTS};
use crate::time::TimeRange;

/// What the catalog says of a block's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is served.
    Live,
    /// It was, and was taken out: its rows are in other blocks, or deleted.
    Tombstoned,
    /// Not yet here, or so long ago that nobody remembers.
    Unknown,
}

/// The blocks there are, after a number of the log. Copies share everything.
#[derive(Clone, Debug)]
pub struct Map {
    number: u64,
    forget_before_ms: i64,
    parts: Vec<Part>,
}

/// Tenants whose names hash alike.
#[derive(Clone, Debug, Default)]
struct Part {
    tenants: Arc<BTreeMap<TenantId, Tenant>>,
    /// The number below which its object stands in the newest snapshot that this map knows.
    stored: Option<u64>,
    /// The number that changed it last; 0: none since it was stored.
    changed: u64,
}

type Tenant = BTreeMap<SignalId, Arc<SignalBlocks>>;

/// When and in which order something was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    pub(crate) forget_before_ms: i64,
}

impl LogObject {
    pub(crate) const fn stamp(&self) -> Stamp {
        Stamp { number: self.number, at_ms: self.at_ms, forget_before_ms: self.forget_before_ms }
    }
}

impl Default for Map {
    fn default() -> Self {
        Self { number: 0, forget_before_ms: i64::MIN, parts: vec![Part::default(); PARTS] }
    }
}

impl Map {
    /// The number of the log up to which it knows everything; 0: the empty catalog.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Blocks of a tenant's signal that share an instant with `range`, sorted by name.
    #[must_use]
    pub fn blocks(&self, tenant: &TenantId, signal: &str, range: TimeRange) -> Vec<Arc<Entry>> {
        let all = self.signal(tenant, signal).into_iter().flat_map(|blocks| blocks.live.values());
        all.filter(|entry| entry.facts.range.overlaps(&range)).cloned().collect()
    }

    /// A live block.
    #[must_use]
    pub fn get(&self, tenant: &TenantId, id: BlockId) -> Option<Arc<Entry>> {
        self.tenant(tenant)?.values().find_map(|blocks| blocks.live.get(&id)).cloned()
    }

    /// What is known of a block's name.
    #[must_use]
    pub fn status(&self, tenant: &TenantId, id: BlockId) -> Status {
        let signals = self.tenant(tenant).into_iter().flat_map(BTreeMap::values);
        let mut found = Status::Unknown;
        for blocks in signals {
            if blocks.live.contains_key(&id) {
                return Status::Live;
            }
            if blocks.gone.get(&id).is_some_and(|gone| gone.at_ms >= self.forget_before_ms) {
                found = Status::Tombstoned;
            }
        }
        found
    }

    /// True when the block is, or was, in the catalog: what an ingester must read before it forgets rows.
    #[must_use]
    pub fn knows(&self, tenant: &TenantId, id: BlockId) -> bool {
        self.status(tenant, id) != Status::Unknown
    }

    /// Tenants that have blocks, sorted.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> =
            self.all().filter(|(_, _, blocks)| !blocks.live.is_empty()).map(|(tenant, ..)| tenant.clone()).collect();
        tenants.sort();
        tenants.dedup();
        tenants
    }

    /// Signals of which a tenant has blocks.
    #[must_use]
    pub fn signals(&self, tenant: &TenantId) -> Vec<SignalId> {
        let signals = self.tenant(tenant).into_iter().flatten();
        signals.filter(|(_, blocks)| !blocks.live.is_empty()).map(|(signal, _)| signal.clone()).collect()
    }

    /// All live blocks, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.all().flat_map(|(_, _, blocks)| blocks.live.values())
    }

    /// What was taken out and is remembered.
    pub fn tombstones(&self) -> impl Iterator<Item = (&TenantId, &SignalId, &Tombstone)> {
        let all = self.all().flat_map(|(tenant, signal, blocks)| blocks.gone.values().map(move |gone| (tenant, signal, gone)));
        all.filter(|(.., gone)| gone.at_ms >= self.forget_before_ms)
    }

    /// Packed objects that hold bytes of a tenant that was deleted, sorted.
    #[must_use]
    pub fn condemned(&self) -> BTreeSet<&str> {
        let deleted = self.all().filter(|(_, _, blocks)| !blocks.deletes.is_empty());
        let all = deleted.flat_map(|(_, _, blocks)| blocks.gone.values().map(move |gone| (blocks, gone)));
        all.filter_map(|(blocks, gone)| gone.condemned(&blocks.deletes)).collect()
    }

    /// Sizes that a tenant's shuffle shard has had, oldest first.
    #[must_use]
    pub fn shard_sizes(&self, tenant: &TenantId, signal: &str) -> &[ShardSize] {
        self.signal(tenant, signal).map_or(&[], |blocks| &blocks.shard_sizes)
    }

    /// Deletes of rows that are kept, in the order of their numbers.
    #[must_use]
    pub fn deletes(&self, tenant: &TenantId, signal: &str) -> &[NumberedDelete] {
        self.signal(tenant, signal).map_or(&[], |blocks| &blocks.deletes)
    }

    fn tenant(&self, tenant: &TenantId) -> Option<&Tenant> {
        self.parts[usize::from(layout::part_of(tenant))].tenants.get(tenant)
    }

    fn signal(&self, tenant: &TenantId, signal: &str) -> Option<&SignalBlocks> {
        self.tenant(tenant)?.get(signal).map(|blocks| &**blocks)
    }

    fn all(&self) -> impl Iterator<Item = (&TenantId, &SignalId, &SignalBlocks)> {
        let tenants = self.parts.iter().flat_map(|part| part.tenants.iter());
        tenants.flat_map(|(tenant, signals)| signals.iter().map(move |(signal, blocks)| (tenant, signal, &**blocks)))
    }

    /// The map after one more object of the log, and for each of its records whether it changed anything.
    #[must_use]
    pub(crate) fn after(&self, stamp: Stamp, records: &[Record]) -> (Self, Vec<bool>) {
        let mut next = self.clone();
        next.number = stamp.number;
        next.forget_before_ms = next.forget_before_ms.max(stamp.forget_before_ms);
        let effects = records.iter().map(|record| next.apply(stamp, record)).collect();
        (next, effects)
    }

    fn apply(&mut self, stamp: Stamp, record: &Record) -> bool {
        let part = &mut self.parts[usize::from(layout::part_of(&record.tenant))];
        let known = part.tenants.get(&record.tenant).and_then(|signals| signals.get(&record.signal));
        let fits = known.map_or_else(|| SignalBlocks::default().fits(stamp, record), |blocks| blocks.fits(stamp, record));
        if fits {
            let signals = Arc::make_mut(&mut part.tenants).entry(record.tenant.clone()).or_default();
            Arc::make_mut(signals.entry(record.signal.clone()).or_default()).apply(stamp, record);
            part.changed = stamp.number;
        }
        fits
    }

    /// The number below which a part is stored, and `None` in place of its content when it has not changed since.
    pub(crate) fn part(&self, index: u8) -> (Option<u64>, Option<PartObject>) {
        let part = &self.parts[usize::from(index)];
        if part.changed == 0 {
            return (part.stored, None);
        }
        let mut object = PartObject::default();
        for (tenant, signals) in &*part.tenants {
            for (signal, blocks) in signals {
                object.push(tenant, signal, blocks, self.forget_before_ms);
            }
        }
        (part.stored, Some(object))
    }

    /// Says that a snapshot of `number` holds the parts as they were then, below the numbers in `stored`.
    pub(crate) fn mark_stored(&mut self, number: u64, stored: &[Option<u64>]) {
        for (part, stored) in self.parts.iter_mut().zip(stored) {
            part.stored = *stored;
            if part.changed <= number {
                part.changed = 0;
            }
        }
    }

    /// The deletes of rows that are kept, as the log carried them, by their numbers.
    pub(crate) fn deletes_by_number(&self) -> BTreeMap<u64, Vec<Record>> {
        let mut by_number: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
        for (tenant, signal, blocks) in self.all() {
            for NumberedDelete { number, delete } in &blocks.deletes {
                let change = Change::DeleteRows(delete.clone());
                by_number.entry(*number).or_default().push(Record { tenant: tenant.clone(), signal: signal.clone(), change });
            }
        }
        by_number
    }

    /// A map out of a snapshot.
    pub(crate) fn from_parts(number: u64, forget_before_ms: i64, parts: Vec<(Option<u64>, PartObject)>) -> Self {
        let parts = parts.into_iter().map(|(stored, object)| {
            let mut tenants: BTreeMap<TenantId, Tenant> = BTreeMap::new();
            for (tenant, signal, blocks) in object.into_blocks() {
                tenants.entry(tenant).or_default().insert(signal, Arc::new(blocks));
            }
            Part { tenants: Arc::new(tenants), stored, changed: 0 }
        });
        Self { number, forget_before_ms, parts: parts.collect() }
    }

    /// What a part holds, where it is stored below this number and unchanged: saves a reader that restarts the reading.
    pub(crate) fn reuse(&self, index: u8, stored: Option<u64>) -> Option<PartObject> {
        let part = &self.parts[usize::from(index)];
        (part.stored == stored && part.changed == 0).then(|| {
            let mut object = PartObject::default();
            for (tenant, signals) in &*part.tenants {
                for (signal, blocks) in signals {
                    object.push(tenant, signal, blocks, i64::MIN);
                }
            }
            object
        })
    }

    /// The instant before which tombstones are forgotten, milliseconds since the Unix epoch.
    pub(crate) const fn forget_before_ms(&self) -> i64 {
        self.forget_before_ms
    }
}
