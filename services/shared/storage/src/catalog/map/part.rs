//! The blocks of one tenant's signal, and how they stand in a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenancy::TenantId;

use super::Stamp;
use crate::block::{BlockId, SignalId};
use crate::catalog::entry::{Change, Entry, Record, RowDelete, tenant_text};
use crate::time::TimeRange;

/// A block that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Its name.
    pub id: BlockId,
    /// When, by the leader's clock: milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The packed object that holds its files, if it had none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<String>,
    /// Deletes of rows up to this number of the log were applied in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delete_number: u64,
    /// True when its files are known to be gone.
    #[serde(default)]
    pub files_gone: bool,
}

/// A size of a tenant's shuffle shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardSize {
    /// Members; 0: all.
    pub size: u32,
    /// Since when, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A delete of rows with the number of the log that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedDelete {
    /// It holds for what arrived before this number.
    pub number: u64,
    /// What is deleted.
    pub delete: RowDelete,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tombstone {
    /// The packed object that still holds bytes of it though a delete took all rows of its tenant's signal: those of the others in there
    /// have to get objects of their own.
    #[must_use]
    pub fn condemned(&self, deletes: &[NumberedDelete]) -> Option<&str> {
        let everything = |known: &NumberedDelete| known.delete.what.is_empty() && known.delete.range == TimeRange::ALL;
        let deleted = || deletes.iter().any(|known| self.delete_number < known.number && everything(known));
        self.packed.as_deref().filter(|_| !self.files_gone && deleted())
    }
}

impl NumberedDelete {
    /// True when a block may hold rows of it.
    #[must_use]
    pub fn is_open_in(&self, entry: &Entry) -> bool {
        entry.delete_number < self.number && entry.facts.range.overlaps(&self.delete.range)
    }

    /// True when it takes everything out of a block.
    #[must_use]
    pub fn empties(&self, entry: &Entry) -> bool {
        let (wide, range) = (&self.delete.range, &entry.facts.range);
        self.is_open_in(entry) && self.delete.what.is_empty() && wide.start <= range.start && range.end <= wide.end
    }
}

/// The blocks of one tenant's signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignalBlocks {
    pub(super) live: BTreeMap<BlockId, Arc<Entry>>,
    pub(super) gone: BTreeMap<BlockId, Tombstone>,
    pub(super) shard_sizes: Vec<ShardSize>,
    pub(super) deletes: Vec<NumberedDelete>,
}

impl SignalBlocks {
    /// True for a name that was never in, as far as anybody remembers.
    fn is_new(&self, stamp: Stamp, id: BlockId) -> bool {
        !self.live.contains_key(&id) && self.gone.get(&id).is_none_or(|gone| gone.at_ms < stamp.forget_before_ms)
    }

    /// True when the record would change anything.
    pub(super) fn fits(&self, stamp: Stamp, record: &Record) -> bool {
        match &record.change {
            Change::Add { entries } => entries.iter().any(|entry| self.is_new(stamp, entry.id)),
            Change::Replace { parents, entries } => {
                !parents.is_empty()
                    && parents.iter().all(|id| self.live.contains_key(id))
                    && entries.iter().all(|entry| self.is_new(stamp, entry.id))
            }
            Change::Remove { ids } => ids.iter().any(|id| self.live.contains_key(id)),
            Change::Removed { ids } => ids.iter().any(|id| self.gone.get(id).is_some_and(|gone| !gone.files_gone)),
            Change::ShardSize { size, at_ms } => match self.shard_sizes.last() {
                Some(last) => last.size != *size && last.at_ms < *at_ms,
                None => true,
            },
            Change::DeleteRows(delete) => !self.deletes.iter().any(|known| known.delete.id == delete.id),
        }
    }

