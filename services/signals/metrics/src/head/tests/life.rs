//! Properties of whole lives of a head.

use proptest::prelude::*;
use signal::{BlockFormat, WriteOptions};
use storage::block::{BlockId, BlockReader, InMemory, Ranged};

use super::*;
use crate::block::MetricsBlocks;

/// Bits of values by series and time.
type Model = BTreeMap<(String, i64), u64>;

/// Values below are floats, those from there on histograms.
const FLOATS: u8 = 3;
const VALUES: u8 = 5;

/// One step of a life.
#[derive(Clone, Debug)]
enum Step {
    Prepare(Vec<(u8, Vec<(i64, u8)>)>),
    /// Commits one of those that wait.
    Commit(prop::sample::Index),
    /// Drops one of those that wait, as when its record could not be written.
    Drop(prop::sample::Index),
    /// Commits all, then cuts.
    Cut,
    /// Forgets one of the cuts.
    Forget(prop::sample::Index),
    NextSegment,
    Tidy,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let samples = prop::collection::vec((0i64..400, 0u8..VALUES), 1..6);
    let push = prop::collection::vec((0u8..4, samples), 1..4);
    let step = prop_oneof![
        6 => push.prop_map(Step::Prepare),
        5 => any::<prop::sample::Index>().prop_map(Step::Commit),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => Just(Step::Cut),
        1 => any::<prop::sample::Index>().prop_map(Step::Forget),
        1 => Just(Step::NextSegment),
        1 => Just(Step::Tidy),
    ];
    prop::collection::vec(step, 0..60)
}

fn to_push(items: &[(u8, Vec<(i64, u8)>)]) -> Push {
    let items = items.iter().map(|(series, samples)| {
        let (floats, histograms): (Vec<_>, Vec<_>) = samples.iter().partition(|(_, v)| *v < FLOATS);
        let floats: Vec<(i64, f64)> = floats.iter().map(|(t, v)| (*t, f64::from(*v))).collect();
        let histograms: Vec<_> = histograms.iter().map(|(t, v)| histogram(*t, *v)).collect();
        with_histograms(item(&series.to_string(), &floats), &histograms)
    });
    Push { format: FORMAT, items: items.collect() }
}

/// What a record holds, series by number; `known` is what the numbers of the segment mean.
fn in_record(record: &[u8], known: &mut BTreeMap<u32, String>) -> Rows {
    let mut rows = Rows::new();
    if record.is_empty() {
        return rows;
    }
    for entry in record::RecordReader::new(record).unwrap() {
        let record::Entry::Series(entry) = entry.unwrap() else { panic!("no metadata was pushed") };
        if let Some(labels) = &entry.labels {
            known.insert(entry.number, labels.get("i").unwrap().to_owned());
        }
        let name = known[&entry.number].clone();
        let rows = rows.entry(name).or_default();
        rows.extend(entry.samples.iter().map(|sample| (sample.t, sample.v.to_bits())));
        rows.extend(entry.histograms.iter().map(code));
    }
    rows
}

