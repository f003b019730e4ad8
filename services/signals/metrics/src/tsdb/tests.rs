use std::fmt::Write;

use bytes::Bytes;
use proptest::prelude::*;

use super::{BlockMeta, ChunkBytes, ChunkPlace, ChunkReference, TsdbBlock, TsdbError};
use crate::histogram::{Buckets, Histogram, ResetHint};
use crate::model::is_stale;

/// A block that Prometheus 3.14 wrote: counters, gauges, odd values, staleness markers, histograms with whole and float counts, with
/// negative and custom buckets, and a minute that was deleted afterwards.
fn golden() -> Files {
    Files {
        index: Bytes::from_static(include_bytes!("testdata/index")),
        chunks: Bytes::from_static(include_bytes!("testdata/chunks")),
        tombstones: Some(Bytes::from_static(include_bytes!("testdata/tombstones"))),
    }
}

struct Files {
    index: Bytes,
    chunks: Bytes,
    tombstones: Option<Bytes>,
}

impl Files {
    fn open(self) -> Result<(TsdbBlock, ChunkBytes), TsdbError> {
        let mut bytes = ChunkBytes::default();
        bytes.add(0, 0, self.chunks)?;
        Ok((TsdbBlock::open(self.index, self.tombstones)?, bytes))
    }
}

/// All samples as `testdata/expected.txt` has them: what Prometheus itself reads out of the block.
fn dump(block: &TsdbBlock, bytes: &ChunkBytes) -> String {
    let mut text = String::new();
    for entry in block.series() {
        let series = block.samples(&entry.expect("a whole index"), bytes).expect("whole chunks");
        writeln!(text, "{}", series.labels).expect("a String takes everything");
        let floats = series.samples.iter().map(|sample| (sample.t, format!("{:016x}", sample.v.to_bits())));
        let histograms = series.histograms.iter().map(|sample| (sample.t, shown(&sample.h)));
        let mut lines: Vec<(i64, String)> = floats.chain(histograms).collect();
        lines.sort();
        for (t, line) in lines {
            writeln!(text, "{t} {line}").expect("a String takes everything");
        }
    }
    text
}

fn shown(h: &Histogram) -> String {
    let kind = if h.integer { "i" } else { "f" };
    if is_stale(h.sum) {
        return format!("{kind} stale");
    }
    let hint = match h.hint {
        ResetHint::Unknown => "unknown",
        ResetHint::Reset => "reset",
        ResetHint::NotReset => "not-reset",
        ResetHint::Gauge => "gauge",
    };
    let bits = |values: &[f64]| values.iter().map(|v| format!("{:016x}", v.to_bits())).collect::<Vec<_>>().join(",");
    let spans = |b: &Buckets| b.spans.iter().map(|span| format!("{}+{}", span.offset, span.length)).collect::<Vec<_>>().join(",");
    format!(
        "{kind} {hint} {} {} [{}] [{}] [{}] [{}] [{}]",
        h.schema,
        bits(&[h.zero_threshold, h.zero_count, h.count, h.sum]),
        spans(&h.positive),
        bits(&h.positive.counts),
        spans(&h.negative),
        bits(&h.negative.counts),
        bits(&h.bounds)
    )
}

#[test]
fn a_block_of_prometheus_is_read_to_the_bit() {
    let (block, bytes) = golden().open().expect("a block");
    assert_eq!(dump(&block, &bytes), include_str!("testdata/expected.txt"));
}

#[test]
fn deleted_samples_are_there_until_the_tombstones_are_read() {
    let count = |files: Files| {
        let (block, bytes) = files.open().expect("a block");
        let first = block.series().next().expect("a series").expect("a whole index");
        block.samples(&first, &bytes).expect("whole chunks").samples.len()
    };
    assert_eq!(count(Files { tombstones: None, ..golden() }), 300);
    assert!(count(golden()) < 300);
}

#[test]
fn a_strict_reader_compares_samples_with_what_the_index_has_of_their_chunk() {
    let (block, bytes) = golden().open().expect("a block");
    assert_eq!(dump(&block.strict(), &bytes), include_str!("testdata/expected.txt"));
    let chunk = ChunkPlace { min_time: 10, max_time: 20, reference: ChunkReference { segment: 0, at: 8 } };
    assert_eq!(chunk.check([10, 15, 20].into_iter()), Ok(()));
    assert_eq!(chunk.check([].into_iter()), Ok(()));
    for times in [[10, 15, 15], [15, 10, 20]] {
        assert_eq!(chunk.check(times.into_iter()), Err("samples of a chunk are not in the order of their times"));
    }
    for times in [[9, 15, 20], [10, 15, 21]] {
        assert_eq!(chunk.check(times.into_iter()), Err("a sample is outside the times that the index has of its chunk"));
    }
}

#[test]
fn the_facts_of_a_block_stand_in_its_meta() {
    let meta = BlockMeta::read(include_bytes!("testdata/meta.json")).expect("the meta of a block");
    assert_eq!((meta.stats.num_series, meta.stats.num_samples), (6, 725));
    assert!(BlockMeta::read(b"{}").is_err());
}

proptest! {
    /// Whatever is wrong with a block is an error, never a panic, and never other samples without a word.
    #[test]
    fn a_damaged_block_is_refused(file in 0usize..3, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut files = golden();
        let damaged = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            Bytes::from(bytes)
        };
        match file {
            0 => files.index = damaged(&files.index),
            1 => files.chunks = damaged(&files.chunks),
            _ => files.tombstones = files.tombstones.as_ref().map(damaged),
        }
        // What no checksum covers (padding, postings) may change nothing.
        if let Ok((block, bytes)) = files.open() {
            let read: Result<Vec<_>, _> = block.series().map(|entry| entry.and_then(|entry| block.samples(&entry, &bytes))).collect();
            if read.is_ok() {
                prop_assert_eq!(dump(&block, &bytes), include_str!("testdata/expected.txt"));
            }
        }
    }

    #[test]
    fn garbage_is_no_block(index in prop::collection::vec(any::<u8>(), 0..200), chunks in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = Files { index: index.into(), chunks: chunks.into(), tombstones: None };
        prop_assert!(files.open().is_err());
    }
}
