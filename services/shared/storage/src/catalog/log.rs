//! What stands in the objects of the catalog.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::entry::Record;
use super::error::CatalogError;
use crate::bucket::Bucket;
use crate::codec::{self, Kind};
use crate::error::StoreError;

/// `catalog/inbox/<ulid>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// Who announces; for people.
    pub(crate) from: String,
    pub(crate) records: Vec<Record>,
}

/// `catalog/log/<seq>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogObject {
    pub(crate) number: u64,
    /// The leader's name; for people.
    pub(crate) leader: String,
    /// The nonce: one leader's time in office. Who finds its own has written the object.
    pub(crate) session: Ulid,
    /// Counts what a leader tried to write in its session.
    pub(crate) attempt: u64,
    /// When it was written, by the leader's clock.
    pub(crate) at_ms: i64,
    /// Tombstones that are older are forgotten from here on: said in the log, so that all readers agree.
    pub(crate) forget_before_ms: i64,
    pub(crate) records: Vec<Record>,
}

/// `catalog/root/<seq>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    pub(crate) forget_before_ms: i64,
    /// For each part the number below which its object stands; `None`: the part is empty.
    pub(crate) parts: Vec<Option<u64>>,
}

/// Reads an object and what is in it; `None` where there is none.
pub(crate) async fn read<T: DeserializeOwned>(bucket: &dyn Bucket, kind: Kind, key: &str) -> Result<Option<T>, CatalogError> {
    match bucket.get(key).await {
        Ok(bytes) => parse(kind, key, &bytes).map(Some),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// What is in the bytes of an object.
pub(crate) fn parse<T: DeserializeOwned>(kind: Kind, key: &str, bytes: &Bytes) -> Result<T, CatalogError> {
    codec::decode(kind, bytes).map_err(|source| CatalogError::Damaged { key: key.to_owned(), source })
}
