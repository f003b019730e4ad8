use proptest::prelude::*;

use super::*;
use crate::chunk::encode_run;
use crate::chunk::tests::runs;
use crate::model::stale_marker;

fn row(name: &str, samples: &[Sample]) -> SeriesChunks {
    SeriesChunks { labels: Labels::from_pairs([("__name__", name)]), chunks: encode_run(samples).collect() }
}

/// Leaves out the samples whose bit in `mask` is set.
fn holes(samples: &[Sample], mask: &[bool]) -> Vec<Sample> {
    samples.iter().enumerate().filter(|(index, _)| !mask[index % mask.len()]).map(|(_, sample)| *sample).collect()
}

proptest! {
    #[test]
    fn replicas_with_gaps_give_the_union(
        samples in runs(),
        first in prop::collection::vec(any::<bool>(), 1..40),
        second in prop::collection::vec(any::<bool>(), 1..40),
        start in any::<prop::sample::Index>(),
    ) {
        let replicas = [holes(&samples, &first), holes(&samples, &second)];
        let mut union = replicas.concat();
        union.sort_by_key(|sample| sample.t);
        union.dedup();
        let from = if samples.is_empty() { 0 } else { samples[start.index(samples.len())].t };
        union.retain(|sample| sample.t >= from);
        let expected: Vec<_> = if union.is_empty() { vec![] } else { vec![union] };
        let rows = replicas.iter().map(|replica| row("m", replica)).collect::<Vec<_>>();
        let merged = merge_replicas(rows.clone(), from, i64::MAX).unwrap();
        prop_assert_eq!(merged.iter().map(|series| series.samples.clone()).collect::<Vec<_>>(), expected);
        let turned = merge_replicas(rows.into_iter().rev(), from, i64::MAX).unwrap();
        prop_assert_eq!(turned, merged, "the order of the replicas does not matter");
    }

    #[test]
    fn any_one_of_three_replicas_may_vanish(
        samples in runs(),
        lost in prop::collection::vec(0usize..4, 1..60),
        gone in 0usize..3,
    ) {
        // Each sample is missing in at most one replica, and a replica that vanishes is another one.
        let replicas: Vec<Vec<Sample>> = (0..3)
            .map(|replica| holes(&samples, &lost.iter().map(|lost| *lost == replica && replica != (gone + 1) % 3).collect::<Vec<_>>()))
            .collect();
        let rows = replicas.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, replica)| row("m", replica));
        let merged = merge_replicas(rows, i64::MIN, i64::MAX).unwrap();
        prop_assert_eq!(merged.into_iter().flat_map(|series| series.samples).collect::<Vec<_>>(), samples);
    }

    #[test]
    fn the_winner_does_not_depend_on_the_order(one in any::<u64>(), other in any::<u64>()) {
        let (one, other) = (f64::from_bits(one), f64::from_bits(other));
        prop_assert_eq!(winner(one, other).to_bits(), winner(other, one).to_bits());
    }
}

#[test]
fn a_stale_marker_loses() {
    assert_eq!(winner(stale_marker(), 0.0).to_bits(), 0);
    assert_eq!(winner(-1.0, stale_marker()).to_bits(), (-1.0f64).to_bits());
    assert_eq!(winner(1.0, 2.0).to_bits(), 2.0f64.to_bits());
}

#[test]
fn equal_chunks_are_dropped_without_decoding() {
    let mut chunks = row("m", &[Sample { t: 1, v: 1.0 }, Sample { t: 2, v: 2.0 }]).chunks;
    chunks.push(chunks[0].clone());
    // One that cannot be decoded stands in both replicas.
    chunks.push(Chunk { bytes: bytes::Bytes::from_static(b"?"), ..chunks[0].clone() });
    chunks.push(chunks[2].clone());
    distinct(&mut chunks);
    assert_eq!(chunks.len(), 2);
}

#[test]
fn different_series_stay_apart_and_sorted() {
    let rows = [row("b", &[Sample { t: 1, v: 1.0 }]), row("a", &[Sample { t: 1, v: 2.0 }]), row("c", &[Sample { t: 9, v: 2.0 }])];
    let merged = merge_replicas(rows, 0, 5).unwrap();
    assert_eq!(merged.iter().map(|series| series.labels.to_string()).collect::<Vec<_>>(), [r#"{__name__="a"}"#, r#"{__name__="b"}"#]);
}
