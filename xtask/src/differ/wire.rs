//! Bodies of remote write 1.0 and 2.0.

use std::collections::HashMap;

use crate::message::{Message, zigzag};

/// A series with what it has in the time of one push.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Sorted by name.
    pub(super) labels: Vec<(String, String)>,
    /// Sorted by time, in ms since the Unix epoch.
    pub(super) samples: Vec<(i64, Value)>,
    pub(super) exemplars: Vec<Exemplar>,
}

/// Time in ms, value, the labels.
pub(super) type Exemplar = (i64, f64, Vec<(String, String)>);

/// What a sample is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Float(f64),
    Histogram(Histogram),
}

/// A native histogram. Its counts are whole; a gauge is written with floats, and half as many.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    pub(super) gauge: bool,
    /// Marks the end of its series.
    pub(super) stale: bool,
    /// -53: the upper bounds are `bounds`.
    pub(super) schema: i32,
    pub(super) bounds: Vec<f64>,
    pub(super) zero_threshold: f64,
    pub(super) zero: u64,
    pub(super) sum: f64,
    /// Index of the first bucket, and the counts from there on.
    pub(super) positive: (i32, Vec<u64>),
    pub(super) negative: (i32, Vec<u64>),
}

/// A staleness marker: a NaN of its own.
pub(super) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// A `prometheus.WriteRequest`.
pub(super) fn version1(series: &[Series]) -> Vec<u8> {
    let mut out = Message::default();
    for one in series {
        let mut message = Message::default();
        put_labels(&mut message, &one.labels);
        put_samples(&mut message, 2, 4, &one.samples);
        for (at, value, labels) in &one.exemplars {
            let mut exemplar = Message::default();
            put_labels(&mut exemplar, labels);
            exemplar.double(2, *value).signed(3, *at);
            message.bytes(3, exemplar.as_bytes());
        }
        out.bytes(1, message.as_bytes());
    }
    out.into_bytes()
}

/// An `io.prometheus.write.v2.Request`.
pub(super) fn version2(series: &[Series]) -> Vec<u8> {
    let mut symbols = Symbols::default();
    symbols.of("");
    let mut messages = Vec::with_capacity(series.len());
    for one in series {
        let mut message = Message::default();
        message.packed(1, &symbols.labels(&one.labels));
        put_samples(&mut message, 2, 3, &one.samples);
        for (at, value, labels) in &one.exemplars {
            let mut exemplar = Message::default();
            exemplar.packed(1, &symbols.labels(labels)).double(2, *value).signed(3, *at);
            message.bytes(4, exemplar.as_bytes());
        }
        messages.push(message);
    }
    let mut out = Message::default();
    for symbol in &symbols.all {
        out.bytes(4, symbol.as_bytes());
    }
    for message in &messages {
        out.bytes(5, message.as_bytes());
    }
    out.into_bytes()
}

/// Texts of version 2.0, each once.
#[derive(Default)]
struct Symbols {
    all: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Symbols {
    fn of(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn labels(&mut self, labels: &[(String, String)]) -> Vec<u64> {
        labels.iter().flat_map(|(name, value)| [self.of(name), self.of(value)]).collect()
    }
}

fn put_labels(message: &mut Message, labels: &[(String, String)]) {
    for (name, value) in labels {
        let mut label = Message::default();
        label.bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
        message.bytes(1, label.as_bytes());
    }
}

/// Both versions have the same messages of samples, below numbers of their own.
fn put_samples(message: &mut Message, floats: u8, histograms: u8, samples: &[(i64, Value)]) {
    for (at, value) in samples {
        match value {
            Value::Float(value) => {
                let mut sample = Message::default();
                sample.double(1, *value).signed(2, *at);
                message.bytes(floats, sample.as_bytes());
            }
            Value::Histogram(histogram) => {
                message.bytes(histograms, put_histogram(histogram, *at).as_bytes());
            }
        }
    }
}

fn put_histogram(histogram: &Histogram, at: i64) -> Message {
    let mut out = Message::default();
    let Histogram { gauge, stale, zero, positive, negative, .. } = histogram;
    let count: u64 = zero + positive.1.iter().sum::<u64>() + negative.1.iter().sum::<u64>();
    let half = |count: u64| count as f64 / 2.0;
    if *gauge {
        out.double(2, half(count));
    } else {
        out.varint(1, count);
    }
    out.double(3, if *stale { STALE } else { histogram.sum }).zigzag(4, i64::from(histogram.schema)).double(5, histogram.zero_threshold);
    if *gauge {
        out.double(7, half(*zero));
    } else {
        out.varint(6, *zero);
    }
    for (spans, deltas, counts, (first, buckets)) in [(8, 9, 10, negative), (11, 12, 13, positive)] {
        if buckets.is_empty() {
            continue;
        }
        let mut span = Message::default();
        span.zigzag(1, i64::from(*first)).varint(2, buckets.len() as u64);
        out.bytes(spans, span.as_bytes());
        if *gauge {
            let counts_of: Vec<u8> = buckets.iter().flat_map(|&count| half(count).to_le_bytes()).collect();
            out.bytes(counts, &counts_of);
        } else {
            let mut before = 0;
            let steps = buckets.iter().map(|&count| {
                let count = count.cast_signed();
                let step = count - before;
                before = count;
                zigzag(step)
            });
            let steps: Vec<u64> = steps.collect();
            out.packed(deltas, &steps);
        }
    }
    if *gauge {
        out.varint(14, 3);
    }
    out.signed(15, at);
    let bounds: Vec<u8> = histogram.bounds.iter().flat_map(|bound| bound.to_le_bytes()).collect();
    if !bounds.is_empty() {
        out.bytes(16, &bounds);
    }
    out
}