/// Lets a head live, against a model that is a map of everything committed and not forgotten; then replays its log.
fn live(steps: Vec<Step>, window: u64) -> Result<(), TestCaseError> {
    let world = world(unordered(window));
    let mut segment = SegmentId(1);
    // Records by the number of cuts before them.
    let mut log: Vec<(Bytes, SegmentId, usize)> = Vec::new();
    let mut cut_count = 0;
    let mut known: BTreeMap<SegmentId, BTreeMap<u32, String>> = BTreeMap::new();
    let mut waiting: Vec<(Pending, Rows)> = Vec::new();
    let mut fresh: Model = BTreeMap::new();
    let mut cuts: Vec<(CutId, Model)> = Vec::new();
    let mut forgotten = false;
    let commit =
        |fresh: &mut Model, cuts: &[(CutId, Model)], forgotten: bool, (pending, rows): (Pending, Rows)| -> Result<(), TestCaseError> {
            let mut stored = 0;
            for (name, samples) in rows {
                for (t, bits) in samples {
                    let key = (name.clone(), t);
                    let there = fresh.get(&key).or_else(|| cuts.iter().find_map(|(_, cut)| cut.get(&key))).copied();
                    match there {
                        Some(known) => prop_assert_eq!(known, bits, "a conflict was found in time"),
                        None => {
                            fresh.insert(key, bits);
                            stored += 1;
                        }
                    }
                }
            }
            let appended = world.head.commit(pending);
            // A sample that was forgotten may come again and is told from a new one only when it is the newest.
            if forgotten {
                prop_assert!(appended.rows <= stored);
            } else {
                prop_assert_eq!(appended.rows, stored);
            }
            Ok(())
        };
    for step in steps {
        match step {
            Step::Prepare(items) => {
                let prepared = world.head.prepare(&to_push(&items), segment);
                let rows = in_record(&prepared.record, known.entry(segment).or_default());
                if !prepared.record.is_empty() {
                    log.push((prepared.record, segment, cut_count));
                }
                waiting.push((prepared.pending, rows));
            }
            Step::Commit(which) if !waiting.is_empty() => {
                let one = waiting.swap_remove(which.index(waiting.len()));
                commit(&mut fresh, &cuts, forgotten, one)?;
            }
            Step::Drop(which) if !waiting.is_empty() => drop(waiting.swap_remove(which.index(waiting.len()))),
            Step::Cut => {
                for one in waiting.drain(..) {
                    commit(&mut fresh, &cuts, forgotten, one)?;
                }
                let cut = world.head.cut();
                prop_assert_eq!(cut.is_some(), !fresh.is_empty());
                if let Some(cut) = cut {
                    prop_assert_eq!(cut_rows(&cut), by_series(&fresh));
                    prop_assert_eq!(cut.rows, fresh.len() as u64);
                    cuts.push((cut.id, std::mem::take(&mut fresh)));
                    cut_count += 1;
                }
            }
            Step::Forget(which) if !cuts.is_empty() => {
                let (id, _) = cuts.remove(which.index(cuts.len()));
                world.head.forget(id);
                forgotten = true;
            }
            Step::NextSegment => segment = SegmentId(segment.0 + 1),
            Step::Tidy => world.head.tidy(),
            Step::Commit(_) | Step::Drop(_) | Step::Forget(_) => {}
        }
        let mut all = fresh.clone();
        all.extend(cuts.iter().flat_map(|(_, cut)| cut.clone()));
        prop_assert_eq!(world.read(), by_series(&all));
        let stats = world.head.stats();
        prop_assert_eq!(stats.rows, fresh.len() as u64);
        prop_assert_eq!(stats.cut_rows, cuts.iter().map(|(_, cut)| cut.len() as u64).sum::<u64>());
    }
    replay_again(&world, log, waiting.is_empty() && !forgotten)
}

fn by_series(all: &Model) -> Rows {
    let mut rows = Rows::new();
    for ((name, t), bits) in all {
        rows.entry(name.clone()).or_default().push((*t, *bits));
    }
    rows
}

