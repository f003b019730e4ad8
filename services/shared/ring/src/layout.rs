//! Tokens of a set of members, laid out for look-ups. Hot: no allocation and no lock in a look-up.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::rings::MemberId;
use crate::tokens::mix;

/// Tokens that the layouts of one ring may hold together before all of them are dropped: about 32 MiB.
const CACHED_TOKENS: usize = 4 << 20;

/// The zone of those that have none.
const NO_ZONE: u32 = u32::MAX;

/// What does not change while the same members are in the same zones: their places.
#[derive(Debug)]
pub(crate) struct Roster {
    pub(crate) entries: Vec<Entry>,
    /// Zones by member, close together for look-ups; [`NO_ZONE`] for those without a place.
    zones: Vec<u32>,
    /// True where zones are configured. Where not, each member is a zone of its own, numbered as the member is.
    pub(crate) zoned: bool,
    layouts: Mutex<Layouts>,
}

/// The place of one member.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) zone_name: String,
    /// Index of its zone, or none where the zone is not one of the configured: then it has no place.
    pub(crate) zone: Option<u32>,
    pub(crate) tokens: Arc<[u32]>,
    /// Orders members that share a token.
    pub(crate) hash: u64,
    /// The same for the same ordinal of each zone: ranks members in tenants' shards.
    pub(crate) rank: u64,
}

#[derive(Debug, Default)]
struct Layouts {
    by_members: FxHashMap<Box<[MemberId]>, Arc<Layout>>,
    tokens: usize,
}

impl Roster {
    pub(crate) fn new(entries: Vec<Entry>, zoned: bool) -> Self {
        let zones = entries.iter().map(|entry| entry.zone.unwrap_or(NO_ZONE)).collect();
        Self { entries, zones, zoned, layouts: Mutex::default() }
    }

    /// The zone of a member that has a place.
    pub(crate) fn zone(&self, id: MemberId) -> u32 {
        self.zones[id.index()]
    }

    /// The layout of some members: sorted, each once, all with a place.
    pub(crate) fn layout(&self, members: &[MemberId]) -> Arc<Layout> {
        if let Some(known) = self.layouts.lock().by_members.get(members) {
            return known.clone();
        }
        let layout = Arc::new(Layout::new(self, members));
        let mut layouts = self.layouts.lock();
        if layouts.tokens > CACHED_TOKENS {
            *layouts = Layouts::default();
        }
        if layouts.by_members.insert(members.into(), layout.clone()).is_none() {
            layouts.tokens += layout.tokens.len();
        }
        layout
    }
}

/// The tokens of some members, clockwise.
#[derive(Debug)]
pub(crate) struct Layout {
    tokens: Vec<u32>,
    owners: Vec<MemberId>,
    /// For each value of a position's upper bits, the first token that is not below it.
    starts: Vec<u32>,
    shift: u32,
    pub(crate) members: Box<[MemberId]>,
    /// How many zones have a member here.
    pub(crate) zones: usize,
    /// Members here by zone.
    zone_sizes: Vec<u32>,
    /// Share of the keys by member, when somebody has asked.
    pub(crate) shares: OnceLock<Vec<f64>>,
}

impl Layout {
    fn new(roster: &Roster, members: &[MemberId]) -> Self {
        let mut all: Vec<(u32, u64, MemberId)> = members
            .iter()
            .flat_map(|&id| {
                let entry = &roster.entries[id.index()];
                // Zones place the same ordinal alike: who comes first is drawn for each token anew, else one zone would always win.
                entry.tokens.iter().map(move |&token| (token, mix(entry.hash ^ u64::from(token)), id))
            })
            .collect();
        all.sort_unstable();
        let bits = usize::BITS - all.len().leading_zeros();
        let shift = 32u32.saturating_sub(bits);
        let tokens: Vec<u32> = all.iter().map(|(token, ..)| *token).collect();
        let starts = (0..1u64 << (32 - shift)).map(|high| index(tokens.partition_point(|&token| u64::from(token) < high << shift)));
        let zone_count = members.iter().map(|&id| roster.zone(id) as usize + 1).max().unwrap_or(0);
        let mut zone_sizes = vec![0u32; zone_count];
        for &id in members {
            zone_sizes[roster.zone(id) as usize] += 1;
        }
        Self {
            starts: starts.collect(),
            owners: all.into_iter().map(|(.., id)| id).collect(),
            tokens,
            shift,
            members: members.into(),
            zones: zone_sizes.iter().filter(|&&size| size > 0).count(),
            zone_sizes,
            shares: OnceLock::new(),
        }
    }

    /// How many members of a zone are here.
    pub(crate) fn zone_size(&self, zone: u32) -> u32 {
        self.zone_sizes.get(zone as usize).copied().unwrap_or(0)
    }

    /// How many tokens there are.
    pub(crate) const fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The index of the token that a key belongs to: the first that is not below it, clockwise.
    pub(crate) fn position(&self, key: u32) -> usize {
        let mut at = self.starts[(key >> self.shift) as usize] as usize;
        while at < self.tokens.len() && self.tokens[at] < key {
            at += 1;
        }
        if at == self.tokens.len() { 0 } else { at }
    }

    /// The owners of the tokens from `position` on, once round.
    pub(crate) fn walk(&self, position: usize) -> impl Iterator<Item = MemberId> + '_ {
        self.owners[position..].iter().chain(&self.owners[..position]).copied()
    }

    /// How many keys belong to the token at `position`.
    pub(crate) fn width(&self, position: usize) -> u64 {
        let token = self.tokens[position];
        match position.checked_sub(1) {
            Some(before) => u64::from(token - self.tokens[before]),
            None => match self.tokens.last() {
                Some(&last) => (1 << 32) - u64::from(last) + u64::from(token),
                None => 0,
            },
        }
    }
}

fn index(index: usize) -> u32 {
    u32::try_from(index).expect("a ring has far fewer than 2^32 tokens")
}
