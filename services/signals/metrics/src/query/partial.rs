//! A querier's answer to a sub-query, in frames: what [`signal::PartialStream`] carries.
//!
//! Each frame begins with a version and a kind. The last one ([`Frame::End`]) says that the answer is whole. Times of samples are
//! differences of differences, values their bits; what does not fit into one frame goes on in the next.

mod remark;

use std::sync::Arc;

use bytes::Bytes;

use super::engine::{Annotations, InstantSample, PointValue, QueryResult, RangeSeries, ResultValue, Share, ShareRow, Usage};
use crate::histogram::wire::{histogram, put_histogram};
use crate::histogram::{Histogram, HistogramSample};
use crate::model::{Labels, Sample};
use crate::wire::codec::{Reader, put_bytes, put_len, put_signed, put_varint};
use crate::wire::{self, DecodeError, MetricMetadata, SeriesExemplars};

/// The version that is written.
const VERSION: u8 = 2;
/// About how many bytes go into one frame.
const FRAME_BYTES: usize = 1 << 20;
/// About how many samples of one series go into one frame.
const RUN: usize = FRAME_BYTES / 16;
/// About how many histograms of one series go into one frame: most take less than 2 KiB.
const HISTOGRAM_RUN: usize = FRAME_BYTES / 2048;

const MATRIX: u8 = 1;
const VECTOR: u8 = 2;
const SCALAR: u8 = 3;
const TEXT: u8 = 4;
const STRINGS: u8 = 5;
const SERIES: u8 = 6;
const END: u8 = 7;
const SHARE: u8 = 8;
const WHOLE_WANTED: u8 = 9;

/// The bit of a row's lane that says that the metric's name goes in the end.
const DROP_NAME: u8 = 0x80;
const EXEMPLARS: u8 = 20;
const METADATA: u8 = 21;
const COUNTS: u8 = 22;

/// Kinds of a vector's values.
const FLOAT: u8 = 0;
const HISTOGRAM: u8 = 1;

/// What a sub-query read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Series, each once.
    pub series: u64,
    /// Chunks, each once whatever the number of replicas.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Samples that lie in the ranges of the selectors.
    pub samples: u64,
}

impl Fetched {
    /// Adds what another sub-query read.
    pub fn add(&mut self, other: Self) {
        self.series += other.series;
        self.chunks += other.chunks;
        self.bytes += other.bytes;
        self.samples += other.samples;
    }
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Series of a matrix; the first may go on with that of the frame before.
    Matrix(Vec<RangeSeries>),
    /// Series of a vector, in the order of the answer.
    Vector(Vec<InstantSample>),
    /// A number.
    Scalar(Sample),
    /// A text and the time of the evaluation.
    Text {
        /// Ms since the Unix epoch.
        t: i64,
        /// The text.
        text: String,
    },
    /// Names or values of labels, sorted.
    Strings(Vec<String>),
    /// Labels of series, sorted.
    Series(Vec<Labels>),
    /// Rows of a part of an expression; the first may go on with the last of the frame before.
    Share(Vec<ShareRow>),
    /// In place of rows: the part cannot be evaluated over a share of these series.
    WholeWanted,
    /// Exemplars of series, sorted.
    Exemplars(Vec<SeriesExemplars>),
    /// Metadata of metrics, sorted.
    Metadata(Vec<MetricMetadata>),
    /// Counts of values or series, sorted by name and value.
    Counts(Vec<Count>),
    /// Nothing follows.
    End {
        /// What was remarked.
        annotations: Annotations,
        /// What was read.
        fetched: Fetched,
        /// What was looked at, where that was asked for.
        usage: Option<Usage>,
    },
}

/// How many there are of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// A label or metric; empty: all series.
    pub name: String,
    /// A value of the label.
    pub value: String,
    /// How many values or series.
    pub members: u64,
    /// The buckets of all members, where histograms are counted.
    pub sum: u64,
    /// The least of one.
    pub min: u64,
    /// The most of one.
    pub max: u64,
}

/// Frames in the making.
struct Frames {
    kind: u8,
    done: Vec<Bytes>,
    body: Vec<u8>,
    items: usize,
}

impl Frames {
    fn new(kind: u8) -> Self {
        Self { kind, done: Vec::new(), body: Vec::new(), items: 0 }
    }

