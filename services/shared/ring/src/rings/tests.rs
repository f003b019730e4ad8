use super::*;
use crate::fixtures::{ROLE, member, settings};
use crate::view::{Facts, ViewBuilder};

fn ring(members: Vec<(Member, Option<i64>)>) -> Arc<Ring> {
    let seen = |(member, missing_since_ms): (Member, Option<i64>)| Seen {
        member: Arc::new(member),
        alive: missing_since_ms.is_none(),
        missing_since_ms,
    };
    let facts = Facts { members: members.into_iter().map(seen).collect(), processes: Vec::new() };
    ViewBuilder::new(settings(1, &[])).build(facts).ring(ROLE)
}

#[test]
fn the_eldest_lives_and_has_been_there_longest() {
    let at = |name: &str, since_ms| Member { since_ms, ..member(name, "") };
    let eldest = |members| ring(members).eldest().map(|seen| seen.member.name.clone());
    assert_eq!(eldest(vec![(at("a", 5), None), (at("b", 3), None), (at("c", 3), None)]).as_deref(), Some("b"));
    assert_eq!(eldest(vec![(at("a", 5), None), (at("b", 3), Some(9))]).as_deref(), Some("a"));
    let joining = Member { state: MemberState::Joining, ..at("a", 1) };
    assert_eq!(eldest(vec![(joining, None), (at("b", 3), None)]).as_deref(), Some("b"));
    assert_eq!(eldest(vec![(at("a", 1), Some(9))]), None);
}

#[test]
fn who_is_missing_for_too_long_is_named() {
    let ring = ring(vec![(member("a", ""), None), (member("b", ""), Some(100)), (member("c", ""), Some(150))]);
    let gone = |now_ms| ring.missing_for(100, now_ms).map(|seen| seen.member.name.clone()).collect::<Vec<_>>();
    assert_eq!(gone(199), Vec::<String>::new());
    assert_eq!(gone(200), ["b"]);
    assert_eq!(gone(250), ["b", "c"]);
}
