//! What a read must have heard before its answer is whole.

use std::sync::Arc;

use crate::rings::{MemberId, Ring};

/// Whether the answers that came are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Each acknowledged item is in one of the answers.
    Complete,
    /// Not yet: others may still answer.
    Incomplete,
    /// Never: whoever has failed may have been the last to know.
    Impossible,
}

/// Some members of one ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberSet {
    bits: Vec<u64>,
}

/// The members that a read asks, and the rule that decides what may be missing.
///
/// An acknowledged item has a quorum of copies in distinct zones (without zones: at distinct members), each at the place's
/// member or at the one that stood in for it. So the answer is whole if in each replica set, taken with its possible
/// stand-ins under every membership of the lookback, members of at most RF/2 zones are missing. Members have so many
/// tokens that any two of different zones meet in some such set: to look at all sets is to count over the whole shard.
#[derive(Clone, Debug)]
pub struct ReadSets {
    ring: Arc<Ring>,
    members: Vec<MemberId>,
}

impl MemberSet {
    /// Adds a member; says whether it was new.
    pub fn insert(&mut self, id: MemberId) -> bool {
        let (word, bit) = (id.index() / 64, 1 << (id.index() % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        new
    }

    /// True when the member is in it.
    #[must_use]
    pub fn contains(&self, id: MemberId) -> bool {
        self.bits.get(id.index() / 64).is_some_and(|word| word & 1 << (id.index() % 64) != 0)
    }
}

impl FromIterator<MemberId> for MemberSet {
    fn from_iter<I: IntoIterator<Item = MemberId>>(members: I) -> Self {
        let mut set = Self::default();
        for id in members {
            set.insert(id);
        }
        set
    }
}

impl ReadSets {
    /// * `members`: whom to ask, sorted, each once.
    pub(crate) const fn new(ring: Arc<Ring>, members: Vec<MemberId>) -> Self {
        Self { ring, members }
    }

    /// The ring that the members' numbers refer to.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Everybody who may hold something, sorted; those that are missing too.
    #[must_use]
    pub fn members(&self) -> &[MemberId] {
        &self.members
    }

    /// Those of the members that cannot be asked now: they have failed before the read begins.
    #[must_use]
    pub fn missing(&self) -> MemberSet {
        self.members.iter().copied().filter(|&id| !self.ring.member(id).readable()).collect()
    }

    /// The members by zone (without zones: each alone).
    #[must_use]
    pub fn zones(&self) -> Vec<Vec<MemberId>> {
        let mut sorted = self.members.clone();
        sorted.sort_by_key(|&id| (self.ring.roster().zone(id), id));
        sorted.chunk_by(|&a, &b| self.ring.roster().zone(a) == self.ring.roster().zone(b)).map(<[MemberId]>::to_vec).collect()
    }

    /// How many of [`ReadSets::zones`] always suffice, if all their members answer.
    #[must_use]
    pub fn zones_needed(&self) -> usize {
        self.zones().len().saturating_sub(self.may_miss()).max(1)
    }

    /// Whether the answers of `answered` are enough, when `failed` will not answer.
    #[must_use]
    pub fn complete(&self, answered: &MemberSet, failed: &MemberSet) -> Completeness {
        if self.tolerates(|id| !answered.contains(id)) {
            Completeness::Complete
        } else if self.tolerates(|id| failed.contains(id)) {
            Completeness::Incomplete
        } else {
            Completeness::Impossible
        }
    }

    /// Zones of each set that may be missing.
    fn may_miss(&self) -> usize {
        self.ring.replication_factor() / 2
    }

    /// True when nothing can be lost with the members that are missing.
    fn tolerates(&self, missing: impl Fn(MemberId) -> bool) -> bool {
        let mut zones: Vec<u32> = self.members.iter().filter(|&&id| missing(id)).map(|&id| self.ring.roster().zone(id)).collect();
        zones.sort_unstable();
        zones.dedup();
        zones.len() <= self.may_miss()
    }
}

#[cfg(test)]
mod tests;
