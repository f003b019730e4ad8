use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::chunk::tests::runs;
use crate::chunk::{Chunk, encode_run};
use crate::model::{Exemplar, Metadata, MetricType};

fn text() -> impl Strategy<Value = String> {
    "[a-z_é]{0,6}"
}

fn matcher() -> impl Strategy<Value = LabelMatcher> {
    let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Regex), Just(MatchOp::NotRegex)];
    (text(), op, text()).prop_map(|(name, op, value)| LabelMatcher::new(name, op, value))
}

fn series_sets() -> impl Strategy<Value = Vec<Vec<LabelMatcher>>> {
    prop::collection::vec(prop::collection::vec(matcher(), 0..4), 0..3)
}

fn shard() -> impl Strategy<Value = Option<SeriesShard>> {
    prop::option::of((0..64u32, 1..64u32).prop_map(|(index, more)| SeriesShard { index, of: index + more }))
}

fn queries() -> impl Strategy<Value = LeafQuery> {
    prop_oneof![
        (prop::collection::vec(matcher(), 0..4), shard()).prop_map(|(matchers, shard)| LeafQuery::Chunks { matchers, shard }),
        (series_sets(), any::<u64>()).prop_map(|(sets, limit)| LeafQuery::LabelNames { sets, limit }),
        (text(), series_sets(), any::<u64>()).prop_map(|(name, sets, limit)| LeafQuery::LabelValues { name, sets, limit }),
        (series_sets(), any::<u64>()).prop_map(|(sets, limit)| LeafQuery::Series { sets, limit }),
        series_sets().prop_map(|sets| LeafQuery::Exemplars { sets }),
        (series_sets(), prop::option::of(any::<i64>()), counted())
            .prop_map(|(sets, since, what)| LeafQuery::Cardinality(CardinalityQuery { sets, since, what })),
        (prop::option::of(text()), any::<u64>(), any::<u64>()).prop_map(|(metric, limit, limit_per_metric)| LeafQuery::Metadata {
            metric,
            limit,
            limit_per_metric
        }),
    ]
}

fn counted() -> impl Strategy<Value = Counted> {
    prop_oneof![
        Just(Counted::Values),
        prop::collection::vec(text(), 0..3).prop_map(|names| Counted::Series { names }),
        Just(Counted::Labels),
        Just(Counted::Histograms),
        Just(Counted::Head),
    ]
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let members = prop::collection::btree_set(any::<u64>(), 0..6);
    let one = (text(), text(), members, any::<bool>()).prop_map(|(name, value, members, sized)| {
        let members: Vec<u64> = members.into_iter().collect();
        let sizes = if sized { members.iter().map(|member| member % 300).collect() } else { Vec::new() };
        Group { name, value, members, sizes }
    });
    prop::collection::vec(one, 0..4)
}

fn series_labels() -> impl Strategy<Value = Labels> {
    prop::collection::vec((text(), text()), 0..5).prop_map(Labels::from_pairs)
}

pub(crate) fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let one = (series_labels(), any::<u64>(), any::<i64>());
    prop::collection::vec(one.prop_map(|(labels, bits, t)| Exemplar { labels, value: f64::from_bits(bits), t }), 0..5)
}

pub(crate) fn metadata() -> impl Strategy<Value = Vec<MetadataEntry>> {
    let one = (any::<i64>(), 0u64..8, text(), text());
    let entry = one.prop_map(|(t, kind, help, unit)| {
        let kind = MetricType::from_number(kind);
        MetadataEntry { t, metadata: Metadata { kind, help: help.into(), unit: unit.into() } }
    });
    prop::collection::vec(entry, 0..4)
}

fn rows() -> impl Strategy<Value = LeafRows> {
    let chunks = runs().prop_map(|samples| encode_run(&samples).collect::<Vec<Chunk>>());
    prop_oneof![
        groups().prop_map(LeafRows::Groups),
        prop::collection::vec((series_labels(), chunks), 0..4)
            .prop_map(|all| LeafRows::Chunks(all.into_iter().map(|(labels, chunks)| SeriesChunks { labels, chunks }).collect())),
        prop::collection::vec(text(), 0..5).prop_map(LeafRows::Strings),
        prop::collection::vec(series_labels(), 0..5).prop_map(LeafRows::Series),
        prop::collection::vec((series_labels(), exemplars()).prop_map(|(labels, exemplars)| SeriesExemplars { labels, exemplars }), 0..4)
            .prop_map(LeafRows::Exemplars),
        prop::collection::vec((text(), metadata()).prop_map(|(metric, entries)| MetricMetadata { metric, entries }), 0..4)
            .prop_map(LeafRows::Metadata),
    ]
}

proptest! {
    #[test]
    fn queries_round_trip(query in queries()) {
        prop_assert_eq!(LeafQuery::decode(&query.encode()).unwrap(), query);
    }

    #[test]
    fn rows_round_trip(rows in rows()) {
        prop_assert_eq!(LeafRows::decode(&rows.encode()).unwrap(), rows);
    }

    #[test]
    fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100), valid in any::<bool>()) {
        let mut bytes = bytes;
        if valid && !bytes.is_empty() {
            bytes[0] = 1;
        }
        let _ = LeafQuery::decode(&bytes);
        let _ = LeafRows::decode(&Bytes::from(bytes));
    }

    #[test]
    fn a_message_that_is_cut_off_is_an_error(rows in rows(), at in any::<prop::sample::Index>()) {
        let whole = rows.encode();
        prop_assert!(LeafRows::decode(&whole.slice(..at.index(whole.len()))).is_err());
    }

    #[test]
    fn numbers_round_trip(unsigned in any::<u64>(), signed in any::<i64>()) {
        let mut out = Vec::new();
        put_varint(&mut out, unsigned);
        put_signed(&mut out, signed);
        let mut from = Reader::new(&out);
        prop_assert_eq!(from.varint().unwrap(), unsigned);
        prop_assert_eq!(from.signed().unwrap(), signed);
        from.end().unwrap();
    }
}
