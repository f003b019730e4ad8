use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use prometheus_client::registry::Registry;
use runtime::config::HumanDuration;
use runtime::{Compute, ErrorKind, ManualClock};
use signal::head::Share;
use signal::{PushItem, SeriesRoom, TimeRange};
use storage::block::Contents;
use syntax::{LabelMatcher, MatchOp};
use tenancy::Overrides;

use super::*;
use crate::block::cut::{CutData, SeriesRows};
use crate::histogram::{Histogram, HistogramSample, protobuf};
use crate::ingest::FORMAT;
use crate::ingest::request::tests::series;
use crate::instruments::Instruments;
use crate::limits::MetricsLimits;
use crate::merge::merge_all;
use crate::model::{Labels, STALE_BITS};
use crate::query::QueryConfig;
use crate::wire::{LeafQuery, LeafRows, SeriesChunks, SeriesShard};

mod cardinality;
mod figures;
mod kinds;
mod life;
mod room;

const SEGMENT: SegmentId = SegmentId(1);

/// Every limit divided by two, but never to nothing.
struct Half;

impl Share for Half {
    fn of(&self, _: &TenantId, limit: u64) -> u64 {
        limit.div_ceil(2)
    }
}

struct World {
    head: MetricsHead,
    clock: Arc<ManualClock>,
    instruments: Instruments,
    registry: Registry,
}

fn world(limits: MetricsLimits) -> World {
    crowded(limits, 0)
}

/// A world whose ingester has room for so many series.
fn crowded(limits: MetricsLimits, room: u64) -> World {
    let clock = Arc::new(ManualClock::at(0));
    let mut registry = Registry::default();
    let instruments = Instruments::register(&mut registry);
    let deps = Deps {
        limits: Overrides::fixed(limits),
        clock: clock.clone(),
        compute: Compute::new(1),
        instruments: instruments.clone(),
        ingest: crate::ingest::IngestConfig::default(),
        ha: None,
        retention: crate::Retention::default(),
        query: QueryConfig::default(),
    };
    let context = HeadContext { directory: PathBuf::new(), share: Arc::new(Half), room: SeriesRoom::new(room), clock: clock.clone() };
    World { head: MetricsHeads::new(deps).open_head(&TenantId::anonymous(), &context), clock, instruments, registry }
}

fn unordered(window_secs: u64) -> MetricsLimits {
    MetricsLimits { out_of_order_time_window: HumanDuration::from_secs(window_secs), ..MetricsLimits::default() }
}

/// An item of a series that is told from others by one label.
fn item(name: &str, samples: &[(i64, f64)]) -> PushItem {
    let labels: [(&[u8], &[u8]); 2] = [(b"__name__", b"m"), (b"i", name.as_bytes())];
    PushItem { key: 0, bytes: series(&labels, samples).into() }
}

fn push(items: &[(&str, &[(i64, f64)])]) -> Push {
    Push { format: FORMAT, items: items.iter().map(|(name, samples)| item(name, samples)).collect() }
}

/// A histogram that is told from others by its count.
fn histogram(t: i64, count: u8) -> HistogramSample {
    let count = f64::from(count);
    HistogramSample { t, h: Arc::new(Histogram { count, zero_count: count, sum: 1.0, integer: true, ..Histogram::default() }) }
}

/// Time and value of a histogram among those of floats: NaNs that no test has otherwise.
fn code(sample: &HistogramSample) -> (i64, u64) {
    (sample.t, sample.h.count.to_bits() | 0x7ff8_0000_0000_0000)
}

/// Appends histograms to an item.
fn with_histograms(mut item: PushItem, samples: &[HistogramSample]) -> PushItem {
    let mut bytes = item.bytes.to_vec();
    for sample in samples {
        protobuf::put(&mut bytes, 4, sample);
    }
    item.bytes = bytes.into();
    item
}

/// Samples by the label `i`, times with the bits of values.
type Rows = BTreeMap<String, Vec<(i64, u64)>>;

fn rows_of(all: Vec<SeriesChunks>) -> Rows {
    let mut chunks: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for one in all {
        chunks.entry(one.labels.get("i").unwrap_or_default().to_owned()).or_default().extend(one.chunks);
    }
    let samples = |chunks| {
        let merged = merge_all(chunks).unwrap();
        let floats = merged.samples.into_iter().map(|sample| (sample.t, sample.v.to_bits()));
        let mut all: Vec<_> = floats.chain(merged.histograms.iter().map(code)).collect();
        all.sort_unstable();
        all
    };
    chunks.into_iter().map(|(name, chunks)| (name, samples(chunks))).collect()
}

