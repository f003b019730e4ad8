//! Native histograms, exemplars and metadata.

use crate::ingest::series::METADATA_FIELD;
use crate::model::{Exemplar, Metadata, MetricType, stale_marker};
use crate::wire::codec::{put_bytes, put_varint};
use crate::wire::{MetadataEntry, MetricMetadata, SeriesExemplars};

use super::*;

/// A field of a protobuf message.
fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_bytes(out, bytes);
}

fn exemplar(t: i64, value: f64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", format!("{t}"))]), value, t }
}

fn with_exemplars(mut item: PushItem, exemplars: &[Exemplar]) -> PushItem {
    let mut bytes = item.bytes.to_vec();
    for exemplar in exemplars {
        let mut message = Vec::new();
        for (name, value) in exemplar.labels.iter() {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut message, 1, &label);
        }
        message.push(2 << 3 | 1);
        message.extend(exemplar.value.to_bits().to_le_bytes());
        message.push(3 << 3);
        put_varint(&mut message, exemplar.t.cast_unsigned());
        field(&mut bytes, 3, &message);
    }
    item.bytes = bytes.into();
    item
}

/// An item that has metadata alone, as receivers make them.
fn about(metric: &str, kind: MetricType, help: &str) -> PushItem {
    let labels: [(&[u8], &[u8]); 1] = [(b"__name__", metric.as_bytes())];
    let mut bytes = series(&labels, &[]);
    let mut message = vec![1 << 3, kind.number()];
    field(&mut message, 2, metric.as_bytes());
    field(&mut message, 4, help.as_bytes());
    field(&mut bytes, METADATA_FIELD, &message);
    PushItem { key: 0, bytes: bytes.into() }
}

impl World {
    fn store_items(&self, items: Vec<PushItem>) -> (Bytes, Appended) {
        let prepared = self.head.prepare(&Push { format: FORMAT, items }, SEGMENT);
        (prepared.record, self.head.commit(prepared.pending))
    }

    fn good_items(&self, items: Vec<PushItem>) -> Bytes {
        let (record, appended) = self.store_items(items);
        assert_eq!(appended.refused, []);
        record
    }

    fn reason(&self, item: PushItem) -> String {
        let refused = self.store_items(vec![item]).1.refused;
        assert_eq!(refused.len(), 1, "{refused:?}");
        refused[0].reason.clone()
    }

