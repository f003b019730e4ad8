//! What to merge. Pure: a list of blocks in, jobs out.
//!
//! Blocks of one tenant and signal are merged within windows of data time: first the replicas and pieces of a short window, later the
//! short windows of a long one. A window is left alone while a block of it is young (its replicas may still come), and when it holds only
//! what one merge made of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use signal::RowDrop;
use storage::block::BlockId;
use storage::catalog::{Entry, NumberedDelete};
use ulid::Ulid;
use xxhash_rust::xxh3::Xxh3;

/// How blocks are brought together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRules {
    /// Lengths of windows, ns, rising.
    pub windows_ns: Vec<i64>,
    /// Only windows all of whose blocks arrived at or before this time, ns, are merged.
    pub settled_before_ns: i64,
    /// Blocks that one merge takes at most; at least 2.
    pub max_inputs: usize,
    /// About how large a merged block may become, bytes.
    pub target_bytes: u64,
    /// Into how many shards rows are split; 0 and 1: into none.
    pub shards: u32,
    /// Merges below this size are not split, bytes.
    pub split_from_bytes: u64,
    /// How often a row stands in the blocks that ingesters cut; at least 1.
    pub replicas: u64,
    /// Packed blocks all of whose rows arrived at or before this time, ns, are written on their own.
    pub unpack_before_ns: i64,
}

impl PlanRules {
    /// Into how many shards the rows of a merge are split.
    #[must_use]
    pub fn shards_of(&self, group: &[Arc<Entry>]) -> u32 {
        let split = group.iter().any(|entry| entry.shard.of > 1) || self.estimate(group) >= self.split_from_bytes;
        if split { self.shards } else { 0 }
    }

    /// About how large the merged block becomes, bytes: replicas become one.
    fn estimate(&self, group: &[Arc<Entry>]) -> u64 {
        let bytes =
            |cut: bool| group.iter().filter(|entry| (entry.level == 0) == cut).map(|entry| entry.bytes()).fold(0, u64::saturating_add);
        (bytes(true) / self.replicas.max(1)).saturating_add(bytes(false))
    }

    /// True when a block should get an object of its own: it has stood long enough among others, or bytes in their object have to go.
    ///
    /// * `condemned`: objects that hold what must go.
    #[must_use]
    pub fn unpacks(&self, entry: &Entry, condemned: &BTreeSet<&str>) -> bool {
        entry.is_packed() && (entry.arrival.end <= self.unpack_before_ns || condemned.contains(entry.data.object.as_str()))
    }
}

/// One merge: the blocks of a window become as few as possible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: Ulid,
    /// What is merged: all of one tenant and signal.
    pub inputs: Vec<Entry>,
    /// Blocks do not cross multiples of this length of data time, ns.
    pub window_ns: i64,
    /// About how large a block may become, bytes.
    pub target_bytes: u64,
    /// Deletes of rows that may be open in a block of it.
    #[serde(default)]
    pub deletes: Vec<NumberedDelete>,
    /// What is made holds no row that a delete up to this number names.
    #[serde(default)]
    pub delete_number: u64,
    /// Into how many shards rows are split; 0 and 1: into none.
    #[serde(default)]
    pub shards: u32,
}

/// What a tenant's rows are dropped for beside their age.
#[derive(Clone, Debug, Default)]
pub struct Drops<'a> {
    /// Deletes of rows.
    pub deletes: &'a [NumberedDelete],
    /// Rules for the retention of some rows, as they stand now.
    pub now: Vec<RowDrop>,
    /// When that is, ns.
    pub now_ns: i64,
}

impl Drops<'_> {
    /// True when a block should be written again for them. A rule counts when all of the block is over its time: until then it would be
    /// written again and again.
    #[must_use]
    pub fn want(&self, entry: &Entry) -> bool {
        let applied = entry.rules.filter(|applied| applied.hash == rules_hash(&self.now, self.now_ns));
        let then = applied.map_or(i64::MIN, |applied| applied.at_ns.saturating_sub(self.now_ns));
        let passed = |rule: &RowDrop| {
            let over = |end: i64| entry.facts.range.end <= end;
            over(rule.range.end) && !(applied.is_some() && over(rule.range.end.saturating_add(then)))
        };
        self.deletes.iter().any(|delete| delete.is_open_in(entry)) || self.now.iter().any(passed)
    }
}

