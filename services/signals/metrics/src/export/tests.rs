use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int32Type, TimestampMillisecondType, UInt64Type};
use arrow_array::{Array as _, RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use signal::{BlockFormat as _, Cut, CutId, RowDrop, TimeRange, WriteOptions};
use storage::block::{BlockId, BlockReader, InMemory, Ranged};
use tenancy::TenantId;

use super::*;
use crate::block::MetricsBlocks;
use crate::block::cut::{CutData, SeriesRows};
use crate::chunk::{encode_histogram_run, encode_run};
use crate::drops;
use crate::histogram::{Buckets, Histogram, HistogramSample, Span};
use crate::model::{Labels, STALE_BITS, Sample};

fn labels(name: &str, job: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("job", job)])
}

fn sample(t: i64, v: f64) -> Sample {
    Sample { t, v }
}

fn histogram(t: i64) -> HistogramSample {
    let buckets = |counts: &[f64]| Buckets { spans: vec![Span { offset: 0, length: 2 }], counts: counts.to_vec() };
    let h = Histogram {
        count: 10.0,
        sum: 3.5,
        zero_count: 1.0,
        zero_threshold: 0.25,
        positive: buckets(&[2.0, 3.0]),
        negative: buckets(&[3.0, 1.0]),
        ..Histogram::default()
    };
    HistogramSample { t, h: Arc::new(h) }
}

/// A block of these series, which are read but for `drops`.
fn block(series: Vec<(Labels, Vec<Sample>, Vec<HistogramSample>)>, drops: &[RowDrop]) -> MergeInput {
    let rows = series.into_iter().map(|(labels, floats, histograms)| {
        let chunks = encode_run(&floats).chain(encode_histogram_run(&histograms)).collect();
        SeriesRows { labels, chunks, exemplars: Vec::new() }
    });
    let data = CutData::new(rows.collect(), Vec::new());
    let cut = Cut { id: CutId(1), range: TimeRange::ALL, rows: 0, data: Arc::new(data) };
    let options = WriteOptions { tenant: TenantId::anonymous(), window_ns: i64::MAX };
    let made = MetricsBlocks.write(&cut, &options).unwrap().remove(0);
    let file = |bytes: Bytes| Arc::new(InMemory(bytes)) as Arc<dyn Ranged>;
    let block = BlockReader {
        id: BlockId(ulid::Ulid::nil()),
        facts: made.facts.clone(),
        data: file(made.data.to_bytes().unwrap()),
        index: made.index.clone().map(file),
    };
    MergeInput { block, drops: drops.to_vec() }
}

