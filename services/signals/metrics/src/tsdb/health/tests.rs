use bytes::Bytes;

use super::Health;
use crate::tsdb::TsdbBlock;

/// The golden block, which says of itself that it has the times from 1700000000000 to 1700007200001.
fn golden() -> TsdbBlock {
    TsdbBlock::open(Bytes::from_static(include_bytes!("../testdata/index")), None).expect("a block")
}

#[test]
fn a_block_of_prometheus_is_healthy_within_its_times_alone() {
    let fault = |times| Health::of(&golden(), times).expect("a whole index").fault();
    assert_eq!(fault((1_700_000_000_000, 1_700_007_200_001)), None);
    assert_eq!(fault((0, 1)).as_deref(), Some("found 11 chunks completely outside the block time range"));
    let late = fault((1_700_000_000_001, 1_700_007_200_001)).expect("the first samples are before it");
    assert!(late.starts_with("found ") && late.ends_with(" chunks non-completely outside the block time range"), "{late}");
}

#[test]
fn every_fault_is_named() {
    let health = Health {
        series: 4,
        disordered_series: 2,
        disordered_chunks: 3,
        repeated_chunks: 1,
        crossing_chunks: 5,
        outside_chunks: 6,
        chunks_at_end: 7,
    };
    let expected = "found 5 chunks non-completely outside the block time range, found 6 chunks completely outside the block time range, \
        found 7 chunks outside the block time range introduced by https://github.com/prometheus/tsdb/issues/347, \
        2/4 series have an average of 1.500 out-of-order chunks: 0.333 of these are exact duplicates (in terms of data and time range)";
    assert_eq!(health.fault().as_deref(), Some(expected));
}

#[test]
fn chunks_are_put_where_they_are() {
    let place = |span| {
        let mut health = Health::default();
        health.place(span, (10, 20));
        (health.crossing_chunks, health.outside_chunks, health.chunks_at_end)
    };
    assert_eq!(place((10, 20)), (0, 0, 0));
    assert_eq!(place((9, 10)), (1, 0, 0));
    assert_eq!(place((15, 21)), (1, 0, 0));
    assert_eq!(place((1, 9)), (0, 1, 0));
    assert_eq!(place((21, 22)), (0, 1, 0));
    assert_eq!(place((20, 25)), (0, 0, 1));
}
