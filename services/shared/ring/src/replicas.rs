//! The replicas of a key. Hot: one look-up per item of a batch; no allocation, no lock.

use crate::layout::{Layout, Roster};
use crate::rings::MemberId;

/// The greatest replication factor that can be configured.
pub const MAX_REPLICATION_FACTOR: usize = 8;

/// Up to [`MAX_REPLICATION_FACTOR`] members, in order; a slice otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FewMembers {
    members: [MemberId; MAX_REPLICATION_FACTOR],
    len: u8,
}

/// Who takes an item: at most one member of each zone, none of them missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    members: FewMembers,
    replication_factor: u8,
}

/// Too few of a key's replicas are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at least {needed} live replicas required, could only find {found}")]
pub struct NoQuorum {
    /// Replicas that can be written to.
    pub found: usize,
    /// How many are a quorum.
    pub needed: usize,
}

impl FewMembers {
    /// Adds a member; says whether there was room.
    pub(crate) fn push(&mut self, id: MemberId) -> bool {
        match self.members.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = id;
                self.len += 1;
                true
            }
            None => false,
        }
    }
}

impl std::ops::Deref for FewMembers {
    type Target = [MemberId];

    fn deref(&self) -> &[MemberId] {
        &self.members[..usize::from(self.len)]
    }
}

impl ReplicaSet {
    pub(crate) fn new(members: FewMembers, replication_factor: usize) -> Self {
        Self { members, replication_factor: u8::try_from(replication_factor).unwrap_or(u8::MAX) }
    }

    /// The members to send to.
    #[must_use]
    pub fn members(&self) -> &[MemberId] {
        &self.members
    }

    /// Successes that acknowledge an item, and failures that refuse it.
    #[must_use]
    pub const fn quorum(&self) -> usize {
        self.replication_factor as usize / 2 + 1
    }

    /// Replicas that are not sent to; each counts as a failure.
    #[must_use]
    pub fn unsent(&self) -> usize {
        usize::from(self.replication_factor) - self.members.len().min(usize::from(self.replication_factor))
    }
}

/// The places of a key: the next members clockwise in distinct zones, whether they are there or not.
pub(crate) fn places(layout: &Layout, roster: &Roster, replication_factor: usize, position: usize) -> FewMembers {
    let wanted = replication_factor.min(layout.zones);
    let mut set = FewMembers::default();
    for id in layout.walk(position) {
        if set.len() == wanted {
            break;
        }
        if !set.iter().any(|&known| roster.zone(known) == roster.zone(id)) {
            set.push(id);
        }
    }
    set
}

/// The one member that may stand in for `missing`, which is one of `set`: the next of its zone, or without zones the next
/// that is not in the set.
pub(crate) fn stand_in(layout: &Layout, roster: &Roster, set: &[MemberId], missing: MemberId, position: usize) -> Option<MemberId> {
    if roster.zoned {
        let zone = roster.zone(missing);
        if layout.zone_size(zone) < 2 {
            return None;
        }
        layout.walk(position).find(|&id| id != missing && roster.zone(id) == zone)
    } else {
        if layout.members.len() <= set.len() {
            return None;
        }
        layout.walk(position).find(|id| !set.contains(id))
    }
}

/// The replicas of a key as a write meets them: those of its places that are there, at most one of the others replaced.
pub(crate) fn replicas(
    layout: &Layout,
    roster: &Roster,
    replication_factor: usize,
    key: u32,
    healthy: impl Fn(MemberId) -> bool,
) -> Result<ReplicaSet, NoQuorum> {
    let needed = replication_factor / 2 + 1;
    if layout.len() == 0 {
        return Err(NoQuorum { found: 0, needed });
    }
    let position = layout.position(key);
    let places = places(layout, roster, replication_factor, position);
    if places.iter().all(|&id| healthy(id)) && places.len() >= needed {
        return Ok(ReplicaSet::new(places, replication_factor));
    }
    let mut set = FewMembers::default();
    let mut replaced = false;
    for &id in places.iter() {
        if healthy(id) {
            set.push(id);
        } else if !replaced && let Some(next) = stand_in(layout, roster, &places, id, position).filter(|&next| healthy(next)) {
            replaced = true;
            set.push(next);
        }
    }
    if set.len() < needed { Err(NoQuorum { found: set.len(), needed }) } else { Ok(ReplicaSet::new(set, replication_factor)) }
}

#[cfg(test)]
mod tests;
