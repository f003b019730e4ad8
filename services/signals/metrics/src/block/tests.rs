use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use proptest::prelude::*;
use runtime::{Classify, ErrorKind};
use signal::{CutId, ScanError, TimeRange};
use storage::block::{BlockId, InMemory, Ranged};
use storage::error::StoreError;
use syntax::{LabelMatcher, MatchOp};
use tenancy::TenantId;

use super::cut::SeriesRows;
use super::windows::Form;
use super::*;
use crate::chunk::tests::runs;
use crate::chunk::{Chunk, encode_run, pack_run};
use crate::merge::{SeriesSamples, merge_replicas};
use crate::model::{Labels, Sample, shard_key};
use crate::wire::{LeafQuery, LeafRows, SeriesChunks, SeriesShard};

mod account;
mod golden;
mod kinds;

const HOUR_NS: i64 = 3_600_000_000_000;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn cut(data: CutData) -> Cut {
    Cut { id: CutId(1), range: TimeRange::ALL, rows: 0, data: Arc::new(data) }
}

fn write(series: Vec<SeriesChunks>, window_ns: i64) -> Vec<NewBlock> {
    let rows = |SeriesChunks { labels, chunks }| SeriesRows { labels, chunks, exemplars: Vec::new() };
    write_cut(CutData::new(series.into_iter().map(rows).collect(), Vec::new()), window_ns)
}

fn write_cut(data: CutData, window_ns: i64) -> Vec<NewBlock> {
    MetricsBlocks.write(&cut(data), &WriteOptions { tenant: TenantId::anonymous(), window_ns }).unwrap()
}

fn reader(block: &NewBlock) -> BlockReader {
    let index = block.index.clone().map(|bytes| Arc::new(InMemory(bytes)) as Arc<dyn Ranged>);
    BlockReader { id: BlockId(ulid::Ulid::nil()), facts: block.facts.clone(), data: Arc::new(InMemory(data(block))), index }
}

/// `data.parquet` of a block.
fn data(block: &NewBlock) -> Bytes {
    block.data.to_bytes().unwrap()
}

fn merged(blocks: &[&NewBlock], window_ns: i64, target_bytes: u64) -> Vec<NewBlock> {
    let options = MergeOptions { tenant: TenantId::anonymous(), window_ns, target_bytes, shards: 1 };
    block_on(MetricsBlocks.merge(blocks.iter().map(|block| MergeInput { block: reader(block), drops: Vec::new() }).collect(), options))
        .unwrap()
}

fn ask(block: BlockReader, query: &LeafQuery, range: TimeRange) -> Result<Vec<LeafRows>, ScanError> {
    let query = ScanQuery { tenant: TenantId::anonymous(), range, payload: query.encode(), alone: false, drops: Arc::default() };
    let batches: Vec<Bytes> = block_on(MetricsBlocks.scan(block, &query, &Arc::default()).try_collect())?;
    Ok(batches.iter().map(|batch| LeafRows::decode(batch).unwrap()).collect())
}

fn chunks(block: BlockReader, matchers: Vec<LabelMatcher>, range: TimeRange) -> Result<Vec<SeriesChunks>, ScanError> {
    let rows = ask(block, &LeafQuery::Chunks { matchers, shard: None }, range)?;
    Ok(rows
        .into_iter()
        .flat_map(|rows| match rows {
            LeafRows::Chunks(series) => series,
            other => panic!("{other:?} is no answer to a question for chunks"),
        })
        .collect())
}

/// All samples of blocks.
fn samples(blocks: &[NewBlock]) -> Vec<SeriesSamples> {
    let rows = blocks.iter().flat_map(|block| chunks(reader(block), vec![], TimeRange::ALL).unwrap());
    merge_replicas(rows, i64::MIN, i64::MAX).unwrap()
}

