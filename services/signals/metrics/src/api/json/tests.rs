use proptest::prelude::*;

use super::*;
use crate::histogram::{Buckets, Span};

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

#[test]
fn histograms_tell_their_buckets() {
    let buckets = |offset, counts: &[f64]| Buckets {
        spans: vec![Span { offset, length: u32::try_from(counts.len()).unwrap() }],
        counts: counts.to_vec(),
    };
    let histogram = Histogram {
        zero_threshold: 1e-128,
        zero_count: 2.0,
        count: 7.5,
        sum: 12.25,
        positive: buckets(1, &[3.0, 0.0, 1.5]),
        negative: buckets(0, &[1.0]),
        ..Histogram::default()
    };
    let text = r#"[1.500,{"count":"7.5","sum":"12.25","buckets":[[1,"-1","-0.5","1"],[3,"-1e-128","1e-128","2"],[0,"1","2","3"],[0,"4","8","1.5"]]}]"#;
    assert_eq!(written(|out| histogram_sample(out, 1_500, &histogram)), text);
    assert_eq!(written(|out| histogram_sample(out, 0, &Histogram::default())), r#"[0,{"count":"0","sum":"0"}]"#);
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
