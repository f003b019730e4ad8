//! Native histograms, exemplars and metadata in blocks.

use super::*;
use crate::chunk::encode_histogram_run;
use crate::histogram::{Histogram, HistogramSample};
use crate::merge::{Merged, merge_all, merge_exemplars, merge_metadata};
use crate::model::{Exemplar, Metadata, MetricType, metadata_key};
use crate::wire::{MetadataEntry, MetricMetadata, SeriesExemplars};

/// A histogram that is told from others by its count.
pub(super) fn histogram(t: i64, count: u8) -> HistogramSample {
    let count = f64::from(count);
    HistogramSample { t, h: Arc::new(Histogram { count, zero_count: count, sum: 1.0, integer: true, ..Histogram::default() }) }
}

pub(super) fn exemplar(t: i64, value: f64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", format!("{t}"))]), value, t }
}

pub(super) fn about(metric: &str, t: i64, help: &str) -> MetricMetadata {
    let metadata = Metadata { kind: MetricType::Counter, help: help.into(), unit: "seconds".into() };
    MetricMetadata { metric: metric.to_owned(), entries: vec![MetadataEntry { t, metadata }] }
}

pub(super) fn rows(name: &str, floats: &[Sample], histograms: &[HistogramSample], exemplars: &[Exemplar]) -> SeriesRows {
    let SeriesChunks { labels, mut chunks } = series(name, floats);
    chunks.extend(encode_histogram_run(histograms));
    SeriesRows { labels, chunks, exemplars: exemplars.to_vec() }
}

pub(super) fn exemplars(blocks: &[NewBlock], range: TimeRange) -> Vec<SeriesExemplars> {
    let query = LeafQuery::Exemplars { sets: Vec::new() };
    let batches = blocks.iter().flat_map(|block| ask(reader(block), &query, range).unwrap());
    let of = |batch| if let LeafRows::Exemplars(exemplars) = batch { exemplars } else { panic!("{batch:?}") };
    merge_exemplars(batches.flat_map(of), i64::MIN, i64::MAX)
}

pub(super) fn metadata(blocks: &[NewBlock], range: TimeRange) -> Vec<MetricMetadata> {
    let query = LeafQuery::Metadata { metric: None, limit: 0, limit_per_metric: 0 };
    let batches = blocks.iter().flat_map(|block| ask(reader(block), &query, range).unwrap());
    let of = |batch| if let LeafRows::Metadata(metadata) = batch { metadata } else { panic!("{batch:?}") };
    merge_metadata(batches.flat_map(of), 0, 0)
}

/// Rows of a day, some of which overlap, and metadata.
fn all_kinds() -> impl Strategy<Value = (Vec<SeriesRows>, Vec<MetricMetadata>)> {
    let t = 0i64..80_000_000;
    let floats = prop::collection::btree_map(t.clone(), 0u8..3, 0..30);
    let histograms = prop::collection::btree_map(t.clone(), 0u8..3, 0..30);
    let some = prop::collection::vec((t.clone(), 0u8..3), 0..6);
    let series = ("[a-c]", floats, histograms, some).prop_map(|(name, floats, histograms, some)| {
        let floats: Vec<_> = floats.into_iter().map(|(t, v)| Sample { t, v: f64::from(v) }).collect();
        let histograms: Vec<_> = histograms.into_iter().map(|(t, v)| histogram(t, v)).collect();
        let exemplars: Vec<_> = some.into_iter().map(|(t, v)| exemplar(t, f64::from(v))).collect();
        rows(&name, &floats, &histograms, &exemplars)
    });
    let series = prop::collection::vec(series.prop_filter("not empty", |one| !one.chunks.is_empty() || !one.exemplars.is_empty()), 0..6);
    let of_metric = ("[a-c]", t, "[x-y]").prop_map(|(metric, t, help)| about(&metric, t, &help));
    (series, prop::collection::vec(of_metric, 0..6))
}

