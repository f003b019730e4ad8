//! The encodings that are compared.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Float64Array, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use pco::standalone::{simple_compress, simple_decompress};
use quartet_metrics::chunk::bits::{BitReader, BitWriter};
use quartet_metrics::chunk::{Chunk, MAX_SAMPLES, encode_run, pack_run, packed, xor};
use quartet_metrics::model::Sample;
use quartet_metrics::wire::codec::{Reader, put_signed, put_varint};

const LEVEL: i32 = 1;

/// One way to encode series.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) encode: fn(&[Vec<Sample>]) -> Files,
    pub(crate) decode: Decode,
}

/// How it is read again.
#[derive(Clone, Copy)]
pub(crate) enum Decode {
    /// Chunk by chunk, out of a page that was decompressed.
    Chunks(fn(&[u8], &mut Vec<Sample>)),
    /// A whole file.
    Whole(fn(&[u8], &mut Vec<Sample>)),
}

/// What an encoding makes.
pub(crate) enum Files {
    Chunks(Vec<Vec<u8>>),
    Whole(Vec<u8>),
}

impl Files {
    /// Pages behind zstd, each with its length before.
    pub(crate) fn pages(self, limit: usize) -> Vec<(Vec<u8>, usize)> {
        let chunks = match self {
            Self::Whole(file) => return vec![(file, 0)],
            Self::Chunks(chunks) => chunks,
        };
        let (mut pages, mut page) = (Vec::new(), Vec::new());
        let compress = |page: &[u8]| (zstd::bulk::compress(page, LEVEL).expect("zstd has memory"), page.len());
        for chunk in chunks {
            page.extend(u32::try_from(chunk.len()).expect("chunks are short").to_le_bytes());
            page.extend(chunk);
            if page.len() >= limit {
                pages.push(compress(&page));
                page.clear();
            }
        }
        pages.push(compress(&page));
        pages
    }
}

/// Chunks of a page.
pub(crate) fn values(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = page;
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first_chunk::<4>()?;
        let (chunk, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
        rest = tail;
        Some(chunk)
    })
}

pub(crate) fn all() -> Vec<Form> {
    let chunks = |name, encode, decode| Form { name, encode, decode: Decode::Chunks(decode) };
    vec![
        chunks("xor", |all| each(all, |one| encode_run(one).map(|chunk| with_facts(&chunk)).collect()), decode_xor),
        chunks("long xor", |all| each(all, |one| one.chunks(packed::PACKED_SAMPLES).map(long_xor).collect()), decode_xor),
        chunks("bytes", |all| each(all, |one| cut(one, byte_streams)), decode_byte_streams),
        chunks("varints", |all| each(all, |one| cut(one, varints)), decode_varints),
        chunks("bits", |all| each(all, |one| cut(one, |run| bits(run, 2))), decode_bits),
        chunks("ALP", |all| each(all, |one| cut(one, |run| bits(run, 0))), decode_bits),
        chunks("pco", |all| each(all, |one| cut(one, doubles)), decode_doubles),
        chunks("packed", |all| each(all, |one| pack_run(one).map(|chunk| with_facts(&chunk)).collect()), decode_packed),
        Form { name: "parquet", encode: |all| Files::Whole(parquet(all)), decode: Decode::Whole(decode_parquet) },
    ]
}

fn each(all: &[Vec<Sample>], encode: impl Fn(&[Sample]) -> Vec<Vec<u8>>) -> Files {
    Files::Chunks(all.iter().flat_map(|one| encode(one)).collect())
}

/// Long chunks whose times are runs of steps, as `packed` has them, and whose values are what `encode` makes.
fn cut(samples: &[Sample], encode: impl Fn(&[Sample]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let with_times = |run: &[Sample]| {
        let still: Vec<Sample> = run.iter().map(|sample| Sample { v: 0.0, ..*sample }).collect();
        let times = packed::encode(&still);
        let mut out = header(run);
        put_varint(&mut out, times.len() as u64);
        out.extend(times);
        out.extend(encode(run));
        out
    };
    packed::cut(samples).map(with_times).collect()
}

/// What the index says of a chunk, so that it can be decoded.
fn header(run: &[Sample]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, run.len() as u64);
    put_signed(&mut out, run[0].t);
    out
}

fn read_header(from: &mut Reader<'_>) -> (u16, i64) {
    let count = from.varint().ok().and_then(|count| u16::try_from(count).ok());
    (count.expect("written above"), from.signed().expect("written above"))
}