    /// Adds an item to the present frame, and closes it when it is full.
    fn item(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.body);
        self.items += 1;
        if self.body.len() >= FRAME_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut frame = Vec::with_capacity(self.body.len() + 12);
        frame.extend([VERSION, self.kind]);
        put_len(&mut frame, self.items);
        frame.append(&mut self.body);
        self.items = 0;
        self.done.push(frame.into());
    }

    /// All frames; at least one even where there is no item, since it says what the answer is.
    fn finish(mut self, annotations: &Annotations, fetched: Fetched, usage: Option<&Usage>) -> Vec<Bytes> {
        if self.items > 0 || self.done.is_empty() {
            self.close();
        }
        self.done.push(end(annotations, fetched, usage));
        self.done
    }
}

/// The frames of an evaluation's result; `usage` where it was asked for.
#[must_use]
pub fn encode(result: &QueryResult, fetched: Fetched, usage: Option<&Usage>) -> Vec<Bytes> {
    let frames = match &result.value {
        ResultValue::Matrix(series) => {
            let mut frames = Frames::new(MATRIX);
            for one in series {
                for run in one.samples.chunks(RUN) {
                    frames.item(|out| {
                        wire::put_labels(out, &one.labels);
                        put_samples(out, run);
                        put_len(out, 0);
                    });
                }
                for run in one.histograms.chunks(HISTOGRAM_RUN) {
                    frames.item(|out| {
                        wire::put_labels(out, &one.labels);
                        put_len(out, 0);
                        put_histograms(out, run);
                    });
                }
            }
            frames
        }
        ResultValue::Vector(rows) => {
            let mut frames = Frames::new(VECTOR);
            for row in rows {
                frames.item(|out| {
                    wire::put_labels(out, &row.labels);
                    put_signed(out, row.t);
                    put_value(out, &row.value);
                });
            }
            frames
        }
        ResultValue::Scalar { t, v } => {
            let mut frames = Frames::new(SCALAR);
            frames.item(|out| put_sample(out, Sample { t: *t, v: *v }));
            frames
        }
        ResultValue::Text { t, text } => {
            let mut frames = Frames::new(TEXT);
            frames.item(|out| {
                put_signed(out, *t);
                put_bytes(out, text.as_bytes());
            });
            frames
        }
    };
    frames.finish(&result.annotations, fetched, usage)
}

/// The frames of what was evaluated over a share of the series; `stats` where the usage was asked for.
#[must_use]
pub fn encode_share(share: &Share, fetched: Fetched, stats: bool) -> Vec<Bytes> {
    let mut frames = Frames::new(SHARE);
    for ShareRow { lane, drop_name, series } in &share.rows {
        let head = lane | if *drop_name { DROP_NAME } else { 0 };
        for run in series.samples.chunks(RUN) {
            frames.item(|out| {
                out.push(head);
                wire::put_labels(out, &series.labels);
                put_samples(out, run);
                put_len(out, 0);
            });
        }
        for run in series.histograms.chunks(HISTOGRAM_RUN) {
            frames.item(|out| {
                out.push(head);
                wire::put_labels(out, &series.labels);
                put_len(out, 0);
                put_histograms(out, run);
            });
        }
    }
    frames.finish(&share.annotations, fetched, stats.then_some(&share.usage))
}

/// The frames that say that a part of an expression has to be evaluated over all series.
#[must_use]
pub fn encode_whole_wanted(fetched: Fetched) -> Vec<Bytes> {
    Frames::new(WHOLE_WANTED).finish(&Annotations::default(), fetched, None)
}

/// The frames of a sorted list of names or values.
#[must_use]
pub fn encode_strings(strings: impl IntoIterator<Item = String>) -> Vec<Bytes> {
    let mut frames = Frames::new(STRINGS);
    for one in strings {
        frames.item(|out| put_bytes(out, one.as_bytes()));
    }
    frames.finish(&Annotations::default(), Fetched::default(), None)
}

/// The frames of a sorted list of series.
#[must_use]
pub fn encode_series(series: impl IntoIterator<Item = Labels>, fetched: Fetched) -> Vec<Bytes> {
    let mut frames = Frames::new(SERIES);
    for one in series {
        frames.item(|out| wire::put_labels(out, &one));
    }
    frames.finish(&Annotations::default(), fetched, None)
}

