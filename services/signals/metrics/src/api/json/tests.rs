use proptest::prelude::*;

use super::*;

fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    put(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn values_have_no_exponent() {
    for (float, text) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-17.0, "-17"),
        (0.1, "0.1"),
        (1e21, "1000000000000000000000"),
        (5e-7, "0.0000005"),
        (9_007_199_254_740_993.0, "9007199254740992"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(written(|out| value(out, float)), format!("\"{text}\""));
    }
}

#[test]
fn times_are_seconds_with_milliseconds_where_there_are_some() {
    for (ms, text) in [(0, "0"), (1_768_474_800_000, "1768474800"), (1_500, "1.500"), (7, "0.007"), (-1_500, "-1.500"), (-7, "-0.007")] {
        assert_eq!(written(|out| timestamp(out, ms)), text);
    }
}

proptest! {
    #[test]
    fn values_are_read_back_bit_by_bit(float: f64) {
        let text = written(|out| value(out, float));
        let read: f64 = text.trim_matches('"').parse().unwrap();
        prop_assert!(read.to_bits() == float.to_bits() || float.is_nan() && read.is_nan(), "{} {}", float, text);
    }

    #[test]
    fn texts_are_json(any in ".*") {
        let read: String = serde_json::from_str(&written(|out| text(out, &any))).unwrap();
        prop_assert_eq!(read, any);
    }
}
