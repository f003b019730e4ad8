//! Remote write bodies, from the compressed block to items that can be sent on. 1,000 series with a sample each, as Prometheus sends them.
//!
//! The limits are the decompression of the same body, and a copy of it as it is decompressed.

use std::collections::HashMap;

use divan::Bencher;
use divan::counter::ItemsCount;
use prost::Message;
use quartet_metrics::ingest::{MAX_BODY, read, read_version2, snappy};
use quartet_metrics::limits::MetricsLimits;
use quartet_metrics::wire::codec::put_varint;
use tenancy::TenantId;

use crate::data::{INTERVAL, START, field, item, labels, sample_message, samples};

const SERIES: usize = 1_000;
const NOW: i64 = START + INTERVAL;

#[divan::bench]
fn remote_write_1(bencher: Bencher<'_, '_>) {
    let (block, tenant, limits) = (compressed(&version1()), TenantId::anonymous(), MetricsLimits::default());
    assert_eq!(read(&block, &tenant, &limits, NOW).expect("it was encoded here").0.items.len(), SERIES);
    bencher.counter(ItemsCount::new(SERIES)).bench(|| read(&block, &tenant, &limits, NOW));
}

#[divan::bench]
fn remote_write_1_limit_decompress(bencher: Bencher<'_, '_>) {
    let block = compressed(&version1());
    bencher.counter(ItemsCount::new(SERIES)).bench(|| snappy::decompress(&block, MAX_BODY));
}

#[divan::bench]
fn remote_write_1_limit_copy(bencher: Bencher<'_, '_>) {
    let body = version1();
    bencher.counter(ItemsCount::new(SERIES)).bench(|| divan::black_box(&body).clone());
}

/// What code generated from the protocol makes of it: text and lists of its own for each series, nothing checked.
#[divan::bench]
fn remote_write_1_generated_code(bencher: Bencher<'_, '_>) {
    let block = compressed(&version1());
    bencher.counter(ItemsCount::new(SERIES)).bench(|| {
        let body = snappy::decompress(&block, MAX_BODY).expect("it was compressed here");
        proto::prometheus::WriteRequest::decode(body.as_slice())
    });
}

#[divan::bench]
fn remote_write_2(bencher: Bencher<'_, '_>) {
    let (block, tenant, limits) = (compressed(&version2()), TenantId::anonymous(), MetricsLimits::default());
    assert_eq!(read_version2(&block, &tenant, &limits, NOW).expect("it was encoded here").0.items.len(), SERIES);
    bencher.counter(ItemsCount::new(SERIES)).bench(|| read_version2(&block, &tenant, &limits, NOW));
}

#[divan::bench]
fn remote_write_2_limit_decompress(bencher: Bencher<'_, '_>) {
    let block = compressed(&version2());
    bencher.counter(ItemsCount::new(SERIES)).bench(|| snappy::decompress(&block, MAX_BODY));
}

/// The bytes that are written for the items, which name their text again: as large as a body of 1.0.
#[divan::bench]
fn remote_write_2_limit_copy(bencher: Bencher<'_, '_>) {
    let body = version1();
    bencher.counter(ItemsCount::new(SERIES)).bench(|| divan::black_box(&body).clone());
}

fn compressed(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).expect("far below 4 GiB")
}

fn version1() -> Vec<u8> {
    let mut body = Vec::new();
    for series in 0..SERIES {
        field(&mut body, 1, &item(series, samples(series, 1)[0]));
    }
    body
}

fn version2() -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut known: HashMap<String, u64> = HashMap::new();
    let mut number = |text: String| {
        *known.entry(text).or_insert_with_key(|text| {
            symbols.push(text.clone());
            symbols.len() as u64 - 1
        })
    };
    let mut all = Vec::new();
    for series in 0..SERIES {
        let mut refs = Vec::new();
        for (name, value) in labels(series) {
            put_varint(&mut refs, number(name.to_owned()));
            put_varint(&mut refs, number(value));
        }
        let mut message = Vec::new();
        field(&mut message, 1, &refs);
        field(&mut message, 2, &sample_message(samples(series, 1)[0]));
        all.push(message);
    }
    let mut body = Vec::new();
    symbols.iter().for_each(|symbol| field(&mut body, 4, symbol.as_bytes()));
    all.iter().for_each(|series| field(&mut body, 5, series));
    body
}