/// What the rows are, merged.
pub(super) fn expected(series: &[SeriesRows]) -> (Vec<SeriesSamples>, Vec<SeriesExemplars>) {
    let chunks = series.iter().map(|rows| SeriesChunks { labels: rows.labels.clone(), chunks: rows.chunks.clone() });
    let exemplars = series.iter().map(|rows| SeriesExemplars { labels: rows.labels.clone(), exemplars: rows.exemplars.clone() });
    (merge_replicas(chunks, i64::MIN, i64::MAX).unwrap(), merge_exemplars(exemplars, i64::MIN, i64::MAX))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_written_is_read_and_merged(cuts in prop::collection::vec(all_kinds(), 1..4), hours in 1i64..30) {
        let (series, known): (Vec<_>, Vec<_>) = cuts.iter().cloned().unzip();
        let (samples_of_all, exemplars_of_all) = expected(&series.concat());
        let metadata_of_all = merge_metadata(known.concat(), 0, 0);
        let blocks: Vec<_> = cuts.into_iter().flat_map(|(series, known)| write_cut(CutData::new(series, merge_metadata(known, 0, 0)), hours * HOUR_NS)).collect();
        let check = |blocks: &[NewBlock]| -> Result<(), TestCaseError> {
            prop_assert_eq!(&samples(blocks), &samples_of_all);
            prop_assert_eq!(&exemplars(blocks, TimeRange::ALL), &exemplars_of_all);
            prop_assert_eq!(&metadata(blocks, TimeRange::ALL), &metadata_of_all);
            Ok(())
        };
        check(&blocks)?;
        let one = merged(&blocks.iter().collect::<Vec<_>>(), 24 * HOUR_NS, u64::MAX);
        check(&one)?;
        let other = merged(&blocks.iter().rev().collect::<Vec<_>>(), 24 * HOUR_NS, u64::MAX);
        prop_assert_eq!(other.iter().map(|block| (data(block), &block.index)).collect::<Vec<_>>(), one.iter().map(|block| (data(block), &block.index)).collect::<Vec<_>>());
        check(&merged(&one.iter().collect::<Vec<_>>(), 24 * HOUR_NS, 1))?;
        for block in &one {
            prop_assert_eq!(block.facts.range.start.div_euclid(24 * HOUR_NS), block.facts.range.end.div_euclid(24 * HOUR_NS));
            prop_assert!(block.facts.hash_range.0 <= block.facts.hash_range.1);
        }
    }

    /// Wherever a file is damaged: an error, or the right answer where the damage was not touched.
    #[test]
    fn damage_is_an_error_of_any_kind(
        (series, known) in all_kinds(),
        in_index in any::<bool>(),
        at in any::<prop::sample::Index>(),
        bits in 1u8..,
    ) {
        let blocks = write_cut(CutData::new(series, known), 24 * HOUR_NS);
        let Some(block) = blocks.first() else { return Ok(()) };
        let mut bad = block.clone();
        let mut bytes = if in_index { bad.index.take().unwrap() } else { data(&bad) }.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if in_index { bad.index = Some(bytes.into()) } else { bad.data = bytes.into(); bad.index.clone_from(&block.index) }
        let questions = [
            LeafQuery::Exemplars { sets: Vec::new() },
            LeafQuery::Metadata { metric: None, limit: 0, limit_per_metric: 0 },
            LeafQuery::Chunks { matchers: Vec::new(), shard: None },
        ];
        for query in questions {
            match ask(reader(&bad), &query, TimeRange::ALL) {
                Ok(rows) => prop_assert_eq!(rows, ask(reader(block), &query, TimeRange::ALL).unwrap()),
                Err(err) => prop_assert_eq!(err.kind(), ErrorKind::Internal, "{}", err),
            }
        }
    }

    #[test]
    fn a_garbled_attachment_never_panics(tail in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bits in 1u8..) {
        let known = [about("a", 1, "help"), about("b", 2, "more help")];
        let mut bytes = skip::encode_attachment(&[], &known).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        bytes.extend(tail);
        if let Ok((_, Some(metadata))) = skip::decode_attachment(&bytes.into(), 1000) {
            let _ = metadata.read();
        }
    }
}

