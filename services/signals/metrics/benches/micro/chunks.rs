//! Reading chunks of 120 samples: 64 of floats, 16 of native histograms.
//!
//! The limit is the same values read from a form without compression: 8 bytes each, little-endian.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use quartet_metrics::chunk::{Chunk, encode_histogram_run};
use quartet_metrics::histogram::{Buckets, Histogram, HistogramSample, Span};
use quartet_metrics::model::Sample;

use crate::data::{Random, samples};

const SAMPLES: usize = 120;
const FLOATS: usize = 64;
const HISTOGRAMS: usize = 16;
const BUCKETS: u32 = 40;

#[divan::bench]
fn xor(bencher: Bencher<'_, '_>) {
    decode(bencher, &floats(Chunk::encode));
}

/// The encoding of compacted blocks.
#[divan::bench]
fn packed(bencher: Bencher<'_, '_>) {
    decode(bencher, &floats(Chunk::pack));
}

#[divan::bench]
fn floats_limit(bencher: Bencher<'_, '_>) {
    let raw: Vec<Vec<u8>> = (0..FLOATS)
        .map(|series| {
            samples(series, SAMPLES).iter().flat_map(|sample| [sample.t.to_le_bytes(), sample.v.to_le_bytes()].concat()).collect()
        })
        .collect();
    let mut into: Vec<Sample> = Vec::with_capacity(SAMPLES);
    bencher.counter(ItemsCount::new(FLOATS * SAMPLES)).bench_local(|| {
        for one in &raw {
            into.clear();
            into.extend(
                divan::black_box(one).chunks_exact(16).map(|pair| Sample { t: i64::from_le_bytes(eight(pair, 0)), v: float(pair, 1) }),
            );
            divan::black_box(&into);
        }
    });
}

#[divan::bench]
fn histograms(bencher: Bencher<'_, '_>) {
    let chunks: Vec<Chunk> = (0..HISTOGRAMS).flat_map(|series| encode_histogram_run(&run(series)).collect::<Vec<_>>()).collect();
    assert_eq!(chunks.iter().map(|chunk| usize::from(chunk.count)).sum::<usize>(), HISTOGRAMS * SAMPLES);
    let mut into: Vec<HistogramSample> = Vec::with_capacity(SAMPLES);
    bencher.counter(ItemsCount::new(HISTOGRAMS * SAMPLES)).bench_local(|| {
        for chunk in &chunks {
            into.clear();
            chunk.decode_histograms_into(&mut into).expect("it was encoded here");
            divan::black_box(&into);
        }
    });
}

/// With the memory that a histogram takes: itself, its spans, its counts.
#[divan::bench]
fn histograms_limit(bencher: Bencher<'_, '_>) {
    let raw: Vec<(Vec<HistogramSample>, Vec<u8>)> = (0..HISTOGRAMS)
        .map(|series| {
            let run = run(series);
            let of = |h: &Histogram| [h.count, h.zero_count, h.sum].into_iter().chain(h.positive.counts.clone()).collect::<Vec<_>>();
            let bytes = run.iter().flat_map(|sample| of(&sample.h)).flat_map(f64::to_le_bytes).collect();
            (run, bytes)
        })
        .collect();
    let each = 8 * (3 + BUCKETS as usize);
    let mut into: Vec<HistogramSample> = Vec::with_capacity(SAMPLES);
    bencher.counter(ItemsCount::new(HISTOGRAMS * SAMPLES)).bench_local(|| {
        for (run, bytes) in &raw {
            into.clear();
            into.extend(run.iter().zip(divan::black_box(bytes).chunks_exact(each)).map(|(sample, bytes)| {
                let counts = bytes[24..].chunks_exact(8).map(|bytes| float(bytes, 0)).collect();
                let positive = Buckets { spans: sample.h.positive.spans.clone(), counts };
                let (count, zero_count, sum) = (float(bytes, 0), float(bytes, 1), float(bytes, 2));
                let h = Histogram { count, zero_count, sum, positive, schema: 3, integer: true, ..Histogram::default() };
                HistogramSample { t: sample.t, h: Arc::new(h) }
            }));
            divan::black_box(&into);
        }
    });
}

fn decode(bencher: Bencher<'_, '_>, chunks: &[Chunk]) {
    let mut into: Vec<Sample> = Vec::with_capacity(SAMPLES);
    bencher.counter(ItemsCount::new(chunks.len() * SAMPLES)).bench_local(|| {
        for chunk in chunks {
            into.clear();
            chunk.decode_into(&mut into).expect("it was encoded here");
            divan::black_box(&into);
        }
    });
}

fn floats(encode: impl Fn(&[Sample]) -> Option<Chunk>) -> Vec<Chunk> {
    (0..FLOATS).map(|series| encode(&samples(series, SAMPLES)).expect("120 samples are a chunk")).collect()
}

/// Latencies: all buckets grow, those in the middle faster.
fn run(series: usize) -> Vec<HistogramSample> {
    let mut random = Random(series as u64 + 1);
    let mut h = Histogram { schema: 3, integer: true, ..Histogram::default() };
    h.positive = Buckets { spans: vec![Span { offset: -20, length: BUCKETS }], counts: vec![0.0; BUCKETS as usize] };
    let times = samples(7, SAMPLES).into_iter().map(|sample| sample.t);
    times
        .map(|t| {
            for (bucket, count) in (0..BUCKETS).zip(&mut h.positive.counts) {
                let more = random.below(1 + bucket.min(BUCKETS - bucket));
                *count += more;
                h.count += more;
                h.sum += more * 0.1;
            }
            HistogramSample { t, h: Arc::new(h.clone()) }
        })
        .collect()
}

fn eight(bytes: &[u8], place: usize) -> [u8; 8] {
    bytes[place * 8..place * 8 + 8].try_into().expect("eight bytes")
}

fn float(bytes: &[u8], place: usize) -> f64 {
    f64::from_le_bytes(eight(bytes, place))
}
