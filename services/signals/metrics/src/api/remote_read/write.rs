//! Answers in the two forms of remote read.

use std::iter::Peekable;

use bytes::Bytes;
use crc32c::crc32c;
use runtime::ErrorKind;
use signal::QueryError;

use super::chunks::{Chunks, PrometheusChunk};
use crate::histogram::protobuf;
use crate::ingest::protobuf::{put_bytes, put_varint};
use crate::model::{Labels, Sample};
use crate::query::engine::RangeSeries;

/// About how many bytes of chunks go into one frame: what Prometheus's clients take is 50 MiB, and what its server sends 1 MiB.
const FRAME_BYTES: usize = 1 << 20;

/// `prometheus.ReadResponse` of all queries, in a snappy block.
pub(super) fn samples(results: &[Vec<RangeSeries>]) -> Result<Vec<u8>, QueryError> {
    let mut response = Vec::new();
    for result in results {
        let mut query = Vec::new();
        let mut one = Vec::new();
        for series in result {
            one.clear();
            labels(&mut one, &series.labels);
            for each in &series.samples {
                sample(&mut one, *each);
            }
            for each in &series.histograms {
                protobuf::put(&mut one, 4, each);
            }
            put_bytes(&mut query, 1, &one);
        }
        put_bytes(&mut response, 1, &query);
    }
    snap::raw::Encoder::new()
        .compress_vec(&response)
        .map_err(|err| QueryError::new(ErrorKind::LimitExceeded, format!("the answer is too large for one message: {err}")))
}

/// Appends labels as fields 1.
fn labels(out: &mut Vec<u8>, labels: &Labels) {
    let mut pair = Vec::new();
    for (name, value) in labels.iter() {
        pair.clear();
        put_bytes(&mut pair, 1, name.as_bytes());
        put_bytes(&mut pair, 2, value.as_bytes());
        put_bytes(out, 1, &pair);
    }
}

/// Appends a sample as a field 2.
fn sample(out: &mut Vec<u8>, sample: Sample) {
    let mut message = Vec::with_capacity(20);
    message.push(1 << 3 | 1);
    message.extend_from_slice(&sample.v.to_bits().to_le_bytes());
    put_varint(&mut message, 2 << 3);
    put_varint(&mut message, sample.t.cast_unsigned());
    put_bytes(out, 2, &message);
}

/// The frames of one query: each a `prometheus.ChunkedReadResponse` behind its length (a varint) and its CRC-32C (big-endian). A long
/// series goes on in the next frame.
pub(super) struct Stream {
    query: u64,
    series: std::vec::IntoIter<RangeSeries>,
    /// The series that is under way.
    current: Option<(Labels, Peekable<Chunks>)>,
}

impl Stream {
    pub(super) fn new(query: usize, series: Vec<RangeSeries>) -> Self {
        Self { query: query as u64, series: series.into_iter(), current: None }
    }

    /// Appends chunks of the present series to a frame; false at the end of the query.
    fn add(&mut self, frame: &mut Vec<u8>) -> bool {
        let (names, chunks) = match &mut self.current {
            Some(current) => current,
            current @ None => match self.series.next() {
                Some(series) => current.insert((series.labels, Chunks::new(series.samples, series.histograms).peekable())),
                None => return false,
            },
        };
        let mut message = Vec::new();
        labels(&mut message, names);
        while frame.len() + message.len() < FRAME_BYTES
            && let Some(next) = chunks.next()
        {
            chunk(&mut message, &next);
        }
        put_bytes(frame, 1, &message);
        if chunks.peek().is_none() {
            self.current = None;
        }
        true
    }
}

impl Iterator for Stream {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut message = Vec::new();
        while message.len() < FRAME_BYTES && self.add(&mut message) {}
        if message.is_empty() {
            return None;
        }
        put_varint(&mut message, 2 << 3);
        put_varint(&mut message, self.query);
        let mut frame = Vec::with_capacity(message.len() + 14);
        put_varint(&mut frame, message.len() as u64);
        frame.extend_from_slice(&crc32c(&message).to_be_bytes());
        frame.append(&mut message);
        Some(frame.into())
    }
}

/// Appends a chunk as a field 2.
fn chunk(out: &mut Vec<u8>, chunk: &PrometheusChunk) {
    let mut message = Vec::with_capacity(chunk.bytes.len() + 32);
    for (number, value) in [(1, chunk.min_t.cast_unsigned()), (2, chunk.max_t.cast_unsigned()), (3, u64::from(chunk.encoding))] {
        put_varint(&mut message, number << 3);
        put_varint(&mut message, value);
    }
    put_bytes(&mut message, 4, &chunk.bytes);
    put_bytes(out, 2, &message);
}
