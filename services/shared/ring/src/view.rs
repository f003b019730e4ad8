//! One consistent look at the cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::layout::{Entry, Roster};
use crate::member::{Member, Process};
use crate::rings::{Ring, Seen};
use crate::tokens::{Place, Tokens};

/// Members whose tokens are remembered although they are gone.
const KEPT_TOKENS: usize = 64;

/// What all processes of a cluster must agree upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSettings {
    /// How many replicas an item has: 1 to [`MAX_REPLICATION_FACTOR`](crate::MAX_REPLICATION_FACTOR).
    pub replication_factor: usize,
    /// The zones, each once; empty where there are none, else at least as many as replicas.
    pub zones: Arc<[String]>,
}

/// Who is a member, who is alive, and which other processes there are: what `/ring` shows as JSON and what is streamed
/// to processes without state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The members, sorted by name.
    pub members: Vec<Seen>,
    /// Processes that announced themselves, sorted, each once.
    #[serde(default)]
    pub processes: Vec<Process>,
}

/// One consistent look at the cluster. It never changes: ask the [`Membership`](crate::Membership) for a newer one.
#[derive(Debug)]
pub struct View {
    settings: RingSettings,
    facts: Facts,
    rings: BTreeMap<String, Arc<Ring>>,
    empty: Arc<Roster>,
    json: OnceLock<Bytes>,
}

/// Makes views, and keeps what one view shares with the next: tokens and their layouts.
#[derive(Debug)]
pub struct ViewBuilder {
    settings: RingSettings,
    tokens: Tokens,
    by_name: BTreeMap<(String, String), Arc<[u32]>>,
    rosters: BTreeMap<String, Arc<Roster>>,
    empty: Arc<Roster>,
}

/// Nothing can be written now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role}: active members in {found} of {wanted} zones, {needed} are needed")]
pub struct NotWritable {
    /// The role that is written to.
    pub role: String,
    /// Zones (without zones: members) that can be written to.
    pub found: usize,
    /// Replicas that an item should have.
    pub wanted: usize,
    /// A quorum of them.
    pub needed: usize,
}

impl View {
    /// What all processes agree upon.
    #[must_use]
    pub const fn settings(&self) -> &RingSettings {
        &self.settings
    }

    /// Everything that this view was made of.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// [`View::facts`] as JSON, made once.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.json.get_or_init(|| serde_json::to_vec(&self.facts).expect("facts are plain JSON").into()).clone()
    }

    /// The ring of a role; an empty one if nobody has it.
    #[must_use]
    pub fn ring(&self, role: &str) -> Arc<Ring> {
        match self.rings.get(role) {
            Some(ring) => ring.clone(),
            None => Arc::new(Ring::new(role.to_owned(), self.settings.clone(), Vec::new(), self.empty.clone())),
        }
    }

    /// The rings of all roles that have members, by role.
    pub fn rings(&self) -> impl Iterator<Item = &Arc<Ring>> {
        self.rings.values()
    }

    /// The live processes of a role, with state or without, sorted by name.
    #[must_use]
    pub fn processes(&self, role: &str) -> Vec<Process> {
        self.all_processes().into_iter().filter(|process| process.role == role).collect()
    }

    /// The live processes of all roles, sorted by role and name.
    #[must_use]
    pub fn all_processes(&self) -> Vec<Process> {
        let members = self.facts.members.iter().filter(|seen| seen.alive).map(|seen| seen.member.process());
        let mut all: Vec<Process> = members.chain(self.facts.processes.iter().cloned()).collect();
        all.sort();
        all.dedup_by(|b, a| (&a.role, &a.id) == (&b.role, &b.id));
        all
    }

    /// Whether items can be written to members of a role at all: a quorum of zones has an active member.
    pub fn writable(&self, role: &str) -> Result<(), NotWritable> {
        let ring = self.ring(role);
        let mut zones: Vec<u32> = ring.placed(Seen::writable).into_iter().map(|id| ring.roster().zone(id)).collect();
        zones.sort_unstable();
        zones.dedup();
        let wanted = self.settings.replication_factor;
        let needed = wanted / 2 + 1;
        if zones.len() >= needed { Ok(()) } else { Err(NotWritable { role: role.to_owned(), found: zones.len(), wanted, needed }) }
    }
}

impl ViewBuilder {
    /// A builder for a cluster with these settings.
    #[must_use]
    pub fn new(settings: RingSettings) -> Self {
        let empty = Arc::new(Roster::new(Vec::new(), !settings.zones.is_empty()));
        Self { settings, tokens: Tokens::default(), by_name: BTreeMap::new(), rosters: BTreeMap::new(), empty }
    }

    /// The view of these facts, in any order. Of two members with one name the one with the greater counter is taken.
    #[must_use]
    pub fn build(&mut self, facts: Facts) -> View {
        let facts = facts.sorted();
        if self.by_name.len() > 2 * facts.members.len() + KEPT_TOKENS {
            self.by_name.retain(|(name, _), _| facts.members.binary_search_by(|seen| seen.member.name.cmp(name)).is_ok());
        }
        let mut by_role: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for seen in &facts.members {
            by_role.entry(seen.member.role.clone()).or_default().push(seen.clone());
        }
        self.rosters.retain(|role, _| by_role.contains_key(role));
        let rings = by_role.into_iter().map(|(role, members)| {
            let roster = self.roster(&role, &members);
            (role.clone(), Arc::new(Ring::new(role, self.settings.clone(), members, roster)))
        });
        let rings = rings.collect();
        View { settings: self.settings.clone(), facts, rings, empty: self.empty.clone(), json: OnceLock::new() }
    }

    /// The places of a role's members: those of the last view, while the same members are in the same zones.
    fn roster(&mut self, role: &str, members: &[Seen]) -> Arc<Roster> {
        let same = |roster: &Roster| {
            let both = roster.entries.iter().zip(members);
            roster.entries.len() == members.len()
                && both.into_iter().all(|(entry, seen)| entry.name == seen.member.name && entry.zone_name == seen.member.zone)
        };
        if let Some(known) = self.rosters.get(role).filter(|known| same(known)) {
            return known.clone();
        }
        let entries = members.iter().enumerate().map(|(index, seen)| self.entry(index, &seen.member)).collect();
        let roster = Arc::new(Roster::new(entries, !self.settings.zones.is_empty()));
        self.rosters.insert(role.to_owned(), roster.clone());
        roster
    }

    fn entry(&mut self, index: usize, member: &Member) -> Entry {
        let Self { tokens, by_name, settings, .. } = self;
        let at = if settings.zones.is_empty() { Some(index) } else { settings.zones.iter().position(|zone| *zone == member.zone) };
        let key = (member.name.clone(), member.zone.clone());
        Entry {
            name: member.name.clone(),
            zone_name: member.zone.clone(),
            zone: at.and_then(|at| u32::try_from(at).ok()),
            tokens: by_name.entry(key).or_insert_with(|| tokens.of(member).into()).clone(),
            hash: xxh3_64(member.name.as_bytes()),
            rank: Place::of(member).hash(),
        }
    }
}

impl Facts {
    /// The facts in order, each member and process once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.members.sort_by(|a, b| a.member.name.cmp(&b.member.name).then(b.member.counter.cmp(&a.member.counter)));
        self.members.dedup_by(|b, a| a.member.name == b.member.name);
        self.processes.sort();
        self.processes.dedup_by(|b, a| (&a.role, &a.id) == (&b.role, &b.id));
        self
    }
}

#[cfg(test)]
mod tests;