fn rows(all: &[(&str, &[(i64, f64)])]) -> Rows {
    all.iter().map(|(name, samples)| ((*name).to_owned(), samples.iter().map(|(t, v)| (*t, v.to_bits())).collect())).collect()
}

impl World {
    fn store(&self, items: &[(&str, &[(i64, f64)])]) -> Appended {
        self.head.commit(self.head.prepare(&push(items), SEGMENT).pending)
    }

    /// Stores without a refusal; returns the record.
    fn good(&self, items: &[(&str, &[(i64, f64)])]) -> Bytes {
        let prepared = self.head.prepare(&push(items), SEGMENT);
        let appended = self.head.commit(prepared.pending);
        assert_eq!(appended.refused, []);
        prepared.record
    }

    /// The text of the only refusal.
    fn refused(&self, items: &[(&str, &[(i64, f64)])]) -> signal::Refusal {
        let mut refused = self.store(items).refused;
        assert_eq!(refused.len(), 1, "{refused:?}");
        refused.remove(0)
    }

    /// The lines of `/metrics`.
    fn shown(&self) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Checks that each of some lines is among those of `/metrics`.
    fn shows(&self, lines: &[&str]) {
        let shown = self.shown();
        for line in lines {
            assert!(shown.iter().any(|one| one == line), "{line}: {shown:#?}");
        }
    }