fn read(blocks: Vec<MergeInput>, selection: &Selection, range: (i64, i64)) -> (Vec<SeriesSamples>, u64) {
    let all = async {
        let mut samples = Samples::open(blocks, selection, range).await.unwrap();
        let mut series = Vec::new();
        while let Some(next) = samples.next_series().await.unwrap() {
            series.push(next);
        }
        (series, samples.read())
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(all)
}

fn floats(labels: Labels, samples: &[Sample]) -> SeriesSamples {
    SeriesSamples { labels, samples: samples.to_vec(), histograms: Vec::new() }
}

#[test]
fn what_stands_twice_comes_once_and_what_was_deleted_does_not() {
    let a = labels("up", "a");
    let b = labels("up", "b");
    let deleted = RowDrop { range: TimeRange::from_ms(1, 2), what: drops::encode(&[parse_selector(r#"{job="b"}"#).unwrap()]) };
    let drops = [deleted];
    let blocks = || {
        vec![
            block(
                vec![(a.clone(), vec![sample(0, 1.0), sample(1, 2.0)], vec![]), (b.clone(), vec![sample(0, 5.0), sample(1, 6.0)], vec![])],
                &drops,
            ),
            block(vec![(a.clone(), vec![sample(1, 2.0), sample(2, 3.0)], vec![]), (b.clone(), vec![sample(2, 7.0)], vec![])], &drops),
        ]
    };
    let all = Selection::default();
    let expected = [floats(a.clone(), &[sample(0, 1.0), sample(1, 2.0), sample(2, 3.0)]), floats(b.clone(), &[sample(0, 5.0)])];
    let (found, read_of_both) = read(blocks(), &all, (i64::MIN, i64::MAX));
    assert_eq!(found, expected);
    assert_eq!(read_of_both, 5, "with the copy, without what was deleted");

    let some = Selection::parse(&[r#"up{job="a"}"#.to_owned()], Some("0.001"), Some("0.001")).unwrap();
    let range = some.within(0, 100).unwrap();
    assert_eq!(range, (1, 1));
    assert_eq!(read(blocks(), &some, range).0, [floats(a.clone(), &[sample(1, 2.0)])]);
    assert_eq!(some.within(2, 100), None);
}

#[test]
fn words_that_select_nothing_are_refused() {
    let parse = |selector: &str, start| Selection::parse(&[selector.to_owned()], start, None).map(drop).map_err(|err| err.to_string());
    assert_eq!(parse("{", None), Err("read the selector {".to_owned()));
    assert_eq!(parse("up", Some("noon")), Err("cannot parse \"noon\" to a valid timestamp".to_owned()));
    assert_eq!(parse("up", Some("2026-01-01T00:00:00Z")), Ok(()));
}

#[test]
fn days_follow_each_other() {
    let day = Day::of(1_764_028_800_000 - 1);
    assert_eq!(day.to_string(), "2025-11-24");
    assert_eq!(day.range().1 + 1, 1_764_028_800_000);
    assert_eq!(Day::of(-1).to_string(), "1969-12-31");
    let names: Vec<_> = Day::of(-1).up_to(Day::of(0)).map(|day| day.to_string()).collect();
    assert_eq!(names, ["1969-12-31", "1970-01-01"]);
}

fn table(series: &[SeriesSamples]) -> (Written, Bytes) {
    let mut table = Table::new(Vec::new()).unwrap();
    series.iter().for_each(|series| table.push(series).unwrap());
    let (written, bytes) = table.finish().unwrap();
    (written, bytes.into())
}

fn batch(bytes: &Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
    reader.with_batch_size(1 << 20).build().unwrap().next().unwrap().unwrap()
}

#[test]
fn a_row_is_a_sample() {
    let stale = f64::from_bits(STALE_BITS);
    let series = [
        floats(labels("a", "x"), &[sample(1, f64::NAN), sample(2, stale)]),
        SeriesSamples { labels: labels("b", "y"), samples: vec![sample(5, 4.5)], histograms: vec![histogram(3), histogram(7)] },
    ];
    let (written, bytes) = table(&series);
    assert_eq!(written, Written { series: 2, samples: 5 });
    let batch = batch(&bytes);
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let times: Vec<i64> = column("timestamp").as_primitive::<TimestampMillisecondType>().values().to_vec();
    assert_eq!(times, [1, 2, 3, 5, 7]);
    let hashes = column("series").as_primitive::<UInt64Type>();
    assert_eq!(hashes.values()[..], [0, 0, 1, 1, 1].map(|at: usize| series[at].labels.hash()));
    assert_eq!(column("metric").as_string::<i32>().value(2), "b");
    let pairs = column("labels").as_map().value(0);
    assert_eq!((pairs.column(0).as_string::<i32>().value(0), pairs.column(1).as_string::<i32>().value(0)), ("job", "x"));

    let numbers = |name: &str| column(name).as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
    let values = numbers("value");
    assert!(values[0].is_some_and(f64::is_nan), "a NaN that was written");
    assert_eq!(values[1..], [None, None, Some(4.5), None]);
    assert_eq!(numbers("histogram_count"), [None, None, Some(10.0), None, Some(10.0)]);
    assert_eq!(numbers("histogram_sum")[2], Some(3.5));
    assert_eq!((numbers("histogram_zero_threshold")[2], numbers("histogram_zero_count")[2]), (Some(0.25), Some(1.0)));
    assert_eq!(column("histogram_schema").as_primitive::<Int32Type>().value(2), 0);
    let buckets = column("histogram_buckets").as_list::<i32>();
    assert!(buckets.is_null(0));
    let buckets = buckets.value(2);
    let of = |name: &str| buckets.as_struct().column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(of("lower"), [-2.0, -1.0, 0.5, 1.0]);
    assert_eq!(of("upper"), [-1.0, -0.5, 1.0, 2.0]);
    assert_eq!(of("count"), [1.0, 3.0, 2.0, 3.0]);
}

/// Other tools read these columns.
#[test]
fn golden_schema() {
    let (_, bytes) = table(&[floats(labels("a", "x"), &[sample(1, 1.0), sample(2, 2.0)])]);
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let mut text = Vec::new();
    parquet::schema::printer::print_schema(&mut text, metadata.file_metadata().schema());
    expect_test::expect![[r#"
        message arrow_schema {
          REQUIRED INT64 series (INTEGER(64,false));
          REQUIRED BYTE_ARRAY metric (STRING);
          REQUIRED group labels (MAP) {
            REPEATED group key_value {
              REQUIRED BYTE_ARRAY key (STRING);
              REQUIRED BYTE_ARRAY value (STRING);
            }
          }
          REQUIRED INT64 timestamp (TIMESTAMP(MILLIS,true));
          OPTIONAL DOUBLE value;
          OPTIONAL DOUBLE histogram_count;
          OPTIONAL DOUBLE histogram_sum;
          OPTIONAL DOUBLE histogram_zero_threshold;
          OPTIONAL DOUBLE histogram_zero_count;
          OPTIONAL INT32 histogram_schema;
          OPTIONAL group histogram_buckets (LIST) {
            REPEATED group list {
              REQUIRED group element {
                REQUIRED DOUBLE lower;
                REQUIRED DOUBLE upper;
                REQUIRED DOUBLE count;
              }
            }
          }
        }
    "#]]
    .assert_eq(&String::from_utf8(text).unwrap());
    let encodings = |name: &str| {
        let group = metadata.row_group(0);
        let column = group.columns().iter().find(|column| column.column_path().string() == name).unwrap();
        column.encodings().map(|encoding| encoding.to_string()).collect::<Vec<_>>()
    };
    assert!(encodings("timestamp").contains(&"DELTA_BINARY_PACKED".to_owned()));
    assert!(encodings("value").contains(&"BYTE_STREAM_SPLIT".to_owned()));
}
