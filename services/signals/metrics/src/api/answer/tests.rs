use runtime::ErrorKind;

use super::*;
use crate::query::engine::{Annotation, QueryResult, ResultValue};
use crate::query::partial;

fn part(frames: Vec<Bytes>) -> Part {
    Part { frames, _memory: Budget::process("test", None).reserve(0).unwrap() }
}

fn matrix(times: &[i64]) -> Vec<Bytes> {
    let series =
        |job: &str| RangeSeries::of_floats(Labels::from_pairs([("job", job)]), times.iter().map(|t| Sample { t: *t, v: 1.0 }).collect());
    let mut annotations = Annotations::default();
    annotations.add(Annotation::SortInRange, 3);
    let value = ResultValue::Matrix(vec![series("a"), series("b")]);
    partial::encode(&QueryResult { value, annotations }, Fetched { series: 2, chunks: 1, bytes: 10, samples: 4 }, None)
}

fn vector() -> Vec<Bytes> {
    let result = QueryResult { value: ResultValue::Vector(Vec::new()), annotations: Annotations::default() };
    partial::encode(&result, Fetched::default(), None)
}

#[test]
fn series_of_several_parts_are_one() {
    let answer = merge(&[part(matrix(&[1, 2])), part(matrix(&[3]))]).unwrap();
    assert_eq!(answer.fetched, Fetched { series: 4, chunks: 2, bytes: 20, samples: 8 });
    assert_eq!(answer.annotations.len(), 1);
    let Value::Matrix(series) = answer.value else { panic!("two matrices make one") };
    assert_eq!(series.len(), 2);
    for one in series {
        assert_eq!(one.samples.iter().map(|sample| sample.t).collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn half_an_answer_is_none() {
    let fails = |parts: &[Part]| {
        let err = merge(parts).unwrap_err();
        assert_eq!(err.kind, ErrorKind::Internal, "{err}");
        err.text
    };
    let mut short = matrix(&[1]);
    short.pop();
    assert_eq!(fails(&[part(matrix(&[0])), part(short)]), "a querier's answer ends early");
    let mut long = matrix(&[1]);
    long.extend(vector());
    assert_eq!(fails(&[part(long)]), "a querier's answer goes on after its end");
    assert_eq!(fails(&[part(matrix(&[1])), part(vector())]), "queriers answered with different kinds of values");
    assert_eq!(fails(&[part(vec![Bytes::from_static(b"\x09")])]), "a querier's answer cannot be read: unknown version 9 of partial answer");
    assert_eq!(fails(&[]), "a query had no parts");
}

#[tokio::test]
async fn answers_that_do_not_fit_into_memory_are_refused() {
    let memory = Budget::process("some.setting", Some(300));
    let stream = |frames: Vec<Bytes>| stream::iter(frames.into_iter().map(Ok)).boxed();
    let held = Part::read(stream(vector()), &memory).await.unwrap();
    assert!(memory.used() > 0);
    let err = Part::read(stream(matrix(&[1, 2, 3, 4, 5, 6, 7, 8, 9])), &memory).await.err().unwrap();
    assert_eq!(err.kind, ErrorKind::Unavailable);
    assert!(err.text.contains("some.setting"), "{err}");
    drop(held);
    assert_eq!(memory.used(), 0);
}
