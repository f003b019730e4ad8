//! Tokens: where on the ring of 2³² positions a member stands. They are computed from its name, never stored.
//!
//! A member of a StatefulSet has an ordinal, and with it the place that [`Spread`] computed for it: the members `0..n` of a
//! release and zone own equal shares, whatever `n` is. Zones place the same ordinal alike, so that replicas of different zones pair up
//! and two members that are gone in two zones hit as few replica sets as possible. A member without an ordinal has the
//! tokens that a generator seeded with its name draws.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use xxhash_rust::xxh3::xxh3_64;

use crate::member::Member;

/// Tokens of a member. The share of one of `n` members with drawn tokens deviates by about `1/√TOKENS` (3 %) of itself, so
/// that 15 % are almost five deviations.
pub const TOKENS: usize = 1024;

/// Ordinals from here on count as a part of the name: nobody runs such a StatefulSet, and a placement costs as much as all below it.
pub const MAX_ORDINAL: u32 = 1024;

const RING: u64 = 1 << 32;

/// What a name says about the place of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// One of a StatefulSet.
    Ordinal {
        /// The name without zone and ordinal.
        release: &'a str,
        /// The number at its end.
        ordinal: u32,
    },
    /// Any other.
    Name(&'a str),
}

impl<'a> Place<'a> {
    /// Reads the name of a member: `ingester-zone-a-3` in zone `zone-a` is ordinal 3 of the release `ingester`.
    #[must_use]
    pub fn of(member: &'a Member) -> Self {
        let name = member.name.as_str();
        let Some((prefix, digits)) = name.rsplit_once('-') else {
            return Self::Name(name);
        };
        // No sign, no leading zeros: `-07` is somebody's way to name hosts.
        let plain = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit()));
        match digits.parse::<u32>() {
            Ok(ordinal) if plain && ordinal < MAX_ORDINAL => {
                let release = prefix.strip_suffix(member.zone.as_str()).and_then(|rest| rest.strip_suffix('-')).unwrap_or(prefix);
                Self::Ordinal { release, ordinal }
            }
            _ => Self::Name(name),
        }
    }

    /// A number for the place that is the same in each zone.
    #[must_use]
    pub fn hash(&self) -> u64 {
        match self {
            Self::Ordinal { release, ordinal } => mix(xxh3_64(release.as_bytes()) ^ u64::from(*ordinal)),
            Self::Name(name) => xxh3_64(name.as_bytes()),
        }
    }
}

/// Computes tokens and remembers what it computed of the placement by ordinals.
#[derive(Debug, Default)]
pub struct Tokens {
    spread: Spread,
}

impl Tokens {
    /// The tokens of a member, sorted, each once.
    #[must_use]
    pub fn of(&mut self, member: &Member) -> Vec<u32> {
        let mut tokens = match Place::of(member) {
            Place::Ordinal { release, ordinal } => {
                let turn = low_half(xxh3_64(release.as_bytes()));
                self.spread.tokens(ordinal as usize).iter().map(|token| token.wrapping_add(turn)).collect()
            }
            Place::Name(name) => drawn(name),
        };
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }
}

/// Draws the tokens of a member without an ordinal from its name.
fn drawn(name: &str) -> Vec<u32> {
    let seed = xxh3_64(name.as_bytes());
    (0..TOKENS as u64).map(|n| low_half(mix(seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))))).collect()
}

/// The placement by ordinals. Each new one takes an equal piece of each before it, by putting its tokens into their
/// widest gaps, so that all own `1/(n+1)` again; who was there keeps its tokens.
#[derive(Debug, Default)]
pub struct Spread {
    tokens: Vec<Vec<u32>>,
    /// What each ordinal owns, widest first.
    gaps: Vec<BinaryHeap<Gap>>,
    owned: Vec<u64>,
}

/// A piece of the ring: the positions above `start`, as many as `width`; its owner's token is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    width: u64,
    start: u32,
}

impl Ord for Gap {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.width, self.start).cmp(&(other.width, other.start))
    }
}

impl PartialOrd for Gap {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Spread {
    /// The tokens of an ordinal, below [`MAX_ORDINAL`]; computes those before it if need be.
    pub fn tokens(&mut self, ordinal: usize) -> &[u32] {
        while self.tokens.len() <= ordinal {
            self.place_next();
        }
        &self.tokens[ordinal]
    }

    fn place_next(&mut self) {
        let count = self.tokens.len();
        let gaps = if count == 0 { first_gaps() } else { self.take_from_all(count) };
        self.owned.push(gaps.iter().map(|gap| gap.width).sum());
        self.tokens.push(gaps.iter().map(|gap| low_half(u64::from(gap.start) + gap.width)).collect());
        self.gaps.push(gaps.into());
    }

    /// Takes from each of the `count` ordinals what it owns above `1/(count+1)`, the richest first.
    fn take_from_all(&mut self, count: usize) -> Vec<Gap> {
        let target = RING / (count as u64 + 1);
        let mut richest: Vec<usize> = (0..count).collect();
        richest.sort_by_key(|&ordinal| (std::cmp::Reverse(self.owned[ordinal]), ordinal));
        let mut taken = Vec::with_capacity(TOKENS);
        for (rank, ordinal) in richest.into_iter().enumerate() {
            let pieces = TOKENS / count + usize::from(rank < TOKENS % count);
            self.take(ordinal, pieces, target, &mut taken);
        }
        taken
    }

    /// Cuts `pieces` equal pieces off the front of the widest gaps of one ordinal, until it owns `target`.
    fn take(&mut self, ordinal: usize, pieces: usize, target: u64, taken: &mut Vec<Gap>) {
        let mut surplus = self.owned[ordinal].saturating_sub(target);
        let mut shortened = Vec::with_capacity(pieces);
        for left in (1..=pieces as u64).rev() {
            let Some(gap) = self.gaps[ordinal].pop() else { break };
            // Both keep at least one position: tokens stay distinct.
            let width = (surplus / left).clamp(1, (gap.width - 1).max(1));
            if width < gap.width {
                taken.push(Gap { width, start: gap.start });
                shortened.push(Gap { width: gap.width - width, start: low_half(u64::from(gap.start) + width) });
                surplus -= width.min(surplus);
                self.owned[ordinal] -= width;
            } else {
                shortened.push(gap);
            }
        }
        self.gaps[ordinal].extend(shortened);
    }
}

fn first_gaps() -> Vec<Gap> {
    let width = RING / TOKENS as u64;
    (0..TOKENS as u64).map(|n| Gap { width, start: low_half(n * width) }).collect()
}

/// The low 32 bits: positions go round.
#[allow(clippy::cast_possible_truncation, reason = "the ring is the numbers modulo 2^32")]
const fn low_half(number: u64) -> u32 {
    number as u32
}

/// Scatters the bits of a number (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
pub(crate) const fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests;