fn series(name: &str, samples: &[Sample]) -> SeriesChunks {
    SeriesChunks {
        labels: Labels::from_pairs([("__name__", name), ("job", "api"), ("n", &name[..1])]),
        chunks: encode_run(samples).collect(),
    }
}

fn steady(start: i64, count: i64) -> Vec<Sample> {
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    (0..count).map(|n| Sample { t: start + n * 15_000, v: n as f64 }).collect()
}

/// Samples within a day or two: every window becomes a block.
fn day_runs() -> impl Strategy<Value = Vec<Sample>> {
    let step = prop_oneof![8 => Just(15_000i64), 3 => 1i64..60_000, 1 => 1i64..20_000_000];
    let value = prop_oneof![Just(crate::model::STALE_BITS), any::<u64>(), (0u32..100).prop_map(|n| f64::from(n).to_bits())];
    (-50_000_000i64..50_000_000, prop::collection::vec((step, value), 0..400)).prop_map(|(mut t, steps)| {
        steps
            .into_iter()
            .map(|(step, bits)| {
                t += step;
                Sample { t, v: f64::from_bits(bits) }
            })
            .collect()
    })
}

/// Series whose names may come twice, so that their chunks overlap.
fn cuts() -> impl Strategy<Value = Vec<SeriesChunks>> {
    prop::collection::vec(("[a-d]{1,2}", day_runs()), 0..12)
        .prop_map(|all| all.into_iter().map(|(name, samples)| series(&name, &samples)).filter(|series| !series.chunks.is_empty()).collect())
}

