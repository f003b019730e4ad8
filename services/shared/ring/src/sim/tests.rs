use super::*;
use crate::fixtures::{ABC, ROLE, SIGNAL, settings, stateful_set};
use crate::view::Facts;

const PACE: Pace = Pace { heartbeat_ms: 100, missing_after_ms: 1000, read_period_ms: 1000 };

fn distributor(id: &str) -> Process {
    Process { role: "distributor".to_owned(), id: id.to_owned(), http: format!("{id}:1"), grpc: format!("{id}:2") }
}

/// Two active ingesters in each of three zones, and a distributor.
fn world(seed: u64) -> (World, SimMembership, BTreeMap<String, SimMembership>) {
    let mut world = World::new(seed, PACE, ViewBuilder::new(settings(3, &ABC)));
    let distributor = world.start_process(distributor("d"));
    let members =
        stateful_set(2, &ABC).into_iter().map(|member| (member.name.clone(), world.start_member(member))).collect::<BTreeMap<_, _>>();
    for name in members.keys() {
        world.set_state(name, MemberState::Active);
    }
    world.advance(5000);
    (world, distributor, members)
}

fn writable(view: &View) -> usize {
    view.ring(ROLE).members().iter().filter(|seen| seen.writable()).count()
}

#[test]
fn everybody_comes_to_know_everybody() {
    let (_, distributor, members) = world(1);
    for view in members.values().chain([&distributor]).map(Membership::view) {
        assert_eq!(writable(&view), 6);
        assert_eq!(view.processes("distributor").len(), 1);
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let history = |seed| -> Vec<Facts> {
        let (mut world, distributor, _) = world(seed);
        world.crash("ingester-zone-a-0");
        let mut facts = Vec::new();
        for _ in 0..30 {
            world.advance(70);
            facts.push(distributor.view().facts().clone());
        }
        facts
    };
    assert_eq!(history(7), history(7));
}

#[test]
fn a_crash_is_seen_and_a_restart_joins_again() {
    let (mut world, distributor, _) = world(2);
    let since = distributor.view().ring(ROLE).members()[0].member.since_ms;
    world.crash("ingester-zone-a-0");
    world.advance(900);
    assert_eq!(writable(&distributor.view()), 6, "not yet");
    world.advance(1000);
    assert_eq!(writable(&distributor.view()), 5);
    assert_eq!(distributor.view().ring(ROLE).members().len(), 6);
    world.start_member(stateful_set(1, &ABC).remove(0));
    world.advance(2000);
    assert_eq!(writable(&distributor.view()), 5);
    assert_eq!(distributor.view().ring(ROLE).members()[0].member.state, MemberState::Joining);
    world.set_state("ingester-zone-a-0", MemberState::Active);
    world.advance(2000);
    assert_eq!(writable(&distributor.view()), 6);
    assert_eq!(distributor.view().ring(ROLE).members()[0].member.since_ms, since);
}

#[test]
fn who_is_cut_off_has_a_stale_view_until_it_is_healed() {
    let (mut world, distributor, members) = world(3);
    for name in members.keys() {
        world.cut("d", name);
    }
    world.set_reads_bucket("d", false);
    world.set_state("ingester-zone-b-1", MemberState::ReadOnly);
    world.advance(500);
    let old = distributor.view().ring(ROLE).members()[3].member.state;
    assert_eq!(old, MemberState::Active);
    world.advance(2000);
    assert_eq!(writable(&distributor.view()), 0);
    assert!(!world.reaches("d", "ingester-zone-a-0"));
    world.heal_all();
    world.advance(2000);
    assert_eq!(writable(&distributor.view()), 5);
    assert_eq!(distributor.view().ring(ROLE).members()[3].member.state, MemberState::ReadOnly);
}

#[test]
fn a_paused_process_forgets_nothing_and_learns_nothing() {
    let (mut world, distributor, members) = world(4);
    world.pause("d");
    world.leave("ingester-zone-c-1");
    world.advance(60_000);
    assert_eq!(writable(&distributor.view()), 6);
    assert_eq!(members["ingester-zone-a-0"].view().ring(ROLE).members().len(), 5);
    world.resume("d");
    world.advance(5000);
    assert_eq!(distributor.view().ring(ROLE).members().len(), 5);
    assert_eq!(writable(&distributor.view()), 5);
}

#[test]
fn one_who_lives_and_is_forgotten_is_written_again() {
    let (mut world, distributor, _) = world(5);
    world.forget("ingester-zone-a-0");
    world.advance(5000);
    assert_eq!(writable(&distributor.view()), 6);
}

#[test]
fn replicas_follow_the_view_of_the_writer() {
    let (mut world, distributor, _) = world(6);
    world.crash("ingester-zone-a-0");
    let stale = distributor.view().ring(ROLE).shard("t", SIGNAL, 0);
    world.advance(5000);
    let fresh = distributor.view().ring(ROLE).shard("t", SIGNAL, 0);
    let dead = stale.ring().find("ingester-zone-a-0").unwrap();
    let mut met = 0;
    for key in crate::fixtures::keys(500) {
        met += usize::from(stale.replicas(key).unwrap().members().contains(&dead));
        assert!(!fresh.replicas(key).unwrap().members().contains(&dead));
    }
    assert!(met > 100, "{met}");
}
