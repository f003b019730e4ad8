//! Where members keep their objects: the bucket, or memory.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use runtime::{Classify, Clock, ErrorKind};
use storage::bucket::{Bucket, ObjectMeta};
use storage::layout::{self, Key};

use crate::member::Member;

/// Objects that are read at the same time.
const READS: usize = 16;

/// An object that is younger when it is read may change within the second of its time of writing, and is read again.
const SETTLED_MS: i64 = 60_000;

/// What a store answers later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The members' objects. Small on purpose: a simulation has one of its own.
pub trait MemberStore: Send + Sync + fmt::Debug {
    /// All members. Errors, too, when an object is not a member: a member that cannot be read is not one that is absent.
    fn list(&self) -> Later<'_, Vec<Member>>;

    /// One member, or none.
    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Option<Member>>;

    /// Writes a member's object, whatever stood there.
    fn put<'a>(&'a self, member: &'a Member) -> Later<'a, ()>;

    /// Removes a member's object; one that is gone already is removed.
    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()>;
}

/// The members could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The bucket failed.
    #[error("the members in the bucket")]
    Bucket(#[from] storage::error::StoreError),
    /// An object is not a member's.
    #[error("ring/{name}.json is not a member")]
    NotAMember {
        /// The name in the key.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Bucket(err) => err.kind(),
            Self::NotAMember { .. } => ErrorKind::Internal,
        }
    }
}

/// The members of a cluster in its bucket, one object each.
#[derive(Debug)]
pub struct BucketStore {
    bucket: Arc<dyn Bucket>,
    clock: Arc<dyn Clock>,
    /// What was read of each object, so that a list reads only those that are new.
    known: Mutex<BTreeMap<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    object: ObjectMeta,
    member: Member,
    settled: bool,
}

impl BucketStore {
    /// The members in a bucket.
    #[must_use]
    pub fn new(bucket: Arc<dyn Bucket>, clock: Arc<dyn Clock>) -> Self {
        Self { bucket, clock, known: Mutex::default() }
    }

    async fn read_all(&self) -> Result<Vec<Member>, StoreError> {
        let objects = self.bucket.list(layout::RING, None).await?;
        let members = objects.into_iter().filter_map(|object| match layout::parse(&object.key) {
            Some(Key::Member(name)) => Some((name, object)),
            _ => None,
        });
        let known: BTreeMap<String, Known> = stream::iter(members)
            .map(|(name, object)| self.read_one(name, object))
            .buffer_unordered(READS)
            .try_filter_map(|known| async { Ok(known.map(|known| (known.member.name.clone(), known))) })
            .try_collect()
            .await?;
        let members = known.values().map(|known| known.member.clone()).collect();
        *self.known.lock() = known;
        Ok(members)
    }

    /// Reads one object unless it is known; none when it has gone since it was listed.
    async fn read_one(&self, name: String, object: ObjectMeta) -> Result<Option<Known>, StoreError> {
        let known = self.known.lock().get(&name).cloned();
        if let Some(known) = known.filter(|known| known.settled && known.object == object) {
            return Ok(Some(known));
        }
        let settled = object.last_modified_ms.saturating_add(SETTLED_MS) < self.clock.now_ms();
        Ok(self.get(&name).await?.map(|member| Known { object, member, settled }))
    }
}

impl MemberStore for BucketStore {
    fn list(&self) -> Later<'_, Vec<Member>> {
        Box::pin(self.read_all())
    }

    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Option<Member>> {
        Box::pin(async move {
            let bytes = match self.bucket.get(&layout::member(name)).await {
                Ok(bytes) => bytes,
                Err(err) if err.is_not_found() => return Ok(None),
                Err(err) => return Err(err.into()),
            };
            let failed = |source| StoreError::NotAMember { name: name.to_owned(), source };
            let member: Member = serde_json::from_slice(&bytes).map_err(failed)?;
            if member.name != name {
                return Err(failed(serde::de::Error::custom(format!("it is the object of {}", member.name))));
            }
            Ok(Some(member))
        })
    }

    fn put<'a>(&'a self, member: &'a Member) -> Later<'a, ()> {
        Box::pin(async move {
            let json = serde_json::to_vec(member).expect("a member is plain JSON");
            Ok(self.bucket.put(&layout::member(&member.name), Bytes::from(json)).await?)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        Box::pin(async move { Ok(self.bucket.delete(&layout::member(name)).await?) })
    }
}

/// Members in memory: tests, and all roles in one process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<String, Member>>>);

impl MemoryStore {
    pub(crate) fn members(&self) -> BTreeMap<String, Member> {
        self.0.lock().clone()
    }

    pub(crate) fn set(&self, member: &Member) {
        self.0.lock().insert(member.name.clone(), member.clone());
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.lock().remove(name);
    }
}

impl MemberStore for MemoryStore {
    fn list(&self) -> Later<'_, Vec<Member>> {
        let members = self.members().into_values().collect();
        Box::pin(async move { Ok(members) })
    }

    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Option<Member>> {
        let member = self.0.lock().get(name).cloned();
        Box::pin(async move { Ok(member) })
    }

    fn put<'a>(&'a self, member: &'a Member) -> Later<'a, ()> {
        self.set(member);
        Box::pin(async { Ok(()) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        self.remove(name);
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests;
