use super::*;
use crate::fixtures::member;
use crate::member::MemberState;

fn bucket(names: &[&str]) -> BTreeMap<String, Member> {
    names.iter().map(|&name| (name.to_owned(), member(name, ""))).collect()
}

fn heard(name: &str, alive: bool, counter: u64) -> Heard {
    let said = Member { counter, state: MemberState::Leaving, ..member(name, "") };
    let life = Life { alive, missing_since_ms: None, member: Arc::new(said) };
    Heard { members: [(name.to_owned(), life)].into(), processes: Vec::new() }
}

#[test]
fn who_is_not_heard_of_is_missing_and_not_absent() {
    let mut knowledge = Knowledge::new(Own::Member("a".to_owned()), bucket(&["a", "b"]));
    let facts = knowledge.facts(5);
    assert_eq!(facts.members.len(), 2);
    assert!(facts.members[0].alive);
    assert_eq!((facts.members[1].alive, facts.members[1].missing_since_ms), (false, Some(5)));
    assert_eq!(knowledge.facts(9), facts, "the time of death does not move");
    knowledge.hear(heard("b", true, 1));
    assert_eq!(knowledge.facts(10).members[1].missing_since_ms, None);
    knowledge.hear(heard("b", false, 1));
    assert_eq!(knowledge.facts(11).members[1].missing_since_ms, Some(11));
}

#[test]
fn the_last_words_count() {
    let mut knowledge = Knowledge::new(Own::Member("a".to_owned()), bucket(&["a", "b"]));
    knowledge.hear(heard("b", true, 1));
    assert_eq!(knowledge.facts(0).members[1].member.state, MemberState::Active, "an equal counter says nothing new");
    knowledge.hear(heard("b", true, 2));
    assert_eq!(knowledge.facts(0).members[1].member.state, MemberState::Leaving);
}

#[test]
fn gossip_makes_nobody_a_member() {
    let mut knowledge = Knowledge::new(Own::Member("a".to_owned()), bucket(&["a"]));
    knowledge.hear(heard("x", true, 2));
    assert_eq!(knowledge.facts(0).members.len(), 1);
    assert!(knowledge.meets_strangers());
    knowledge.hear(heard("x", false, 2));
    assert!(!knowledge.meets_strangers());
}

#[test]
fn a_process_knows_that_it_is_there() {
    let own = member("d", "").process();
    let mut knowledge = Knowledge::new(Own::Process(own.clone()), bucket(&[]));
    let known = knowledge.facts(0).processes;
    assert_eq!(known, vec![own.clone()]);
    knowledge.hear(Heard { members: BTreeMap::new(), processes: vec![own] });
    assert_eq!(knowledge.facts(0).processes, known);
}