    fn ask(&self, query: &LeafQuery, range: TimeRange) -> Vec<LeafRows> {
        let query = ScanQuery { tenant: TenantId::anonymous(), range, payload: query.encode(), alone: false, drops: Arc::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let batches: Vec<Bytes> = runtime.block_on(self.head.scan(&query).try_collect()).unwrap();
        batches.iter().map(|batch| LeafRows::decode(batch).unwrap()).collect()
    }

    fn read(&self) -> Rows {
        self.read_within(TimeRange::ALL)
    }

    fn read_within(&self, range: TimeRange) -> Rows {
        let batches = self.ask(&LeafQuery::Chunks { matchers: Vec::new(), shard: None }, range);
        let series = batches.into_iter().flat_map(|batch| match batch {
            LeafRows::Chunks(series) => series,
            other => panic!("{other:?}"),
        });
        rows_of(series.collect())
    }

    fn strings(&self, query: &LeafQuery, range: TimeRange) -> Vec<String> {
        let batches = self.ask(query, range).into_iter().flat_map(|batch| match batch {
            LeafRows::Strings(strings) => strings,
            other => panic!("{other:?}"),
        });
        batches.collect()
    }
}

fn cut_rows(cut: &Cut) -> Rows {
    let rows = cut.data.downcast_ref::<CutData>().unwrap().series().map(Result::unwrap);
    rows_of(rows.map(|SeriesRows { labels, chunks, .. }| SeriesChunks { labels, chunks }).collect())
}

#[test]
fn what_is_prepared_is_not_visible_before_it_is_committed() {
    let world = world(MetricsLimits::default());
    let prepared = world.head.prepare(&push(&[("a", &[(1, 1.0)])]), SEGMENT);
    assert!(!prepared.record.is_empty());
    assert_eq!(world.read(), rows(&[]));
    assert_eq!(world.head.stats().rows, 0);
    assert_eq!(world.head.commit(prepared.pending).rows, 1);
    assert_eq!(world.read(), rows(&[("a", &[(1, 1.0)])]));
}

#[test]
fn a_push_that_is_dropped_leaves_no_trace() {
    let world = world(MetricsLimits { max_global_series_per_user: 2, ..MetricsLimits::default() });
    drop(world.head.prepare(&push(&[("a", &[(5, 1.0)])]), SEGMENT));
    assert_eq!((world.head.stats().series, world.instruments.memory_series.get()), (0, 0));
    // Neither the series counts against the limit, nor the sample against those that follow.
    world.good(&[("b", &[(5, 2.0)])]);
    drop(world.head.prepare(&push(&[("b", &[(9, 1.0)])]), SEGMENT));
    world.good(&[("b", &[(7, 1.0)])]);
    assert_eq!(world.read(), rows(&[("b", &[(5, 2.0), (7, 1.0)])]));
}

#[test]
fn prepared_again_for_the_next_segment_while_the_first_still_lives() {
    let world = world(MetricsLimits::default());
    let samples: &[(i64, f64)] = &[(1, 1.0), (2, 2.0), (3, 3.0)];
    let first = world.head.prepare(&push(&[("a", samples)]), SegmentId(1));
    let second = world.head.prepare(&push(&[("a", samples)]), SegmentId(2));
    assert_eq!(first.record, second.record);
    drop(first);
    assert_eq!(world.head.commit(second.pending).rows, 3);
    assert_eq!(world.read(), rows(&[("a", samples)]));
}

#[test]
fn labels_are_said_once_in_each_segment_and_only_when_they_are_durable() {
    let world = world(MetricsLimits::default());
    let labelled = |record: &[u8]| {
        record::RecordReader::new(record)
            .unwrap()
            .any(|entry| matches!(entry.unwrap(), record::Entry::Series(record::SeriesEntry { labels: Some(_), .. })))
    };
    let first = world.head.prepare(&push(&[("a", &[(1, 1.0)])]), SegmentId(1));
    let second = world.head.prepare(&push(&[("a", &[(2, 1.0)])]), SegmentId(1));
    assert!(labelled(&first.record) && labelled(&second.record), "the first may never be written");
    world.head.commit(second.pending);
    world.head.commit(first.pending);
    let third = world.head.prepare(&push(&[("a", &[(3, 1.0)])]), SegmentId(1));
    assert!(!labelled(&third.record));
    world.head.commit(third.pending);
    assert!(labelled(&world.head.prepare(&push(&[("a", &[(4, 1.0)])]), SegmentId(2)).record));
    // A restart may leave out all that is in a cut.
    world.head.cut();
    assert!(labelled(&world.head.prepare(&push(&[("a", &[(4, 1.0)])]), SegmentId(1)).record));
}

#[test]
fn out_of_order_is_refused_without_a_window() {
    let world = world(MetricsLimits::default());
    world.good(&[("a", &[(1_768_471_200_000, 1.0)])]);
    let refusal = world.refused(&[("a", &[(1_768_471_199_999, 1.0), (1_768_471_200_001, 2.0)])]);
    assert_eq!((refusal.kind, refusal.reason.as_str(), refusal.rows), (ErrorKind::BadInput, "sample-out-of-order", 1));
    assert_eq!(
        refusal.text,
        "the sample has been rejected because another sample with a more recent timestamp has already been ingested and out-of-order \
         samples are not allowed (err-mimir-sample-out-of-order). The affected sample has timestamp 2026-01-15T09:59:59.999Z and is from \
         series {__name__=\"m\", i=\"a\"}. Its value is 1, the newest sample of the series has timestamp 2026-01-15T10:00:00Z and value 1"
    );
    assert_eq!(world.read(), rows(&[("a", &[(1_768_471_200_000, 1.0), (1_768_471_200_001, 2.0)])]), "the good sample is stored");
    let user = crate::instruments::UserReason { reason: "sample-out-of-order".to_owned(), user: "anonymous".to_owned() };
    assert_eq!(world.instruments.discarded_samples.get_or_create(&user).get(), 1);
}

#[test]
fn late_samples_are_taken_within_the_window() {
    let world = world(unordered(60));
    world.good(&[("a", &[(100_000, 5.0)])]);
    world.good(&[("a", &[(40_000, 9.0), (70_000, 7.0)])]);
    let refusal = world.refused(&[("a", &[(39_999, 1.0)])]);
    assert_eq!((refusal.kind, refusal.reason.as_str()), (ErrorKind::BadInput, "sample-timestamp-too-old"));
    let refusal = world.refused(&[("a", &[(70_000, 8.0)])]);
    assert_eq!(refusal.reason, "new-value-for-timestamp");
    assert_eq!(world.read(), rows(&[("a", &[(40_000, 9.0), (70_000, 7.0), (100_000, 5.0)])]));
}

#[test]
fn the_same_sample_again_is_accepted_and_stored_once() {
    for limits in [MetricsLimits::default(), unordered(60)] {
        let world = world(limits);
        let nan = f64::from_bits(STALE_BITS);
        let samples: &[(i64, f64)] = &[(1, 1.0), (2, nan), (3, 0.0)];
        world.good(&[("a", samples), ("a", samples)]);
        let record = world.good(&[("a", samples)]);
        assert!(record.is_empty(), "a retry writes nothing");
        assert_eq!(world.head.stats().rows, 3);
        let refusal = world.refused(&[("a", &[(3, -0.0)])]);
        assert_eq!(refusal.reason, "new-value-for-timestamp");
        assert!(refusal.text.contains("(err-mimir-sample-duplicate-timestamp)"), "{}", refusal.text);
        assert_eq!(world.read(), rows(&[("a", samples)]));
    }
}

#[test]
fn the_same_sample_while_the_first_waits_is_written_again() {
    let world = world(MetricsLimits::default());
    let first = world.head.prepare(&push(&[("a", &[(1, 1.0)])]), SEGMENT);
    let second = world.head.prepare(&push(&[("a", &[(1, 1.0)])]), SEGMENT);
    assert!(!second.record.is_empty(), "the first may never become durable");
    let other = world.head.prepare(&push(&[("a", &[(1, 2.0)])]), SEGMENT);
    assert_eq!(world.head.commit(other.pending).refused[0].reason, "new-value-for-timestamp");
    assert_eq!(world.head.commit(second.pending).rows, 1);
    assert_eq!(world.head.commit(first.pending).rows, 0);
    assert_eq!(world.read(), rows(&[("a", &[(1, 1.0)])]));
}

#[test]
fn two_values_for_one_time_in_one_push_are_one_and_a_refusal() {
    let world = world(MetricsLimits::default());
    let refused = world.store(&[("a", &[(2, 2.0), (1, 1.0), (1, 9.0)]), ("b", &[(1, 1.0)]), ("b", &[(1, 2.0)])]).refused;
    assert_eq!(refused.iter().map(|refusal| (refusal.item, refusal.rows)).collect::<Vec<_>>(), [(0, 1), (2, 1)]);
    assert_eq!(world.read(), rows(&[("a", &[(1, 1.0), (2, 2.0)]), ("b", &[(1, 1.0)])]));
}

#[test]
fn the_limit_of_series_counts_those_that_wait() {
    let world = world(MetricsLimits { max_global_series_per_user: 4, ..MetricsLimits::default() });
    let first = world.head.prepare(&push(&[("a", &[(1, 1.0)])]), SEGMENT);
    let second = world.head.prepare(&push(&[("b", &[(1, 1.0)]), ("c", &[(1, 1.0), (2, 2.0)]), ("a", &[(2, 2.0)])]), SEGMENT);
    let refused = world.head.commit(second.pending).refused;
    assert_eq!((refused.len(), refused[0].item, refused[0].rows, refused[0].kind), (1, 1, 2, ErrorKind::LimitExceeded));
    assert!(refused[0].text.starts_with("per-user series limit of 4 exceeded (err-mimir-max-series-per-user). "), "the tenant's figure");
    world.head.commit(first.pending);
    assert_eq!(world.read().keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(world.head.stats().series, 2);
}

#[test]
fn the_limit_of_series_per_metric() {
    let world = world(MetricsLimits { max_global_series_per_metric: 2, ..MetricsLimits::default() });
    let refusal = world.refused(&[("a", &[(1, 1.0)]), ("b", &[(1, 1.0)])]);
    assert_eq!(refusal.reason, "per_metric_series_limit");
    assert!(refusal.text.ends_with(r#"This is for series {__name__="m", i="b"}"#), "{}", refusal.text);
}

#[test]
fn a_mixed_batch_stores_its_good_part() {
    let world = world(MetricsLimits::default());
    world.good(&[("old", &[(10, 1.0)])]);
    let mut push = push(&[("old", &[(5, 1.0)]), ("new", &[(10, 1.0)])]);
    push.items.push(PushItem { key: 0, bytes: Bytes::from_static(b"\xff\xff") });
    let unsorted = series(&[(b"b", b"1"), (b"a", b"1")], &[(1, 1.0)]);
    push.items.push(PushItem { key: 0, bytes: unsorted.into() });
    let appended = world.head.commit(world.head.prepare(&push, SEGMENT).pending);
    let kinds = appended.refused.iter().map(|refusal| (refusal.item, refusal.kind)).collect::<Vec<_>>();
    assert_eq!(kinds.len(), 3);
    for refusal in [(0, ErrorKind::BadInput), (2, ErrorKind::Internal), (3, ErrorKind::Internal)] {
        assert!(kinds.contains(&refusal), "{kinds:?}");
    }
    assert_eq!(appended.rows, 1);
    assert_eq!(world.read(), rows(&[("new", &[(10, 1.0)]), ("old", &[(10, 1.0)])]));
}

#[test]
fn a_cut_stays_visible_until_it_is_forgotten() {
    let world = world(unordered(60));
    world.good(&[("a", &[(10, 1.0), (20, 2.0)]), ("b", &[(10, 1.0)])]);
    world.good(&[("a", &[(15, 1.5)])]);
    let all = world.read();
    let cut = world.head.cut().unwrap();
    assert_eq!((cut_rows(&cut), cut.rows, cut.range), (all.clone(), 4, TimeRange::from_ms(10, 20)));
    assert!(world.head.cut().is_none(), "nothing new");
    assert_eq!(world.read(), all);
    world.good(&[("a", &[(30, 3.0)])]);
    let stats = world.head.stats();
    assert_eq!((stats.rows, stats.cut_rows, stats.range), (1, 4, Some(TimeRange::from_ms(10, 30))));
    let second = world.head.cut().unwrap();
    assert_eq!(cut_rows(&second), rows(&[("a", &[(30, 3.0)])]));
    world.head.forget(cut.id);
    assert_eq!(world.read(), rows(&[("a", &[(30, 3.0)])]));
    // What is forgotten is still what later samples are measured by.
    assert_eq!(world.refused(&[("b", &[(10, 2.0)])]).reason, "new-value-for-timestamp");
    world.head.forget(second.id);
    assert_eq!((world.read(), world.head.stats().range), (rows(&[]), None));
}

#[test]
fn series_without_rows_go_when_they_are_idle() {
    let world = world(MetricsLimits::default());
    world.good(&[("a", &[(10, 1.0)])]);
    let cut = world.head.cut().unwrap();
    world.clock.advance(IDLE_MS * 1_000_000 + 1_000_000);
    world.head.tidy();
    assert_eq!(world.head.stats().series, 1, "it has rows");
    world.head.forget(cut.id);
    let waiting = world.head.prepare(&push(&[("a", &[(11, 1.0)])]), SEGMENT);
    world.head.tidy();
    assert_eq!(world.head.stats().series, 1, "something waits");
    drop(waiting);
    world.head.tidy();
    assert_eq!((world.head.stats().series, world.instruments.memory_series.get()), (0, 0));
    assert_eq!(world.strings(&LeafQuery::LabelNames { sets: Vec::new(), limit: 0 }, TimeRange::ALL), Vec::<String>::new());
    world.good(&[("a", &[(5, 1.0)])]);
    assert_eq!(world.read(), rows(&[("a", &[(5, 1.0)])]));
}

#[test]
fn memory_is_accounted_and_given_back() {
    let world = world(unordered(3600));
    let empty = world.head.stats().bytes;
    let samples: Vec<(i64, f64)> = (0..1000).map(|n| (n * 1000, f64::from(u32::try_from(n).unwrap()).sqrt())).collect();
    world.good(&[("a", &samples), ("b", &samples)]);
    let full = world.head.stats().bytes;
    assert!(full > empty + 2 * 1000 * 7, "{full}");
    let fresh = world.head.stats().fresh_bytes;
    assert!((2 * 1000 * 7..full).contains(&fresh), "{fresh}");
    let cut = world.head.cut().unwrap();
    assert_eq!(world.head.stats().fresh_bytes, 0);
    world.head.forget(cut.id);
    assert!(world.head.stats().bytes < full / 3, "{}", world.head.stats().bytes);
    world.clock.advance(IDLE_MS * 1_000_000 + 1_000_000);
    world.head.tidy();
    assert!(world.head.stats().bytes <= empty + 64, "{}", world.head.stats().bytes);
}

#[test]
fn questions_for_names_values_and_series() {
    let world = world(MetricsLimits::default());
    world.good(&[("a", &[(1000, 1.0)]), ("b", &[(2000, 1.0)]), ("c", &[(3000, 1.0)])]);
    let set = |op, value: &str| vec![LabelMatcher::new("i", op, value)];
    let values = |sets, limit| LeafQuery::LabelValues { name: "i".to_owned(), sets, limit };
    assert_eq!(world.strings(&LeafQuery::LabelNames { sets: Vec::new(), limit: 0 }, TimeRange::ALL), ["__name__", "i"]);
    assert_eq!(world.strings(&values(Vec::new(), 0), TimeRange::ALL), ["a", "b", "c"]);
    assert_eq!(world.strings(&values(Vec::new(), 2), TimeRange::ALL), ["a", "b"]);
    assert_eq!(world.strings(&values(Vec::new(), 0), TimeRange::from_ms(1500, 2500)), ["a", "b", "c"]);
    assert_eq!(world.strings(&values(Vec::new(), 0), TimeRange::from_ms(3500, 4500)), Vec::<String>::new());
    let sets = vec![set(MatchOp::Equal, "c"), set(MatchOp::Regex, "a|z")];
    assert_eq!(world.strings(&values(sets, 0), TimeRange::ALL), ["a", "c"]);
    let batches = world.ask(&LeafQuery::Series { sets: vec![set(MatchOp::NotEqual, "a")], limit: 1 }, TimeRange::ALL);
    assert_eq!(batches, [LeafRows::Series(vec![Labels::from_pairs([("__name__", "m"), ("i", "b")])])]);
    let batches = world.ask(&LeafQuery::Chunks { matchers: set(MatchOp::Regex, "[bc]"), shard: None }, TimeRange::from_ms(3000, 3000));
    assert_eq!(batches.len(), 1);
}

#[test]
fn shards_are_disjoint_and_together_everything() {
    let world = world(MetricsLimits::default());
    let names: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let one: &[(i64, f64)] = &[(1000, 1.0)];
    let items: Vec<_> = names.iter().map(|name| (name.as_str(), one)).collect();
    world.good(&items);
    let mut found = Vec::new();
    for index in 0..4 {
        let asked = LeafQuery::Chunks { matchers: Vec::new(), shard: Some(SeriesShard { index, of: 4 }) };
        for batch in world.ask(&asked, TimeRange::ALL) {
            let LeafRows::Chunks(series) = batch else { panic!("{batch:?}") };
            assert!(series.len() < 20, "a shard has about a quarter");
            found.extend(series);
        }
    }
    assert_eq!(found.len(), 40);
    assert_eq!(rows_of(found), world.read());
}

#[test]
fn a_question_that_cannot_be_read_is_an_error() {
    let world = world(MetricsLimits::default());
    let broken = LeafQuery::Chunks { matchers: vec![LabelMatcher::new("i", MatchOp::Regex, "(")], shard: None }.encode();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for payload in [broken, Bytes::new(), Bytes::from_static(b"\xff")] {
        let query = ScanQuery { tenant: TenantId::anonymous(), range: TimeRange::ALL, payload, alone: false, drops: Arc::default() };
        let answers: Vec<_> = runtime.block_on(world.head.scan(&query).collect());
        assert_eq!(answers.len(), 1);
        assert!(matches!(&answers[0], Err(signal::ScanError::Signal(err)) if err.kind == ErrorKind::BadInput), "{answers:?}");
    }
}

#[test]
fn large_answers_come_in_batches() {
    let world = world(MetricsLimits::default());
    let mut state = 1u64;
    let mut samples = Vec::new();
    for t in 0..200_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        samples.push((t, f64::from_bits(state >> 2)));
    }
    world.good(&[("a", &samples)]);
    let batches = world.ask(&LeafQuery::Chunks { matchers: Vec::new(), shard: None }, TimeRange::ALL);
    assert!(batches.len() > 1);
    assert!(batches.iter().all(|batch| batch.encode().len() < 2 * crate::wire::BATCH_BYTES));
    assert_eq!(world.read(), rows(&[("a", &samples)]));
}

#[test]
fn a_scan_sees_one_moment() {
    let world = world(MetricsLimits::default());
    world.good(&[("a", &[(1, 1.0)])]);
    let query = ScanQuery {
        tenant: TenantId::anonymous(),
        range: TimeRange::ALL,
        payload: LeafQuery::Chunks { matchers: Vec::new(), shard: None }.encode(),
        alone: false,
        drops: Arc::default(),
    };
    let stream = world.head.scan(&query);
    let cut = world.head.cut().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut stream = runtime.block_on(async move { stream.peekable() });
    runtime.block_on(async { assert!(std::pin::Pin::new(&mut stream).peek().await.is_some()) });
    world.head.forget(cut.id);
    let batches: Vec<Bytes> = runtime.block_on(stream.try_collect()).unwrap();
    assert_eq!(batches.len(), 1);
}

#[test]
fn a_record_that_is_damaged_is_an_error_and_changes_nothing() {
    let source = world(MetricsLimits::default());
    let first = source.good(&[("a", &[(1, 1.0)])]);
    let second = source.good(&[("a", &[(2, 1.0)])]);
    let world = world(MetricsLimits::default());
    assert!(world.head.replay(&second, SEGMENT).is_err(), "the segment has not said what the series is");
    assert!(world.head.replay(&first[..first.len() - 1], SEGMENT).is_err());
    assert!(world.head.replay(&[], SEGMENT).is_err());
    assert_eq!(world.read(), rows(&[]));
    world.head.replay(&first, SEGMENT).unwrap();
    assert!(world.head.replay(&second, SegmentId(2)).is_err(), "numbers mean nothing in another segment");
    world.head.replay(&second, SEGMENT).unwrap_err();
    world.head.replay(&first, SEGMENT).unwrap();
    world.head.replay(&second, SEGMENT).unwrap();
    assert_eq!(world.read(), source.read());
}

#[test]
fn a_head_that_goes_gives_back_its_figures() {
    let World { head, instruments, .. } = world(MetricsLimits::default());
    head.commit(head.prepare(&push(&[("a", &[(1, 1.0)])]), SEGMENT).pending);
    assert_eq!((instruments.memory_users.get(), instruments.memory_series.get()), (1, 1));
    drop(head);
    assert_eq!((instruments.memory_users.get(), instruments.memory_series.get()), (0, 0));
}

/// What a head keeps on the disk becomes the blocks that it would become in memory, one for each window, and they stay on the disk too.
#[test]
fn a_cut_is_written_as_it_lies() {
    let world = world(unordered(3600));
    let names: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let samples: Vec<(i64, f64)> = (0..20).map(|n| (n * 900_000, 0.5)).collect();
    for name in names.iter().rev() {
        world.good(&[(name, &samples)]);
    }
    let cut = world.head.cut().unwrap();
    let options = signal::WriteOptions { tenant: TenantId::anonymous(), window_ns: 7_200_000_000_000 };
    let write = |cut: &Cut| signal::BlockFormat::write(&crate::block::MetricsBlocks, cut, &options).unwrap();
    let on_disk = write(&cut);
    let rows = cut.data.downcast_ref::<CutData>().unwrap().series().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(rows.len(), names.len());
    let in_memory = write(&Cut { data: Arc::new(CutData::new(rows, Vec::new())), ..cut.clone() });
    assert_eq!(on_disk.len(), 3);
    for (one, other) in on_disk.iter().zip(&in_memory) {
        assert!(matches!(one.data, Contents::File(..)) && matches!(other.data, Contents::Memory(_)));
        assert_eq!(one.data.to_bytes().unwrap(), other.data.to_bytes().unwrap());
        assert_eq!((&one.index, &one.facts.range), (&other.index, &other.facts.range));
    }
    // What is forgotten must be in blocks: it cannot be written again.
    world.head.forget(cut.id);
    assert!(signal::BlockFormat::write(&crate::block::MetricsBlocks, &cut, &options).is_err());
}

/// Record by record, a head that reads the log again is as large as the one that wrote it was then: full chunks go to the file at once.
#[test]
fn a_log_that_is_read_again_takes_no_more_memory() {
    let (source, again) = (world(unordered(3600)), world(unordered(3600)));
    let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for t in 0..1000 {
        let sample = [(t * 15_000, f64::from(i32::try_from(t).unwrap()).sqrt())];
        let items: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), &sample[..])).collect();
        again.head.replay(&source.good(&items), SEGMENT).unwrap();
        let [wrote, read] = [&source, &again].map(|world| world.head.stats());
        assert!(read.bytes <= wrote.bytes, "{} bytes, {} when it was written", read.bytes, wrote.bytes);
        assert_eq!((read.rows, read.fresh_bytes), (wrote.rows, wrote.fresh_bytes));
    }
    let full = again.head.stats();
    assert!(full.fresh_bytes > 5 * 50 * 1000 && full.bytes < full.fresh_bytes / 2, "{full:?}");
    assert_eq!(again.read(), source.read());
}

/// A head holds one for each active series: whoever adds a field weighs it.
#[test]
fn a_series_is_small() {
    assert!(size_of::<series::Series>() <= 136, "{} bytes", size_of::<series::Series>());
}