fn check_facts(block: &NewBlock, window_ns: i64) {
    let rows = chunks(reader(block), vec![], TimeRange::ALL).unwrap();
    let all = || rows.iter().flat_map(|series| &series.chunks);
    let (min_t, max_t) = (all().map(|chunk| chunk.min_t).min().unwrap(), all().map(|chunk| chunk.max_t).max().unwrap());
    let keys = || rows.iter().map(|series| shard_key("anonymous", series.labels.hash()));
    assert_eq!(block.facts.range, TimeRange::from_ms(min_t, max_t));
    assert_eq!(block.facts.range.start.div_euclid(window_ns), block.facts.range.end.div_euclid(window_ns), "crosses a window");
    assert_eq!(block.facts.rows, all().map(|chunk| u64::from(chunk.count)).sum::<u64>());
    assert_eq!(block.facts.series, rows.len() as u64);
    assert_eq!(block.facts.hash_range, (keys().min().unwrap(), keys().max().unwrap()));
    assert!(rows.windows(2).all(|pair| pair[0].labels < pair[1].labels), "sorted, each series once");
    assert!(rows.iter().all(|series| series.chunks.windows(2).all(|pair| pair[0].max_t < pair[1].min_t)), "no overlaps");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_written_is_read(cut in cuts(), hours in 1i64..30) {
        let blocks = write(cut.clone(), hours * HOUR_NS);
        prop_assert_eq!(samples(&blocks), merge_replicas(cut, i64::MIN, i64::MAX).unwrap());
        blocks.iter().for_each(|block| check_facts(block, hours * HOUR_NS));
    }

    #[test]
    fn shards_are_disjoint_and_together_everything(cut in cuts(), of in 1u32..5) {
        let blocks = write(cut, 30 * HOUR_NS);
        for block in &blocks {
            let mut found = Vec::new();
            for index in 0..of {
                let shard = Some(SeriesShard { index, of });
                for rows in ask(reader(block), &LeafQuery::Chunks { matchers: vec![], shard }, TimeRange::ALL).unwrap() {
                    let LeafRows::Chunks(series) = rows else { panic!("{rows:?} is no answer to a question for chunks") };
                    prop_assert!(series.iter().all(|one| shard_key("anonymous", one.labels.hash()) % of == index));
                    found.extend(series);
                }
            }
            found.sort_by(|one, other| one.labels.cmp(&other.labels));
            prop_assert_eq!(found, chunks(reader(block), vec![], TimeRange::ALL).unwrap());
        }
    }

    #[test]
    fn a_range_gives_its_samples(cut in cuts(), start in -60_000_000i64..60_000_000, len in 0i64..30_000_000) {
        let blocks = write(cut.clone(), 2 * HOUR_NS);
        let range = TimeRange::from_ms(start, start + len);
        let rows: Vec<_> = blocks.iter().flat_map(|block| chunks(reader(block), vec![], range).unwrap()).collect();
        prop_assert!(rows.iter().all(|series| series.chunks.iter().all(|chunk| chunk.overlaps(start, start + len))));
        prop_assert_eq!(merge_replicas(rows, start, start + len).unwrap(), merge_replicas(cut, start, start + len).unwrap());
    }

    #[test]
    fn a_merge_is_the_union(cuts in prop::collection::vec(cuts(), 1..4), target in prop_oneof![Just(1u64), Just(100_000), Just(u64::MAX)]) {
        let union = merge_replicas(cuts.iter().flatten().cloned(), i64::MIN, i64::MAX).unwrap();
        let blocks: Vec<NewBlock> = cuts.into_iter().flat_map(|cut| write(cut, 2 * HOUR_NS)).collect();
        let one = merged(&blocks.iter().collect::<Vec<_>>(), 24 * HOUR_NS, target);
        prop_assert_eq!(&samples(&one), &union);
        one.iter().for_each(|block| check_facts(block, 24 * HOUR_NS));
        let other = merged(&blocks.iter().rev().collect::<Vec<_>>(), 24 * HOUR_NS, target);
        prop_assert_eq!(other.iter().map(data).collect::<Vec<_>>(), one.iter().map(data).collect::<Vec<_>>());
        // A second merge finds nothing more to do.
        prop_assert_eq!(samples(&merged(&one.iter().collect::<Vec<_>>(), 24 * HOUR_NS, u64::MAX)), union);
    }

    #[test]
    fn any_one_of_three_replicas_may_vanish(
        cut in cuts(),
        lost in prop::collection::vec(0usize..4, 1..60),
        gone in 0usize..3,
    ) {
        let whole = merge_replicas(cut, i64::MIN, i64::MAX).unwrap();
        // Each sample is missing in at most one replica; the one that vanishes is another.
        let replica = |replica: usize| -> Vec<SeriesChunks> {
            let kept = |at: usize| lost[at % lost.len()] != replica || replica == (gone + 1) % 3;
            let row = |all: &SeriesSamples| {
                let samples: Vec<Sample> = all.samples.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, sample)| *sample).collect();
                SeriesChunks { labels: all.labels.clone(), chunks: encode_run(&samples).collect() }
            };
            whole.iter().map(row).collect()
        };
        let blocks: Vec<NewBlock> = (0..3).filter(|index| *index != gone).flat_map(|index| write(replica(index), 2 * HOUR_NS)).collect();
        let merged = merged(&blocks.iter().collect::<Vec<_>>(), 2 * HOUR_NS, u64::MAX);
        prop_assert_eq!(samples(&merged), whole);
    }

    /// Wherever a file is damaged: an error, or the right answer where the damage was not touched.
    #[test]
    fn damage_is_an_error(cut in cuts(), in_index in any::<bool>(), at in any::<prop::sample::Index>(), bits in 1u8.., short in any::<bool>()) {
        let blocks = write(cut, 24 * HOUR_NS);
        let Some(block) = blocks.first() else { return Ok(()) };
        let mut bad = block.clone();
        let mut bytes = if in_index { bad.index.take().unwrap() } else { data(&bad) }.to_vec();
        let at = at.index(bytes.len());
        if short { bytes.truncate(at) } else { bytes[at] ^= bits }
        if in_index { bad.index = Some(bytes.into()) } else { bad.data = bytes.into(); bad.index.clone_from(&block.index) }
        match chunks(reader(&bad), vec![], TimeRange::ALL) {
            Ok(rows) => prop_assert_eq!(rows, chunks(reader(block), vec![], TimeRange::ALL).unwrap()),
            Err(err) => prop_assert_eq!(err.kind(), ErrorKind::Internal, "{}", err),
        }
    }

    #[test]
    fn garbage_is_an_error(data in prop::collection::vec(any::<u8>(), 0..200), index in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut block = write(vec![series("a", &steady(0, 3))], HOUR_NS).remove(0);
        (block.data, block.index) = (data.into(), Some(index.into()));
        prop_assert!(chunks(reader(&block), vec![], TimeRange::ALL).is_err());
    }

    /// Bytes whose checksum fits are checked no less.
    #[test]
    fn a_garbled_page_never_panics(at in any::<prop::sample::Index>(), bits in 1u8.., tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let block = write(vec![series("a", &steady(0, 200))], 24 * HOUR_NS).remove(0);
        let (pages, _) = skip::find_pages(&block.data).unwrap();
        let start = usize::try_from(pages[0].start).unwrap();
        let mut page = data(&block)[start..start + pages[0].len as usize].to_vec();
        // The header is short: damage it more often than the rest.
        let at = at.index(2 * page.len()) % 24;
        page[at] ^= bits;
        let mut decompressor = zstd::bulk::Decompressor::new().unwrap();
        let _ = page::decode(&page, crc32fast::hash(&page), &mut decompressor);
        let _ = page::decode(&tail, crc32fast::hash(&tail), &mut decompressor);
        let _ = skip::decode_series(&tail);
        if let Ok((_, Some(metadata))) = skip::decode_attachment(&tail.into(), 1000) {
            let _ = metadata.read();
        }
    }

    #[test]
    fn wild_times_split_as_well(
        samples in runs(),
        window in prop_oneof![Just(1i64), Just(HOUR_NS), Just(i64::MAX)],
        form in prop_oneof![Just(Form::Cut), Just(Form::Packed)],
    ) {
        let windows = windows::Windows::new(window);
        let arranged = windows::arrange(encode_run(&samples).collect(), windows, form).unwrap();
        prop_assert!(arranged.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut back = Vec::new();
        for (window, chunks) in arranged {
            for chunk in chunks {
                prop_assert_eq!((windows.of(chunk.min_t), windows.of(chunk.max_t)), (window, window));
                chunk.decode_into(&mut back).unwrap();
            }
        }
        prop_assert_eq!(back, samples);
    }
}