#[test]
fn floats_alone_are_of_version_1_and_the_rest_of_version_2() {
    let version = |rows: SeriesRows, metadata| write_cut(CutData::new(vec![rows], metadata), 24 * HOUR_NS).remove(0).facts.schema_version;
    let floats = || rows("a", &steady(0, 3), &[], &[]);
    assert_eq!(version(floats(), vec![]), 1);
    assert_eq!(version(rows("a", &[], &[histogram(0, 1)], &[]), vec![]), 2);
    assert_eq!(version(rows("a", &steady(0, 3), &[], &[exemplar(0, 1.0)]), vec![]), 2);
    assert_eq!(version(floats(), vec![about("a", 0, "")]), 2);
}

#[test]
fn a_block_of_metadata_alone_has_its_place() {
    let blocks = write_cut(CutData::new(vec![], vec![about("a", 5, "one"), about("b", 7, "two")]), HOUR_NS);
    assert_eq!(blocks.len(), 1);
    let keys = [metadata_key("anonymous", "a"), metadata_key("anonymous", "b")];
    assert_eq!(blocks[0].facts.hash_range, (keys[0].min(keys[1]), keys[0].max(keys[1])));
    assert_eq!((blocks[0].facts.range, blocks[0].facts.rows, blocks[0].facts.series), (TimeRange::from_ms(5, 7), 2, 0));
    assert_eq!(metadata(&blocks, TimeRange::from_ms(6, 9)), [about("b", 7, "two")]);
    assert_eq!(samples(&blocks), []);
    let limited = LeafQuery::Metadata { metric: Some("b".to_owned()), limit: 1, limit_per_metric: 1 };
    assert_eq!(ask(reader(&blocks[0]), &limited, TimeRange::ALL).unwrap(), [LeafRows::Metadata(vec![about("b", 7, "two")])]);
}

#[test]
fn exemplars_are_read_without_chunks() {
    let all = vec![rows("a", &steady(0, 300), &[], &[exemplar(5, 1.0), exemplar(90_000, 2.0)]), rows("b", &steady(0, 300), &[], &[])];
    let blocks = write_cut(CutData::new(all, vec![]), 24 * HOUR_NS);
    let found = exemplars(&blocks, TimeRange::from_ms(0, 10_000));
    assert_eq!(found.iter().map(|one| one.exemplars.clone()).collect::<Vec<_>>(), [[exemplar(5, 1.0)]]);
    // A series that has nothing but exemplars in a range has no samples there.
    let series = LeafQuery::Series { sets: Vec::new(), limit: 0 };
    let alone = write_cut(CutData::new(vec![rows("c", &[], &[], &[exemplar(5, 1.0)])], vec![]), 24 * HOUR_NS);
    assert_eq!(ask(reader(&alone[0]), &series, TimeRange::ALL).unwrap(), []);
}

#[test]
fn where_both_kinds_stand_at_one_time_the_histogram_stays() {
    let both = rows("a", &steady(0, 3), &[histogram(15_000, 1), histogram(16_000, 1)], &[]);
    let Merged { samples: floats, histograms } = merge_all(both.chunks.clone()).unwrap();
    assert_eq!(floats.iter().map(|sample| sample.t).collect::<Vec<_>>(), [0, 30_000]);
    assert_eq!(histograms, [histogram(15_000, 1), histogram(16_000, 1)]);
    let blocks = write_cut(CutData::new(vec![both], vec![]), 24 * HOUR_NS);
    let read = samples(&blocks);
    assert_eq!((&read[0].samples, &read[0].histograms, blocks[0].facts.rows), (&floats, &histograms, 4));
}