/// The frames of exemplars.
#[must_use]
pub fn encode_exemplars(series: &[SeriesExemplars]) -> Vec<Bytes> {
    let mut frames = Frames::new(EXEMPLARS);
    for one in series {
        frames.item(|out| {
            wire::put_labels(out, &one.labels);
            wire::put_exemplars(out, &one.exemplars);
        });
    }
    let fetched = Fetched { series: series.len() as u64, ..Fetched::default() };
    frames.finish(&Annotations::default(), fetched, None)
}

/// The frames of counts.
#[must_use]
pub fn encode_counts(counts: &[Count]) -> Vec<Bytes> {
    let mut frames = Frames::new(COUNTS);
    for Count { name, value, members, sum, min, max } in counts {
        frames.item(|out| {
            put_bytes(out, name.as_bytes());
            put_bytes(out, value.as_bytes());
            [members, sum, min, max].into_iter().for_each(|figure| put_varint(out, *figure));
        });
    }
    frames.finish(&Annotations::default(), Fetched::default(), None)
}

/// The frames of metadata.
#[must_use]
pub fn encode_metadata(metrics: &[MetricMetadata]) -> Vec<Bytes> {
    let mut frames = Frames::new(METADATA);
    for one in metrics {
        frames.item(|out| {
            put_bytes(out, one.metric.as_bytes());
            wire::put_metadata(out, &one.entries);
        });
    }
    frames.finish(&Annotations::default(), Fetched::default(), None)
}

fn end(annotations: &Annotations, fetched: Fetched, usage: Option<&Usage>) -> Bytes {
    let mut out = vec![VERSION, END];
    let Fetched { series, chunks, bytes, samples } = fetched;
    for figure in [series, chunks, bytes, samples] {
        put_varint(&mut out, figure);
    }
    put_len(&mut out, annotations.len());
    for (annotation, at) in annotations.iter() {
        remark::put(&mut out, annotation);
        put_len(&mut out, at);
    }
    put_len(&mut out, usize::from(usage.is_some()));
    if let Some(Usage { peak, per_step }) = usage {
        put_varint(&mut out, *peak);
        put_len(&mut out, per_step.len());
        per_step.iter().for_each(|count| put_varint(&mut out, *count));
    }
    out.into()
}

impl Frame {
    /// Reads a frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        match from.byte()? {
            VERSION => {}
            version => return Err(DecodeError::Version { what: "partial answer", version }),
        }
        let from_wire = &mut from;
        let frame = match from_wire.byte()? {
            MATRIX => Self::Matrix(items(from_wire, 3, |from| {
                Ok(RangeSeries { labels: wire::labels(from)?, samples: samples(from)?, histograms: histograms(from)? })
            })?),
            VECTOR => Self::Vector(items(from_wire, 11, |from| {
                Ok(InstantSample { labels: wire::labels(from)?, t: from.signed()?, value: value(from)? })
            })?),
            SCALAR => Self::Scalar(only(items(from_wire, 9, sample)?)?),
            TEXT => {
                let (t, text) = only(items(from_wire, 2, |from| Ok((from.signed()?, from.text()?.to_owned())))?)?;
                Self::Text { t, text }
            }
            STRINGS => Self::Strings(items(from_wire, 1, |from| Ok(from.text()?.to_owned()))?),
            SERIES => Self::Series(items(from_wire, 1, wire::labels)?),
            SHARE => Self::Share(items(from_wire, 4, |from| {
                let head = from.byte()?;
                let series = RangeSeries { labels: wire::labels(from)?, samples: samples(from)?, histograms: histograms(from)? };
                Ok(ShareRow { lane: head & !DROP_NAME, drop_name: head & DROP_NAME != 0, series })
            })?),
            WHOLE_WANTED => items(from_wire, 1, |from| from.byte()).map(|_| Self::WholeWanted)?,
            EXEMPLARS => Self::Exemplars(items(from_wire, 2, |from| {
                Ok(SeriesExemplars { labels: wire::labels(from)?, exemplars: wire::read_exemplars(from)? })
            })?),
            COUNTS => Self::Counts(items(from_wire, 6, |from| {
                let (name, value) = (from.text()?.to_owned(), from.text()?.to_owned());
                Ok(Count { name, value, members: from.varint()?, sum: from.varint()?, min: from.varint()?, max: from.varint()? })
            })?),
            METADATA => Self::Metadata(items(from_wire, 2, |from| {
                Ok(MetricMetadata { metric: from.text()?.to_owned(), entries: wire::read_metadata(from)? })
            })?),
            END => {
                let fetched = Fetched {
                    series: from_wire.varint()?,
                    chunks: from_wire.varint()?,
                    bytes: from_wire.varint()?,
                    samples: from_wire.varint()?,
                };
                let mut annotations = Annotations::default();
                for (annotation, at) in items(from_wire, 2, |from| Ok((remark::read(from)?, from.varint32("place")?)))? {
                    annotations.add(annotation, at as usize);
                }
                let usage =
                    items(from_wire, 2, |from| Ok(Usage { peak: from.varint()?, per_step: items(from, 1, |from| from.varint())? }))?;
                Self::End { annotations, fetched, usage: usage.into_iter().next() }
            }
            tag => return Err(DecodeError::Tag { what: "partial answer", tag }),
        };
        from.end()?;
        Ok(frame)
    }
}

