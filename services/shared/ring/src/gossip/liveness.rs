//! When a member counts as missing: when its heartbeat has not grown for the configured time.
//!
//! Chitchat's own detector judges by the rhythm of past heartbeats, so that how soon it notices depends on the size and
//! the load of the cluster; a drill and an operator want a number. Its heartbeats are used, its judgement is not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chitchat::{ChitchatId, NodeState};
use tokio::time::Instant;

/// When each member's heartbeat last grew.
#[derive(Debug)]
pub(crate) struct Liveness {
    missing_after: Duration,
    /// Between two looks; a longer pause is the observer's own, in which nobody else died.
    longest_pause: Duration,
    looked: Option<Instant>,
    beats: HashMap<ChitchatId, Beat>,
    /// The newest start of each member.
    newest: HashMap<Arc<str>, u64>,
}

#[derive(Debug)]
struct Beat {
    count: u64,
    /// When the count last grew; none when it has been seen only once: it may be hearsay about one that died long ago.
    grew: Option<Instant>,
}

impl Liveness {
    pub(crate) fn new(missing_after: Duration, longest_pause: Duration) -> Self {
        Self { missing_after, longest_pause, looked: None, beats: HashMap::new(), newest: HashMap::new() }
    }

    /// Takes the heartbeats that are known now.
    pub(crate) fn see<'a>(&mut self, heartbeats: impl Iterator<Item = (&'a ChitchatId, u64)>, now: Instant) {
        let pause = self.looked.map_or(Duration::ZERO, |looked| now.duration_since(looked));
        self.looked = Some(now);
        if pause > self.longest_pause {
            for grew in self.beats.values_mut().filter_map(|beat| beat.grew.as_mut()) {
                *grew = (*grew + pause).min(now);
            }
        }
        for (id, count) in heartbeats {
            let newest = self.newest.entry(id.node_id.clone()).or_insert(id.generation_id);
            *newest = id.generation_id.max(*newest);
            match self.beats.get_mut(id) {
                Some(beat) if beat.count < count => *beat = Beat { count, grew: Some(now) },
                Some(_) => {}
                None => {
                    self.beats.insert(id.clone(), Beat { count, grew: None });
                }
            }
        }
    }

    /// True for the latest start of a member, of which no earlier one can be alive.
    pub(crate) fn is_newest(&self, id: &ChitchatId) -> bool {
        self.newest.get(&id.node_id) == Some(&id.generation_id)
    }

    pub(crate) fn alive(&self, id: &ChitchatId, now: Instant) -> bool {
        self.silence(id, now).is_some_and(|silence| silence < self.missing_after)
    }

    /// True while a member is alive and as long again.
    pub(crate) fn remembered(&self, id: &ChitchatId, now: Instant) -> bool {
        self.silence(id, now).is_some_and(|silence| silence < 2 * self.missing_after)
    }

    /// Drops whom chitchat has dropped.
    pub(crate) fn forget_others(&mut self, known: &BTreeMap<ChitchatId, NodeState>) {
        self.beats.retain(|id, _| known.contains_key(id));
        let nodes: HashSet<&str> = known.keys().map(|id| &*id.node_id).collect();
        self.newest.retain(|node, _| nodes.contains(&**node));
    }

    fn silence(&self, id: &ChitchatId, now: Instant) -> Option<Duration> {
        Some(now.duration_since(self.beats.get(id)?.grew?))
    }
}

#[cfg(test)]
mod tests;