#[test]
fn lists_come_from_the_index() {
    let block =
        write(vec![series("up", &steady(0, 10)), series("down", &steady(0, 10)), series("late", &steady(600_000, 10))], HOUR_NS).remove(0);
    // The rows are gone: nobody looks at them.
    let blind = || BlockReader { data: Arc::new(Counted::new(&data(&block), Some(0))), ..reader(&block) };
    let ask = |query: LeafQuery| ask(blind(), &query, TimeRange::from_ms(0, 300_000)).unwrap();
    let strings = |texts: &[&str]| vec![LeafRows::Strings(texts.iter().map(|text| (*text).to_owned()).collect())];
    let up = || vec![LabelMatcher::new("__name__", MatchOp::Equal, "up")];
    let name = || "n".to_owned();
    assert_eq!(ask(LeafQuery::LabelNames { sets: vec![], limit: 0 }), strings(&["__name__", "job", "n"]));
    assert_eq!(ask(LeafQuery::LabelNames { sets: vec![up()], limit: 2 }), strings(&["__name__", "job"]));
    assert_eq!(ask(LeafQuery::LabelValues { name: name(), sets: vec![], limit: 0 }), strings(&["d", "l", "u"]));
    assert_eq!(ask(LeafQuery::LabelValues { name: name(), sets: vec![up()], limit: 0 }), strings(&["u"]));
    assert_eq!(ask(LeafQuery::LabelValues { name: name(), sets: vec![up(), vec![]], limit: 2 }), strings(&["d", "l"]));
    let labels = |names: &[&str]| vec![LeafRows::Series(names.iter().map(|name| series(name, &[]).labels).collect())];
    assert_eq!(ask(LeafQuery::Series { sets: vec![up()], limit: 0 }), labels(&["up"]));
    // `late` begins after the range.
    assert_eq!(ask(LeafQuery::Series { sets: vec![], limit: 0 }), labels(&["down", "up"]));
    assert_eq!(ask(LeafQuery::Series { sets: vec![], limit: 1 }), labels(&["down"]));
}

