use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{ABC, SIGNAL, keys, ring, settings, stateful_set};
use crate::member::Member;

const LOOKBACK_MS: i64 = 1000;
const NOW_MS: i64 = 10_000;

fn reads(ring: &Arc<Ring>) -> ReadSets {
    ring.read_shard("t", SIGNAL, 0, LOOKBACK_MS, NOW_MS)
}

fn set(ring: &Ring, names: &[&str]) -> MemberSet {
    names.iter().map(|name| ring.find(name).unwrap()).collect()
}

/// What is decided when everybody has answered but those.
fn without(ring: &Arc<Ring>, failed: &[&str]) -> Completeness {
    let reads = reads(ring);
    let failed = set(ring, failed);
    let answered = reads.members().iter().copied().filter(|&id| !failed.contains(id)).collect();
    reads.complete(&answered, &failed)
}

#[test]
fn a_whole_zone_may_be_missing_and_no_more() {
    let ring = ring(settings(3, &ABC), stateful_set(3, &ABC), &[]);
    let zone_a = ["ingester-zone-a-0", "ingester-zone-a-1", "ingester-zone-a-2"];
    assert_eq!(without(&ring, &zone_a), Completeness::Complete);
    let mut more = zone_a.to_vec();
    more.push("ingester-zone-c-1");
    assert_eq!(without(&ring, &more), Completeness::Impossible);
    assert_eq!(reads(&ring).zones_needed(), 2);
    assert_eq!(reads(&ring).zones().len(), 3);
}

#[test]
fn answers_of_two_zones_are_enough_before_the_third_has_answered() {
    let ring = ring(settings(3, &ABC), stateful_set(2, &ABC), &[]);
    let reads = reads(&ring);
    let mut answered = MemberSet::default();
    let none = MemberSet::default();
    let zones = reads.zones();
    for &id in &zones[0] {
        assert_eq!(reads.complete(&answered, &none), Completeness::Incomplete);
        assert!(answered.insert(id));
    }
    assert!(answered.insert(zones[1][0]));
    assert_eq!(reads.complete(&answered, &none), Completeness::Incomplete);
    assert!(answered.insert(zones[1][1]));
    assert_eq!(reads.complete(&answered, &none), Completeness::Complete);
}

#[test]
fn with_one_replica_every_missing_member_is_an_error() {
    let ring = ring(settings(1, &[]), stateful_set(4, &[]), &[]);
    assert_eq!(without(&ring, &[]), Completeness::Complete);
    assert_eq!(without(&ring, &["ingester-2"]), Completeness::Impossible);
    assert_eq!(reads(&ring).zones_needed(), 4);
}

#[test]
fn one_member_of_each_of_two_zones_is_too_much() {
    let members = stateful_set(8, &ABC);
    let ring = ring(settings(3, &ABC), members, &[]);
    assert_eq!(without(&ring, &["ingester-zone-a-0", "ingester-zone-b-0"]), Completeness::Impossible);
}

#[test]
fn who_is_missing_has_failed_before_the_read() {
    let ring = ring(settings(3, &ABC), stateful_set(1, &ABC), &["ingester-zone-b-0"]);
    assert_eq!(reads(&ring).missing(), set(&ring, &["ingester-zone-b-0"]));
}

#[test]
fn nobody_to_ask_is_a_whole_answer() {
    let ring = ring(settings(3, &ABC), Vec::new(), &[]);
    assert_eq!(reads(&ring).complete(&MemberSet::default(), &MemberSet::default()), Completeness::Complete);
}

/// Members some of which joined or were drained within the lookback.
fn history() -> impl Strategy<Value = (bool, usize, Vec<Member>)> {
    (any::<bool>(), 1usize..4, prop::collection::vec(0u8..8, 12)).prop_map(|(zoned, factor, fates)| {
        let zones: &[&str] = if zoned { &ABC } else { &[] };
        let members = stateful_set(if zoned { 3 } else { 6 }, zones).into_iter().zip(fates);
        let members = members.map(|(member, fate)| match fate {
            0 => Member { since_ms: NOW_MS - 10, ..member },
            1 => member.with_state(crate::MemberState::ReadOnly, NOW_MS - 10),
            _ => member,
        });
        (zoned, factor, members.collect())
    })
}

