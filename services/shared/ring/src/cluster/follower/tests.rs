use super::*;
use crate::fixtures::member;
use crate::member::{Member, MemberState};
use crate::rings::Seen;

fn seen(name: &str, counter: u64, alive: bool, missing_since_ms: Option<i64>) -> Seen {
    let state = if counter > 1 { MemberState::Leaving } else { MemberState::Active };
    Seen { member: Arc::new(Member { counter, state, ..member(name, "") }), alive, missing_since_ms }
}

fn facts(members: Vec<Seen>) -> Facts {
    Facts { members, processes: vec![member("querier", "").process()] }
}

#[test]
fn one_who_is_seen_by_one_of_them_is_alive() {
    let (one, two) = (facts(vec![seen("a", 1, false, Some(5)), seen("b", 1, true, None)]), facts(vec![seen("a", 1, true, None)]));
    let heard = merge(&[&one, &two]);
    assert!(heard.members["a"].alive);
    assert!(heard.members["b"].alive);
    assert_eq!(heard.processes.len(), 2, "views count each once");
}

#[test]
fn the_latest_words_and_the_latest_death_are_kept() {
    let (one, two) = (facts(vec![seen("a", 2, false, Some(5))]), facts(vec![seen("a", 1, false, Some(9))]));
    for said in [[&one, &two], [&two, &one]] {
        let heard = merge(&said);
        assert_eq!(heard.members["a"].member.state, MemberState::Leaving);
        assert_eq!(heard.members["a"].missing_since_ms, Some(9));
    }
}