    fn exemplars(&self) -> Vec<SeriesExemplars> {
        let batches = self.ask(&LeafQuery::Exemplars { sets: Vec::new() }, TimeRange::ALL).into_iter();
        let of = |batch| if let LeafRows::Exemplars(exemplars) = batch { exemplars } else { panic!("{batch:?}") };
        batches.flat_map(of).collect()
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<MetricMetadata> {
        let query = LeafQuery::Metadata { metric: metric.map(str::to_owned), limit: 0, limit_per_metric: 0 };
        let batches = self.ask(&query, TimeRange::ALL).into_iter();
        let of = |batch| if let LeafRows::Metadata(metadata) = batch { metadata } else { panic!("{batch:?}") };
        batches.flat_map(of).collect()
    }
}

fn histograms(samples: &[HistogramSample]) -> PushItem {
    with_histograms(item("a", &[]), samples)
}

#[test]
fn a_series_changes_from_floats_to_histograms() {
    let world = world(unordered(3600));
    world.good(&[("a", &[(1000, 1.0), (2000, 2.0)])]);
    world.good_items(vec![histograms(&[histogram(3000, 1), histogram(4000, 2)])]);
    // A late one of either kind.
    world.good_items(vec![with_histograms(item("a", &[(2500, 5.0)]), &[histogram(1500, 3)])]);
    let (a, b, c) = (code(&histogram(3000, 1)), code(&histogram(4000, 2)), code(&histogram(1500, 3)));
    let expected = |rows: Rows| assert_eq!(rows["a"], [(1000, 1f64.to_bits()), c, (2000, 2f64.to_bits()), (2500, 5f64.to_bits()), a, b]);
    expected(world.read());
    let cut = world.head.cut().unwrap();
    assert_eq!(cut.rows, 6);
    expected(cut_rows(&cut));
    expected(world.read());
    world.head.forget(cut.id);
    assert_eq!(world.read(), rows(&[]));
}

#[test]
fn one_time_has_one_value_of_any_kind() {
    let world = world(unordered(10));
    world.good_items(vec![with_histograms(item("a", &[(100_000, 1.0)]), &[histogram(101_000, 1)])]);
    assert_eq!(world.reason(histograms(&[histogram(100_000, 1)])), "new-value-for-timestamp");
    assert_eq!(world.reason(item("a", &[(101_000, 1.0)])), "new-value-for-timestamp");
    assert_eq!(world.reason(histograms(&[histogram(101_000, 2)])), "new-value-for-timestamp");
    assert_eq!(world.reason(with_histograms(item("a", &[(102_000, 1.0)]), &[histogram(102_000, 1)])), "new-value-for-timestamp");
    assert_eq!(world.reason(histograms(&[histogram(103_000, 1), histogram(103_000, 2)])), "new-value-for-timestamp");
    assert_eq!(world.reason(histograms(&[histogram(90_000, 1)])), "sample-timestamp-too-old");
    // The same again is no error and nothing new.
    assert_eq!(world.store_items(vec![histograms(&[histogram(103_000, 1), histogram(101_000, 1)])]).1.rows, 0);
    world.good_items(vec![histograms(&[histogram(99_000, 1)])]);
    assert_eq!(world.store_items(vec![histograms(&[histogram(99_000, 1)])]).1.rows, 0);
    assert_eq!(world.reason(histograms(&[histogram(99_000, 2)])), "new-value-for-timestamp");
}

#[test]
fn without_a_window_histograms_come_in_order() {
    let world = world(MetricsLimits::default());
    world.good_items(vec![histograms(&[histogram(2000, 1)])]);
    assert_eq!(world.reason(histograms(&[histogram(1000, 1)])), "sample-out-of-order");
    assert_eq!(world.reason(item("a", &[(1500, 1.0)])), "sample-out-of-order");
}

#[test]
fn markers_of_either_kind_end_a_series_of_histograms() {
    let world = world(MetricsLimits::default());
    let stale = |t| HistogramSample { t, h: Arc::new(Histogram::stale()) };
    world.good_items(vec![histograms(&[histogram(1000, 1), stale(2000)])]);
    // A float marker is stored as what it means, and known when it comes again.
    for _ in 0..2 {
        world.good(&[("a", &[(3000, stale_marker())])]);
    }
    world.good_items(vec![histograms(&[histogram(4000, 1)])]);
    assert_eq!(world.read()["a"], [histogram(1000, 1), stale(2000), stale(3000), histogram(4000, 1)].map(|sample| code(&sample)));
    // That of a series of floats stays a float.
    world.good(&[("b", &[(1000, 1.0), (2000, stale_marker())])]);
    assert_eq!(world.read()["b"], [(1000, 1f64.to_bits()), (2000, STALE_BITS)]);
}

#[test]
fn many_histograms_become_several_chunks() {
    let world = world(unordered(3600));
    let all: Vec<HistogramSample> = (0..500).map(|n| histogram(n * 1000, u8::try_from(n % 250).unwrap())).collect();
    for run in all.chunks(7) {
        world.good_items(vec![histograms(run)]);
    }
    let expected: Vec<_> = all.iter().map(code).collect();
    assert_eq!(world.read()["a"], expected);
    let late: Vec<HistogramSample> = (0..300).map(|n| histogram(n * 1000 + 1, 7)).collect();
    world.good_items(vec![histograms(&late)]);
    assert_eq!(world.read()["a"].len(), 800);
    assert_eq!(cut_rows(&world.head.cut().unwrap())["a"].len(), 800);
}

#[test]
fn exemplars_are_kept_beside_their_series() {
    let world = world(MetricsLimits::default());
    world.good_items(vec![with_exemplars(item("a", &[(1000, 1.0)]), &[exemplar(900, 0.5), exemplar(950, 0.25)])]);
    let kept = world.exemplars();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].labels.get("i"), kept[0].exemplars.as_slice()), (Some("a"), [exemplar(900, 0.5), exemplar(950, 0.25)].as_slice()));
    // The newest again is nothing new, older ones are refused; a push is told only when all of its exemplars are.
    assert_eq!(world.store_items(vec![with_exemplars(item("a", &[]), &[exemplar(950, 0.25)])]).1.rows, 0);
    world.good_items(vec![with_exemplars(item("a", &[]), &[exemplar(900, 0.5), exemplar(960, 1.0)])]);
    let (_, appended) = world.store_items(vec![with_exemplars(item("a", &[(2000, 1.0)]), &[exemplar(900, 0.5)])]);
    assert_eq!((appended.rows, appended.refused.len()), (1, 1), "the sample is stored");
    expect_test::expect![[
        r#"err: out of order exemplar. timestamp=1970-01-01T00:00:00.9Z, series={__name__="m", i="a"}, exemplar={trace_id="900"}"#
    ]]
    .assert_eq(&appended.refused[0].text);
    // The one scan above found two; three are kept, the oldest of them of 0.9 s.
    world.shows(&[
        "cortex_ingester_queried_exemplars_sum 2.0",
        "cortex_ingester_tsdb_exemplar_exemplars_appended_total 3",
        "cortex_ingester_tsdb_exemplar_exemplars_in_storage 3",
        r#"cortex_ingester_tsdb_exemplar_series_with_exemplars_in_storage{user="anonymous"} 1"#,
        r#"cortex_ingester_tsdb_exemplar_last_exemplars_timestamp_seconds{user="anonymous"} 0.9"#,
    ]);
    assert_eq!(world.instruments.ingested_exemplars.get(), 3);
    assert_eq!(world.instruments.ingested_exemplars_failures.get(), 2);
    let cut = world.head.cut().unwrap();
    let exemplars: Vec<_> = cut.data.downcast_ref::<CutData>().unwrap().series().flat_map(|series| series.unwrap().exemplars).collect();
    assert_eq!(exemplars, [exemplar(900, 0.5), exemplar(950, 0.25), exemplar(960, 1.0)]);
    assert_eq!(world.exemplars()[0].exemplars.len(), 3, "they stay visible");
    world.head.forget(cut.id);
    assert_eq!(world.exemplars(), []);
}

