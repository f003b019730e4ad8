use std::sync::Arc;

use crc32c::crc32c;
use proptest::prelude::*;

use super::bits::{put_int, put_uint};
use super::chunks::{Chunks, PrometheusChunk};
use super::*;
use crate::chunk::bits::{BitReader, BitWriter};
use crate::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, HistogramSample, ResetHint, Span};
use crate::model::{Labels, STALE_BITS, Sample};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn only(samples: Vec<Sample>, histograms: Vec<HistogramSample>) -> PrometheusChunk {
    let mut chunks = Chunks::new(samples, histograms);
    let first = chunks.next().unwrap();
    assert_eq!(chunks.next(), None);
    first
}

fn buckets(spans: &[(i32, u32)], counts: &[f64]) -> Buckets {
    Buckets { spans: spans.iter().map(|&(offset, length)| Span { offset, length }).collect(), counts: counts.to_vec() }
}

/// The histograms that Prometheus's own encoder was given.
fn given(integer: bool) -> Vec<HistogramSample> {
    let one = |i: u32| {
        let f = f64::from(i);
        Histogram {
            schema: 3,
            integer,
            zero_threshold: if integer { 2f64.powi(-128) } else { 0.3 },
            zero_count: 2.0 * f,
            count: 20.0 + 9.0 * f,
            sum: if integer { 1.5 * f } else { 1.5 * f + 0.1 },
            hint: if integer { ResetHint::Unknown } else { ResetHint::Gauge },
            positive: buckets(&[(-2, 2), (3, 1)], &[5.0 + f, 5.0 + f + f * f, 3.0 + f + f * f]),
            negative: buckets(&[(0, 1)], &[3.0 + f]),
            ..Histogram::default()
        }
    };
    (0..4u32).map(|i| HistogramSample { t: 1_768_474_800_000 + i64::from(i * 15_000 + i * i), h: Arc::new(one(i)) }).collect()
}

// The expected bytes were written by Prometheus 3.9's package chunkenc.

#[test]
fn floats_are_encoded_as_prometheus_does() {
    let nan = f64::from_bits(0x7ff8_0000_0000_0001);
    let samples = [
        (1_768_474_800_000, 1.0),
        (1_768_474_815_000, 1.0),
        (1_768_474_830_001, 1.5),
        (1_768_474_845_000, nan),
        (1_768_474_860_000, -0.25),
        (1_768_484_860_000, f64::INFINITY),
        (1_768_484_861_000, 1e300),
        (9_768_484_861_000, f64::from_bits(STALE_BITS)),
    ];
    let chunk = only(samples.iter().map(|&(t, v)| Sample { t, v }).collect(), Vec::new());
    assert_eq!((chunk.encoding, chunk.min_t, chunk.max_t), (1, 1_768_474_800_000, 9_768_484_861_000));
    assert_eq!(
        hex(&chunk.bytes),
        "000880beff94f8663ff000000000000098754000ec077ffd87f80000000000000030003800c028000000000001f0000000000985be8b0080000000000003ffff\
         ffffffd9db5a201c7e43c8800759cf00000746a5287c188071f90f22001d6780"
    );
}

#[test]
fn histograms_are_encoded_as_prometheus_does() {
    let whole = only(Vec::new(), given(true));
    assert_eq!(
        (whole.encoding, hex(&whole.bytes).as_str()),
        (2, "000400749ca568ce317f0000cde0a7f7c06500000000000000001855a7f07533899622fffc628c8c25fff4891ac4d480")
    );
    let floats = only(Vec::new(), given(false));
    assert_eq!(floats.encoding, 3);
    assert_eq!(
        hex(&floats.bytes),
        "0004c0ff3fd33333333333339ca568ce317f0000cde0a7f7c0201a00000000000000000000000000001fdccccccccccccd200a000000000000200a0000000000\
         00200400000000000020040000000000007c1d4cec127083d20f605ec07ac3fac2e5a46ff583c3ffff15555555555579d42f750bbda0e5b449d80e0035555555\
         555557a84fd62de36c0b"
    );
    let custom = |i: u32| Histogram {
        schema: CUSTOM_SCHEMA,
        integer: true,
        count: f64::from(3 + i),
        sum: 2.0,
        bounds: Arc::from([0.005, 1.0, 1.0 / 3.0, 40_000.0]),
        positive: buckets(&[(0, 2)], &[1.0, f64::from(2 + i)]),
        ..Histogram::default()
    };
    let samples = (0..2).map(|i| HistogramSample { t: 1000 + i64::from(i) * 500, h: Arc::new(custom(i)) }).collect();
    assert_eq!(
        hex(&only(Vec::new(), samples).bytes),
        "00020000ee5c6452de3e91feaaaaaaaaaaaaa9038e200000000003c7d132000000000000000463e1f48888"
    );
    let stale = Histogram { integer: true, ..Histogram::stale() };
    let stale = only(Vec::new(), vec![HistogramSample { t: 7, h: Arc::new(stale) }]);
    assert_eq!(hex(&stale.bytes), "000100001871ffc0000000000008");
}

