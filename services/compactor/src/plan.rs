//! What to merge. Pure: a list of blocks in, jobs out.
//!
//! Blocks of one tenant and signal are merged within windows of data time: first the replicas and pieces of a short window, later the
//! short windows of a long one. A window is left alone while a block of it is young (its replicas may still come), and when it holds only
//! what one merge made of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use storage::block::BlockId;
use storage::catalog::Entry;
use ulid::Ulid;

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
}

/// The merges of one tenant's signal that can be done now, none of which touches a block of another.
#[must_use]
pub fn plan(entries: &[Arc<Entry>], rules: &PlanRules) -> Vec<Vec<Arc<Entry>>> {
    let mut jobs = Vec::new();
    let mut busy: std::collections::HashSet<BlockId> = std::collections::HashSet::new();
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
pub fn job(group: &[Arc<Entry>], rules: &PlanRules, now_ms: i64) -> Option<Job> {
    let window = rules.windows_ns.iter().copied().find(|window| same_window(group, *window))?;
    let inputs = group.iter().map(|entry| Entry::clone(entry)).collect();
    Some(Job { id: BlockId::new(now_ms).0, inputs, window_ns: window, target_bytes: rules.target_bytes })
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