#[test]
fn exemplars_need_a_series_and_a_limit() {
    let limits = MetricsLimits { max_global_exemplars_per_user: 4, ignore_ooo_exemplars: true, ..MetricsLimits::default() };
    let keen = world(limits);
    assert_eq!(keen.reason(with_exemplars(item("a", &[]), &[exemplar(1, 1.0)])), "exemplar-series-missing");
    // Half of the limit is this ingester's.
    keen.good_items(vec![with_exemplars(item("a", &[(9, 1.0)]), &[exemplar(1, 1.0), exemplar(2, 1.0), exemplar(3, 1.0)])]);
    assert_eq!(keen.exemplars()[0].exemplars, [exemplar(2, 1.0), exemplar(3, 1.0)]);
    keen.good_items(vec![with_exemplars(item("a", &[]), &[exemplar(1, 1.0)])]);
    let off = world(MetricsLimits { max_global_exemplars_per_user: 0, ..MetricsLimits::default() });
    off.good_items(vec![with_exemplars(item("a", &[(9, 1.0)]), &[exemplar(1, 1.0)])]);
    assert_eq!(off.exemplars(), []);
}

#[test]
fn a_series_with_exemplars_alone_stays_until_they_go() {
    let world = world(MetricsLimits::default());
    world.good(&[("a", &[(10, 1.0)])]);
    let cut = world.head.cut().unwrap();
    world.good_items(vec![with_exemplars(item("a", &[]), &[exemplar(1, 1.0)])]);
    world.head.forget(cut.id);
    world.clock.advance(2 * IDLE_MS * 1_000_000);
    world.head.tidy();
    assert_eq!((world.exemplars().len(), world.head.stats().series), (1, 1));
    let cut = world.head.cut().unwrap();
    world.head.forget(cut.id);
    world.head.tidy();
    assert_eq!((world.exemplars().len(), world.head.stats().series), (0, 0));
}

#[test]
fn metadata_needs_no_series() {
    let limits = MetricsLimits { max_global_metadata_per_user: 4, max_global_metadata_per_metric: 4, ..MetricsLimits::default() };
    let world = world(limits);
    world.clock.advance(5_000_000);
    world.good_items(vec![about("up", MetricType::Gauge, "one"), about("up", MetricType::Gauge, "two"), about("go", MetricType::Info, "")]);
    assert_eq!(world.head.stats().series, 0);
    let entry = |kind, help: &str| MetadataEntry { t: 5, metadata: Metadata { kind, help: help.into(), unit: "".into() } };
    let of = |metric: &str, entries| MetricMetadata { metric: metric.to_owned(), entries };
    let up = of("up", vec![entry(MetricType::Gauge, "one"), entry(MetricType::Gauge, "two")]);
    assert_eq!(world.metadata(None), [of("go", vec![entry(MetricType::Info, "")]), up.clone()]);
    assert_eq!(world.metadata(Some("up")), std::slice::from_ref(&up));
    // Half of each limit is this ingester's; what is too much is dropped silently.
    world.good_items(vec![about("down", MetricType::Gauge, "one"), about("up", MetricType::Gauge, "three")]);
    assert_eq!(world.metadata(None).len(), 2);
    assert_eq!(world.metadata(Some("up")), [up]);
    assert_eq!(world.instruments.ingested_metadata_failures.get(), 2);
    let cut = world.head.cut().unwrap();
    assert_eq!(cut.data.downcast_ref::<CutData>().unwrap().metadata(), world.metadata(None));
    world.head.forget(cut.id);
    assert_eq!(world.metadata(None), []);
}

