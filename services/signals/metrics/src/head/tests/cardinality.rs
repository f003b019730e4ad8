use super::*;
use crate::wire::{CardinalityQuery, Counted, Group, HeadFact, unordered as time};

fn groups(world: &World, since: Option<i64>, sets: &[&str], what: Counted) -> Vec<(String, String, usize)> {
    let sets = sets.iter().map(|value| vec![LabelMatcher::new("i", MatchOp::Equal, *value)]).collect();
    let query = LeafQuery::Cardinality(CardinalityQuery { sets, since, what });
    let rows = world.ask(&query, TimeRange { start: i64::MAX - 1, end: i64::MAX });
    let groups = rows.into_iter().flat_map(|rows| match rows {
        LeafRows::Groups(groups) => groups,
        other => panic!("{other:?} are no groups"),
    });
    groups.map(|Group { name, value, members, .. }| (name, value, members.len())).collect()
}

fn named(all: &[(&str, &str, usize)]) -> Vec<(String, String, usize)> {
    all.iter().map(|(name, value, count)| ((*name).to_owned(), (*value).to_owned(), *count)).collect()
}

#[test]
fn series_count_whatever_their_times_and_active_ones_by_their_last_push() {
    let world = world(unordered(3600));
    world.good(&[("a", &[(1000, 1.0)]), ("b", &[(1000, 1.0)])]);
    world.clock.advance(60_000_000_000);
    world.good(&[("b", &[(2000, 1.0)]), ("c", &[(2000, 1.0)])]);
    let by_name = Counted::Series { names: vec!["i".to_owned(), "none".to_owned()] };
    assert_eq!(groups(&world, None, &[], Counted::Values), named(&[("__name__", "", 1), ("i", "", 3)]));
    assert_eq!(groups(&world, None, &[], by_name.clone()), named(&[("i", "a", 1), ("i", "b", 1), ("i", "c", 1), ("", "", 3)]));
    assert_eq!(groups(&world, Some(60_000), &[], by_name.clone()), named(&[("i", "b", 1), ("i", "c", 1), ("", "", 2)]));
    assert_eq!(groups(&world, Some(60_000), &[], Counted::Values), named(&[("__name__", "", 1), ("i", "", 2)]));
    assert_eq!(groups(&world, None, &["a", "c"], by_name), named(&[("i", "a", 1), ("i", "c", 1), ("", "", 2)]));
}

#[test]
fn native_histograms_count_with_their_buckets() {
    use crate::histogram::{Buckets, Histogram, HistogramSample, Span, protobuf};
    let world = world(unordered(3600));
    world.good(&[("a", &[(1000, 1.0)])]);
    let positive = Buckets { spans: vec![Span { offset: 0, length: 3 }], counts: vec![1.0, 2.0, 3.0] };
    let histogram = Histogram { count: 6.0, sum: 1.0, integer: true, positive, ..Histogram::default() };
    let mut item = item("h", &[]);
    let mut bytes = item.bytes.to_vec();
    protobuf::put(&mut bytes, 4, &HistogramSample { t: 1000, h: Arc::new(histogram) });
    item.bytes = bytes.into();
    let prepared = world.head.prepare(&Push { format: FORMAT, items: vec![item] }, SEGMENT);
    assert_eq!(world.head.commit(prepared.pending).refused, []);
    let query = LeafQuery::Cardinality(CardinalityQuery { sets: Vec::new(), since: None, what: Counted::Histograms });
    let rows = world.ask(&query, TimeRange::ALL);
    let [LeafRows::Groups(groups)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(groups.iter().map(|group| (group.name.as_str(), group.sizes.as_slice())).collect::<Vec<_>>(), [("m", &[3][..])]);
}

#[test]
fn a_head_tells_what_it_has_and_how_fast_it_gets_it() {
    let world = world(unordered(3600));
    let facts = || -> Vec<(String, u64)> {
        let query = LeafQuery::Cardinality(CardinalityQuery { sets: Vec::new(), since: None, what: Counted::Head });
        let rows = world.ask(&query, TimeRange { start: i64::MAX - 1, end: i64::MAX });
        let groups = rows.into_iter().flat_map(|rows| match rows {
            LeafRows::Groups(groups) => groups,
            other => panic!("{other:?} are no groups"),
        });
        groups.map(|group| (group.name, group.sizes[0])).collect()
    };
    assert_eq!(facts(), [], "an empty head says nothing");
    world.good(&[("a", &[(1000, 1.0), (2000, 1.0)]), ("b", &[(-1500, 1.0)])]);
    let of = |fact: HeadFact| facts().into_iter().find(|(name, _)| name == fact.name()).expect("the head tells it").1;
    // This head has half of all.
    assert_eq!((of(HeadFact::Series), of(HeadFact::Chunks)), (4, 2));
    assert_eq!((time(of(HeadFact::MinTime)), time(of(HeadFact::MaxTime))), (-1500, 2000));
    assert!((92..=100).contains(&of(HeadFact::MilliSamples)), "six samples in a minute and some seconds");
    world.clock.advance(120_000_000_000);
    assert_eq!(of(HeadFact::MilliSamples), 0);
}