fn with_facts(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::from(chunk.count));
    put_signed(&mut out, chunk.min_t);
    out.extend(&chunk.bytes);
    out
}

fn long_xor(run: &[Sample]) -> Vec<u8> {
    with_facts(&Chunk::encode(run).expect("a run is shorter than 65,536"))
}

fn decode_xor(chunk: &[u8], into: &mut Vec<Sample>) {
    let mut from = Reader::new(chunk);
    let (count, _) = read_header(&mut from);
    xor::decode(from.take(from.left()).expect("all of it"), count, into).expect("written above");
}

fn decode_packed(chunk: &[u8], into: &mut Vec<Sample>) {
    let mut from = Reader::new(chunk);
    let (count, first) = read_header(&mut from);
    packed::decode(from.take(from.left()).expect("all of it"), first, count, into).expect("written above");
}

/// Reads count and times; returns what follows.
fn decode_times<'a>(chunk: &'a [u8], into: &mut Vec<Sample>) -> &'a [u8] {
    let mut from = Reader::new(chunk);
    let (count, first) = read_header(&mut from);
    packed::decode(from.bytes().expect("written above"), first, count, into).expect("written above");
    from.take(from.left()).expect("all of it")
}

/// The first bytes of all values, then the second ones, and so on: Parquet's `BYTE_STREAM_SPLIT`.
fn byte_streams(run: &[Sample]) -> Vec<u8> {
    (0..8).flat_map(|at| run.iter().map(move |sample| sample.v.to_le_bytes()[at])).collect()
}

fn decode_byte_streams(chunk: &[u8], into: &mut Vec<Sample>) {
    let bytes = decode_times(chunk, into);
    let count = into.len();
    for (index, sample) in into.iter_mut().enumerate() {
        sample.v = f64::from_le_bytes(std::array::from_fn(|at| bytes[at * count + index]));
    }
}

fn doubles(run: &[Sample]) -> Vec<u8> {
    let values: Vec<f64> = run.iter().map(|sample| sample.v).collect();
    simple_compress(&values, &pco::ChunkConfig::default()).expect("a run is short")
}

fn decode_doubles(chunk: &[u8], into: &mut Vec<Sample>) {
    let values: Vec<f64> = simple_decompress(decode_times(chunk, into)).expect("written above");
    into.iter_mut().zip(values).for_each(|(sample, value)| sample.v = value);
}

/// Values as whole numbers and the power of ten; none where they are not decimal numbers.
fn decimal(run: &[Sample]) -> Option<(i32, Vec<i64>)> {
    (0..16).find_map(|power| {
        let ten = 10f64.powi(power);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked by the division")]
        let whole = |sample: &Sample| {
            let number = (sample.v * ten).round();
            (number.abs() < 9e15 && (number as i64 as f64 / ten).to_bits() == sample.v.to_bits()).then_some(number as i64)
        };
        run.iter().map(whole).collect::<Option<Vec<_>>>().map(|numbers| (power, numbers))
    })
}

fn differences(numbers: &[i64], times: usize) -> Vec<i64> {
    let mut all = numbers.to_vec();
    for from in 1..=times {
        for at in (from..all.len()).rev() {
            all[at] = all[at].wrapping_sub(all[at - 1]);
        }
    }
    all
}

/// The opposite of [`differences`], and back to doubles.
fn sum_up(mut numbers: Vec<i64>, times: u8, power: u8, into: &mut [Sample]) {
    for from in (1..=usize::from(times)).rev() {
        for at in from..numbers.len() {
            numbers[at] = numbers[at].wrapping_add(numbers[at - 1]);
        }
    }
    let ten = 10f64.powi(i32::from(power));
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    into.iter_mut().zip(numbers).for_each(|(sample, number)| sample.v = number as f64 / ten);
}

const NOT_DECIMAL: u8 = u8::MAX;

/// Decimal numbers, their differences or the differences of those as zigzag varints, and zstd: what VictoriaMetrics describes.
fn varints(run: &[Sample]) -> Vec<u8> {
    let Some((power, numbers)) = decimal(run) else { return [vec![NOT_DECIMAL], byte_streams(run)].concat() };
    let tried = (0u8..3).map(|times| {
        let mut out = vec![u8::try_from(power).expect("below 16"), times];
        differences(&numbers, usize::from(times)).into_iter().for_each(|number| put_signed(&mut out, number));
        out
    });
    tried.min_by_key(|out| zstd::bulk::compress(out, LEVEL).expect("zstd has memory").len()).expect("three were tried")
}

