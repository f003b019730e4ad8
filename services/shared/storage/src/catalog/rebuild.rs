//! A catalog out of the blocks themselves, and the comparison of the two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use runtime::Clock;
use tracing::info;

use super::config::CatalogConfig;
use super::entry::{Change, Entry, Record};
use super::error::CatalogError;
use super::leader::write_snapshot;
use super::log;
use super::map::{Map, Stamp, Status};
use super::reader::{self, Catalog};
use super::survey::{self, Blocks, Name};
use crate::bucket::{Bucket, Created};
use crate::codec::Kind;
use crate::layout::{self, Key};

/// How the catalog and the bucket differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The newest number.
    pub number: u64,
    /// Live blocks.
    pub live: usize,
    /// Files of blocks.
    pub objects: usize,
    /// Objects among them that are none of ours.
    pub foreign: u64,
    /// Live blocks whose files are not there, or not as long as they should be.
    pub missing: Vec<Entry>,
    /// Complete blocks that the catalog does not know: announced a moment ago, or never.
    pub unknown: Vec<Entry>,
    /// Objects that should say what a block is and do not.
    pub damaged: Vec<String>,
}

impl Report {
    /// True when every live block can be read. Blocks that the catalog does not know are no fault: an upload may be under way.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.missing.is_empty()
    }
}

/// What a rebuilt catalog was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its number.
    pub number: u64,
    /// Live blocks.
    pub live: usize,
    /// Complete blocks whose rows are in others: they are taken out.
    pub superseded: usize,
    /// Deletes of rows.
    pub deletes: usize,
    /// Objects that should say what a block is and do not.
    pub damaged: Vec<String>,
}

/// Compares the catalog with the bucket. Changes nothing.
pub async fn verify(catalog: &Catalog) -> Result<Report, CatalogError> {
    let bucket = &*catalog.bucket;
    let files = survey::files(bucket).await?;
    let blocks = survey::blocks(bucket, &files).await?;
    catalog.refresh_from_roots().await?;
    let map = catalog.map();
    let sizes: HashMap<&str, u64> = files.ours.iter().map(|(_, object)| (object.key.as_str(), object.size)).collect();
    let mut missing = Vec::new();
    for entry in map.entries() {
        for file in [Some(&entry.data), entry.index.as_ref()].into_iter().flatten() {
            let size = match sizes.get(file.object.as_str()) {
                Some(size) => Some(*size),
                // Announced since the list was made, or gone.
                None => bucket
                    .head(&file.object)
                    .await
                    .map(|meta| Some(meta.size))
                    .or_else(|err| if err.is_not_found() { Ok(None) } else { Err(err) })?,
            };
            if size.is_none_or(|size| file.offset.saturating_add(file.len) > size) {
                missing.push(Entry::clone(entry));
                break;
            }
        }
    }
    let unknown = blocks.entries.into_values().filter(|entry| map.status(&entry.tenant, entry.id) == Status::Unknown).collect();
    let (live, objects, foreign) = (map.entries().count(), files.ours.len(), files.foreign);
    Ok(Report { number: map.number(), live, objects, foreign, missing, unknown, damaged: blocks.damaged })
}

/// Makes a catalog from the blocks' own metas, the directories of packed objects and `catalog/deletes`, as a snapshot above any
/// number that was ever given. Nobody leads meanwhile; nothing is removed.
///
/// A block that another complete block names as its parent is superseded: its rows are there. Blocks that were taken out by
/// retention or a merge and whose files were still there come back, or go again.
pub async fn rebuild(bucket: &dyn Bucket, config: &CatalogConfig, clock: &dyn Clock) -> Result<Rebuilt, CatalogError> {
    bucket.put(layout::REBUILDING, Bytes::from(format!("{{\"since_ms\":{}}}\n", clock.now_ms()))).await?;
    info!("waiting until no compactor leads");
    tokio::time::sleep(config.office_pause.get().saturating_mul(2)).await;
    let files = survey::files(bucket).await?;
    let blocks = survey::blocks(bucket, &files).await?;
    let deletes = deletes(bucket).await?;
    let mut at_ms = clock.now_ms();
    let (map, mut rebuilt) = loop {
        let number = u64::try_from(at_ms).unwrap_or(0).max(newest(bucket).await? + 1);
        let (map, rebuilt) = make(number, at_ms, &blocks, &deletes);
        // A number that is there already would keep its old content.
        match write_snapshot(bucket, &map, at_ms).await? {
            (Created::Created, _) => break (map, rebuilt),
            (Created::Exists, _) => at_ms += 1,
        }
    };
    rebuilt.damaged = blocks.damaged;
    bucket.delete(layout::REBUILDING).await?;
    info!(number = map.number(), live = rebuilt.live, "the catalog is rebuilt");
    Ok(rebuilt)
}

/// The greatest number that log and snapshots show.
async fn newest(bucket: &dyn Bucket) -> Result<u64, CatalogError> {
    let root = reader::newest_root(bucket).await?.unwrap_or(0);
    let logs = bucket.list(layout::LOG, None).await?;
    let log = logs.iter().rev().find_map(|object| match layout::parse(&object.key) {
        Some(Key::Log(number)) => Some(number),
        _ => None,
    });
    Ok(root.max(log.unwrap_or(0)))
}

async fn deletes(bucket: &dyn Bucket) -> Result<BTreeMap<u64, Vec<Record>>, CatalogError> {
    let mut deletes = BTreeMap::new();
    for object in bucket.list(layout::DELETES, None).await? {
        if let Some(Key::Deletes(number)) = layout::parse(&object.key)
            && let Some(records) = log::read(bucket, Kind::Deletes, &object.key).await?
        {
            deletes.insert(number, records);
        }
    }
    Ok(deletes)
}

fn make(number: u64, at_ms: i64, blocks: &Blocks, deletes: &BTreeMap<u64, Vec<Record>>) -> (Map, Rebuilt) {
    let stamp = |number| Stamp { number, at_ms, forget_before_ms: i64::MIN };
    let mut map = Map::default();
    let mut kept = 0;
    for (number, records) in deletes {
        let (next, effects) = map.after(stamp(*number), records);
        kept += effects.into_iter().filter(|effect| *effect).count();
        map = next;
    }
    let superseded: BTreeSet<Name> = blocks
        .entries
        .values()
        .flat_map(|entry| entry.parents.iter().map(|parent| (entry.tenant.clone(), entry.signal.clone(), *parent)))
        .filter(|name| blocks.entries.contains_key(name))
        .collect();
    let mut records = Vec::new();
    for entry in blocks.entries.values() {
        records.extend(Record::add(vec![entry.clone()]));
    }
    for (tenant, signal, id) in &superseded {
        records.push(Record { tenant: tenant.clone(), signal: signal.clone(), change: Change::Remove { ids: vec![*id] } });
    }
    let (map, _) = map.after(stamp(number), &records);
    let rebuilt =
        Rebuilt { number, live: blocks.entries.len() - superseded.len(), superseded: superseded.len(), deletes: kept, damaged: Vec::new() };
    (map, rebuilt)
}

#[cfg(test)]
mod tests;
