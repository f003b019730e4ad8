//! Where members keep their objects: the bucket, or memory.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::member::Member;

/// What a store answers later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The members' objects. Small on purpose: a simulation has one of its own.
pub trait MemberStore: Send + Sync + fmt::Debug {
    /// All members. An object that is not a member is left out, and said so in the log.
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
    #[error("cannot {what} the object of {name} below ring/")]
    Bucket {
        /// `read`, `write`, `list` or `remove`.
        what: &'static str,
        /// The member, or `any member`.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object is not a member's.
    #[error("ring/{name}.json is not a member")]
    NotAMember {
        /// The name in the key.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// Members in memory: tests, and all roles in one process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<String, Member>>>);

impl MemberStore for MemoryStore {
    fn list(&self) -> Later<'_, Vec<Member>> {
        let members = self.0.lock().values().cloned().collect();
        Box::pin(async move { Ok(members) })
    }

    fn get<'a>(&'a self, name: &'a str) -> Later<'a, Option<Member>> {
        let member = self.0.lock().get(name).cloned();
        Box::pin(async move { Ok(member) })
    }

    fn put<'a>(&'a self, member: &'a Member) -> Later<'a, ()> {
        self.0.lock().insert(member.name.clone(), member.clone());
        Box::pin(async { Ok(()) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Later<'a, ()> {
        self.0.lock().remove(name);
        Box::pin(async { Ok(()) })
    }
}
