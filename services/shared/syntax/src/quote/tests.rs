use super::*;

#[test]
fn texts_are_quoted_as_go_does() {
    for (text, quoted) in [
        ("", r#""""#),
        ("plain 'text'", r#""plain 'text'""#),
        ("a\"b\\c", r#""a\"b\\c""#),
        ("\n\t\r\u{7}\u{8}\u{c}\u{b}", r#""\n\t\r\a\b\f\v""#),
        ("\u{0}\u{1f}\u{7f}", r#""\x00\x1f\x7f""#),
        ("température_°C 東京 🚀", "\"température_°C 東京 🚀\""),
        ("\u{85}\u{a0}\u{200b}", r#""\u0085\u00a0\u200b""#),
        ("e\u{301}", "\"e\u{301}\""),
        ("\u{10ffff}", r#""\U0010ffff""#),
    ] {
        assert_eq!(Quoted(text).to_string(), quoted);
    }
    assert_eq!(QuotedBytes(b"a\xc5z").to_string(), r#""a\xc5z""#);
}

#[test]
fn characters_are_quoted_as_go_does() {
    for (c, quoted) in [(Some('%'), "'%'"), (Some('\''), r"'\''"), (Some('"'), "'\"'"), (Some('\n'), r"'\n'"), (None, "'\u{fffd}'")] {
        assert_eq!(QuotedChar(c).to_string(), quoted);
    }
}

#[test]
fn names_that_need_no_quotes() {
    for (name, label, metric) in
        [("a", true, true), ("_a1", true, true), ("a:b", false, true), ("1a", false, false), ("", false, false), ("a.b", false, false)]
    {
        assert_eq!((is_label_name(name), is_metric_name(name)), (label, metric), "{name}");
    }
}
