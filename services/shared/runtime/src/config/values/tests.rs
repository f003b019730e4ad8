use super::{ByteSize, HumanDuration};

#[test]
fn durations_are_read_and_written() {
    for (text, ms, printed) in [
        ("0", 0, "0s"),
        ("15s", 15_000, "15s"),
        ("1h30m", 5_400_000, "1h30m"),
        ("150m", 9_000_000, "2h30m"),
        ("14d", 1_209_600_000, "14d"),
        ("250ms", 250, "250ms"),
        ("1.5s", 1500, "1s500ms"),
    ] {
        let read: HumanDuration = text.parse().unwrap();
        assert_eq!(read, HumanDuration::from_millis(ms), "{text}");
        assert_eq!(read.to_string(), printed);
        assert_eq!(printed.parse::<HumanDuration>().unwrap(), read);
    }
    for text in ["", "15", "s", "1x", "-1s", "1s2", "99999999999999999999d"] {
        assert!(text.parse::<HumanDuration>().is_err(), "{text}");
    }
}

#[test]
fn sizes_are_read_and_written() {
    for (text, bytes, printed) in [
        ("0", 0, "0B"),
        ("64MiB", 64 << 20, "64MiB"),
        ("10MB", 10_000_000, "10000000B"),
        ("1.5KiB", 1536, "1536B"),
        ("20 GiB", 20 << 30, "20GiB"),
    ] {
        let read: ByteSize = text.parse().unwrap();
        assert_eq!(read, ByteSize(bytes), "{text}");
        assert_eq!(read.to_string(), printed);
    }
    for text in ["", "MiB", "1XB", "-1", "999999999999TiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
}
