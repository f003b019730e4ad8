//! What one process knows, and the facts that follow from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gossip::{Heard, Life};
use crate::member::{Member, Process};
use crate::rings::Seen;
use crate::view::Facts;

/// Who knows it.
#[derive(Clone, Debug)]
pub(crate) enum Own {
    /// A member, of this name: it is alive, whatever others say.
    Member(String),
    /// A process without state: it is there, whatever others say.
    Process(Process),
}

/// The members in the bucket, and what was last heard of them.
#[derive(Debug)]
pub(crate) struct Knowledge {
    own: Own,
    bucket: BTreeMap<String, Member>,
    heard: Heard,
    missing_since_ms: BTreeMap<String, i64>,
}

impl Knowledge {
    pub(crate) fn new(own: Own, bucket: BTreeMap<String, Member>) -> Self {
        Self { own, bucket, heard: Heard::default(), missing_since_ms: BTreeMap::new() }
    }

    /// The bucket was read.
    pub(crate) fn read(&mut self, bucket: BTreeMap<String, Member>) {
        self.bucket = bucket;
    }

    /// Gossip, or members that are followed, say this.
    pub(crate) fn hear(&mut self, heard: Heard) {
        self.heard = heard;
    }

    /// This member says something new of itself.
    pub(crate) fn set_own(&mut self, member: Member) {
        self.bucket.insert(member.name.clone(), member);
    }

    /// A member as it was last read, or as this process last wrote itself.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.bucket.get(name)
    }

    /// True when somebody is alive whose object has not been read.
    pub(crate) fn meets_strangers(&self) -> bool {
        self.heard.members.iter().any(|(name, life)| life.alive && !self.bucket.contains_key(name))
    }

    /// Who is a member is in the bucket; who is alive, and what a member said last, has been heard.
    pub(crate) fn facts(&mut self, now_ms: i64) -> Facts {
        let Self { own, bucket, heard, missing_since_ms } = self;
        missing_since_ms.retain(|name, _| bucket.contains_key(name));
        let members = bucket.values().map(|member| {
            let life = heard.members.get(&member.name);
            let is_own = matches!(own, Own::Member(name) if *name == member.name);
            let alive = is_own || life.is_some_and(|life| life.alive);
            let missing_since = if alive {
                missing_since_ms.remove(&member.name);
                None
            } else {
                let since = life.and_then(|life| life.missing_since_ms).unwrap_or(now_ms);
                Some(*missing_since_ms.entry(member.name.clone()).or_insert(since))
            };
            Seen { member: newest(member, life), alive, missing_since_ms: missing_since }
        });
        let mut facts = Facts { members: members.collect(), processes: heard.processes.clone() };
        if let Own::Process(process) = own {
            facts.processes.push(process.clone());
        }
        facts.sorted()
    }
}

/// Of what the bucket and the member's own words say, that with the greater counter.
fn newest(member: &Member, life: Option<&Life>) -> Arc<Member> {
    match life {
        Some(life) if life.member.counter > member.counter => life.member.clone(),
        _ => Arc::new(member.clone()),
    }
}

#[cfg(test)]
mod tests;
