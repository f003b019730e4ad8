use super::*;

#[test]
fn words_name_their_limits() {
    for limit in InstanceLimit::ALL {
        assert_eq!(InstanceLimit::of(limit.word()), Some(limit));
    }
    assert_eq!(InstanceLimit::of("per_user_series_limit"), None);
}

#[test]
fn heads_share_one_room() {
    let room = SeriesRoom::new(3);
    let (mut one, mut other) = (room.part(), room.part());
    one.add();
    one.add();
    assert!(other.has_room());
    other.add();
    assert!(!one.has_room() && !other.has_room());
    // A log that is read again.
    other.add();
    assert_eq!((one.held(), other.held()), (2, 2));
    one.remove();
    assert!(!one.has_room());
    drop(other);
    assert!(one.has_room(), "a head that goes gives back what it held");
    let mut unbounded = SeriesRoom::new(0).part();
    unbounded.add();
    assert!(unbounded.has_room());
}