#[test]
fn only_the_pages_of_the_wanted_series_are_read() {
    let all = (0..4000).map(|n| {
        // Values that do not compress: pages are as large as they get.
        let samples: Vec<_> = steady(0, 120)
            .iter()
            .map(|s| Sample { t: s.t, v: f64::from_bits((s.v.to_bits() ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15)) })
            .collect();
        series(&format!("m{n:04}"), &samples)
    });
    let block = write(all.collect(), HOUR_NS).remove(0);
    let count = |pattern: &str| {
        let data = Arc::new(Counted::new(&data(&block), None));
        let rows = chunks(
            BlockReader { data: Arc::clone(&data) as _, ..reader(&block) },
            vec![LabelMatcher::new("__name__", MatchOp::Regex, pattern)],
            TimeRange::ALL,
        );
        (rows.unwrap().len(), data.reads())
    };
    let (series, reads) = count("m2000");
    assert_eq!((series, reads.len()), (1, 1));
    assert!(reads[0] < 4 * schema::PAGE_BYTES as u64, "{reads:?}");
    let (series, reads) = count("m0000|m3999");
    assert_eq!((series, reads.len()), (2, 2));
    let (series, reads) = count(".*");
    assert_eq!(series, 4000);
    assert!(reads.len() <= 3 && reads.iter().sum::<u64>() < block.data.len(), "{reads:?}");
}

#[test]
fn the_footer_is_found_and_opens() {
    let block = write(vec![series("a", &steady(0, 500))], 24 * HOUR_NS).remove(0);
    let tail = block.data.len() - u64::from(block.facts.footer_len);
    let footer = block.data.read(tail..block.data.len()).unwrap();
    let mut reader =
        parquet::file::metadata::ParquetMetaDataReader::new().with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required);
    reader.try_parse_sized(&footer, block.data.len()).unwrap();
    assert!(reader.finish().unwrap().page_index().is_some());
}

#[test]
fn rows_read_as_columns() {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type};
    let block = write(vec![series("up", &steady(0, 130)), series("down", &steady(0, 2))], HOUR_NS).remove(0);
    let mut batches = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(data(&block)).unwrap().build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("series").as_primitive::<UInt32Type>().values(), &[0, 1, 1]);
    assert_eq!(column("metric").as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["down", "up", "up"]);
    let labels = column("labels").as_map().value(0);
    let pairs = |at: usize| labels.column(at).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!((pairs(0), pairs(1)), (vec!["job", "n"], vec!["api", "d"]));
    assert_eq!(column("min_time").as_primitive::<TimestampMillisecondType>().values(), &[0, 0, 1_800_000]);
    assert_eq!(column("max_time").as_primitive::<TimestampMillisecondType>().values(), &[15_000, 1_785_000, 1_935_000]);
    assert_eq!(column("samples").as_primitive::<UInt16Type>().values(), &[2, 120, 10]);
    assert_eq!(column("encoding").as_primitive::<UInt8Type>().values(), &[1, 1, 1]);
    let chunk =
        Chunk { bytes: Bytes::copy_from_slice(column("chunk").as_binary::<i32>().value(0)), ..encode_run(&steady(0, 2)).next().unwrap() };
    assert_eq!(chunk.decode().unwrap(), steady(0, 2));
}

