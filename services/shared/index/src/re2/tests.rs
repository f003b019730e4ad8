use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    anchored(pattern).unwrap().is_match(text)
}

fn error(pattern: &str) -> String {
    anchored(pattern).unwrap_err().to_string()
}

#[test]
fn anchored_and_over_line_feeds() {
    assert!(matches("a|b", "a"));
    assert!(!matches("a|b", "ab"));
    assert!(matches("a.c", "a\nc"));
    assert!(!matches("(?-s:a.c)", "a\nc"));
    assert!(matches("(?i)Abc", "aBC"));
}

#[test]
fn perl_classes_are_ascii() {
    assert!(matches(r"\d+", "42"));
    assert!(!matches(r"\d", "٣"));
    assert!(!matches(r"\w", "é"));
    assert!(matches(r"[^\s\d]", "é"));
    assert!(matches(r"[\D]", "x"));
    assert!(!matches(r"[\D]", "1"));
    assert!(matches(r"\pL\p{Greek}", "éβ"));
    assert!(matches(r".*\bfoo\b.*", "a foo b"));
}

#[test]
fn what_only_re2_reads_as_literals() {
    assert!(matches(r"[[]x]", "[x]"));
    assert!(matches("[a&&b]+", "a&b"));
    assert!(matches("[]a]+", "a]"));
    assert!(matches("[^]a]+", "bc"));
    assert!(matches("{foo}", "{foo}"));
    assert!(matches("a{,2}", "a{,2}"));
    assert!(matches("a{01}", "a{01}"));
    assert!(matches(r"\Qa.b\E.", "a.bc"));
    assert!(matches(r"\<x\>", "<x>"));
    assert!(matches(r"\101\x42\x{43}", "ABC"));
    assert!(matches("[[:alpha:][:^digit:]-]+", "ab-"));
    assert!(matches("[a-c-e]+", "b-e"));
    assert!(matches("/a~b #c&d", "/a~b #c&d"));
    assert!(matches("a{2}?", "aa"));
}

#[test]
fn errors_have_the_texts_of_go() {
    assert_eq!(error("["), "error parsing regexp: missing closing ]: `[`");
    assert_eq!(error("a[b"), "error parsing regexp: missing closing ]: `[b`");
    assert_eq!(error("("), "error parsing regexp: missing closing ): `(`");
    assert_eq!(error("a)b"), "error parsing regexp: unexpected ): `a)b`");
    assert_eq!(error("*a"), "error parsing regexp: missing argument to repetition operator: `*`");
    assert_eq!(error("(|+)"), "error parsing regexp: missing argument to repetition operator: `+`");
    assert_eq!(error("a**"), "error parsing regexp: invalid nested repetition operator: `**`");
    assert_eq!(error("a+?*"), "error parsing regexp: invalid nested repetition operator: `+?*`");
    assert_eq!(error(r"\y"), r"error parsing regexp: invalid escape sequence: `\y`");
    assert_eq!(error(r"\1"), r"error parsing regexp: invalid escape sequence: `\1`");
    assert_eq!(error("a\\"), "error parsing regexp: trailing backslash at end of expression: ``");
    assert_eq!(error("[z-a]"), "error parsing regexp: invalid character class range: `z-a`");
    assert_eq!(error("a{1001}"), "error parsing regexp: invalid repeat count: `{1001}`");
    assert_eq!(error("a{2,1}"), "error parsing regexp: invalid repeat count: `{2,1}`");
    assert_eq!(error("(?=a)"), "error parsing regexp: invalid or unsupported Perl syntax: `(?=`");
    assert_eq!(error("(?!a)"), "error parsing regexp: invalid or unsupported Perl syntax: `(?!`");
    assert_eq!(error("(?x)a"), "error parsing regexp: invalid or unsupported Perl syntax: `(?x`");
    assert_eq!(error("(?ዀT)"), "error parsing regexp: invalid or unsupported Perl syntax: `(?ዀ`");
    assert_eq!(error("(?i-)"), "error parsing regexp: invalid or unsupported Perl syntax: `(?i-)`");
    assert_eq!(error("(?P<1>a)"), "error parsing regexp: invalid named capture: `(?P<1>`");
    assert_eq!(error(r"\pX"), r"error parsing regexp: invalid character class range: `\pX`");
    assert_eq!(error("((a{100}){100}){100}"), "error parsing regexp: expression too large: `((a{100}){100}){100}`");
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_an_error(pattern in r"([\\\[\](){}^$.|?*+,:<>iPQEdwspx0-9a-z-]|\PC){0,24}") {
        if let Ok(translated) = translate(&pattern) {
            // What the translation lets pass, the engine takes too, unless it is too large or names two groups alike.
            if let Err(err) = anchored(&pattern) {
                let text = regex::Regex::new(&format!("^(?s:{translated})$")).err().map(|err| err.to_string()).unwrap_or_default();
                prop_assert!(err.problem == "expression too large" || text.contains("duplicate") || text.contains("flag"), "{pattern} {translated} {text}");
            }
        }
    }

    #[test]
    fn a_quoted_text_matches_itself(text in r"\PC{0,20}") {
        let quoted: String = text.chars().map(|c| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() }).collect();
        prop_assert!(matches(&quoted, &text));
    }
}
