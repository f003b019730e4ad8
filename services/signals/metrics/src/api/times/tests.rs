use super::*;

#[test]
fn times_are_seconds_or_rfc_3339() {
    for (text, ms) in [
        ("1768474800", 1_768_474_800_000),
        ("1768474800.123456", 1_768_474_800_123),
        ("1.7684748e9", 1_768_474_800_000),
        ("-1.5", -1_500),
        ("+15", 15_000),
        ("2026-01-15T11:00:00.5Z", 1_768_474_800_500),
        ("2026-01-15T12:30:00.1239+01:30", 1_768_474_800_123),
        ("2026-01-15T06:00:00-05:00", 1_768_474_800_000),
        ("1969-12-31T23:59:59Z", -1_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        (MIN_TIME, -FARTHEST_MS),
        (MAX_TIME, FARTHEST_MS),
        ("NaN", EARLIEST_MS),
        ("-Inf", EARLIEST_MS),
        ("1e20", EARLIEST_MS),
    ] {
        assert_eq!(parse_time(text), Ok(ms), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "x",
        "1e400",
        "1e12",
        "2026-01-15",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-15T24:00:00Z",
        "2026-01-15T11:00:00",
        "2026-01-15T11:00:00.Z",
        "2026-01-15T11:00:00+0100",
        "2026-01-15T11:00:00Zx",
        "2026-01-15T11:00:00é",
        "+026-01-15T11:00:00Z",
    ] {
        assert_eq!(parse_time(text).unwrap_err().to_string(), format!("cannot parse {text:?} to a valid timestamp"));
    }
}

#[test]
fn durations_are_seconds_or_have_units() {
    for (text, ns) in
        [("15", 15_000_000_000), ("0.5", 500_000_000), ("5m", 300_000_000_000), ("1h30m", 5_400_000_000_000), ("NaN", i64::MIN)]
    {
        assert_eq!(parse_duration(text), Ok(ns), "{text}");
    }
    for text in ["", "x", "1y6M", "5"] {
        assert_eq!(parse_duration(text).is_ok(), text == "5", "{text}");
    }
    assert_eq!(parse_duration("1e20").unwrap_err().to_string(), "cannot parse \"1e20\" to a valid duration. It overflows int64");
}
