use proptest::prelude::*;

use super::{Buckets, CUSTOM_SCHEMA, Histogram, HistogramSum, Joined, MixedSchemas, ResetHint, Span};

/// A histogram with positive buckets from `offset` on.
fn positive(schema: i32, offset: i32, counts: &[f64]) -> Histogram {
    let buckets = Buckets::from_indexed((offset..).zip(counts.iter().copied()));
    Histogram { schema, count: counts.iter().sum(), sum: 1.0, positive: buckets, ..Histogram::default() }
}

/// A histogram with bounds of its own.
fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    Histogram { bounds: bounds.into(), ..positive(CUSTOM_SCHEMA, 0, counts) }
}

fn added(one: &Histogram, other: &Histogram) -> (Histogram, Joined) {
    let mut sum = one.clone();
    let joined = sum.add(other).expect("both are of a kind");
    sum.compact();
    (sum, joined)
}

#[test]
fn sums_reconcile_resolutions() {
    let (sum, joined) = added(&positive(1, 1, &[1.0, 2.0, 3.0]), &positive(0, 1, &[10.0, 0.0, 5.0]));
    // (1, 1.41], (1.41, 2] become (1, 2]; (2, 2.83] becomes (2, 4].
    assert_eq!((sum.schema, sum.count, joined), (0, 21.0, Joined::default()));
    assert_eq!(sum.positive, Buckets::from_indexed([(1, 13.0), (2, 3.0), (3, 5.0)]));
}

#[test]
fn sums_reconcile_zero_buckets() {
    let mut wide = positive(0, 3, &[4.0]);
    (wide.zero_threshold, wide.zero_count) = (1.5, 2.0);
    let mut narrow = positive(0, 0, &[1.0, 1.0, 1.0]);
    narrow.negative = Buckets::from_indexed([(0, 7.0), (5, 1.0)]);
    narrow.zero_threshold = 0.001;
    let (sum, _) = added(&wide, &narrow);
    // The bucket (1, 2] is cut by 1.5: the zero bucket takes the whole of it.
    assert_eq!((sum.zero_threshold, sum.zero_count), (2.0, 11.0));
    assert_eq!(sum.positive, Buckets::from_indexed([(2, 1.0), (3, 4.0)]));
    assert_eq!(sum.negative, Buckets::from_indexed([(5, 1.0)]));
    assert_eq!(added(&narrow, &wide).0, sum);
}

#[test]
fn sums_reconcile_bounds() {
    let (sum, joined) = added(&custom(&[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0, 4.0]), &custom(&[2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]));
    assert!(joined.bounds_reconciled);
    assert_eq!(&sum.bounds[..], [2.0, 4.0]);
    assert_eq!(sum.positive, Buckets::from_indexed([(0, 13.0), (1, 53.0), (2, 44.0)]));
    let mut other = positive(0, 0, &[1.0]);
    let before = other.clone();
    assert_eq!(other.add(&sum), Err(MixedSchemas));
    assert_eq!(other, before);
}

#[test]
fn hints_of_sums() {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    for (one, other, expected, collide) in [
        (Unknown, Unknown, Unknown, false),
        (Reset, Reset, Reset, false),
        (Reset, NotReset, Unknown, true),
        (NotReset, Unknown, Unknown, false),
        (NotReset, Gauge, Gauge, false),
    ] {
        let with = |hint| Histogram { hint, ..positive(0, 0, &[1.0]) };
        for (one, other) in [(one, other), (other, one)] {
            let (sum, joined) = added(&with(one), &with(other));
            assert_eq!((sum.hint, joined.resets_collide), (expected, collide), "{one:?} and {other:?}");
        }
    }
}

#[test]
fn sums_keep_what_rounding_takes() {
    let of = |sum: f64| Histogram { sum, ..positive(0, 0, &[1.0]) };
    let mut sum = HistogramSum::new(&of(1.0));
    for next in [1e100, 1.0, -1e100] {
        sum.add(&of(next)).expect("all are of a kind");
    }
    assert_eq!(sum.finish().sum, 2.0);
    assert_eq!(sum.finish().count, 4.0);
}

#[test]
fn text() {
    let mut histogram = positive(0, 1, &[4.0, 0.0, 1.0]);
    histogram.negative = Buckets::from_indexed([(0, 1.0), (2, 2.5)]);
    (histogram.zero_threshold, histogram.zero_count, histogram.sum) = (0.00001, 2.0, 12_345_678.0);
    let expected = "{count:5, sum:1.2345678e+07, [-4,-2):2.5, [-1,-0.5):1, [-1e-05,1e-05]:2, (1,2]:4, (4,8]:1}";
    assert_eq!(histogram.to_string(), expected);
    assert_eq!(custom(&[-5.0, 5.0], &[1.0, 2.0, 3.0]).to_string(), "{count:6, sum:1, [-Inf,-5]:1, (-5,5]:2, (5,+Inf]:3}");
}

/// Histograms with any layout and any counts: valid ones and such as are only encoded.
pub(crate) fn histograms() -> impl Strategy<Value = Histogram> {
    let float = prop_oneof![any::<u64>().prop_map(f64::from_bits), (-1000_i32..1000).prop_map(f64::from), Just(0.0)];
    let count = prop_oneof![4 => 0_u64..1000, 1 => 0..1_u64 << 53].prop_map(|count| {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let count = count as f64;
        count
    });
    let numbers = prop::collection::vec(float, 24);
    let counts = prop::collection::vec(count, 24);
    let side = || prop::collection::vec((-5_i32..20, 0_u32..4), 0..4);
    let bounds = prop::collection::vec(any::<f64>(), 0..5);
    let hint = prop::sample::select(vec![ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge]);
    let head = (hint, prop_oneof![-4..=8_i32, Just(CUSTOM_SCHEMA)], any::<bool>());
    (head, side(), side(), numbers, counts, bounds).prop_map(|((hint, schema, integer), positive, negative, numbers, counts, bounds)| {
        let mut next = (if integer { counts } else { numbers.clone() }).into_iter();
        let mut take = || next.next().unwrap_or(1.0);
        let (zero_count, count) = (take(), take());
        let mut side = |spans: Vec<(i32, u32)>| {
            let spans: Vec<Span> = spans.into_iter().map(|(offset, length)| Span { offset, length }).collect();
            let counts = spans.iter().flat_map(|span| 0..span.length).map(|_| take()).collect();
            Buckets { spans, counts }
        };
        let (positive, negative) = (side(positive), side(negative));
        let (zero_threshold, sum) = (numbers[22], numbers[23]);
        Histogram { hint, schema, integer, zero_threshold, zero_count, count, sum, positive, negative, bounds: bounds.into() }
    })
}
