use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::model::{Labels, Sample};
use crate::query::engine::{Annotations, QueryResult, ResultValue};
use crate::query::partial;

fn series(number: usize, samples: usize) -> RangeSeries {
    let labels = Labels::from_pairs([("__name__".to_owned(), "m".to_owned()), ("i".to_owned(), format!("{number:05}"))]);
    // Values without a pattern, so that neither form of them is small.
    let value = |at: usize| ((number * 31 + at) as f64).sin();
    let samples = (0..samples).map(|at| Sample { t: at as i64 * 15_000, v: value(at) }).collect();
    RangeSeries { labels, samples, histograms: Vec::new() }
}

/// The frames of a querier.
fn encoded(series: &[RangeSeries]) -> Vec<Bytes> {
    let result = QueryResult { value: ResultValue::Matrix(series.to_vec()), annotations: Annotations::default() };
    partial::encode(&result, Fetched { series: series.len() as u64, ..Fetched::default() }, None)
}

fn reading(frames: Vec<Bytes>, memory: &Budget) -> Reading {
    Reading::new(0, stream::iter(frames).map(Ok).boxed(), Compute::default(), memory).unwrap()
}

#[tokio::test]
async fn many_series_take_no_more_memory_than_a_frame_and_a_series() {
    let all: Vec<RangeSeries> = (0..6_000).map(|number| series(number, 200)).collect();
    let frames = encoded(&all);
    let largest = frames.iter().map(Bytes::len).max().unwrap() as u64;
    assert!(frames.len() > 6, "{} frames", frames.len());
    // One frame, and the one before it for the series that goes on.
    let budget = Budget::process("queries.metrics.max_answer_memory", Some(2 * largest * MEMORY_PER_BYTE));
    let mut reading = reading(frames, &budget);
    let (mut count, mut bytes) = (0, 0);
    while let Some(frame) = reading.next().await.unwrap() {
        count += 1;
        bytes += frame.len();
        assert!(frame.len() < 2 << 20);
    }
    assert!(count > 5, "{count} frames");
    // A series that goes on in another frame has its labels twice; where frames end differs.
    let whole: usize = write::Stream::new(0, all).map(|frame| frame.len()).sum();
    assert!(bytes.abs_diff(whole) < 100 * count, "{bytes} bytes in place of {whole}");
    assert_eq!(reading.fetched.series, 6_000);
    drop(reading);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_budget_that_is_too_small_is_an_error_and_not_a_short_answer() {
    let budget = Budget::process("queries.metrics.max_answer_memory", Some(1000));
    let err = reading(encoded(&[series(1, 500)]), &budget).next().await.unwrap_err();
    assert_eq!(err.kind, runtime::ErrorKind::Unavailable);
    assert!(err.text.contains("queries.metrics.max_answer_memory"), "{}", err.text);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let budget = Budget::process("test", None);
    let mut frames = encoded(&[series(1, 5), series(2, 5)]);
    frames.pop();
    let mut reading = reading(frames, &budget);
    assert!(reading.next().await.unwrap().is_some(), "the first series is whole");
    assert_eq!(reading.next().now_or_never().unwrap().unwrap_err().text, "a querier's answer ends early");
}

#[test]
fn series_out_of_order_are_refused() {
    let (one, two) = (series(1, 1), series(2, 1));
    assert!(join(Some(two), vec![one]).is_err());
}

proptest! {
    #[test]
    fn runs_are_joined_however_they_are_cut(lengths in proptest::collection::vec(1usize..20, 1..8), cuts in proptest::collection::vec(0usize..200, 0..6), every in 1usize..7) {
        let all: Vec<RangeSeries> = lengths.iter().enumerate().map(|(number, length)| series(number, *length)).collect();
        let runs: Vec<RangeSeries> = all
            .iter()
            .flat_map(|one| one.samples.chunks(every).map(|run| RangeSeries { samples: run.to_vec(), ..one.clone() }))
            .collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(runs.len())).chain([0, runs.len()]).collect();
        cuts.sort_unstable();
        let (mut whole, mut open) = (Vec::new(), None);
        for frame in cuts.windows(2) {
            let (more, last) = join(open, runs[frame[0]..frame[1]].to_vec()).unwrap();
            whole.extend(more);
            open = last;
        }
        whole.extend(open);
        prop_assert_eq!(whole, all);
    }
}
