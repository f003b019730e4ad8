use proptest::prelude::*;

use super::*;

/// What is taken of a text, if it looks like a number.
fn scanned(text: &str) -> Option<&str> {
    let mut cursor = Cursor::new(text);
    scan_number(&mut cursor).then(|| cursor.since(0).of(text))
}

#[test]
fn numbers_are_taken_whole() {
    for text in ["0", "1", "1.5", ".5", "5.", "1e3", "1E-10", "1e+3", "0x1F", "0X_1f", "1_000", "0xe", "00", "1e400"] {
        assert_eq!(scanned(text), Some(text), "{text}");
    }
    assert_eq!(scanned("1 + 2"), Some("1"));
    assert_eq!(scanned("1.5)"), Some("1.5"));
}

#[test]
fn what_is_no_number_is_refused() {
    for text in ["", "1e", "1..2", "1.2.3", "1__0", "1_", "1e5e5", "0x1.8", "5m", "1foo", "1_.5"] {
        assert_eq!(scanned(text), None, "{text}");
    }
}

#[test]
fn values() {
    for (text, value) in [
        ("42", 42.0),
        ("0x1F", 31.0),
        ("017", 15.0),
        ("08", 8.0),
        ("1_000.5", 1000.5),
        ("1_000", 1000.0),
        ("0x_ff", 255.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("1e-10", 1e-10),
        ("inf", f64::INFINITY),
        ("+Inf", f64::INFINITY),
        ("9223372036854775808", 9_223_372_036_854_775_808.0),
    ] {
        assert_eq!(parse_number(text), Ok(value), "{text}");
    }
    assert!(parse_number("NaN").is_ok_and(f64::is_nan));
}

#[test]
fn errors_are_those_of_go() {
    let text = |number| parse_number(number).unwrap_err().to_string();
    assert_eq!(text("1e400"), r#"strconv.ParseFloat: parsing "1e400": value out of range"#);
    assert_eq!(text("0x"), r#"strconv.ParseFloat: parsing "0x": invalid syntax"#);
    assert_eq!(text("0xffffffffffffffffff"), r#"strconv.ParseFloat: parsing "0xffffffffffffffffff": invalid syntax"#);
    assert_eq!(text("1_"), r#"strconv.ParseFloat: parsing "1_": invalid syntax"#);
}

#[test]
fn written_without_exponent() {
    for (value, text) in [
        (5.0, "5"),
        (-1.5, "-1.5"),
        (1e21, "1000000000000000000000"),
        (1e-10, "0.0000000001"),
        (-0.0, "-0"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(format_number(value), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in 0.0..f64::MAX) {
        let text = format_number(value);
        prop_assert_eq!(scanned(&text), Some(text.as_str()));
        prop_assert_eq!(parse_number(&text), Ok(value));
    }

    #[test]
    fn nothing_panics(text in ".{0,12}") {
        let _ = (scanned(&text), parse_number(&text));
    }
}
