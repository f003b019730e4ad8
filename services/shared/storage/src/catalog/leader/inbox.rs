//! What writers announced: read, checked against the map and the store, written into the log, removed.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _};
use tracing::warn;
use ulid::Ulid;

use super::Leader;
use crate::block::BlockId;
use crate::bucket::ObjectMeta;
use crate::catalog::entry::{Change, Entry, FileRef, Record};
use crate::catalog::error::CatalogError;
use crate::catalog::log::{self, Announcement};
use crate::codec::Kind;
use crate::error::StoreError;
use crate::layout;

/// Announcements that are settled in one number.
const AT_ONCE: usize = 256;
/// Requests that are under way at once.
const REQUESTS: usize = 16;

/// Lengths of objects; `None`: there is no such object.
type Lengths = HashMap<String, Option<u64>>;

impl Leader {
    pub(super) async fn settle_inbox(&mut self) -> Result<usize, CatalogError> {
        let bucket = self.catalog.bucket.clone();
        let listed = bucket.list(layout::INBOX, None).await?;
        let inbox = self.drop_old(listed).await?;
        if inbox.is_empty() {
            return Ok(0);
        }
        let mut read = futures::stream::iter(inbox.iter().copied())
            .map(|id| {
                let bucket = bucket.clone();
                async move { (id, log::read::<Announcement>(&*bucket, Kind::Inbox, &layout::inbox(id)).await) }
            })
            .buffered(REQUESTS);
        let mut settled = Vec::new();
        let mut records = Vec::new();
        while let Some((id, announcement)) = read.next().await {
            match announcement {
                Ok(Some(announcement)) => {
                    settled.push(id);
                    records.extend(announcement.records);
                }
                Ok(None) => {}
                Err(err @ CatalogError::Damaged { .. }) => {
                    warn!(error = %runtime::Chain(&err), "an announcement cannot be read");
                    self.unreadable.insert(id);
                }
                Err(err) => return Err(err),
            }
        }
        drop(read);
        let lengths = self.lengths(&records).await?;
        let records: Vec<Record> = records.into_iter().filter_map(|record| self.check(record, &lengths)).collect();
        let effective = self.append(records).await?;
        futures::stream::iter(settled.iter().map(|id| layout::inbox(*id)))
            .map(Ok)
            .try_for_each_concurrent(REQUESTS, |key| {
                let bucket = bucket.clone();
                async move { bucket.delete(&key).await }
            })
            .await?;
        Ok(effective)
    }

    /// The announcements to be read, oldest first; those that nobody waits for any more are removed.
    async fn drop_old(&mut self, listed: Vec<ObjectMeta>) -> Result<Vec<Ulid>, StoreError> {
        let oldest = self.store_now_ms().map(|now| now.saturating_sub(self.catalog.config.inbox_max_age.as_ms()));
        let mut inbox = Vec::new();
        for object in listed {
            let Some(layout::Key::Inbox(id)) = layout::parse(&object.key) else { continue };
            if oldest.is_some_and(|oldest| object.last_modified_ms < oldest) {
                warn!(key = object.key, "an announcement is dropped for its age");
                self.catalog.bucket.delete(&object.key).await?;
                self.unreadable.remove(&id);
                self.metrics.dropped.inc();
            } else if !self.unreadable.contains(&id) {
                inbox.push(id);
            }
        }
        inbox.truncate(AT_ONCE);
        Ok(inbox)
    }

    /// Asks the store for the lengths of objects that records name and the map does not.
    async fn lengths(&self, records: &[Record]) -> Result<Lengths, StoreError> {
        let map = self.catalog.map();
        let new = records.iter().flat_map(Record::entries).filter(|entry| !map.knows(&entry.tenant, entry.id));
        let objects: HashSet<String> =
            new.flat_map(|entry| [Some(&entry.data), entry.index.as_ref()]).flatten().map(|file| file.object.clone()).collect();
        let bucket = self.catalog.bucket.clone();
        futures::stream::iter(objects)
            .map(|key| {
                let bucket = bucket.clone();
                async move {
                    match bucket.head(&key).await {
                        Ok(meta) => Ok((key, Some(meta.size))),
                        Err(StoreError::NotFound { .. }) => Ok((key, None)),
                        Err(err) => Err(err),
                    }
                }
            })
            .buffer_unordered(REQUESTS)
            .try_collect()
            .await
    }

    /// The record, without entries that do not hold; `None` when nothing of it is left.
    fn check(&self, record: Record, lengths: &Lengths) -> Option<Record> {
        let Record { tenant, signal, change } = record;
        let holds = |entry: &Entry| match fault(entry, lengths) {
            _ if entry.tenant != tenant || entry.signal != signal => self.refuse(entry.id, "its record names another tenant or signal"),
            Some(why) => self.refuse(entry.id, why),
            None => true,
        };
        let change = match change {
            Change::Add { mut entries } => {
                entries.retain(&holds);
                Change::Add { entries }
            }
            // Half of a replacement would lose rows.
            Change::Replace { parents, entries } => {
                if !entries.iter().all(&holds) {
                    return None;
                }
                Change::Replace { parents, entries }
            }
            // Only the leader knows.
            Change::Removed { .. } => return None,
            change => change,
        };
        Some(Record { tenant, signal, change })
    }

    fn refuse(&self, id: BlockId, why: &str) -> bool {
        warn!(block = %id, why, "an announced block is refused");
        self.metrics.refused.inc();
        false
    }
}

/// Why an entry does not hold. An object that is not among `lengths` belongs to a block that is known, and was checked before.
fn fault(entry: &Entry, lengths: &Lengths) -> Option<&'static str> {
    if let Some(why) = entry.fault() {
        return Some(why);
    }
    let file = |file: &FileRef| match lengths.get(&file.object) {
        Some(None) => Some("its object is not there"),
        Some(Some(size)) if file.offset + file.len > *size => Some("its object is too short"),
        Some(Some(size)) if !entry.is_packed() && file.len != *size => Some("its object has another length"),
        _ => None,
    };
    file(&entry.data).or_else(|| entry.index.as_ref().and_then(file))
}
