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
/// stand-ins under every membership of the lookback, members of at most RF/2 zones are missing.
#[derive(Clone, Debug)]
pub struct ReadSets {
    ring: Arc<Ring>,
    members: Vec<MemberId>,
    /// Members that were in the tenant's shard under every membership of the lookback.
    certain: MemberSet,
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
    /// * `members`: whom to ask, sorted, and whether each was in the shard all the time.
    pub(crate) fn new(ring: Arc<Ring>, members: Vec<(MemberId, bool)>) -> Self {
        let certain = members.iter().filter(|(_, certain)| *certain).map(|(id, _)| *id).collect();
        Self { ring, members: members.into_iter().map(|(id, _)| id).collect(), certain }
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

    fn may_miss(&self) -> usize {
        self.ring.replication_factor() / 2
    }

    /// True when nothing can be lost with the members that are missing.
    fn tolerates(&self, missing: impl Fn(MemberId) -> bool) -> bool {
        let missing: MemberSet = self.members.iter().copied().filter(|&id| missing(id)).collect();
        let zone_missing = |zone: &Vec<MemberId>| zone.iter().any(|&id| missing.contains(id));
        if self.zones().iter().filter(|zone| zone_missing(zone)).count() <= self.may_miss() {
            return true;
        }
        let layout = self.ring.roster().layout(&self.members);
        let mut holders = Holders::default();
        (0..layout.len()).all(|position| {
            holders.collect(self, &layout, position);
            holders.zones.iter().filter(|zone| zone.met.iter().any(|&id| missing.contains(id))).count() <= self.may_miss()
        })
    }
}

/// Who may hold the items of one place on the ring.
#[derive(Debug, Default)]
struct Holders {
    zones: Vec<HoldersOfZone>,
}

#[derive(Debug)]
struct HoldersOfZone {
    zone: u32,
    met: Vec<MemberId>,
    certain: usize,
}

impl Holders {
    /// Walks on until the replicas and their stand-ins are known under every membership. In a zone that is the second member that
    /// was there all the time: the first of those is the place's or stands behind it, the second its stand-in at the latest.
    fn collect(&mut self, sets: &ReadSets, layout: &crate::layout::Layout, position: usize) {
        self.zones.clear();
        let roster = sets.ring.roster();
        // Without zones the stand-in is one more member, which is a zone of its own.
        let wanted = sets.ring.replication_factor() + usize::from(!roster.zoned);
        let (mut with_certain, mut open) = (0, 0);
        for id in layout.walk(position) {
            let enough = with_certain >= wanted || self.zones.len() == layout.zones;
            if enough && open == 0 {
                break;
            }
            let zone = roster.zone(id);
            let at = match self.zones.iter().position(|known| known.zone == zone) {
                Some(at) => at,
                None if enough => continue,
                None => {
                    self.zones.push(HoldersOfZone { zone, met: Vec::new(), certain: 0 });
                    open += 1;
                    self.zones.len() - 1
                }
            };
            let zone = &mut self.zones[at];
            if zone.closed(layout) || zone.met.contains(&id) {
                continue;
            }
            zone.met.push(id);
            if sets.certain.contains(id) {
                zone.certain += 1;
                with_certain += usize::from(zone.certain == 1);
            }
            open -= usize::from(zone.closed(layout));
        }
    }
}

impl HoldersOfZone {
    fn closed(&self, layout: &crate::layout::Layout) -> bool {
        self.certain >= 2 || self.met.len() >= layout.zone_size(self.zone) as usize
    }
}
