//! Blocks: their names, the facts about them that a plan needs, and how they are read.

mod contents;
pub mod files;
pub mod packed;

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

pub use contents::Contents;
pub use files::{BlockUpload, ObjectRange, open, remove, upload};

use crate::error::StoreError;
use crate::time::TimeRange;

/// The name of a block: a ULID, so names sort by the time at which they were given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId(pub Ulid);

impl BlockId {
    /// A new name, given at `now_ms` milliseconds since the Unix epoch (before 1970 counts as 1970).
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self(Ulid::from_parts(u64::try_from(now_ms).unwrap_or(0), rand::random()))
    }

    /// When the name was given, milliseconds since the Unix epoch.
    #[must_use]
    pub fn given_ms(self) -> i64 {
        i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The name of a signal where it stands in keys: 1 to 32 small letters, digits and `-`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalId(Arc<str>);

impl SignalId {
    /// The name, if `text` is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ((1..=32).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for SignalId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for SignalId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SignalId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SignalId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not the name of a signal"))
    }
}

/// What is known of a block before it is read: enough to plan a query and to open it with one ranged read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockFacts {
    /// Times of its rows.
    pub range: TimeRange,
    /// Rows (metrics: samples).
    pub rows: u64,
    /// Series, streams or traces.
    pub series: u64,
    /// Smallest and greatest shard key of its rows; both belong.
    pub hash_range: (u32, u32),
    /// Bytes from the footer's first byte to the end of `data.parquet`.
    pub footer_len: u32,
    /// Version of the signal's schema.
    pub schema_version: u16,
}

/// Random access to one file of a block.
pub trait Ranged: Send + Sync + fmt::Debug {
    /// Length of the file in bytes.
    fn len(&self) -> u64;

    /// True for an empty file.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a range that lies inside the file. Errors: [`StoreError::NotFound`] when the object is gone.
    fn read(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>>;
}

/// An open block.
#[derive(Clone, Debug)]
pub struct BlockReader {
    /// Its name: the key of everything cached about it.
    pub id: BlockId,
    /// What the catalog says.
    pub facts: BlockFacts,
    /// `data.parquet`.
    pub data: Arc<dyn Ranged>,
    /// `index`, where there is one.
    pub index: Option<Arc<dyn Ranged>>,
}

/// Opens blocks by their catalog entries, through whatever caches the process has.
pub type OpenBlock = Arc<dyn Fn(&crate::catalog::Entry) -> BlockReader + Send + Sync>;

/// A file in memory.
#[derive(Clone, Debug)]
pub struct InMemory(pub Bytes);

impl Ranged for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        let bytes = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .filter(|(start, end)| start <= end && *end <= self.0.len())
            .map(|(start, end)| self.0.slice(start..end));
        let len = self.len();
        Box::pin(async move { bytes.ok_or(StoreError::Range { start: range.start, end: range.end, len }) })
    }
}
