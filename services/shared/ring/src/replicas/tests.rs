use proptest::prelude::*;

use super::*;
use crate::fixtures::{ABC, SIGNAL, keys, member, names, ring, settings, stateful_set};
use crate::member::{Member, MemberState};

/// Whose sets differ for which share of the keys, between two rings; each set of names sorted.
fn moved(before: &std::sync::Arc<crate::Ring>, after: &std::sync::Arc<crate::Ring>) -> Vec<(Vec<String>, Vec<String>)> {
    let (old, new) = (before.shard("t", SIGNAL, 0), after.shard("t", SIGNAL, 0));
    let sorted = |ring: &crate::Ring, set: ReplicaSet| {
        let mut names = names(ring, set.members());
        names.sort();
        names
    };
    keys(20_000).map(|key| (sorted(before, old.places(key)), sorted(after, new.places(key)))).filter(|(old, new)| old != new).collect()
}

#[test]
fn replicas_stand_in_distinct_zones() {
    let ring = ring(settings(3, &ABC), stateful_set(5, &ABC), &[]);
    let shard = ring.shard("t", SIGNAL, 0);
    for key in keys(10_000).chain([0, 1, u32::MAX, u32::MAX - 1]) {
        let set = shard.replicas(key).unwrap();
        let mut zones: Vec<&str> = set.members().iter().map(|&id| ring.member(id).member.zone.as_str()).collect();
        zones.sort_unstable();
        assert_eq!(zones, ABC);
        assert_eq!((set.quorum(), set.unsent()), (2, 0));
    }
}

#[test]
fn more_zones_than_replicas_are_used_evenly() {
    let zones = ["zone-a", "zone-b", "zone-c", "zone-d"];
    let ring = ring(settings(3, &zones), stateful_set(3, &zones), &[]);
    for (index, seen) in ring.members().iter().enumerate() {
        let share = ring.owned_share(MemberId::new(index));
        // Three replicas of a key on twelve members.
        assert!((share / 0.25 - 1.0).abs() < 0.1, "{}: {share}", seen.member.name);
    }
}

#[test]
fn a_member_that_joins_moves_its_share_and_no_more() {
    for zones in [&ABC[..], &[]] {
        let mut members = stateful_set(9, zones);
        let before = ring(settings(3, zones), members.clone(), &[]);
        let joins = if zones.is_empty() { member("ingester-9", "") } else { member("ingester-zone-b-9", "zone-b") };
        members.push(joins.clone());
        let after = ring(settings(3, zones), members, &[]);
        let moved = moved(&before, &after);
        assert!(moved.iter().all(|(_, new)| new.contains(&joins.name)), "a set moved without the new member");
        assert!(moved.iter().all(|(old, new)| new.iter().filter(|name| !old.contains(name)).count() == 1));
        // With zones one of ten members of one zone; without, three replicas on ten members.
        let share = if zones.is_empty() { 0.3 } else { 0.1 };
        let part = moved.len() as f64 / 20_000.0;
        assert!((part / share - 1.0).abs() < 0.1, "{part} moved");
    }
}

#[test]
fn without_a_spare_in_its_zone_a_missing_replica_leaves_a_smaller_set() {
    let ring = ring(settings(3, &ABC), stateful_set(1, &ABC), &["ingester-zone-b-0"]);
    let set = ring.shard("t", SIGNAL, 0).replicas(7).unwrap();
    let mut members = names(&ring, set.members());
    members.sort();
    assert_eq!(members, ["ingester-zone-a-0", "ingester-zone-c-0"]);
    assert_eq!(set.unsent(), 1);
}

#[test]
fn two_missing_zones_are_no_quorum() {
    let missing = ["ingester-zone-a-0", "ingester-zone-b-0"];
    let ring = ring(settings(3, &ABC), stateful_set(1, &ABC), &missing);
    let refused = ring.shard("t", SIGNAL, 0).replicas(7).unwrap_err();
    assert_eq!(refused.to_string(), "at least 2 live replicas required, could only find 1");
}

