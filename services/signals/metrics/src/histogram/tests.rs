use proptest::prelude::*;

use super::{Buckets, CUSTOM_SCHEMA, Histogram, HistogramMean, HistogramSum, Joined, MixedSchemas, NanNote, ResetHint, Span};

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
fn sums_have_no_buckets_within_the_zero_bucket() {
    // Buckets up to 0.125, 0.25 and 0.5: the zero bucket holds the first two.
    let mut overlapping = positive(0, -3, &[1.0, 2.0, 3.0]);
    (overlapping.zero_threshold, overlapping.zero_count, overlapping.count) = (0.25, 4.0, 10.0);
    let mut clean = positive(0, 3, &[5.0]);
    clean.zero_threshold = 0.25;
    for (other, zero_count) in [(&overlapping, 14.0), (&clean, 7.0), (&positive(1, 5, &[5.0]), 7.0)] {
        for (sum, _) in [added(&overlapping, other), added(other, &overlapping)] {
            assert_eq!((sum.zero_threshold, sum.zero_count), (0.25, zero_count), "{sum}");
            assert!(sum.rising().all(|bucket| bucket.lower < bucket.upper), "{sum}");
            assert_eq!(sum.rising().map(|bucket| bucket.count).sum::<f64>(), sum.count);
        }
    }
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
fn means_survive_sums_that_overflow() {
    let of = |count: f64, sum: f64| Histogram { count, sum, ..Histogram::default() };
    let mut mean = HistogramMean::new(&of(f64::MAX, 1.0));
    for (count, sum) in [(f64::MAX, 1e100), (f64::MAX, 1.0), (f64::MAX, -1e100)] {
        mean.add(&of(count, sum)).expect("all are of a kind");
    }
    let found = mean.finish();
    assert!(near(found.count / f64::MAX, 1.0) && near(found.sum, 0.5), "{found}");
    let mut small = HistogramMean::new(&of(3.0, 1.0));
    small.add(&of(5.0, 2.0)).expect("all are of a kind");
    assert_eq!(small.add(&custom(&[1.0], &[1.0, 1.0])), Err(MixedSchemas));
    assert_eq!((small.finish().count, small.finish().sum), (4.0, 1.5));
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

/// Histograms that pass [`Histogram::check`], with observations.
fn valid() -> impl Strategy<Value = Histogram> {
    let counts = || prop::collection::vec((0_u8..6).prop_map(f64::from), 1..12);
    let exponential = (-4..=8_i32, -20..20_i32, counts(), -20..20_i32, counts(), 0_u8..4, any::<bool>());
    let exponential = exponential.prop_map(|(schema, offset, up, negative_offset, down, zero_count, integer)| {
        let positive = Buckets::from_indexed((offset..).zip(up));
        let negative = Buckets::from_indexed((negative_offset..).zip(down));
        Histogram { schema, integer, zero_count: f64::from(zero_count), positive, negative, ..Histogram::default() }
    });
    let custom = (prop::collection::btree_set(-10..10_i32, 1..8), prop::collection::vec((0_u8..6).prop_map(f64::from), 9));
    let custom = custom.prop_map(|(bounds, counts)| {
        let positive = Buckets::from_indexed((0..).zip(counts.into_iter().take(bounds.len() + 1)));
        Histogram { schema: CUSTOM_SCHEMA, positive, bounds: bounds.into_iter().map(f64::from).collect(), ..Histogram::default() }
    });
    prop_oneof![2 => exponential, 1 => custom].prop_map(|mut histogram| {
        histogram.count = histogram.rising().map(|bucket| bucket.count).sum();
        histogram.sum = histogram.count * 1.5;
        histogram
    })
}

fn near(one: f64, other: f64) -> bool {
    one == other || (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

proptest! {
    #[test]
    fn layouts_say_the_same(histogram in valid(), schema in -4..=8_i32) {
        prop_assert_eq!(histogram.check(), Ok(()));
        let mut falling: Vec<_> = histogram.falling().collect();
        falling.reverse();
        prop_assert_eq!(histogram.rising().collect::<Vec<_>>(), falling);
        let mut coarse = histogram.clone();
        coarse.reduce_resolution(schema);
        coarse.compact();
        prop_assert_eq!(coarse.check(), Ok(()));
        prop_assert!(coarse.is_custom() || coarse.schema <= schema);
        prop_assert!(!coarse.is_reset_after(&histogram));
    }

    #[test]
    fn sums_are_taken_back_by_differences(one in valid(), other in valid()) {
        let mut sum = one.clone();
        match sum.add(&other) {
            Err(MixedSchemas) => prop_assert_ne!(one.is_custom(), other.is_custom()),
            Ok(joined) => {
                let mut twice = other.clone();
                twice.add(&one).unwrap();
                let mut compensated = HistogramSum::new(&one);
                compensated.add(&other).unwrap();
                let mut compensated = compensated.finish();
                for each in [&mut sum, &mut twice, &mut compensated] {
                    each.compact();
                }
                prop_assert!(sum.equals(&twice), "{} {}", sum, twice);
                prop_assert!(sum.equals(&compensated), "{} {}", sum, compensated);
                prop_assert_eq!(sum.rising().map(|bucket| bucket.count).sum::<f64>(), sum.count);
                prop_assert!(!sum.is_reset_after(&other) || joined.bounds_reconciled);
                sum.sub(&other).unwrap();
                sum.compact();
                prop_assert_eq!(sum.count, one.count);
            }
        }
    }

    #[test]
    fn shares_are_what_is_left_after_a_cut(histogram in valid(), at in -300.0..300.0_f64) {
        let mut below = histogram.clone();
        below.trim_above(at);
        let mut above = histogram.clone();
        above.trim_below(at);
        if !histogram.is_custom() && histogram.count > 0.0 && at != 0.0 {
            let (share, excludes_nan) = histogram.fraction(f64::NEG_INFINITY, at);
            prop_assert!(!excludes_nan && near(share * histogram.count, below.count), "{} of {} and {}", share, histogram.count, below.count);
            prop_assert!(near(below.count + above.count, histogram.count), "{} and {}", below.count, above.count);
        }
    }

    #[test]
    fn quantiles_invert_shares(histogram in valid(), q in 0.0..=1.0_f64) {
        let (value, note) = histogram.quantile(q);
        prop_assert_eq!(note, None);
        if histogram.count == 0.0 {
            prop_assert!(value.is_nan());
        } else if !histogram.is_custom() {
            // A populated bucket holds the value: of that on its bound the next one may count.
            let share = histogram.fraction(f64::NEG_INFINITY, value).0;
            let next = histogram.fraction(f64::NEG_INFINITY, value.next_up()).0;
            prop_assert!(share <= q + 1e-9 && q <= next + 1e-9, "{} at {}: {} {}", q, value, share, next);
        }
    }
}

#[test]
fn resets_are_found() {
    let before = positive(1, 1, &[1.0, 2.0, 3.0, 4.0]);
    let with = |change: &dyn Fn(&mut Histogram)| {
        let mut now = before.clone();
        change(&mut now);
        now.is_reset_after(&before)
    };
    assert!(!with(&|_| {}));
    assert!(!with(&|now| now.sum = -5.0));
    assert!(with(&|now| now.count = 9.0));
    assert!(with(&|now| now.positive.counts[2] = 2.0));
    assert!(!with(&|now| now.hint = ResetHint::NotReset));
    assert!(with(&|now| now.hint = ResetHint::Reset));
    assert!(with(&|now| now.schema = 2));
    assert!(!with(&|now| now.reduce_resolution(0)));
    // The bucket (1, 1.41] is cut, and then it is not.
    assert!(with(&|now| now.zero_threshold = 1.2));
    assert!(with(&|now| now.zero_threshold = std::f64::consts::SQRT_2.next_down()));
    let mut swallowed = positive(1, 2, &[2.0, 3.0, 4.0]);
    (swallowed.zero_threshold, swallowed.zero_count, swallowed.count) = (super::bound(1, 1), 1.0, 10.0);
    assert!(!swallowed.is_reset_after(&before));
    assert!(custom(&[1.0], &[5.0, 5.0]).is_reset_after(&before));
    assert!(before.is_reset_after(&custom(&[1.0], &[5.0, 5.0])));
    assert!(!custom(&[1.0, 3.0], &[5.0, 5.0, 0.0]).is_reset_after(&custom(&[2.0, 3.0], &[4.0, 5.0, 0.0])));
    assert!(custom(&[1.0, 3.0], &[5.0, 5.0, 0.0]).is_reset_after(&custom(&[2.0, 3.0], &[4.0, 5.0, 1.0])));
}

#[test]
fn observations_that_are_no_numbers_are_noted() {
    let histogram = Histogram { count: 15.0, sum: f64::NAN, ..positive(0, 0, &[12.0]) };
    assert_eq!(histogram.quantile(0.8), (1.0, Some(NanNote::Skewed)));
    assert_eq!(histogram.quantile(0.81).1, Some(NanNote::ResultIsNan));
    assert_eq!(histogram.fraction(f64::NEG_INFINITY, f64::INFINITY), (0.8, true));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let refused = |change: &dyn Fn(&mut Histogram)| {
        let mut histogram = Histogram { integer: true, ..positive(3, 0, &[1.0, 2.0]) };
        change(&mut histogram);
        histogram.check().unwrap_err().to_string()
    };
    assert!(refused(&|one| one.schema = 9).ends_with("got schema 9"));
    assert_eq!(
        refused(&|one| one.positive.counts[1] = -2.0),
        "positive side: bucket number 2 has observation count of -2: histogram has a bucket whose observation count is negative"
    );
    assert_eq!(
        refused(&|one| one.positive.spans.push(Span { offset: -5, length: 1 })),
        "positive side: span number 2 with offset -5: histogram has a span whose offset is negative"
    );
    assert_eq!(
        refused(&|one| one.positive.spans[0].length = 3),
        "positive side: spans need 3 buckets, have 2 buckets: histogram spans specify different number of buckets than provided"
    );
    assert!(refused(&|one| one.count = 4.0).starts_with("3 observations found in buckets, but the Count field is 4: "));
    assert!(refused(&|one| one.bounds = [1.0].into()).contains("must not have custom bounds"));
    let bounds = |bounds: &[f64]| Histogram { bounds: bounds.into(), ..custom(&[1.0, 2.0], &[1.0, 2.0]) }.check().unwrap_err().to_string();
    assert_eq!(
        bounds(&[2.0, 1.0]),
        "custom buckets: previous bound is 2.000000 and current is 1.000000: histogram custom bounds must be in strictly increasing order"
    );
    assert_eq!(
        bounds(&[]),
        "custom buckets: only 0 custom bounds defined which is insufficient to cover total span length of 2: histogram custom bounds are too few"
    );
    assert!(bounds(&[1.0, f64::INFINITY]).contains("must be finite"));
    assert!(bounds(&[f64::NAN]).contains("must not be NaN"));
    let float = Histogram { count: 4.0, ..positive(3, 0, &[1.0, 2.0]) };
    assert_eq!(float.check(), Ok(()));
}

#[test]
fn buckets_are_limited_by_lower_resolutions() {
    let counts: Vec<f64> = (0..100).map(f64::from).collect();
    let mut histogram = positive(5, -50, &counts);
    assert!(histogram.limit_buckets(10));
    assert_eq!((histogram.schema, histogram.bucket_count()), (1, 8));
    assert_eq!(histogram.positive.counts.iter().sum::<f64>(), histogram.count);
    assert!(!histogram.limit_buckets(0));
    assert!(!custom(&[1.0], &[1.0, 2.0]).limit_buckets(1));
}
