//! Entries of blocks, and the records that change which of them live.

use serde::{Deserialize, Serialize};
use tenancy::TenantId;
use ulid::Ulid;

use crate::block::{BlockFacts, BlockId, SignalId};
use crate::time::TimeRange;

/// Bytes of an object that are one file of a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileRef {
    /// Key of the object, below the prefix.
    pub object: String,
    /// Where the file begins; 0 where it is the whole object.
    #[serde(default)]
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// Which share of its tenant's series a block holds: those whose shard key modulo `of` is `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// Below `of`.
    pub index: u32,
    /// How many shards there are; 1: the block holds everything.
    pub of: u32,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// What the catalog knows of a block: enough to plan a query and to open the block with one ranged read. `meta.json` says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub id: BlockId,
    /// Whose.
    #[serde(with = "tenant_text")]
    pub tenant: TenantId,
    /// Of which signal.
    pub signal: SignalId,
    /// Times, rows, series, hash range, footer and schema.
    #[serde(flatten)]
    pub facts: BlockFacts,
    /// `data.parquet`.
    pub data: FileRef,
    /// `index`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<FileRef>,
    /// When its rows arrived, nanoseconds since the Unix epoch.
    pub arrival: TimeRange,
    /// The instant from which retention counts, nanoseconds since the Unix epoch: the end of its data unless the
    /// signal says otherwise (a trace dated far from its arrival).
    pub retention_ns: i64,
    /// 0 for what an ingester cut; a merge is one above the highest of its parents.
    pub level: u8,
    /// Its share of the tenant's series.
    #[serde(default)]
    pub shard: Shard,
    /// Blocks that it replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<BlockId>,
    /// Deletes of rows up to this number of the log are applied in it.
    #[serde(default)]
    pub delete_number: u64,
    /// Which of the tenant's rules for the retention of some rows are applied in it; none: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesApplied>,
}

/// Rules for the retention of some rows, as they were applied to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesApplied {
    /// As of this instant, nanoseconds since the Unix epoch.
    pub at_ns: i64,
    /// A hash of the rules: others have to be applied anew.
    pub hash: u64,
}

impl Entry {
    /// True when its files are not objects of their own.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.data.object.starts_with(crate::layout::PACKED)
    }

    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.data.len.saturating_add(self.index.as_ref().map_or(0, |index| index.len))
    }

    /// Why it cannot be a block's entry, if so: what a reader must be able to believe.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let own = |file: &FileRef| file.offset == 0 && file.object.starts_with(&crate::layout::blocks(&self.tenant, &self.signal));
        let placed = |file: &FileRef| match crate::layout::parse(&file.object) {
            Some(crate::layout::Key::Block { id, .. }) => id == self.id && own(file),
            Some(crate::layout::Key::Packed { signal, .. }) => signal == self.signal,
            _ => false,
        };
        if !placed(&self.data) || !self.index.as_ref().is_none_or(placed) {
            return Some("its files stand where its files never are");
        }
        let ends = [Some(&self.data), self.index.as_ref()];
        if ends.into_iter().flatten().any(|file| file.offset.checked_add(file.len).is_none()) {
            return Some("its files end nowhere");
        }
        if self.facts.range.is_empty() || self.facts.hash_range.0 > self.facts.hash_range.1 {
            return Some("its ranges are empty");
        }
        if u64::from(self.facts.footer_len) > self.data.len {
            return Some("its footer is longer than its data");
        }
        (self.shard.of == 0 || self.shard.index >= self.shard.of).then_some("its shard is none of its shards")
    }
}

/// How long a delete of rows is kept at least, milliseconds: rows that it names may lie on the disk of an ingester that is away.
pub const DELETES_KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// A delete of rows (DESIGN 11.12): holds for what arrived before the number of the log that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowDelete {
    /// Its name: the same delete announced twice is one.
    pub id: Ulid,
    /// Times of the rows.
    pub range: TimeRange,
    /// What the signal deletes, in its own encoding.
    pub what: String,
    /// When it was asked for, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// It is kept until then, milliseconds since the Unix epoch: the end of the tenant's longest retention.
    pub keep_until_ms: i64,
}

/// One change of the catalog. A change that does not fit any more changes nothing, so applying one twice is applying it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose.
    #[serde(with = "tenant_text")]
    pub tenant: TenantId,
    /// Of which signal.
    pub signal: SignalId,
    /// What changes.
    pub change: Change,
}

/// What changes of one tenant's signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Blocks appear; those whose ids are known, live or taken out, do not.
    Add {
        /// The blocks.
        entries: Vec<Entry>,
    },
    /// Blocks take the place of others, all at once, if all of those are live and none of the new ids is known; else nothing changes.
    Replace {
        /// What goes.
        parents: Vec<BlockId>,
        /// What comes; may be empty.
        entries: Vec<Entry>,
    },
    /// Blocks go: retention, or a deleted tenant.
    Remove {
        /// The blocks.
        ids: Vec<BlockId>,
    },
    /// The files of blocks that were taken out are gone. Only the leader says so.
    Removed {
        /// The blocks.
        ids: Vec<BlockId>,
    },
    /// The tenant's shuffle shard has another size from now on (DESIGN 4).
    ShardSize {
        /// Members; 0: all.
        size: u32,
        /// Since when, milliseconds since the Unix epoch.
        at_ms: i64,
    },
    /// Rows are deleted.
    DeleteRows(RowDelete),
}

impl Record {
    /// Announces blocks of one tenant and signal. `None` for an empty list.
    #[must_use]
    pub fn add(entries: Vec<Entry>) -> Option<Self> {
        let first = entries.first()?;
        Some(Self { tenant: first.tenant.clone(), signal: first.signal.clone(), change: Change::Add { entries } })
    }

    /// Puts `entries` in the place of `parents`.
    #[must_use]
    pub fn replace(tenant: TenantId, signal: SignalId, parents: Vec<BlockId>, entries: Vec<Entry>) -> Self {
        Self { tenant, signal, change: Change::Replace { parents, entries } }
    }

    /// Blocks that it would bring in.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.change {
            Change::Add { entries } | Change::Replace { entries, .. } => entries,
            _ => &[],
        }
    }
}

/// Tenants as text in our JSON, checked when they are read.
pub(crate) mod tenant_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use tenancy::TenantId;

    pub(crate) fn serialize<S: Serializer>(tenant: &TenantId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(tenant.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TenantId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        TenantId::parse(&text).map_err(D::Error::custom)
    }
}