/// Every set that an item can have been acknowledged by: under each membership of the lookback, with each one or two members down.
fn written(members: &[Member], zones: &[&str], factor: usize, size: usize) -> BTreeSet<Vec<String>> {
    let changed: Vec<usize> = (0..members.len()).filter(|&n| members[n].since_ms > 0).collect();
    let mut sets = BTreeSet::new();
    for there in 0..1usize << changed.len() {
        let past: Vec<Member> = members
            .iter()
            .enumerate()
            .filter(|(n, _)| changed.iter().position(|change| change == n).is_none_or(|at| there & 1 << at != 0))
            .map(|(_, member)| Member { state: crate::MemberState::Active, ..member.clone() })
            .collect();
        let names: Vec<&str> = past.iter().map(|member| member.name.as_str()).collect();
        let alone = (0..=names.len()).map(|first| vec![first]);
        let pairs = (0..names.len()).map(|first| vec![first, (first + 1) % names.len()]);
        for down in alone.chain(pairs) {
            let down: Vec<&str> = down.into_iter().filter_map(|n| names.get(n).copied()).collect();
            let ring = ring(settings(factor, zones), past.clone(), &down);
            let shard = ring.shard("t", SIGNAL, size);
            for set in keys(48).filter_map(|key| shard.replicas(key).ok()) {
                sets.insert(crate::fixtures::names(&ring, set.members()));
            }
        }
    }
    sets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// An answer that counts as whole has heard of every item that any quorum acknowledged, whoever was down and whoever was a
    /// member when it was written.
    #[test]
    fn a_whole_answer_misses_nothing((zoned, factor, members) in history(), size in 0usize..7, lost in prop::collection::vec(any::<u8>(), 12)) {
        let zones: &[&str] = if zoned { &ABC } else { &[] };
        prop_assume!(members.iter().filter(|member| member.since_ms > 0).count() <= 3);
        let sets = written(&members, zones, factor, size);
        let ring = ring(settings(factor, zones), members, &[]);
        let reads = ring.read_shard("t", SIGNAL, size, LOOKBACK_MS, NOW_MS);
        for divisor in [2, 4, 8] {
            let failed: MemberSet = reads.members().iter().copied().filter(|id| lost[id.index()] % divisor == 0).collect();
            let answered: MemberSet = reads.members().iter().copied().filter(|&id| !failed.contains(id)).collect();
            if reads.complete(&answered, &failed) != Completeness::Complete {
                continue;
            }
            for set in &sets {
                let unheard = set.iter().filter(|name| !ring.find(name).is_some_and(|id| answered.contains(id))).count();
                prop_assert!(unheard < factor / 2 + 1, "an item at {:?} may be acknowledged by those alone who did not answer", set);
            }
        }
    }
}

/// The rule counts over the whole shard: that refuses no more than it must, for any two members of different zones may together be
/// the quorum that acknowledged some item.
#[test]
fn any_two_members_of_different_zones_hold_something_alone() {
    for (zones, per_zone) in [(&ABC[..], 4), (&[], 9)] {
        let members = stateful_set(per_zone, zones);
        let mut pairs = BTreeSet::new();
        for down in members.iter().map(|member| vec![member.name.as_str()]).chain([vec![]]) {
            let ring = ring(settings(3, zones), members.clone(), &down);
            let shard = ring.shard("t", SIGNAL, 0);
            for set in keys(20_000).filter_map(|key| shard.replicas(key).ok()) {
                let ids = set.members();
                pairs.extend(ids.iter().flat_map(|a| ids.iter().map(move |b| (*a.min(b), *a.max(b)))).filter(|(a, b)| a != b));
            }
        }
        let count = members.len();
        let all = count * (count - 1) / 2 - zones.len() * per_zone * (per_zone - 1) / 2;
        assert_eq!(pairs.len(), all);
    }
}
