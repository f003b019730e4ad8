use super::*;

#[test]
fn sorted_once_and_without_empty_values() {
    let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
    assert_eq!(labels.get("b"), Some("3"));
    assert_eq!(labels.get("c"), None);
    assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
}

#[test]
fn a_quoted_name_is_printed_with_quotes() {
    assert_eq!(Labels::from_pairs([("svc.name", "x\"y")]).to_string(), r#"{"svc.name"="x\"y"}"#);
}

#[test]
fn the_hash_tells_borders_apart() {
    let one = Labels::from_pairs([("a", "bc")]);
    let other = Labels::from_pairs([("ab", "c")]);
    assert_ne!(one.hash(), other.hash());
    assert_ne!(one, other);
    let named = Labels::from_pairs([(METRIC_NAME, "up"), ("a", "bc")]);
    assert_eq!(named.hash_without_name(), one.hash());
}

#[test]
fn compared_with_bytes() {
    let labels = Labels::from_pairs([("a", "1"), ("bc", "2")]);
    assert!(labels.are(&[(b"a", b"1"), (b"bc", b"2")]));
    assert!(Labels::empty().are(&[]));
    let others: [&[(&[u8], &[u8])]; 5] = [
        &[],
        &[(b"a", b"1")],
        &[(b"a", b"1"), (b"b", b"c2")],
        &[(b"a", b"1b"), (b"c", b"2")],
        &[(b"a", b"1"), (b"bc", b"2"), (b"d", b"3")],
    ];
    assert!(others.iter().all(|other| !labels.are(other)));
}

#[test]
fn ordered_by_pairs() {
    let mut all =
        [Labels::from_pairs([("b", "1")]), Labels::from_pairs([("a", "1"), ("b", "1")]), Labels::from_pairs([("a", "1")]), Labels::empty()];
    all.sort();
    assert_eq!(format!("{all:?}"), r#"[{}, {a="1"}, {a="1", b="1"}, {b="1"}]"#);
}

proptest::proptest! {
    #[test]
    fn ordered_as_their_pairs_are(one in pairs(), other in pairs()) {
        let (one, other) = (Labels::from_pairs(one), Labels::from_pairs(other));
        let of = |labels: &Labels| labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
        proptest::prop_assert_eq!(one.cmp(&other), of(&one).cmp(&of(&other)));
        let mut backwards: Vec<_> = one.iter().rev().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        backwards.reverse();
        proptest::prop_assert_eq!(of(&one), backwards);
    }
}

/// Few letters and short texts, so that many are alike, or begin alike.
fn pairs() -> impl proptest::strategy::Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec(("[ab]{1,3}", "[ab]{0,3}"), 0..6)
}

#[test]
fn nanoseconds_round_outwards_before_1970_too() {
    assert_eq!(TimestampMs::floor_ns(-1), TimestampMs(-1));
    assert_eq!(TimestampMs::ceil_ns(-1), TimestampMs(0));
    assert_eq!(TimestampMs::ceil_ns(1), TimestampMs(1));
    assert_eq!(TimestampMs::floor_ns(1_999_999), TimestampMs(1));
    assert_eq!(TimestampMs::ceil_ns(i64::MAX), TimestampMs(9_223_372_036_855));
}

/// The hash and the shard key are on disks and in rings: a change of these figures breaks clusters.
#[test]
fn golden_hashes() {
    let labels = Labels::from_pairs([(METRIC_NAME, "up"), ("job", "api")]);
    expect_test::expect!["896dd9ccf9f6ebdc a417effe"].assert_eq(&format!(
        "{:016x} {:08x}",
        labels.hash(),
        shard_key("anonymous", labels.hash())
    ));
}

#[test]
fn labels_of_any_length() {
    for len in [1, 60_000, 65_535, 65_536, 70_000, 200_000] {
        let long = "é".repeat(len / 2 + 1);
        let pairs = [("a", "1"), ("b", long.as_str()), ("c", "3")];
        let labels = Labels::from_pairs(pairs);
        assert_eq!(labels.iter().collect::<Vec<_>>(), pairs);
        assert_eq!((labels.len(), labels.get("b"), labels.get("c"), labels.get("d")), (3, Some(long.as_str()), Some("3"), None));
        let bytes = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert!(labels.are(&bytes) && !labels.are(&bytes[..2]));
    }
}
