use proptest::prelude::*;

use super::*;
use crate::histogram::tests::histograms;

fn encoded(samples: &[HistogramSample]) -> Chunk {
    let mut encoder = HistogramEncoder::default();
    samples.iter().for_each(|sample| encoder.push(sample.t, &sample.h));
    encoder.chunk().unwrap()
}

fn decoded(chunk: &Chunk) -> Vec<HistogramSample> {
    let mut samples = Vec::new();
    chunk.decode_histograms_into(&mut samples).unwrap();
    samples
}

/// Times that rise, and histograms of which some have the layout of the one before.
fn samples() -> impl Strategy<Value = Vec<HistogramSample>> {
    let step = prop_oneof![Just(15_000_i64), 1..100_000_i64, 1..1_i64 << 40];
    let one = (step, prop_oneof![3 => histograms().prop_map(Some), 1 => Just(Some(Histogram::stale())), 4 => Just(None)], any::<f64>());
    (any::<i32>(), prop::collection::vec(one, 1..40)).prop_map(|(start, list)| {
        let mut t = i64::from(start);
        let mut last = Histogram::default();
        let samples = list.into_iter().map(|(step, histogram, sum)| {
            t += step;
            match histogram {
                Some(histogram) => last = histogram,
                None => {
                    last.sum = sum;
                    last.positive.counts.iter_mut().for_each(|count| *count += 3.0);
                }
            }
            HistogramSample { t, h: Arc::new(last.clone()) }
        });
        samples.collect()
    })
}

proptest! {
    #[test]
    fn round_trips(samples in samples()) {
        let chunk = encoded(&samples);
        let found = decoded(&chunk);
        prop_assert_eq!(found.len(), samples.len());
        for (found, sample) in found.iter().zip(&samples) {
            prop_assert_eq!(found.t, sample.t);
            prop_assert!(found.h.same_bits(&sample.h), "{:?} became {:?}", sample.h, found.h);
        }
    }

    #[test]
    fn garbage_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..500_u16) {
        let _ = decode(&bytes, count, &mut Vec::new());
    }

    #[test]
    fn damage_does_not_panic(samples in samples(), place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let chunk = encoded(&samples);
        let mut bytes = chunk.bytes.to_vec();
        *place.get_mut(&mut bytes[..]) ^= 1_u8 << bit;
        let _ = decode(&bytes, chunk.count, &mut Vec::new());
        prop_assert!(decode(&bytes[..bytes.len().min(8)], 1, &mut Vec::new()).is_err());
    }
}

#[test]
fn steady_counters_take_a_bit_for_a_bucket() {
    let of = |n: f64| Histogram {
        integer: true,
        schema: 3,
        count: n * 60.0,
        sum: n * 16.0,
        positive: Buckets { spans: vec![Span { offset: -4, length: 60 }], counts: vec![n; 60] },
        ..Histogram::default()
    };
    let samples: Vec<HistogramSample> =
        (0..120).map(|n: i32| HistogramSample { t: i64::from(n) * 15_000, h: Arc::new(of(f64::from(n))) }).collect();
    let chunk = encoded(&samples);
    assert_eq!(decoded(&chunk), samples);
    let bits = chunk.bytes.len() * 8 / samples.len();
    assert!(bits < 85, "{bits} bits for a histogram of 60 buckets");
}

#[test]
fn spans_and_counts_that_do_not_fit_are_cut() {
    let with = |spans: &[(i32, u32)], counts: &[f64]| {
        let spans = spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect();
        Histogram { positive: Buckets { spans, counts: counts.to_vec() }, ..Histogram::default() }
    };
    for (found, expected) in [
        (with(&[(1, u32::MAX), (1, 3)], &[1.0, 2.0]), with(&[(1, 2)], &[1.0, 2.0])),
        (with(&[(1, 1)], &[1.0, 2.0]), with(&[(1, 1)], &[1.0])),
        (with(&[], &[1.0]), with(&[], &[])),
    ] {
        let sample = |histogram: Histogram| HistogramSample { t: 5, h: Arc::new(histogram) };
        assert_eq!(decoded(&encoded(&[sample(found)])), [sample(expected)]);
    }
}

/// Each histogram has spans of its own, and without a bucket takes five bits of the chunk.
#[test]
fn empty_spans_do_not_multiply() {
    let spans = |empty: i32| (0..empty).map(|_| Span { offset: 2, length: 0 }).chain([Span { offset: 1, length: 1 }]).collect::<Vec<_>>();
    for empty in [0, 8, 9, 50_000] {
        let positive = Buckets { spans: spans(empty), counts: vec![3.0] };
        let histogram = Arc::new(Histogram { positive, count: 3.0, ..Histogram::default() });
        let samples: Vec<HistogramSample> = (0..500).map(|t| HistogramSample { t, h: Arc::clone(&histogram) }).collect();
        let found = decoded(&encoded(&samples));
        assert_eq!(found.len(), samples.len());
        for sample in &found {
            assert!(sample.h.positive.spans.len() <= 1 + EMPTY_SPANS, "{} spans", sample.h.positive.spans.len());
            assert!(sample.h.positive.indexed().eq(histogram.positive.indexed()));
            assert_eq!(empty > 8, sample.h.positive.spans.len() == 1 && empty > 0);
        }
    }
}
