use proptest::prelude::*;

use super::*;
use crate::histogram::{Buckets, ResetHint, Span};
use crate::query::engine::{Annotation, Extreme, ForcedMonotonicity, NanEffect, Operation, SampleKind};
use crate::query::promql::ast::{AggregateOp, BinaryOp};

fn label_sets() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[a-c]{1,2}", ".{1,4}", 0..4).prop_map(Labels::from_pairs)
}

fn all_samples() -> impl Strategy<Value = Sample> {
    (any::<i64>(), any::<u64>()).prop_map(|(t, bits)| Sample { t, v: f64::from_bits(bits) })
}

fn remarks() -> impl Strategy<Value = Annotation> {
    let float = || any::<f64>();
    prop_oneof![
        float().prop_map(|phi| Annotation::InvalidQuantile { phi }),
        (float(), any::<bool>()).prop_map(|(phi, least)| {
            let end = if least { Extreme::Least } else { Extreme::Greatest };
            Annotation::InvalidQuantiles { end, phi }
        }),
        (float(), float()).prop_map(|(ratio, capped)| Annotation::InvalidRatio { ratio, capped }),
        (".*", ".*").prop_map(|(value, metric)| Annotation::BadBucketLabel { value, metric }),
        Just(Annotation::SortInRange),
        ".*".prop_map(|metric| Annotation::PossibleNonCounter { metric }),
        (".*", float(), float(), float(), any::<i64>(), any::<i64>(), any::<u64>()).prop_map(
            |(metric, min_bucket, max_bucket, max_diff, min_t, max_t, count)| {
                Annotation::ForcedMonotonicity(ForcedMonotonicity { metric, min_bucket, max_bucket, max_diff, min_t, max_t, count })
            }
        ),
        (0..BinaryOp::ALL.len(), kinds(), kinds()).prop_map(|(op, lhs, rhs)| Annotation::IncompatibleTypes {
            lhs,
            operator: BinaryOp::ALL[op].as_str(),
            rhs
        }),
        (0..BinaryOp::ALL.len()).prop_map(|op| Annotation::IncompatibleBuckets { operator: BinaryOp::ALL[op].as_str() }),
        (0..AggregateOp::ALL.len()).prop_map(|op| Annotation::IgnoredInAggregation { aggregation: AggregateOp::ALL[op] }),
        remarks_of_metrics(),
        operations().prop_map(|operation| Annotation::ResetCollision { operation }),
        operations().prop_map(|operation| Annotation::ReconciledBounds { operation }),
        Just(Annotation::MixedAggregation),
    ]
}

fn kinds() -> impl Strategy<Value = SampleKind> {
    prop_oneof![Just(SampleKind::Float), Just(SampleKind::Histogram)]
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![Just(Operation::Addition), Just(Operation::Subtraction), Just(Operation::Aggregation)]
}

fn remarks_of_metrics() -> impl Strategy<Value = Annotation> {
    prop_oneof![
        ".*".prop_map(|metric| Annotation::MixedRange { metric }),
        ".*".prop_map(|metric| Annotation::MixedClassicNative { metric }),
        ".*".prop_map(|metric| Annotation::MixedBuckets { metric }),
        ".*".prop_map(|metric| Annotation::NotCounter { metric }),
        ".*".prop_map(|metric| Annotation::NotGauge { metric }),
        ".*".prop_map(|metric| Annotation::StartOverlap { metric }),
        ".*".prop_map(|metric| Annotation::IgnoredInRange { metric }),
        ".*".prop_map(|metric| Annotation::NanObservations { metric, effect: NanEffect::NotInFraction }),
    ]
}

fn decoded(frames: &[Bytes]) -> Vec<Frame> {
    frames.iter().map(|frame| Frame::decode(frame).unwrap()).collect()
}

proptest! {
    #[test]
    fn matrices_keep_every_bit(series in prop::collection::vec((label_sets(), prop::collection::vec(all_samples(), 1..40)), 0..8)) {
        let series: Vec<_> = series.into_iter().map(|(labels, samples)| RangeSeries::of_floats(labels, samples)).collect();
        let result = QueryResult { value: ResultValue::Matrix(series.clone()), annotations: Annotations::default() };
        let frames = decoded(&encode(&result, Fetched { series: 1, chunks: 2, bytes: 3, samples: 4 }, None));
        prop_assert_eq!(frames.len(), 2);
        prop_assert_eq!(&frames[0], &Frame::Matrix(series));
        let fetched = Fetched { series: 1, chunks: 2, bytes: 3, samples: 4 };
        prop_assert_eq!(&frames[1], &Frame::End { annotations: Annotations::default(), fetched, usage: None });
    }

    #[test]
    fn vectors_keep_their_order(rows in prop::collection::vec((label_sets(), all_samples()), 0..20)) {
        // NaN is not equal to itself.
        let numbers = rows.into_iter().filter(|(_, sample)| !sample.v.is_nan());
        let rows: Vec<_> = numbers.map(|(labels, Sample { t, v })| InstantSample { labels, t, value: PointValue::Float(v) }).collect();
        let result = QueryResult { value: ResultValue::Vector(rows.clone()), annotations: Annotations::default() };
        prop_assert_eq!(&decoded(&encode(&result, Fetched::default(), None))[0], &Frame::Vector(rows));
    }

    #[test]
    fn remarks_keep_every_bit(remark in remarks()) {
        let mut out = Vec::new();
        remark::put(&mut out, &remark);
        let read = remark::read(&mut Reader::new(&out)).unwrap();
        let mut again = Vec::new();
        remark::put(&mut again, &read);
        prop_assert_eq!(out, again);
    }

    #[test]
    fn garbage_is_refused(bytes: Vec<u8>) {
        // Nothing panics, and nothing is allocated for what is not there.
        drop(Frame::decode(&bytes));
    }
}