/// A count and so many items of at least `each` bytes.
fn items<T>(
    from: &mut Reader<'_>,
    each: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = from.count(each)?;
    (0..count).map(|_| read(from)).collect()
}

fn only<T>(items: Vec<T>) -> Result<T, DecodeError> {
    <[T; 1]>::try_from(items).map(|[one]| one).map_err(|_| DecodeError::Number { what: "partial answer" })
}

fn put_sample(out: &mut Vec<u8>, sample: Sample) {
    put_signed(out, sample.t);
    out.extend(sample.v.to_bits().to_le_bytes());
}

fn sample(from: &mut Reader<'_>) -> Result<Sample, DecodeError> {
    Ok(Sample { t: from.signed()?, v: f64::from_bits(from.u64_le()?) })
}

fn put_samples(out: &mut Vec<u8>, samples: &[Sample]) {
    put_len(out, samples.len());
    let (mut last, mut delta) = (0i64, 0i64);
    for sample in samples {
        let next = sample.t.wrapping_sub(last);
        put_signed(out, next.wrapping_sub(delta));
        (last, delta) = (sample.t, next);
        out.extend(sample.v.to_bits().to_le_bytes());
    }
}

fn samples(from: &mut Reader<'_>) -> Result<Vec<Sample>, DecodeError> {
    let (mut last, mut delta) = (0i64, 0i64);
    items(from, 9, |from| {
        delta = delta.wrapping_add(from.signed()?);
        last = last.wrapping_add(delta);
        Ok(Sample { t: last, v: f64::from_bits(from.u64_le()?) })
    })
}

fn put_histograms(out: &mut Vec<u8>, samples: &[HistogramSample]) {
    put_len(out, samples.len());
    let mut last = 0i64;
    for sample in samples {
        put_signed(out, sample.t.wrapping_sub(last));
        last = sample.t;
        put_histogram(out, &sample.h);
    }
}

fn histograms(from: &mut Reader<'_>) -> Result<Vec<HistogramSample>, DecodeError> {
    let mut last = 0i64;
    let mut bounds = None;
    items(from, 8, |from| {
        last = last.wrapping_add(from.signed()?);
        Ok(HistogramSample { t: last, h: shared(histogram(from)?, &mut bounds) })
    })
}

/// A histogram that shares the bounds of the one before where they are equal: those of one series nearly always are.
fn shared(mut histogram: Histogram, bounds: &mut Option<Arc<[f64]>>) -> Arc<Histogram> {
    match bounds {
        Some(before) if **before == *histogram.bounds => histogram.bounds = before.clone(),
        _ => *bounds = Some(histogram.bounds.clone()),
    }
    Arc::new(histogram)
}

/// A value of a vector: a tag, and a float or a histogram.
fn put_value(out: &mut Vec<u8>, value: &PointValue) {
    match value {
        PointValue::Float(v) => {
            out.push(FLOAT);
            out.extend(v.to_bits().to_le_bytes());
        }
        PointValue::Histogram(h) => {
            out.push(HISTOGRAM);
            put_histogram(out, h);
        }
    }
}

fn value(from: &mut Reader<'_>) -> Result<PointValue, DecodeError> {
    match from.byte()? {
        FLOAT => Ok(PointValue::Float(f64::from_bits(from.u64_le()?))),
        HISTOGRAM => Ok(PointValue::Histogram(Arc::new(histogram(from)?))),
        tag => Err(DecodeError::Tag { what: "value", tag }),
    }
}

#[cfg(test)]
mod tests;
