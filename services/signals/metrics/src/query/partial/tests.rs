use proptest::prelude::*;

use super::*;
use crate::query::engine::{Annotation, ForcedMonotonicity};
use crate::query::promql::ast::BinaryOp;

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
        (float(), float()).prop_map(|(ratio, capped)| Annotation::InvalidRatio { ratio, capped }),
        (".*", ".*").prop_map(|(value, metric)| Annotation::BadBucketLabel { value, metric }),
        Just(Annotation::SortInRange),
        ".*".prop_map(|metric| Annotation::PossibleNonCounter { metric }),
        (".*", float(), float(), float(), any::<i64>(), any::<i64>(), any::<u64>()).prop_map(
            |(metric, min_bucket, max_bucket, max_diff, min_t, max_t, count)| {
                Annotation::ForcedMonotonicity(ForcedMonotonicity { metric, min_bucket, max_bucket, max_diff, min_t, max_t, count })
            }
        ),
        (0..BinaryOp::ALL.len()).prop_map(|op| Annotation::IncompatibleTypes { operator: BinaryOp::ALL[op].as_str() }),
    ]
}

fn decoded(frames: &[Bytes]) -> Vec<Frame> {
    frames.iter().map(|frame| Frame::decode(frame).unwrap()).collect()
}

proptest! {
    #[test]
    fn matrices_keep_every_bit(series in prop::collection::vec((label_sets(), prop::collection::vec(all_samples(), 1..40)), 0..8)) {
        let series: Vec<_> = series.into_iter().map(|(labels, samples)| RangeSeries { labels, samples }).collect();
        let result = QueryResult { value: ResultValue::Matrix(series.clone()), annotations: Annotations::default() };
        let frames = decoded(&encode(&result, Fetched { series: 1, chunks: 2, bytes: 3, samples: 4 }, None));
        prop_assert_eq!(frames.len(), 2);
        prop_assert_eq!(&frames[0], &Frame::Matrix(series));
        let fetched = Fetched { series: 1, chunks: 2, bytes: 3, samples: 4 };
        prop_assert_eq!(&frames[1], &Frame::End { annotations: Annotations::default(), fetched, usage: None });
    }

    #[test]
    fn vectors_keep_their_order(rows in prop::collection::vec((label_sets(), all_samples()), 0..20)) {
        let rows: Vec<_> = rows.into_iter().map(|(labels, sample)| InstantSample { labels, sample }).collect();
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
    let value = ResultValue::Matrix(vec![RangeSeries { labels: labels.clone(), samples: samples.clone() }]);
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
