use super::*;
use crate::fixtures::{ABC, ROLE, member, settings, stateful_set, view};
use crate::member::MemberState;

fn process(role: &str, id: &str) -> Process {
    Process { role: role.to_owned(), id: id.to_owned(), http: format!("{id}:8080"), grpc: format!("{id}:9095") }
}

fn seen(member: Member) -> Seen {
    Seen { member: Arc::new(member), alive: true, missing_since_ms: None }
}

#[test]
fn the_greater_counter_wins() {
    let old = Member { counter: 3, ..member("a", "") };
    let new = Member { counter: 4, state: MemberState::Leaving, ..member("a", "") };
    let facts = Facts { members: vec![seen(old), seen(new)], processes: Vec::new() };
    let view = ViewBuilder::new(settings(1, &[])).build(facts);
    assert_eq!(view.ring(ROLE).members().len(), 1);
    assert_eq!(view.ring(ROLE).members()[0].member.state, MemberState::Leaving);
}

#[test]
fn processes_of_all_roles_are_known_once() {
    let processes = vec![process("querier", "b"), process("querier", "a"), process("querier", "a"), process("distributor", "a")];
    let facts = Facts { members: vec![seen(member("i", ""))], processes };
    let view = ViewBuilder::new(settings(1, &[])).build(facts);
    let ids = |role: &str| view.processes(role).into_iter().map(|process| process.id).collect::<Vec<_>>();
    assert_eq!(ids("querier"), ["a", "b"]);
    assert_eq!(ids("distributor"), ["a"]);
    assert_eq!(ids(ROLE), ["i"]);
    assert_eq!(view.all_processes().len(), 4);
}

#[test]
fn writes_need_active_members_in_a_quorum_of_zones() {
    let mut members = stateful_set(2, &ABC);
    assert_eq!(view(settings(3, &ABC), members.clone(), &["ingester-zone-b-0", "ingester-zone-b-1"]).writable(ROLE), Ok(()));
    for joining in &mut members[..2] {
        joining.state = MemberState::Joining;
    }
    let refused = view(settings(3, &ABC), members, &["ingester-zone-b-0", "ingester-zone-b-1"]).writable(ROLE).unwrap_err();
    assert_eq!(refused.to_string(), "ingester: active members in 1 of 3 zones, 2 are needed");
    assert!(view(settings(1, &[]), Vec::new(), &[]).writable(ROLE).is_err());
}

#[test]
fn a_change_of_life_keeps_the_places() {
    let mut builder = ViewBuilder::new(settings(3, &ABC));
    let facts = |alive| Facts {
        members: stateful_set(2, &ABC).into_iter().map(|member| Seen { alive, ..seen(member) }).collect(),
        processes: Vec::new(),
    };
    let (one, two) = (builder.build(facts(true)), builder.build(facts(false)));
    assert!(Arc::ptr_eq(one.ring(ROLE).roster(), two.ring(ROLE).roster()));
    let fewer = Facts { members: facts(true).members.split_off(1), processes: Vec::new() };
    assert_eq!(builder.build(fewer).ring(ROLE).members().len(), 5);
}

#[test]
fn facts_survive_the_wire() {
    let facts = Facts { members: vec![seen(member("a", "z"))], processes: vec![process("querier", "q")] };
    let json = serde_json::to_string(&facts).unwrap();
    assert!(json.contains(r#""state":"active""#), "{json}");
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
}
