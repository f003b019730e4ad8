use proptest::prelude::*;

use super::*;

#[test]
fn values() {
    for (text, ms) in [
        ("0", 0),
        ("0s", 0),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1y2w3d4h5m6s7ms", 33_019_506_007),
        ("90d", 7_776_000_000),
        ("1ms", 1),
        ("292y", 9_208_512_000_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
}

#[test]
fn errors() {
    for (text, error) in [
        ("", "empty duration string"),
        ("5m5m", r#"not a valid duration string: "5m5m""#),
        ("1h1d", r#"not a valid duration string: "1h1d""#),
        ("1.5h", r#"unknown unit "." in duration "1.5h""#),
        ("5y1hs", r#"unknown unit "hs" in duration "5y1hs""#),
        ("5", r#"not a valid duration string: "5""#),
        ("-5m", r#"not a valid duration string: "-5m""#),
        ("293y", "duration out of range"),
        ("9999999999999999999s", "duration out of range"),
        ("99999999999999999999s", r#"not a valid duration string: "99999999999999999999s""#),
    ] {
        assert_eq!(parse_duration(text).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn years_and_weeks_only_where_nothing_remains() {
    for (ms, text) in [
        (0, "0s"),
        (1, "1ms"),
        (90_000, "1m30s"),
        (86_400_000, "1d"),
        (604_800_000, "1w"),
        (691_200_000, "8d"),
        (31_536_000_000, "1y"),
        (31_536_000_001, "365d1ms"),
    ] {
        assert_eq!(format_duration(ms), text);
    }
}

#[test]
fn tails_are_taken_whole() {
    for (text, taken) in [("m", true), ("h30m", true), ("ms)", true), ("mfoo", false), ("", false), ("m5y", false), ("m5", false)] {
        assert_eq!(scan_duration_tail(&mut Cursor::new(text)), taken, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(ms in 0..=MAX_MS) {
        prop_assert_eq!(parse_duration(&format_duration(ms)), Ok(Duration::from_millis(ms)));
    }

    #[test]
    fn nothing_panics(text in ".{0,12}") {
        let _ = parse_duration(&text);
        scan_duration_tail(&mut Cursor::new(&text));
    }
}