/// Everything that a head shows comes back from its log; nothing else does, if every push was committed.
fn replay_again(old: &World, log: Vec<(Bytes, SegmentId, usize)>, complete: bool) -> Result<(), TestCaseError> {
    let replay = |head: &MetricsHead, wanted: &dyn Fn(usize) -> bool| -> Result<(), TestCaseError> {
        for (record, segment, _) in log.iter().filter(|(_, _, cut)| wanted(*cut)) {
            head.replay(record, *segment).map_err(|err| TestCaseError::fail(err.to_string()))?;
        }
        Ok(())
    };
    // A restart leaves out the records of any cuts that are in blocks.
    let cuts = log.last().map_or(0, |(_, _, cut)| *cut);
    for some in 0..=cuts {
        replay(&world(unordered(0)).head, &|cut| cut == some)?;
        replay(&world(unordered(0)).head, &|cut| cut % 2 == some % 2)?;
    }
    let world = world(unordered(0));
    replay(&world.head, &|_| true)?;
    let (before, after) = (old.read(), world.read());
    for (name, samples) in &before {
        let back: BTreeMap<i64, u64> = after[name].iter().copied().collect();
        for (t, _) in samples {
            prop_assert!(back.contains_key(t), "{} at {}", name, t);
        }
    }
    if complete {
        // Twice is once: a segment may be replayed whose rows are in a block already.
        replay(&world.head, &|_| true)?;
        prop_assert_eq!(world.read(), after);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_life_with_a_wide_window(steps in steps()) {
        live(steps, 1000)?;
    }

    #[test]
    fn a_life_without_a_window(steps in steps()) {
        live(steps, 0)?;
    }

    /// Several pushes wait at once; whichever is committed first, the head ends the same.
    #[test]
    fn the_order_of_commits_does_not_matter(
        pushes in prop::collection::vec(prop::collection::vec((0u8..3, prop::collection::vec((0i64..50, 0u8..VALUES), 1..5)), 1..4), 1..6),
        order in prop::collection::vec(any::<prop::sample::Index>(), 6),
        window in 0u64..2,
    ) {
        let worlds = [world(unordered(window)), world(unordered(window))];
        let mut records: Vec<Vec<Bytes>> = Vec::new();
        for (index, world) in worlds.iter().enumerate() {
            let mut waiting = Vec::new();
            let mut written = Vec::new();
            for push in &pushes {
                let prepared = world.head.prepare(&to_push(push), SEGMENT);
                written.push(prepared.record);
                waiting.push(prepared.pending);
            }
            for which in &order {
                if waiting.is_empty() {
                    break;
                }
                let at = if index == 0 { 0 } else { which.index(waiting.len()) };
                world.head.commit(waiting.remove(at));
            }
            records.push(written);
        }
        prop_assert_eq!(&records[0], &records[1]);
        prop_assert_eq!(worlds[0].read(), worlds[1].read());
        let again = world(unordered(0));
        for record in records[0].iter().filter(|record| !record.is_empty()) {
            again.head.replay(record, SEGMENT).unwrap();
        }
        prop_assert_eq!(again.read(), worlds[0].read());
    }

    #[test]
    fn a_range_is_answered_with_all_that_lies_in_it(
        samples in prop::collection::btree_map(0i64..2000, any::<u64>(), 1..400),
        start in 0i64..2000,
        len in 0i64..500,
    ) {
        let world = world(unordered(3600));
        let mut samples: Vec<(i64, f64)> = samples.into_iter().map(|(t, bits)| (t, f64::from_bits(bits))).collect();
        // Every third comes late.
        let late: Vec<(i64, f64)> = samples.iter().copied().step_by(3).collect();
        let early: Vec<(i64, f64)> = samples.iter().copied().filter(|sample| !late.iter().any(|late| late.0 == sample.0)).collect();
        for part in [&early, &late] {
            if !part.is_empty() {
                world.good(&[("a", part)]);
            }
        }
        samples.retain(|(t, _)| (start..=start + len).contains(t));
        let got = world.read_within(TimeRange::from_ms(start, start + len)).remove("a").unwrap_or_default();
        let got: Vec<_> = got.into_iter().filter(|(t, _)| (start..=start + len).contains(t)).collect();
        prop_assert_eq!(got, samples.iter().map(|(t, v)| (*t, v.to_bits())).collect::<Vec<_>>());
    }

    /// The joint to blocks: what a head shows and what the blocks of its cut show is the same, late samples and all.
    #[test]
    fn a_cut_becomes_blocks_with_the_same_rows(
        pushes in prop::collection::vec(prop::collection::vec((0u8..4, prop::collection::vec((0i64..400, 0u8..VALUES), 1..30)), 1..4), 1..8),
        window_ms in 50i64..500,
    ) {
        let world = world(unordered(1000));
        for push in &pushes {
            world.head.commit(world.head.prepare(&to_push(push), SEGMENT).pending);
        }
        let before = world.read();
        let cut = world.head.cut().unwrap();
        let options = WriteOptions { tenant: TenantId::anonymous(), window_ns: window_ms * 1_000_000 };
        let blocks = MetricsBlocks.write(&cut, &options).unwrap();
        prop_assert_eq!(blocks.iter().map(|block| block.facts.rows).sum::<u64>(), cut.rows);
        let range = blocks.iter().map(|block| block.facts.range).reduce(|one, other| one.union(&other)).unwrap();
        prop_assert_eq!(range, cut.range);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut series = Vec::new();
        for block in blocks {
            let reader = BlockReader {
                id: BlockId(ulid::Ulid::nil()),
                facts: block.facts,
                data: Arc::new(InMemory(block.data.to_bytes().unwrap())),
                index: block.index.map(|bytes| Arc::new(InMemory(bytes)) as Arc<dyn Ranged>),
            };
            let payload = LeafQuery::Chunks { matchers: Vec::new(), shard: None }.encode();
            let query = ScanQuery { tenant: TenantId::anonymous(), range: TimeRange::ALL, payload, alone: false, drops: Arc::default() };
            for batch in runtime.block_on(MetricsBlocks.scan(reader, &query, &Arc::default()).try_collect::<Vec<_>>()).unwrap() {
                match LeafRows::decode(&batch).unwrap() {
                    LeafRows::Chunks(chunks) => series.extend(chunks),
                    other => panic!("{other:?}"),
                }
            }
        }
        prop_assert_eq!(rows_of(series), before);
    }

    #[test]
    fn garbage_is_refused_but_never_a_panic(
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        format in 0u8..3,
        record in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let world = world(MetricsLimits::default());
        let items: Vec<_> = items.into_iter().map(|bytes| PushItem { key: 0, bytes: bytes.into() }).collect();
        let prepared = world.head.prepare(&Push { format, items }, SEGMENT);
        world.head.commit(prepared.pending);
        let _ = world.head.replay(&record, SEGMENT);
        world.read();
    }
}

/// What is acknowledged is in every answer that is asked for afterwards, whatever commits, cuts and forgets beside it.
#[test]
fn acknowledged_samples_are_in_every_answer() {
    use std::sync::atomic::{AtomicI64, Ordering};

    const SERIES: usize = 3;
    const SAMPLES: i64 = 400;
    let world = world(unordered(3600));
    let log = Mutex::new(()); // the ingester's: one push is prepared at a time
    let acknowledged: [AtomicI64; SERIES] = Default::default();
    let forgotten = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for (series, done) in acknowledged.iter().enumerate() {
            let (world, log) = (&world, &log);
            scope.spawn(move || {
                let name = series.to_string();
                for t in 1..=SAMPLES {
                    let prepared = {
                        let _one = log.lock();
                        world.head.prepare(&push(&[(name.as_str(), &[(t, 1.0)])]), SEGMENT)
                    };
                    assert_eq!(world.head.commit(prepared.pending).rows, 1);
                    done.store(t, Ordering::SeqCst);
                }
            });
        }
        let reader = || {
            while acknowledged.iter().any(|done| done.load(Ordering::SeqCst) < SAMPLES) {
                let before: Vec<i64> = acknowledged.iter().map(|done| done.load(Ordering::SeqCst)).collect();
                let rows = world.read();
                let gone = forgotten.load(Ordering::SeqCst);
                for (series, last) in before.into_iter().enumerate() {
                    let times: Vec<i64> = rows.get(&series.to_string()).into_iter().flatten().map(|(t, _)| *t).collect();
                    assert!(times.is_sorted());
                    for t in gone + 1..=last {
                        assert!(times.binary_search(&t).is_ok(), "series {series} at {t}, {last} were acknowledged and {gone} forgotten");
                    }
                }
            }
        };
        scope.spawn(reader);
        // Cuts as the ingester makes them: nothing is prepared meanwhile, everything prepared is committed.
        for _ in 0..20 {
            let cut = {
                let _none = log.lock();
                world.head.cut()
            };
            if let Some(cut) = cut {
                forgotten.fetch_max(cut.range.end / 1_000_000, Ordering::SeqCst);
                world.head.forget(cut.id);
            }
            std::thread::yield_now();
        }
    });
    assert_eq!(world.head.stats().rows + world.head.stats().cut_rows, world.read().values().map(Vec::len).sum::<usize>() as u64);
}