#[test]
fn long_answers_go_on_in_the_next_frame() {
    let labels = Labels::from_pairs([("a", "b")]);
    let samples: Vec<Sample> = (0..200_000).map(|t| Sample { t: t * 15_000, v: t as f64 }).collect();
    let value = ResultValue::Matrix(vec![RangeSeries::of_floats(labels.clone(), samples.clone())]);
    let frames = encode(&QueryResult { value, annotations: Annotations::default() }, Fetched::default(), None);
    assert!(frames.len() > 2);
    assert!(frames.iter().all(|frame| frame.len() < 2 * FRAME_BYTES));
    let mut got = Vec::new();
    for frame in decoded(&frames) {
        match frame {
            Frame::Matrix(series) => {
                for one in series {
                    assert_eq!(one.labels, labels);
                    got.extend(one.samples);
                }
            }
            other => assert!(matches!(other, Frame::End { .. })),
        }
    }
    assert_eq!(got, samples);
}

#[test]
fn an_empty_answer_says_what_it_is() {
    let result = QueryResult { value: ResultValue::Vector(Vec::new()), annotations: Annotations::default() };
    assert_eq!(decoded(&encode(&result, Fetched::default(), None))[0], Frame::Vector(Vec::new()));
    assert_eq!(decoded(&encode_strings([]))[0], Frame::Strings(Vec::new()));
    assert_eq!(decoded(&encode_series([], Fetched::default()))[0], Frame::Series(Vec::new()));
}

fn float() -> impl Strategy<Value = f64> {
    // Equality of NaN says nothing here.
    any::<f64>().prop_filter("a number", |float| !float.is_nan())
}

fn buckets() -> impl Strategy<Value = Buckets> {
    prop::collection::vec((any::<i32>(), prop::collection::vec(float(), 0..4)), 0..4).prop_map(|runs| Buckets {
        spans: runs.iter().map(|(offset, counts)| Span { offset: *offset, length: u32::try_from(counts.len()).unwrap() }).collect(),
        counts: runs.into_iter().flat_map(|(_, counts)| counts).collect(),
    })
}

fn histogram_values() -> impl Strategy<Value = Arc<Histogram>> {
    let hint = prop_oneof![Just(ResetHint::Unknown), Just(ResetHint::Reset), Just(ResetHint::NotReset), Just(ResetHint::Gauge)];
    let floats = (float(), float(), float(), float());
    (hint, any::<i32>(), any::<bool>(), floats, buckets(), buckets(), prop::collection::vec(float(), 0..4)).prop_map(
        |(hint, schema, integer, (zero_threshold, zero_count, count, sum), positive, negative, bounds)| {
            Arc::new(Histogram { hint, schema, integer, zero_threshold, zero_count, count, sum, positive, negative, bounds: bounds.into() })
        },
    )
}

proptest! {
    #[test]
    fn histograms_keep_every_bit(
        rows in prop::collection::vec((label_sets(), any::<i64>(), histogram_values()), 0..8),
        series in prop::collection::vec((label_sets(), prop::collection::vec((any::<i64>(), histogram_values()), 1..8)), 0..4),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(labels, t, h)| InstantSample { labels, t, value: PointValue::Histogram(h) }).collect();
        let result = QueryResult { value: ResultValue::Vector(rows.clone()), annotations: Annotations::default() };
        prop_assert_eq!(&decoded(&encode(&result, Fetched::default(), None))[0], &Frame::Vector(rows));
        let series: Vec<_> = series
            .into_iter()
            .map(|(labels, samples)| RangeSeries {
                labels,
                samples: Vec::new(),
                histograms: samples.into_iter().map(|(t, h)| HistogramSample { t, h }).collect(),
            })
            .collect();
        let result = QueryResult { value: ResultValue::Matrix(series.clone()), annotations: Annotations::default() };
        prop_assert_eq!(&decoded(&encode(&result, Fetched::default(), None))[0], &Frame::Matrix(series));
    }
}