/// Other tools and later versions read these columns: a change is a new version.
#[test]
fn golden_schema() {
    let block = write(vec![series("up", &steady(0, 1))], HOUR_NS).remove(0);
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&data(&block)).unwrap();
    let mut text = Vec::new();
    parquet::schema::printer::print_schema(&mut text, metadata.file_metadata().schema());
    expect_test::expect![[r#"
        message arrow_schema {
          REQUIRED INT32 series (INTEGER(32,false));
          REQUIRED BYTE_ARRAY metric (STRING);
          REQUIRED group labels (MAP) {
            REPEATED group key_value {
              REQUIRED BYTE_ARRAY key (STRING);
              REQUIRED BYTE_ARRAY value (STRING);
            }
          }
          REQUIRED INT64 min_time (TIMESTAMP(MILLIS,true));
          REQUIRED INT64 max_time (TIMESTAMP(MILLIS,true));
          REQUIRED INT32 samples (INTEGER(16,false));
          REQUIRED INT32 encoding (INTEGER(8,false));
          REQUIRED BYTE_ARRAY chunk;
        }
    "#]]
    .assert_eq(&String::from_utf8(text).unwrap());
    let pairs = metadata.file_metadata().key_value_metadata().unwrap();
    assert_eq!(
        pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_deref())).collect::<Vec<_>>(),
        [("quartet.schema", Some("metrics/1"))]
    );
}

#[test]
fn a_block_that_is_gone_says_so() {
    let block = write(vec![series("a", &steady(0, 3))], HOUR_NS).remove(0);
    let gone = BlockReader { data: Arc::new(Counted::new(&data(&block), Some(0))), ..reader(&block) };
    let err = chunks(gone, vec![], TimeRange::ALL).unwrap_err();
    assert_eq!(err, ScanError::Gone { block: BlockId(ulid::Ulid::nil()).to_string() });
    let newer = BlockReader { facts: storage::block::BlockFacts { schema_version: 3, ..block.facts.clone() }, ..reader(&block) };
    let err = chunks(newer, vec![], TimeRange::ALL).unwrap_err();
    assert_eq!(err.to_string(), "block 00000000000000000000000000 has schema version 3, the newest known here is 2");
}

#[test]
fn a_bad_question_is_the_askers_fault() {
    let block = write(vec![series("a", &steady(0, 3))], HOUR_NS).remove(0);
    let err = chunks(reader(&block), vec![LabelMatcher::new("a", MatchOp::Regex, "(")], TimeRange::ALL).unwrap_err();
    assert_eq!((err.kind(), err.to_string()), (ErrorKind::BadInput, "error parsing regexp: missing closing ): `(`".to_owned()));
    let query = ScanQuery {
        tenant: TenantId::anonymous(),
        range: TimeRange::ALL,
        payload: Bytes::from_static(b"\xff"),
        alone: false,
        drops: Arc::default(),
    };
    let err = block_on(MetricsBlocks.scan(reader(&block), &query, &Arc::default()).try_collect::<Vec<_>>()).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::BadInput);
}

#[test]
fn equal_chunks_pass_undecoded_and_small_ones_join() {
    let windows = windows::Windows::new(HOUR_NS);
    let odd = Chunk { bytes: Bytes::from_static(b"?"), ..encode_run(&steady(0, 120)).next().unwrap() };
    let arranged = windows::arrange(vec![odd.clone(), odd.clone()], windows, Form::Cut).unwrap();
    assert_eq!(arranged, [(0, vec![odd])]);
    let small = steady(0, 100).chunks(20).flat_map(encode_run).collect();
    let arranged = windows::arrange(small, windows, Form::Cut).unwrap();
    assert_eq!(arranged, [(0, encode_run(&steady(0, 100)).collect())]);
}