fn decode_varints(chunk: &[u8], into: &mut Vec<Sample>) {
    let mut from = Reader::new(decode_times(chunk, into));
    let power = from.byte().expect("written above");
    if power == NOT_DECIMAL {
        return decode_plain(from.take(from.left()).expect("all of it"), into);
    }
    let times = from.byte().expect("written above");
    let numbers = (0..into.len()).map(|_| from.signed().expect("written above")).collect();
    sum_up(numbers, times, power, into);
}

fn decode_plain(bytes: &[u8], into: &mut [Sample]) {
    let count = into.len();
    for (index, sample) in into.iter_mut().enumerate() {
        sample.v = f64::from_le_bytes(std::array::from_fn(|at| bytes[at * count + index]));
    }
}

/// Decimal numbers or differences of them in blocks of 128, each with as many bits as the block's range needs. ALP takes no differences.
fn bits(run: &[Sample], most: u8) -> Vec<u8> {
    let Some((power, numbers)) = decimal(run) else { return [vec![NOT_DECIMAL], byte_streams(run)].concat() };
    let tried = (0..=most).map(|times| {
        let mut out = vec![u8::try_from(power).expect("below 16"), times];
        let mut packed = BitWriter::default();
        for block in differences(&numbers, usize::from(times)).chunks(128) {
            let (least, greatest) = (block.iter().min().expect("not empty"), block.iter().max().expect("not empty"));
            let width = u64::BITS - greatest.abs_diff(*least).leading_zeros();
            put_signed(&mut out, *least);
            out.push(u8::try_from(width).expect("at most 64"));
            block.iter().for_each(|number| packed.write(number.abs_diff(*least), width));
        }
        out.extend(packed.bytes());
        out
    });
    tried.min_by_key(Vec::len).expect("one was tried")
}

fn decode_bits(chunk: &[u8], into: &mut Vec<Sample>) {
    let mut from = Reader::new(decode_times(chunk, into));
    let power = from.byte().expect("written above");
    if power == NOT_DECIMAL {
        return decode_plain(from.take(from.left()).expect("all of it"), into);
    }
    let times = from.byte().expect("written above");
    let blocks: Vec<(i64, u8)> =
        (0..into.len().div_ceil(128)).map(|_| (from.signed().expect("written above"), from.byte().expect("written above"))).collect();
    let mut packed = BitReader::new(from.take(from.left()).expect("all of it"));
    let mut read = |at: usize| {
        let (least, width) = blocks[at / 128];
        least.wrapping_add_unsigned(packed.read(u32::from(width)).expect("written above"))
    };
    let numbers = (0..into.len()).map(&mut read).collect();
    sum_up(numbers, times, power, into);
}

/// Plain columns.
fn parquet(all: &[Vec<Sample>]) -> Vec<u8> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let schema = Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("timestamp", time, false),
        Field::new("value", DataType::Float64, false),
    ]));
    let (timestamp, value) = (|| ColumnPath::from("timestamp"), || ColumnPath::from("value"));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_column_dictionary_enabled(timestamp(), false)
        .set_column_encoding(timestamp(), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(value(), false)
        .set_column_encoding(value(), Encoding::BYTE_STREAM_SPLIT)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).expect("the schema is good");
    for (number, one) in (0u32..).zip(all) {
        let columns: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(UInt32Array::from_value(number, one.len())),
            Arc::new(TimestampMillisecondArray::from_iter_values(one.iter().map(|sample| sample.t))),
            Arc::new(Float64Array::from_iter_values(one.iter().map(|sample| sample.v))),
        ];
        writer.write(&RecordBatch::try_new(schema.clone(), columns).expect("the columns fit")).expect("memory takes it");
    }
    writer.into_inner().expect("memory takes it")
}

fn decode_parquet(file: &[u8], into: &mut Vec<Sample>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(file)).expect("written above");
    for batch in reader.with_batch_size(8192).build().expect("written above") {
        let batch = batch.expect("written above");
        let (times, values) = (batch.column(1).as_primitive::<TimestampMillisecondType>(), batch.column(2).as_primitive::<Float64Type>());
        into.clear();
        into.extend(times.values().iter().zip(values.values()).map(|(t, v)| Sample { t: *t, v: *v }));
        std::hint::black_box(&*into);
    }
}

const _: () = assert!(MAX_SAMPLES as usize <= packed::PACKED_SAMPLES);