    /// Takes a record in that fits.
    pub(super) fn apply(&mut self, stamp: Stamp, record: &Record) {
        self.gone.retain(|_, gone| gone.at_ms >= stamp.forget_before_ms);
        self.drop_deletes(stamp);
        match &record.change {
            Change::Add { entries } => self.add(stamp, entries),
            Change::Replace { parents, entries } => {
                self.take_out(stamp, parents);
                self.add(stamp, entries);
            }
            Change::Remove { ids } => self.take_out(stamp, ids),
            Change::Removed { ids } => {
                for id in ids {
                    if let Some(gone) = self.gone.get_mut(id) {
                        gone.files_gone = true;
                    }
                }
            }
            Change::ShardSize { size, at_ms } => self.shard_sizes.push(ShardSize { size: *size, at_ms: *at_ms }),
            Change::DeleteRows(delete) => self.deletes.push(NumberedDelete { number: stamp.number, delete: delete.clone() }),
        }
    }

    /// Forgets deletes whose time is over, once no block holds rows of theirs.
    fn drop_deletes(&mut self, stamp: Stamp) {
        let live = &self.live;
        self.deletes.retain(|known| known.delete.keep_until_ms >= stamp.at_ms || live.values().any(|entry| known.is_open_in(entry)));
    }

    fn add(&mut self, stamp: Stamp, entries: &[Entry]) {
        for entry in entries {
            if self.is_new(stamp, entry.id) {
                self.live.insert(entry.id, Arc::new(entry.clone()));
            }
        }
    }

    fn take_out(&mut self, stamp: Stamp, ids: &[BlockId]) {
        for id in ids {
            if let Some(entry) = self.live.remove(id) {
                let packed = entry.is_packed().then(|| entry.data.object.clone());
                self.gone
                    .insert(*id, Tombstone { id: *id, at_ms: stamp.at_ms, packed, delete_number: entry.delete_number, files_gone: false });
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.live.is_empty() && self.gone.is_empty() && self.shard_sizes.is_empty() && self.deletes.is_empty()
    }
}

/// `catalog/part/<seq>/<part>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartObject {
    signals: Vec<PartSignal>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PartSignal {
    #[serde(with = "tenant_text")]
    tenant: TenantId,
    signal: SignalId,
    live: Vec<SharedEntry>,
    #[serde(default)]
    gone: Vec<Tombstone>,
    #[serde(default)]
    shard_sizes: Vec<ShardSize>,
    #[serde(default)]
    deletes: Vec<NumberedDelete>,
}

/// An entry as the map holds it, written as itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SharedEntry(Arc<Entry>);

impl Serialize for SharedEntry {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for SharedEntry {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Entry::deserialize(from).map(|entry| Self(Arc::new(entry)))
    }
}

impl PartObject {
    /// True when nobody has anything in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.signals.is_empty()
    }

    /// Adds a tenant's signal, without what is forgotten.
    pub(super) fn push(&mut self, tenant: &TenantId, signal: &SignalId, blocks: &SignalBlocks, forget_before_ms: i64) {
        let mut kept = blocks.clone();
        kept.gone.retain(|_, gone| gone.at_ms >= forget_before_ms);
        if !kept.is_empty() {
            let SignalBlocks { live, gone, shard_sizes, deletes } = kept;
            let live = live.into_values().map(SharedEntry).collect();
            let gone = gone.into_values().collect();
            self.signals.push(PartSignal { tenant: tenant.clone(), signal: signal.clone(), live, gone, shard_sizes, deletes });
        }
    }

    pub(super) fn into_blocks(self) -> impl Iterator<Item = (TenantId, SignalId, SignalBlocks)> {
        self.signals.into_iter().map(|PartSignal { tenant, signal, live, gone, shard_sizes, deletes }| {
            let live = live.into_iter().map(|entry| (entry.0.id, entry.0)).collect();
            let gone = gone.into_iter().map(|gone| (gone.id, gone)).collect();
            (tenant, signal, SignalBlocks { live, gone, shard_sizes, deletes })
        })
    }
}