#[test]
fn who_is_joining_is_replaced_and_keeps_its_place() {
    let mut members = stateful_set(2, &ABC);
    members[0].state = MemberState::Joining;
    let ring = ring(settings(3, &ABC), members, &[]);
    let shard = ring.shard("t", SIGNAL, 0);
    let joining = ring.find("ingester-zone-a-0").unwrap();
    let other = ring.find("ingester-zone-a-1").unwrap();
    let mut seen = 0;
    for key in keys(1000).filter(|&key| shard.places(key).members().contains(&joining)) {
        seen += 1;
        let set = shard.replicas(key).unwrap();
        assert!(!set.members().contains(&joining) && set.members().contains(&other));
    }
    assert!(seen > 300, "{seen} keys belong to the joining member");
}

#[test]
fn nobody_is_no_quorum() {
    let empty = ring(settings(3, &[]), Vec::new(), &[]);
    assert_eq!(empty.shard("t", SIGNAL, 0).replicas(1), Err(NoQuorum { found: 0, needed: 2 }));
    assert_eq!(empty.owners(SIGNAL, 1, 2).len(), 0);
    let deaf = ring(settings(1, &[]), vec![Member { signals: vec!["logs".to_owned()], ..member("a", "") }], &[]);
    assert_eq!(deaf.shard("t", SIGNAL, 0).replicas(1), Err(NoQuorum { found: 0, needed: 1 }));
    assert_eq!(deaf.shard("t", "logs", 0).replicas(1).unwrap().members().len(), 1);
}

#[test]
fn owners_prefer_other_zones_and_skip_the_dead() {
    let ring = ring(settings(3, &ABC), stateful_set(2, &ABC), &["ingester-zone-a-0", "ingester-zone-a-1"]);
    for key in keys(2000) {
        let two = ring.owners(SIGNAL, key, 2);
        assert_ne!(ring.member(two[0]).member.zone, ring.member(two[1]).member.zone);
        let three = ring.owners(SIGNAL, key, 3);
        assert_eq!(three.len(), 3, "a zone lends a second member when there are too few zones");
        assert_eq!(three[..2], two[..]);
        assert!(three.iter().all(|&id| ring.member(id).alive));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The rule of section 4, said again in the plainest way, against the fast look-up.
    #[test]
    fn replacement_follows_the_rule(per_zone in 1usize..5, zoned: bool, factor in 1usize..4, down in prop::collection::vec(any::<bool>(), 15), seed: u32) {
        let zones: &[&str] = if zoned { &ABC } else { &[] };
        let members = stateful_set(if zoned { per_zone } else { per_zone + 2 }, zones);
        let missing: Vec<&str> = members.iter().zip(&down).filter(|(_, down)| **down).map(|(member, _)| member.name.as_str()).collect();
        let ring = ring(settings(factor, zones), members.clone(), &missing);
        let shard = ring.shard("t", SIGNAL, 0);
        let zone = |id: MemberId| if zoned { ring.member(id).member.zone.clone() } else { ring.member(id).member.name.clone() };
        for key in keys(64).map(|key| key ^ seed) {
            let places = shard.places(key);
            prop_assert_eq!(places.members().len(), factor);
            let healthy = |id: &MemberId| ring.member(*id).alive;
            let lost = places.members().iter().filter(|id| !healthy(id)).count();
            match shard.replicas(key) {
                Ok(set) => {
                    let stand_ins: Vec<_> = set.members().iter().filter(|id| !places.members().contains(id)).collect();
                    prop_assert!(set.members().iter().all(&healthy));
                    prop_assert!(stand_ins.len() <= lost.min(1));
                    prop_assert!(set.members().len() > factor / 2 && set.members().len() <= factor);
                    prop_assert_eq!(set.members().len(), factor - lost + stand_ins.len());
                    for id in stand_ins.into_iter().filter(|_| zoned) {
                        let replaced = places.members().iter().find(|place| zone(**place) == zone(*id)).unwrap();
                        prop_assert!(!healthy(replaced), "a living member was replaced");
                    }
                    let mut zones: Vec<_> = set.members().iter().map(|&id| zone(id)).collect();
                    zones.sort();
                    zones.dedup();
                    prop_assert_eq!(zones.len(), set.members().len());
                }
                Err(refused) => {
                    // One more than is there could have stood in at the most.
                    prop_assert_eq!(refused.needed, factor / 2 + 1);
                    prop_assert!(refused.found < refused.needed && refused.found >= factor - lost);
                }
            }
        }
    }
}
