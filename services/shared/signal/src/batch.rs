//! What travels on the write path.

use bytes::Bytes;
use runtime::ErrorKind;
use tenancy::TenantId;

use crate::{InstanceLimit, SignalName};

/// What a receiver hands over: items with a shard key each. Replication sees no more than this.
#[derive(Clone, Debug)]
pub struct WriteBatch {
    /// Whose data.
    pub tenant: TenantId,
    /// Which signal's.
    pub signal: SignalName,
    /// How the items are encoded; owned by the signal, stored with its pushes.
    pub format: u8,
    /// The items, in the order in which refusals name them.
    pub items: Vec<Item>,
    /// What the items point into: usually the decompressed body as it came.
    pub bytes: Bytes,
}

/// One unit of replication: all of it goes to the same replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Place on the ring.
    pub key: u32,
    /// First byte in [`WriteBatch::bytes`].
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// What an ingester got: the items of one push.
#[derive(Clone, Debug)]
pub struct Push {
    /// How the items are encoded.
    pub format: u8,
    /// The items; refusals name them by their index.
    pub items: Vec<PushItem>,
}

/// One item of a push.
#[derive(Clone, Debug)]
pub struct PushItem {
    /// Place on the ring.
    pub key: u32,
    /// What the signal encoded; a slice of the request's payload.
    pub bytes: Bytes,
}

/// A part of a batch that was not stored. An item may be refused in part: `rows` says how many of its rows
/// are missing, the others are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the item.
    pub item: u32,
    /// What kind of refusal.
    pub kind: ErrorKind,
    /// A short word, the label `reason` of the discarded counter.
    pub reason: String,
    /// What the client is told.
    pub text: String,
    /// Rows that were not stored.
    pub rows: u32,
}

impl Refusal {
    /// An item whose series is new, while the ingester has no room for one more. It is no refusal to the client: the replica has failed,
    /// and where too many have, the push is to be sent again.
    #[must_use]
    pub fn without_room(item: u32, rows: u32) -> Self {
        let limit = InstanceLimit::Series;
        Self { item, kind: ErrorKind::Unavailable, reason: limit.word().to_owned(), text: limit.to_string(), rows }
    }

    /// The limit of the ingester that is the reason, if one is.
    #[must_use]
    pub fn instance_limit(&self) -> Option<InstanceLimit> {
        InstanceLimit::of(&self.reason).filter(|_| self.kind == ErrorKind::Unavailable)
    }
}