#[test]
fn a_merge_packs_each_series_of_a_window_into_one_chunk_and_leaves_it_then() {
    let windows = windows::Windows::new(24 * HOUR_NS);
    let all = steady(0, 5000);
    let packed = windows::arrange(encode_run(&all).collect(), windows, Form::Packed).unwrap();
    assert_eq!(packed, [(0, pack_run(&all).collect())]);
    assert_eq!(packed[0].1.iter().map(|chunk| chunk.count).collect::<Vec<_>>(), [2500, 2500]);
    // What is packed is not decoded again: nobody could decode this.
    let odd: Vec<_> = packed[0].1.iter().map(|chunk| Chunk { bytes: Bytes::from_static(b"?"), ..chunk.clone() }).collect();
    assert_eq!(windows::arrange(odd.clone(), windows, Form::Packed).unwrap(), [(0, odd)]);
    // Windows of two hours become one of a day.
    let short: Vec<_> = all.chunk_by(|one, next| one.t / 7_200_000 == next.t / 7_200_000).flat_map(pack_run).collect();
    assert_eq!(windows::arrange(short, windows, Form::Packed).unwrap(), packed);
}

#[test]
fn a_merge_reads_slab_by_slab() {
    let name = |n: u64| format!("m{n:05}");
    let wild = |n: u64| -> Vec<Sample> {
        let mix = |s: &Sample| f64::from_bits((s.v.to_bits() ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        steady(0, 120).iter().map(|s| Sample { t: s.t, v: mix(s) }).collect()
    };
    let block = |step: usize| write((0..9000).step_by(step).map(|n| series(&name(n), &wild(n))).collect(), HOUR_NS).remove(0);
    let (twos, threes) = (block(2), block(3));
    let one = merged(&[&twos, &threes], HOUR_NS, u64::MAX);
    let expected: BTreeMap<Labels, Vec<Sample>> =
        (0..9000).filter(|n| n % 2 == 0 || n % 3 == 0).map(|n| (series(&name(n), &[]).labels, wild(n))).collect();
    assert_eq!(samples(&one).into_iter().map(|series| (series.labels, series.samples)).collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn rows_of_several_row_groups_come_back() {
    // Chunks that nobody decodes: large, and all different.
    let bytes =
        |n: u64| -> Bytes { (0..25_000u64).flat_map(|at| (at ^ n << 20).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect() };
    let chunk = |n: u64| Chunk { bytes: bytes(n), ..encode_run(&steady(i64::try_from(n).unwrap(), 100)).next().unwrap() };
    let all: Vec<SeriesChunks> = (0..60).map(|n| SeriesChunks { chunks: vec![chunk(n)], ..series(&format!("m{n:03}"), &[]) }).collect();
    let block = write(all.clone(), HOUR_NS).remove(0);
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&data(&block)).unwrap();
    assert_eq!(metadata.num_row_groups(), 3);
    assert!(chunks(reader(&block), vec![], TimeRange::ALL).unwrap() == all);
    let late = vec![LabelMatcher::new("__name__", MatchOp::Equal, "m050")];
    assert!(chunks(reader(&block), late, TimeRange::ALL).unwrap() == all[50..51]);
}

/// A file in memory that remembers its reads; with a limit of reads, none more is answered.
#[derive(Debug)]
struct Counted {
    file: InMemory,
    reads: parking_lot::Mutex<Vec<u64>>,
    limit: Option<usize>,
}

impl Counted {
    fn new(file: &Bytes, limit: Option<usize>) -> Self {
        Self { file: InMemory(file.clone()), reads: parking_lot::Mutex::default(), limit }
    }

    fn reads(&self) -> Vec<u64> {
        self.reads.lock().clone()
    }
}

impl Ranged for Counted {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read(&self, range: std::ops::Range<u64>) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        let mut reads = self.reads.lock();
        if self.limit.is_some_and(|limit| reads.len() >= limit) {
            return Box::pin(async { Err(StoreError::NotFound { key: "data.parquet".to_owned() }) });
        }
        reads.push(range.end - range.start);
        self.file.read(range)
    }
}