#[test]
fn a_chunk_ends_where_its_layout_or_kind_does() {
    let mut histograms = given(true);
    // A reset, a staleness marker, and floats in between.
    Arc::make_mut(&mut histograms[2].h).count = 1.0;
    histograms.push(HistogramSample { t: 1_768_474_900_000, h: Arc::new(Histogram::stale()) });
    let floats =
        vec![Sample { t: 1_768_474_801_000, v: 1.0 }, Sample { t: 1_768_474_802_000, v: 1.0 }, Sample { t: 1_768_475_000_000, v: 2.0 }];
    let chunks: Vec<_> =
        Chunks::new(floats, histograms).map(|chunk| (chunk.encoding, chunk.min_t % 1_000_000, chunk.max_t % 1_000_000)).collect();
    let expected =
        [(2, 800_000, 800_000), (1, 801_000, 802_000), (2, 815_001, 815_001), (2, 830_004, 845_009), (3, 900_000, 900_000), (1, 0, 0)];
    assert_eq!(chunks, expected);
}

#[test]
fn checksums_are_castagnolis() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

proptest! {
    #[test]
    fn numbers_of_few_bits_can_be_read_again(value: i64, shift in 0u32..64) {
        let value = value >> shift;
        let mut out = BitWriter::default();
        put_int(&mut out, value);
        put_uint(&mut out, value.unsigned_abs());
        let mut from = BitReader::new(out.bytes());
        prop_assert_eq!(number(&mut from, true), value);
        prop_assert_eq!(number(&mut from, false).cast_unsigned(), value.unsigned_abs());
    }
}

/// Reads a number of few bits.
fn number(from: &mut BitReader<'_>, signed: bool) -> i64 {
    let mut ones = 0;
    while ones < 8 && from.bit().unwrap() {
        ones += 1;
    }
    let width = [0, 3, 6, 9, 12, 18, 25, 56, 64][ones];
    let bits = from.read(width).unwrap();
    if signed && width < 64 && width > 0 && bits > 1 << (width - 1) { bits.cast_signed() - (1 << width) } else { bits.cast_signed() }
}

#[test]
fn a_stream_is_cut_into_frames() {
    let series: Vec<RangeSeries> = (0..3)
        .map(|index| RangeSeries {
            labels: Labels::from_pairs([("__name__", "up"), ("instance", &*format!("i-{index}"))]),
            samples: (0..200_000).map(|t| Sample { t: t * 15_000, v: f64::from(u32::try_from(t).unwrap()).sqrt() }).collect(),
            histograms: Vec::new(),
        })
        .collect();
    let frames: Vec<_> = write::Stream::new(7, series).collect();
    assert!(frames.len() > 3, "{}", frames.len());
    for frame in &frames {
        let mut from = crate::wire::codec::Reader::new(frame);
        let len = usize::try_from(from.varint().unwrap()).unwrap();
        let checksum = u32::from_be_bytes(from.take(4).unwrap().try_into().unwrap());
        let message = from.take(len).unwrap();
        assert!(from.is_empty() && len < 2 << 20);
        assert_eq!(checksum, crc32c(message));
        assert_eq!(message[len - 2..], [2 << 3, 7]);
    }
}

#[test]
fn requests_name_what_is_wrong_with_them() {
    assert_eq!(request::decode(&[0xff, 0xff, 0xff]).unwrap_err().to_string(), "unexpected EOF");
    // One query with one matcher: `__name__=~"["`.
    let body = b"\x0a\x13\x08\x01\x10\x02\x1a\x0d\x08\x02\x12\x08__name__\x1a\x01[";
    let regex = &body[..2].iter().chain(&[0x08, 0x01, 0x10, 0x02, 0x1a, 0x0f]).chain(&body[8..]).copied().collect::<Vec<u8>>();
    let mut regex = regex.clone();
    regex[1] = u8::try_from(regex.len() - 2).unwrap();
    assert!(request::decode(&regex).unwrap_err().to_string().contains("missing closing ]"), "{:?}", request::decode(&regex));
    // Only a form that is not known here.
    let other = request::decode(&[0x10, 0x07]).unwrap();
    assert!(other.form().unwrap_err().to_string().starts_with("server does not support any of the requested response types"));
    assert_eq!(request::decode(&[0x12, 0x02, 0x07, 0x01]).unwrap().form(), Ok(ResponseType::StreamedChunks));
    assert_eq!(request::decode(&[]).unwrap().form(), Ok(ResponseType::Samples));
}
