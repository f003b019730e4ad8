//! A tenant's shard: the few members that hold its items.
//!
//! Members are ranked for a tenant by a hash of both (rendezvous hashing, Thaler and Ravishankar 1998), in each zone apart,
//! and the first of each zone are the shard. So a shard of `n + 1` holds the one of `n`, and a member that joins or goes moves at
//! most one place. The same ordinals of the zones rank alike.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::layout::Layout;
use crate::reads::ReadSets;
use crate::replicas::{self, NoQuorum, ReplicaSet};
use crate::rings::{MemberId, Ring};
use crate::tokens::mix;

/// Where a tenant's items of one signal are written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shard {
    ring: Arc<Ring>,
    layout: Arc<Layout>,
}

impl Shard {
    /// The ring that its members' numbers refer to.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Its members, sorted.
    #[must_use]
    pub fn members(&self) -> &[MemberId] {
        &self.layout.members
    }

    /// Who takes the item with this key now. A replica that is missing is replaced only by the next member of the same
    /// zone of this shard, at most one in a set; else the set is smaller.
    ///
    /// Errors: fewer than a quorum of replicas are there.
    pub fn replicas(&self, key: u32) -> Result<ReplicaSet, NoQuorum> {
        replicas::replicas(&self.layout, self.ring.roster(), self.ring.replication_factor(), key, |id| self.ring.is_writable(id))
    }

    /// Who takes the item with this key when all members are there.
    #[must_use]
    pub fn places(&self, key: u32) -> ReplicaSet {
        let factor = self.ring.replication_factor();
        if self.layout.len() == 0 {
            return ReplicaSet::new(replicas::FewMembers::default(), factor);
        }
        let places = replicas::places(&self.layout, self.ring.roster(), factor, self.layout.position(key));
        ReplicaSet::new(places, factor)
    }

    /// The share of the shard's keys that have a replica at the member, between 0 and 1, when all members are there.
    #[must_use]
    pub fn owned_share(&self, id: MemberId) -> f64 {
        self.ring.shares(&self.layout).get(id.index()).copied().unwrap_or(0.0)
    }
}

/// Today's shard for writes.
pub(crate) fn write(ring: &Arc<Ring>, tenant: &str, signal: &str, size: usize) -> Shard {
    let candidates = ring.placed(|seen| seen.member.serves(signal) && seen.member.state.takes_writes());
    let mut members = Vec::with_capacity(candidates.len());
    for (_, ranked) in by_zone(ring, tenant, candidates) {
        members.extend(ranked.into_iter().take(per_zone(ring, size)));
    }
    members.sort_unstable();
    Shard { ring: ring.clone(), layout: ring.roster().layout(&members) }
}

/// Everybody who was in the shard under some membership since `from_ms`.
///
/// In each zone that is the ranking down to the last place that can have been reached: until as many *steady* members
/// are counted as the shard has places, for these were there all the time.
pub(crate) fn read(ring: &Arc<Ring>, tenant: &str, signal: &str, size: usize, from_ms: i64) -> ReadSets {
    let places = per_zone(ring, size);
    let mut members = Vec::new();
    for (_, ranked) in by_zone(ring, tenant, ring.placed(|seen| seen.member.serves(signal))) {
        let mut steady = 0;
        for id in ranked {
            let member = &ring.member(id).member;
            members.push(id);
            steady += usize::from(member.state.takes_writes() && member.since_ms < from_ms);
            if steady == places {
                break;
            }
        }
    }
    members.sort_unstable();
    ReadSets::new(ring.clone(), members)
}

/// Members of each zone, best first; without zones all together.
fn by_zone(ring: &Ring, tenant: &str, candidates: Vec<MemberId>) -> Vec<(u32, Vec<MemberId>)> {
    let roster = ring.roster();
    let tenant = xxh3_64(tenant.as_bytes());
    let zone = |id| if roster.zoned { roster.zone(id) } else { 0 };
    let rank = |id: MemberId| mix(roster.entries[id.index()].rank ^ tenant);
    let mut ranked: Vec<(u32, u64, MemberId)> = candidates.into_iter().map(|id| (zone(id), rank(id), id)).collect();
    ranked.sort_unstable();
    let mut zones: Vec<(u32, Vec<MemberId>)> = Vec::new();
    for (zone, _, id) in ranked {
        match zones.last_mut() {
            Some((last, members)) if *last == zone => members.push(id),
            _ => zones.push((zone, vec![id])),
        }
    }
    zones
}

/// How many members of a zone are in a shard of `size` members: never so few that an item could not have all its replicas.
fn per_zone(ring: &Ring, size: usize) -> usize {
    if size == 0 {
        return usize::MAX;
    }
    let size = size.max(ring.replication_factor());
    if ring.roster().zoned { size.div_ceil(ring.zone_count()) } else { size }
}

#[cfg(test)]
mod tests;