#[test]
fn the_limits_of_metadata_hold_within_a_push() {
    // Half of each limit is this ingester's.
    let limits = MetricsLimits { max_global_metadata_per_user: 2, max_global_metadata_per_metric: 2, ..MetricsLimits::default() };
    let world = world(limits);
    let came = [("up", "one"), ("up", "two"), ("down", "one"), ("up", "one")];
    world.good_items(came.map(|(metric, help)| about(metric, MetricType::Gauge, help)).to_vec());
    let kept = world.metadata(None);
    assert_eq!((kept.len(), kept[0].metric.as_str(), kept[0].entries.len()), (1, "up", 1));
    assert_eq!(world.instruments.ingested_metadata_failures.get(), 2);
}

#[test]
fn everything_comes_back_from_the_log() {
    let old = world(unordered(3600));
    old.clock.advance(7_000_000);
    let mut records = vec![old.good_items(vec![
        with_exemplars(with_histograms(item("a", &[(1000, 1.0)]), &[histogram(2000, 1)]), &[exemplar(900, 0.5)]),
        about("m", MetricType::Counter, "help"),
    ])];
    records.push(old.good_items(vec![with_exemplars(item("a", &[]), &[exemplar(950, 0.5)]), histograms(&[histogram(1500, 2)])]));
    let new = world(MetricsLimits::default());
    for _ in 0..2 {
        for record in &records {
            new.head.replay(record, SEGMENT).unwrap();
        }
    }
    assert_eq!(new.read(), old.read());
    assert_eq!(new.exemplars(), old.exemplars());
    assert_eq!(new.metadata(None), old.metadata(None));
}

/// The delete of all rows of a metric within times, ms.
fn delete(metric: &str, start: i64, end: i64) -> Vec<signal::RowDrop> {
    let what = crate::drops::encode(&[vec![LabelMatcher::new("__name__", MatchOp::Equal, metric)]]);
    vec![signal::RowDrop { range: TimeRange::from_ms(start, end), what }]
}

#[test]
fn deleted_rows_leave_files_chunks_and_the_ring() {
    let world = world(unordered(3600));
    let floats: Vec<(i64, f64)> = (0..130).map(|t| (t, 1.0)).collect();
    world.good_items(vec![with_exemplars(item("a", &floats), &[exemplar(50, 1.0), exemplar(120, 1.0)])]);
    world.good_items(vec![histograms(&[histogram(200, 1), histogram(201, 2)])]);
    world.good_items(vec![with_histograms(item("a", &[(150, 1.0)]), &[histogram(151, 3)])]);
    let record = world.head.delete(7, &delete("m", 100, 150), SEGMENT);
    let left = |world: &World| (world.read()["a"].iter().map(|row| row.0).collect::<Vec<_>>(), world.exemplars()[0].exemplars.clone());
    let expected: Vec<i64> = (0..100).chain([151, 200, 201]).collect();
    assert_eq!(left(&world), (expected.clone(), vec![exemplar(50, 1.0)]));
    // What was the newest stays what others are measured by.
    let cut = world.head.cut().unwrap();
    assert_eq!(cut_rows(&cut)["a"].len(), expected.len());
    world.head.delete(8, &delete("m", 0, 98), SEGMENT);
    assert_eq!(world.read()["a"].iter().map(|row| row.0).collect::<Vec<_>>(), [99, 151, 200, 201]);
    world.head.delete(9, &delete("m", 0, 1000), SEGMENT);
    assert_eq!(world.read(), rows(&[]));
    assert_eq!(world.reason(histograms(&[histogram(201, 4)])), "new-value-for-timestamp");
    assert_eq!(world.head.replay(&record, SEGMENT).unwrap().deletes, Some(7));
}
