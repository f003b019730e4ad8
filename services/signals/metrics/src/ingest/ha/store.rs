//! What distributors share of high-availability pairs: objects in the bucket.
//!
//! ```text
//! shared/metrics/ha/term/<tenant>/<hash of cluster>/<number>   who is elected; created if absent, never changed
//! shared/metrics/ha/heard/<distributor>                        which elected replicas it has heard, and when
//! ```
//!
//! Terms of a pair are numbered from 1 on; the newest is in force. One term before it is kept, so that a distributor that knew of an older one
//! cannot create a number again that is gone: for that, two failovers would have to pass between its look and its creation.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use storage::bucket::{Bucket, Created};
use storage::error::StoreError;
use storage::layout;
use tenancy::TenantId;
use tracing::warn;

use crate::NAME;

/// How long what a distributor has heard is kept after its last word, ms.
const GONE_AFTER: i64 = 10 * 60 * 1000;

/// The objects.
pub(super) struct Store {
    bucket: Arc<dyn Bucket>,
    name: String,
}

/// Who is elected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    /// The pair.
    pub(super) cluster: String,
    /// The elected replica.
    pub(super) replica: String,
    /// When, ms since the Unix epoch.
    pub(super) elected_at: i64,
    /// The distributor that elected it.
    pub(super) by: String,
}

/// That a distributor has heard the elected replica of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) tenant: String,
    pub(super) cluster: String,
    /// The term of which that replica is.
    pub(super) term: u64,
    /// When, ms since the Unix epoch.
    pub(super) at: i64,
}

/// All that a distributor has heard.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    at: i64,
    heard: Vec<Heard>,
}

/// The name of a pair in keys: the labels of clients may be long, and hold any character.
pub(super) fn hash(cluster: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(cluster.as_bytes())
}

fn folder(tenant: &TenantId, hash: u128) -> String {
    layout::shared(NAME.as_str(), &format!("ha/term/{tenant}/{hash:032x}/"))
}

fn key(tenant: &TenantId, hash: u128, number: u64) -> String {
    format!("{}{number:020}", folder(tenant, hash))
}

/// Tenant, pair and number of a key below `folder`.
fn parse(key: &str, folder: &str) -> Option<(TenantId, u128, u64)> {
    match *key.strip_prefix(folder)?.split('/').collect::<Vec<_>>().as_slice() {
        [tenant, hash, number] => Some((TenantId::parse(tenant).ok()?, u128::from_str_radix(hash, 16).ok()?, number.parse().ok()?)),
        _ => None,
    }
}

impl Store {
    pub(super) fn new(bucket: Arc<dyn Bucket>, name: &str) -> Self {
        let name = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' }).collect();
        Self { bucket, name }
    }

    /// This distributor's name in keys.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Creates a term. False: somebody else did.
    pub(super) async fn create(&self, tenant: &TenantId, number: u64, term: &Term) -> Result<bool, StoreError> {
        let hash = hash(&term.cluster);
        let bytes = encode(term);
        let ours = match self.bucket.create(&key(tenant, hash, number), bytes).await? {
            Created::Created => true,
            // An attempt whose answer was lost may have been ours.
            Created::Exists => self.term(tenant, hash, number).await?.as_ref() == Some(term),
        };
        if ours {
            self.clean(tenant, hash, number.saturating_sub(2)).await?;
        }
        Ok(ours)
    }

    /// Removes a term that is no longer needed, if there is such a number.
    async fn clean(&self, tenant: &TenantId, hash: u128, number: u64) -> Result<(), StoreError> {
        if number == 0 { Ok(()) } else { self.bucket.delete(&key(tenant, hash, number)).await }
    }

    /// Removes a pair whose newest term is `number`.
    pub(super) async fn remove(&self, tenant: &TenantId, hash: u128, number: u64) -> Result<(), StoreError> {
        // The older one first: the newest stays in force until there is none.
        self.clean(tenant, hash, number.saturating_sub(1)).await?;
        self.clean(tenant, hash, number).await
    }

    /// A term; none if it is gone, or cannot be read.
    pub(super) async fn term(&self, tenant: &TenantId, hash: u128, number: u64) -> Result<Option<Term>, StoreError> {
        let key = key(tenant, hash, number);
        match self.bucket.get(&key).await {
            Ok(bytes) => Ok(decode(&key, &bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// The newest number of each pair.
    pub(super) async fn newest(&self) -> Result<HashMap<(TenantId, u128), u64>, StoreError> {
        let folder = layout::shared(NAME.as_str(), "ha/term/");
        let mut newest = HashMap::new();
        for object in self.bucket.list(&folder, None).await? {
            if let Some((tenant, hash, number)) = parse(&object.key, &folder) {
                let known = newest.entry((tenant, hash)).or_insert(number);
                *known = number.max(*known);
            }
        }
        Ok(newest)
    }

    /// Tells the others what was heard here.
    pub(super) async fn tell(&self, now: i64, heard: Vec<Heard>) -> Result<(), StoreError> {
        self.bucket.put(&self.heard_key(&self.name), encode(&Told { at: now, heard })).await
    }

    /// What the others have heard. What those told that have not spoken for long goes.
    pub(super) async fn heard(&self, now: i64) -> Result<Vec<Heard>, StoreError> {
        let folder = self.heard_key("");
        let mut all = Vec::new();
        for object in self.bucket.list(&folder, None).await? {
            if object.key == self.heard_key(&self.name) {
                continue;
            }
            let bytes = match self.bucket.get(&object.key).await {
                Ok(bytes) => bytes,
                Err(StoreError::NotFound { .. }) => continue,
                Err(err) => return Err(err),
            };
            let Some(told) = decode::<Told>(&object.key, &bytes) else { continue };
            if told.at < now.saturating_sub(GONE_AFTER) {
                self.bucket.delete(&object.key).await?;
            }
            all.extend(told.heard);
        }
        Ok(all)
    }

    fn heard_key(&self, name: &str) -> String {
        layout::shared(NAME.as_str(), &format!("ha/heard/{name}"))
    }
}

fn encode(value: &impl Serialize) -> bytes::Bytes {
    serde_json::to_vec(value).expect("texts and numbers can be written as JSON").into()
}

/// What an object holds; one that cannot be read counts as none, and is named in the log.
fn decode<T: for<'de> Deserialize<'de>>(key: &str, bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).inspect_err(|err| warn!(key, error = %err, "an object of high-availability pairs cannot be read")).ok()
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("name", &self.name).finish_non_exhaustive()
    }
}