/// A hash of rules that stays the same while only the time goes on.
#[must_use]
pub fn rules_hash(rules: &[RowDrop], now_ns: i64) -> u64 {
    let mut hash = Xxh3::new();
    for rule in rules {
        hash.update(&now_ns.wrapping_sub(rule.range.end).to_le_bytes());
        hash.update(&(rule.what.len() as u64).to_le_bytes());
        hash.update(rule.what.as_bytes());
    }
    hash.digest()
}

/// Blocks that no merge takes and that are to be written again, each a job of its own.
#[must_use]
pub fn rewrites(entries: &[Arc<Entry>], merges: &[Vec<Arc<Entry>>], wants: impl Fn(&Entry) -> bool) -> Vec<Vec<Arc<Entry>>> {
    let merged: HashSet<BlockId> = merges.iter().flatten().map(|entry| entry.id).collect();
    let wanted = entries.iter().filter(|entry| !merged.contains(&entry.id) && wants(entry));
    wanted.map(|entry| vec![entry.clone()]).collect()
}

/// The merges of one tenant's signal that can be done now, none of which touches a block of another.
#[must_use]
pub fn plan(entries: &[Arc<Entry>], rules: &PlanRules) -> Vec<Vec<Arc<Entry>>> {
    let mut jobs = Vec::new();
    let mut busy: HashSet<BlockId> = HashSet::new();
    for (index, &window) in rules.windows_ns.iter().enumerate() {
        for (_, mut group) in by_window(entries, window) {
            // A long window waits until its short ones are done.
            let open = group.iter().any(|entry| busy.contains(&entry.id));
            let young = group.iter().any(|entry| entry.arrival.end > rules.settled_before_ns);
            if open || young || group.len() < 2 || are_siblings(&group) {
                busy.extend(group.iter().filter(|_| young).map(|entry| entry.id));
                continue;
            }
            if index > 0 && !crosses(&group, rules.windows_ns[index - 1]) {
                continue;
            }
            group.sort_by_key(|entry| (entry.level, entry.id));
            group.truncate(rules.max_inputs.max(2));
            busy.extend(group.iter().map(|entry| entry.id));
            jobs.push(group);
        }
    }
    jobs
}

/// The job of a merge that was planned; none for an empty list.
#[must_use]
pub fn job(group: &[Arc<Entry>], rules: &PlanRules, deletes: &[NumberedDelete], number: u64, now_ms: i64) -> Option<Job> {
    let fits = rules.windows_ns.iter().copied().find(|window| same_window(group, *window));
    // A block that was cut with other windows is split when it is written again.
    let window_ns = fits.or_else(|| rules.windows_ns.last().copied().filter(|_| group.len() == 1))?;
    let open = |delete: &&NumberedDelete| group.iter().any(|entry| delete.is_open_in(entry));
    Some(Job {
        id: BlockId::new(now_ms).0,
        inputs: group.iter().map(|entry| Entry::clone(entry)).collect(),
        window_ns,
        target_bytes: rules.target_bytes,
        deletes: deletes.iter().filter(open).cloned().collect(),
        delete_number: number,
        shards: rules.shards_of(group),
    })
}

/// Blocks that lie wholly inside one window, by its number.
fn by_window(entries: &[Arc<Entry>], window: i64) -> BTreeMap<i64, Vec<Arc<Entry>>> {
    let mut groups: BTreeMap<i64, Vec<Arc<Entry>>> = BTreeMap::new();
    for entry in entries {
        let number = entry.facts.range.start.div_euclid(window);
        if entry.facts.range.end.div_euclid(window) == number {
            groups.entry(number).or_default().push(entry.clone());
        }
    }
    groups
}

fn same_window(group: &[Arc<Entry>], window: i64) -> bool {
    let number = |ns: i64| ns.div_euclid(window);
    group.first().is_some_and(|first| {
        let at = number(first.facts.range.start);
        group.iter().all(|entry| number(entry.facts.range.start) == at && number(entry.facts.range.end) == at)
    })
}

/// True when the blocks lie in more than one window of this length.
fn crosses(group: &[Arc<Entry>], window: i64) -> bool {
    !same_window(group, window)
}

/// True when all of the blocks come out of one merge: merging them again would make the same ones.
fn are_siblings(group: &[Arc<Entry>]) -> bool {
    group.split_first().is_some_and(|(first, rest)| !first.parents.is_empty() && rest.iter().all(|entry| entry.parents == first.parents))
}

#[cfg(test)]
mod tests;
