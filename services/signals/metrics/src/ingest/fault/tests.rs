use super::*;
use crate::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, Span};

#[test]
fn metadata_that_is_too_long() {
    let told = |fault: Fault<'_>| fault.text(&[]);
    assert_eq!(
        told(Fault::MetadataNameTooLong { name: b"requests" }),
        "received a metric metadata whose metric name length exceeds the limit, metric name: 'requests' (err-mimir-metric-name-too-long). To adjust the \
         related per-tenant limit, configure -validation.max-metadata-length, or contact your service administrator."
    );
    assert_eq!(
        told(Fault::UnitTooLong { unit: b"parsecs", name: b"way" }),
        "received a metric metadata whose unit name length exceeds the limit, unit: 'parsecs' metric name: 'way' (err-mimir-unit-too-long). To adjust the \
         related per-tenant limit, configure -validation.max-metadata-length, or contact your service administrator."
    );
}

fn buckets(spans: &[(i32, u32)], counts: &[f64]) -> Buckets {
    Buckets { spans: spans.iter().map(|&(offset, length)| Span { offset, length }).collect(), counts: counts.to_vec() }
}

/// A good histogram with three observations that `change` spoils.
fn spoiled(change: impl FnOnce(&mut Histogram)) -> Histogram {
    let mut histogram =
        Histogram { integer: true, count: 3.0, sum: 5.0, positive: buckets(&[(0, 2)], &[1.0, 2.0]), ..Histogram::default() };
    assert_eq!(histogram.check(), Ok(()));
    change(&mut histogram);
    histogram
}

/// The same with custom buckets.
fn spoiled_custom(change: impl FnOnce(&mut Histogram)) -> Histogram {
    spoiled(|histogram| {
        (histogram.schema, histogram.bounds) = (CUSTOM_SCHEMA, [1.0, 2.0].into());
        assert_eq!(histogram.check(), Ok(()));
        change(histogram);
    })
}

#[test]
fn each_way_of_spoiling_a_histogram_has_mimirs_id() {
    for (histogram, id) in [
        (spoiled(|histogram| histogram.schema = 9), "invalid-native-histogram-schema"),
        (spoiled(|histogram| histogram.count = 4.0), "native-histogram-count-mismatch"),
        (spoiled(|histogram| (histogram.count, histogram.sum) = (2.0, f64::NAN)), "native-histogram-count-not-big-enough"),
        (spoiled(|histogram| histogram.positive.counts[0] = -1.0), "native-histogram-negative-bucket-count"),
        (spoiled(|histogram| histogram.positive.spans.push(Span { offset: -1, length: 0 })), "native-histogram-span-negative-offset"),
        (spoiled(|histogram| histogram.positive.spans[0].length = 3), "native-histogram-spans-buckets-mismatch"),
        (spoiled_custom(|histogram| histogram.bounds = [].into()), "native-histogram-custom-buckets-mismatch"),
        (spoiled_custom(|histogram| histogram.bounds = [2.0, 1.0].into()), "native-histogram-custom-buckets-invalid"),
        (spoiled_custom(|histogram| histogram.bounds = [1.0, f64::INFINITY].into()), "native-histogram-custom-buckets-infinite"),
    ] {
        let error = histogram.check().unwrap_err();
        let text = Fault::Histogram { t: 0, error }.text(&[RawLabel { name: b"__name__", value: b"m" }]);
        assert!(text.contains(&format!("(err-mimir-{id})")), "{id}: {text}");
    }
}
