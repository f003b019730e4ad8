//! The ring of one role: its members, whether they are alive, and their places.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::layout::{Layout, Roster};
use crate::member::{Member, MemberState};
use crate::reads::ReadSets;
use crate::replicas::{self, FewMembers};
use crate::shard::{self, Shard};
use crate::view::RingSettings;

/// A member's number within one ring of one view. Views number anew: never keep one beyond its view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(u32);

/// A member and what is known of its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What it says of itself.
    #[serde(flatten)]
    pub member: Arc<Member>,
    /// True when gossip shows it. Who is not shown is missing, never absent.
    pub alive: bool,
    /// Since when gossip has not shown it, in milliseconds since the epoch; none while it is alive, or when that is not known.
    #[serde(default)]
    pub missing_since_ms: Option<i64>,
}

/// Members in the order in which a key prefers them.
pub type Owners = FewMembers;

/// The members of one role in one view.
#[derive(Debug)]
pub struct Ring {
    role: String,
    settings: RingSettings,
    members: Vec<Seen>,
    /// Which of them can be written to, close together for look-ups.
    writable: Vec<bool>,
    roster: Arc<Roster>,
}

impl MemberId {
    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("a ring has far fewer than 2^32 members"))
    }

    /// Its index in [`Ring::members`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Seen {
    /// True when it can be written to now.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.alive && self.member.state == MemberState::Active
    }

    /// True when it can be read from now.
    #[must_use]
    pub fn readable(&self) -> bool {
        self.alive && self.member.state.answers_reads()
    }
}

impl Ring {
    /// A ring; `members` are sorted by name, as in `roster`.
    pub(crate) fn new(role: String, settings: RingSettings, members: Vec<Seen>, roster: Arc<Roster>) -> Self {
        debug_assert!(members.len() == roster.entries.len(), "a roster of other members");
        let writable = members.iter().map(Seen::writable).collect();
        Self { role, settings, members, writable, roster }
    }

    /// The role of its members.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// All members, sorted by name.
    #[must_use]
    pub fn members(&self) -> &[Seen] {
        &self.members
    }

    /// One member.
    #[must_use]
    pub fn member(&self, id: MemberId) -> &Seen {
        &self.members[id.index()]
    }

    /// The member of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<MemberId> {
        self.members.binary_search_by(|seen| seen.member.name.as_str().cmp(name)).ok().map(MemberId::new)
    }

    /// How many replicas an item has.
    #[must_use]
    pub const fn replication_factor(&self) -> usize {
        self.settings.replication_factor
    }

    /// Where a tenant's items of a signal are written: `size` members (0: all), spread over the zones.
    #[must_use]
    pub fn shard(self: &Arc<Self>, tenant: &str, signal: &str, size: usize) -> Shard {
        shard::write(self, tenant, signal, size)
    }

    /// Where a tenant's recent items of a signal may be.
    ///
    /// * `size`: the greatest size of the tenant's shard within the last `lookback_ms` (0: all).
    /// * `lookback_ms`: how long an item may be held only by those who took it: the cut period and its grace.
    #[must_use]
    pub fn read_shard(self: &Arc<Self>, tenant: &str, signal: &str, size: usize, lookback_ms: i64, now_ms: i64) -> ReadSets {
        shard::read(self, tenant, signal, size, now_ms.saturating_sub(lookback_ms))
    }

    /// Who owns what hashes to `key`: the next `n` living, active members that serve the signal, clockwise, in distinct
    /// zones as far as there are zones. The first is preferred.
    #[must_use]
    pub fn owners(&self, signal: &str, key: u32, n: usize) -> Owners {
        let layout = self.layout_of(signal, |seen| seen.member.state == MemberState::Active);
        let mut owners = Owners::default();
        if layout.len() == 0 {
            return owners;
        }
        let position = layout.position(key);
        let n = n.min(layout.members.len()).min(replicas::MAX_REPLICATION_FACTOR);
        for other_zones_only in [true, false] {
            for id in layout.walk(position) {
                if owners.len() >= n {
                    return owners;
                }
                let refused = |known: &MemberId| *known == id || (other_zones_only && self.roster.zone(*known) == self.roster.zone(id));
                if self.member(id).alive && !owners.iter().any(refused) {
                    owners.push(id);
                }
            }
        }
        owners
    }

    /// The living, active member that has been there longest; of several the first by name. Where no other office elects a
    /// leader, it leads.
    #[must_use]
    pub fn eldest(&self) -> Option<&Seen> {
        self.members.iter().filter(|seen| seen.writable()).min_by_key(|seen| (seen.member.since_ms, &seen.member.name))
    }

    /// Members that have been missing for `ms` or longer.
    pub fn missing_for(&self, ms: i64, now_ms: i64) -> impl Iterator<Item = &Seen> {
        self.members.iter().filter(move |seen| seen.missing_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= ms))
    }

    /// The share of all keys that have a replica at the member, between 0 and 1, when all members are there.
    #[must_use]
    pub fn owned_share(&self, id: MemberId) -> f64 {
        let members = self.placed(|seen| seen.member.state.takes_writes());
        self.shares(&self.roster.layout(&members)).get(id.index()).copied().unwrap_or(0.0)
    }

    /// How many zones are configured; 1 where there are none.
    pub(crate) fn zone_count(&self) -> usize {
        self.settings.zones.len().max(1)
    }

    /// Tokens of all members that have a place.
    #[must_use]
    pub fn token_count(&self) -> usize {
        self.roster.entries.iter().filter(|entry| entry.zone.is_some()).map(|entry| entry.tokens.len()).sum()
    }

    /// Whether a member can be written to now.
    pub(crate) fn is_writable(&self, id: MemberId) -> bool {
        self.writable[id.index()]
    }

    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Members that have a place and fulfil a condition.
    pub(crate) fn placed(&self, fits: impl Fn(&Seen) -> bool) -> Vec<MemberId> {
        let placed = self.roster.entries.iter().zip(&self.members).enumerate();
        placed.filter(|(_, (entry, seen))| entry.zone.is_some() && fits(seen)).map(|(index, _)| MemberId::new(index)).collect()
    }

    fn layout_of(&self, signal: &str, fits: impl Fn(&Seen) -> bool) -> Arc<Layout> {
        self.roster.layout(&self.placed(|seen| seen.member.serves(signal) && fits(seen)))
    }

    /// The share of each member of the ring in a layout, by its number.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    pub(crate) fn shares<'a>(&self, layout: &'a Layout) -> &'a [f64] {
        layout.shares.get_or_init(|| {
            let mut widths = vec![0u64; self.members.len()];
            for position in 0..layout.len() {
                for id in replicas::places(layout, &self.roster, self.settings.replication_factor, position).iter() {
                    widths[id.index()] += layout.width(position);
                }
            }
            widths.into_iter().map(|width| width as f64 / 2f64.powi(32)).collect()
        })
    }
}

#[cfg(test)]
mod tests;
