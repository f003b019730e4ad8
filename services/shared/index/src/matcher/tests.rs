use proptest::prelude::*;

use super::*;

fn test(pattern: &str) -> Test {
    Matcher::new("l", MatchOp::Regex, pattern).unwrap().test
}

#[test]
fn fast_paths() {
    assert!(matches!(test("abc"), Test::Literal(text) if text == "abc"));
    assert!(matches!(test(""), Test::Literal(text) if text.is_empty()));
    assert!(matches!(test("a|b|abc"), Test::Set(set) if set == ["a", "abc", "b"]));
    assert!(matches!(test("(?:api|web)-(1|2)"), Test::Set(set) if set == ["api-1", "api-2", "web-1", "web-2"]));
    assert!(matches!(test("|a"), Test::Set(set) if set == ["", "a"]));
    assert!(matches!(test("abc.*"), Test::Prefix(text) if text == "abc"));
    assert!(matches!(test(".*abc"), Test::Suffix(text) if text == "abc"));
    assert!(matches!(test(".*(abc).*"), Test::Infix(text) if text == "abc"));
    assert!(matches!(test(".*"), Test::Any));
    assert!(matches!(test("(.+)"), Test::NonEmpty));
    assert!(matches!(test("node-[0-9]+"), Test::Regex { prefix, .. } if prefix == "node-"));
    assert!(matches!(test("a(x.+|y.+)"), Test::Regex { prefix, .. } if prefix == "a"));
    assert!(matches!(test("^a$"), Test::Regex { prefix, .. } if prefix.is_empty()));
    assert!(matches!(test("[^\n]*"), Test::Regex { .. }));
    let many = (0..1000).map(|n| format!("host-{n}")).collect::<Vec<_>>().join("|");
    assert!(matches!(test(&many), Test::Set(set) if set.len() == 1000));
}

#[test]
fn an_absent_label_is_empty() {
    let empty = |op, value| Matcher::new("l", op, value).unwrap().matches_empty();
    assert!(empty(MatchOp::Equal, ""));
    assert!(!empty(MatchOp::NotEqual, ""));
    assert!(empty(MatchOp::NotEqual, "a"));
    assert!(empty(MatchOp::Regex, ".*"));
    assert!(!empty(MatchOp::Regex, ".+"));
    assert!(empty(MatchOp::NotRegex, ".+"));
    assert!(empty(MatchOp::Regex, "a|"));
}

proptest! {
    /// Whatever path a pattern takes, the answer is the engine's.
    #[test]
    fn as_the_engine_would(
        pattern in r"(\.\*|\.\+|[ab]|\(a\|b\)|\||\(|\)|[*+?]|\[ab\]|\^|\$|é|(\?i)|\n){0,7}",
        values in prop::collection::vec("[abAé\n]{0,5}", 1..12),
    ) {
        let Ok(matcher) = Matcher::new("l", MatchOp::Regex, &pattern) else { return Ok(()) };
        let engine = re2_engine(&pattern);
        for value in &values {
            prop_assert_eq!(matcher.matches(value), engine.is_match(value), "{:?} {:?} {:?}", pattern, value, matcher);
            prop_assert!(!matcher.matches(value) || value.starts_with(matcher.test.prefix()));
        }
    }
}

fn re2_engine(pattern: &str) -> Regex {
    crate::re2::anchored(pattern).unwrap()
}
