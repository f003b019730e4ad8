use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{ABC, SIGNAL, member, names, ring, settings, stateful_set};
use crate::member::{Member, MemberState};

fn shard_names(ring: &Arc<Ring>, tenant: &str, size: usize) -> BTreeSet<String> {
    names(ring, ring.shard(tenant, SIGNAL, size).members()).into_iter().collect()
}

#[test]
fn a_shard_takes_as_many_of_each_zone() {
    let ring = ring(settings(3, &ABC), stateful_set(10, &ABC), &[]);
    for (size, expected) in [(0, 30), (1, 3), (3, 3), (4, 6), (6, 6), (9, 9), (30, 30), (300, 30)] {
        let shard = ring.shard("t", SIGNAL, size);
        assert_eq!(shard.members().len(), expected, "size {size}");
        for zone in ABC {
            let of_zone = shard.members().iter().filter(|&&id| ring.member(id).member.zone == zone).count();
            assert_eq!(of_zone, expected / 3, "size {size}");
        }
    }
}

#[test]
fn zones_choose_the_same_ordinals() {
    let ring = ring(settings(3, &ABC), stateful_set(10, &ABC), &[]);
    let ordinals: BTreeSet<String> =
        shard_names(&ring, "t", 3).into_iter().map(|name| name.rsplit('-').next().unwrap().to_owned()).collect();
    assert_eq!(ordinals.len(), 1);
}

#[test]
fn tenants_spread_over_all_members() {
    let ring = ring(settings(3, &[]), stateful_set(20, &[]), &[]);
    let mut tenants = vec![0; 20];
    for tenant in 0..2000 {
        for id in ring.shard(&format!("tenant-{tenant}"), SIGNAL, 4).members() {
            tenants[id.index()] += 1;
        }
    }
    assert!(tenants.iter().all(|count| (320..480).contains(count)), "{tenants:?}");
}

#[test]
fn a_member_without_a_configured_zone_has_no_place() {
    let mut members = stateful_set(2, &ABC);
    members.push(member("ingester-zone-x-0", "zone-x"));
    let ring = ring(settings(3, &ABC), members, &[]);
    assert_eq!(shard_names(&ring, "t", 0).len(), 6);
    assert!(!shard_names(&ring, "t", 0).contains("ingester-zone-x-0"));
    assert_eq!(ring.token_count(), 6 * crate::tokens::TOKENS);
}

#[test]
fn shares_of_a_shard_say_how_much_each_holds() {
    let ring = ring(settings(3, &ABC), stateful_set(4, &ABC), &[]);
    let alone = ring.shard("t", SIGNAL, 3);
    assert!(alone.members().iter().all(|&id| (alone.owned_share(id) - 1.0).abs() < 1e-9));
    let all = ring.shard("t", SIGNAL, 0);
    assert!(all.members().iter().all(|&id| (all.owned_share(id) / 0.25 - 1.0).abs() < 0.02));
    assert!(all.members().iter().all(|&id| (ring.owned_share(id) - all.owned_share(id)).abs() < 1e-9));
}

/// One change of the members at a time of their history.
#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Drain(usize),
    Restart(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![(3usize..9).prop_map(Step::Join), (0usize..9).prop_map(Step::Drain), (0usize..9).prop_map(Step::Restart)];
    prop::collection::vec(step, 0..8)
}

fn apply(members: &mut Vec<Member>, zones: &[&str], step: &Step, now_ms: i64) {
    let name =
        |ordinal: usize, zone: &str| if zone.is_empty() { format!("ingester-{ordinal}") } else { format!("ingester-{zone}-{ordinal}") };
    // Only one zone moves, as in a rollout, or all of them have none.
    let zone = zones.first().copied().unwrap_or("");
    match *step {
        Step::Join(ordinal) => {
            if !members.iter().any(|member| member.name == name(ordinal, zone)) {
                members.push(Member { since_ms: now_ms, ..member(&name(ordinal, zone), zone) });
            }
        }
        Step::Drain(ordinal) => set_state(members, &name(ordinal, zone), MemberState::ReadOnly, now_ms),
        Step::Restart(ordinal) => set_state(members, &name(ordinal, zone), MemberState::Joining, now_ms),
    }
}

fn set_state(members: &mut [Member], name: &str, state: MemberState, now_ms: i64) {
    if let Some(member) = members.iter_mut().find(|member| member.name == name && member.state != MemberState::ReadOnly) {
        *member = member.clone().with_state(state, now_ms);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shards_nest_and_move_one_place_at_a_time(tenant in "[a-z]{1,8}", size in 3usize..8, count in 4usize..12) {
        let members = stateful_set(count, &[]);
        let before = ring(settings(3, &[]), members.clone(), &[]);
        let small = shard_names(&before, &tenant, size);
        prop_assert!(small.is_subset(&shard_names(&before, &tenant, size + 1)));
        let mut more = members;
        more.push(member(&format!("ingester-{count}"), ""));
        let after = shard_names(&ring(settings(3, &[]), more, &[]), &tenant, size);
        prop_assert!(small.difference(&after).count() <= 1);
        let joined = format!("ingester-{count}");
        prop_assert!(after.difference(&small).all(|name| *name == joined), "somebody else came in");
    }

    /// Whatever happened within the lookback, a reader asks everybody who can have been written to.
    #[test]
    fn reads_ask_all_shards_of_the_lookback(tenant in "[a-z]{1,8}", size in 0usize..10, zoned: bool, steps in steps()) {
        let zones: &[&str] = if zoned { &ABC } else { &[] };
        let mut members = stateful_set(3, zones);
        let mut written = shard_names(&ring(settings(3, zones), members.clone(), &[]), &tenant, size);
        for (n, step) in steps.iter().enumerate() {
            apply(&mut members, zones, step, 1000 + n as i64);
            written.extend(shard_names(&ring(settings(3, zones), members.clone(), &[]), &tenant, size));
        }
        let now = ring(settings(3, zones), members, &[]);
        let reads = now.read_shard(&tenant, SIGNAL, size, 1000, 1500);
        let asked: BTreeSet<String> = names(&now, reads.members()).into_iter().collect();
        prop_assert!(written.is_subset(&asked), "wrote to {:?}, asks {:?}", written, asked);
    }
}
