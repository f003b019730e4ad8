//! Sends the parts of a query out, merges what comes back, and writes it.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use runtime::{Classify, ErrorKind};
use rustc_hash::FxHashMap;
use signal::{PartialStream, QueryError, SubQuery};
use tenancy::{Budget, BudgetExceeded, Reservation};

use super::error::PromError;
use super::{Api, json};
use crate::model::{Labels, Sample};
use crate::query;
use crate::query::engine::{Annotations, InstantSample, PointValue, RangeSeries, Usage};
use crate::query::partial::{Count, Fetched, Frame};
use crate::wire::{MetricMetadata, SeriesExemplars};

/// The most warnings, and the most infos, that an answer shows.
const MAX_REMARKS: usize = 10;
/// What is remarked when `limit` cuts an answer.
pub(super) const TRUNCATED: &str = "results truncated due to limit";
/// Answers up to so many bytes are merged and written where they arrive.
const INLINE_BYTES: usize = 8 << 10;

/// About how many floats a histogram is as long as, in JSON.
const HISTOGRAM_ITEMS: usize = 16;
/// What a byte of a querier's answer takes: itself, as samples and labels, and as JSON.
pub(super) const MEMORY_PER_BYTE: u64 = 5;

/// What all parts say together.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) annotations: Annotations,
    pub(super) fetched: Fetched,
    /// What was looked at, where that was asked for: the steps of all parts one after the other.
    pub(super) usage: Option<Usage>,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Value {
    Matrix(Vec<RangeSeries>),
    Vector(Vec<InstantSample>),
    Scalar(Sample),
    Text {
        t: i64,
        text: String,
    },
    Strings(Vec<String>),
    Series(Vec<Labels>),
    Exemplars(Vec<SeriesExemplars>),
    Metadata(Vec<MetricMetadata>),
    /// Of the cardinality API, which writes them itself.
    Counts(Vec<Count>),
}

/// Runs the parts, at most `width` at once, and gives what `write` makes of their answer.
pub(super) async fn ask<T: Send + 'static>(
    api: &Api,
    parts: Vec<SubQuery>,
    width: usize,
    timeout: Duration,
    write: impl FnOnce(Answer) -> T + Send + 'static,
) -> Result<T, PromError> {
    let running =
        stream::iter(parts).map(|part| Part::read(api.exec.run(part), &api.memory)).buffered(width.max(1)).try_collect::<Vec<_>>();
    let parts = tokio::time::timeout(timeout, running).await.map_err(|_| query::timed_out())??;
    finish(api, parts, write).await
}

/// Gives what `write` makes of the answer that parts are together.
pub(super) async fn finish<T: Send + 'static>(
    api: &Api,
    parts: Vec<Part>,
    write: impl FnOnce(Answer) -> T + Send + 'static,
) -> Result<T, PromError> {
    if parts.iter().flat_map(|part| &part.frames).map(Bytes::len).sum::<usize>() <= INLINE_BYTES {
        return Ok(write(merge(&parts)?));
    }
    Ok(query::run(&api.deps.compute, move || merge(&parts).map(write)).await??)
}

/// All frames of one part, and the memory that they and what is made of them take.
pub(super) struct Part {
    pub(super) frames: Vec<Bytes>,
    _memory: Reservation,
}

impl Part {
    /// Frames that stand here already.
    pub(super) fn of(frames: Vec<Bytes>, memory: &Budget) -> Result<Self, QueryError> {
        let bytes: usize = frames.iter().map(Bytes::len).sum();
        let memory = memory.reserve((bytes as u64).saturating_mul(MEMORY_PER_BYTE)).map_err(refused)?;
        Ok(Self { frames, _memory: memory })
    }

    /// Reads the frames of a querier.
    pub(super) async fn read(mut stream: PartialStream, memory: &Budget) -> Result<Self, QueryError> {
        let mut memory = memory.reserve(0).map_err(refused)?;
        let mut frames = Vec::new();
        while let Some(frame) = stream.next().await {
            let frame = frame?;
            memory.grow((frame.len() as u64).saturating_mul(MEMORY_PER_BYTE)).map_err(refused)?;
            frames.push(frame);
        }
        Ok(Self { frames, _memory: memory })
    }
}

pub(super) fn refused(err: BudgetExceeded) -> QueryError {
    QueryError::new(err.kind(), err.to_string())
}

/// Merges parts that follow each other in time. Series of several parts are one.
pub(super) fn merge(parts: &[Part]) -> Result<Answer, QueryError> {
    let mut merge = Merge::default();
    for part in parts {
        let mut whole = false;
        for frame in &part.frames {
            if whole {
                return Err(internal("a querier's answer goes on after its end"));
            }
            let frame = Frame::decode(frame).map_err(|err| internal(&format!("a querier's answer cannot be read: {err}")))?;
            whole = merge.take(frame)?;
        }
        if !whole {
            return Err(internal("a querier's answer ends early"));
        }
    }
    let Merge { value, annotations, fetched, usage, .. } = merge;
    let mut value = value.ok_or_else(|| internal("a query had no parts"))?;
    if let Value::Matrix(series) = &mut value {
        series.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
    }
    Ok(Answer { value, annotations, fetched, usage })
}

pub(super) fn internal(text: &str) -> QueryError {
    QueryError::new(ErrorKind::Internal, text)
}

#[derive(Default)]
struct Merge {
    value: Option<Value>,
    /// Where the series of a matrix stand.
    places: FxHashMap<Labels, usize>,
    annotations: Annotations,
    fetched: Fetched,
    usage: Option<Usage>,
}

impl Merge {
    /// Takes a frame; true for the last one of a part.
    fn take(&mut self, frame: Frame) -> Result<bool, QueryError> {
        let value = match frame {
            Frame::End { annotations, fetched, usage } => {
                if let Some(more) = usage {
                    let usage = self.usage.get_or_insert_default();
                    usage.peak = usage.peak.max(more.peak);
                    usage.per_step.extend(more.per_step);
                }
                self.annotations.merge(annotations);
                self.fetched.add(fetched);
                return Ok(true);
            }
            Frame::Matrix(series) => Value::Matrix(series),
            Frame::Vector(rows) => Value::Vector(rows),
            Frame::Scalar(sample) => Value::Scalar(sample),
            Frame::Text { t, text } => Value::Text { t, text },
            Frame::Strings(strings) => Value::Strings(strings),
            Frame::Series(series) => Value::Series(series),
            Frame::Share(_) | Frame::WholeWanted => return Err(internal("a querier answered another question")),
            Frame::Exemplars(series) => Value::Exemplars(series),
            Frame::Metadata(metrics) => Value::Metadata(metrics),
            Frame::Counts(counts) => Value::Counts(counts),
        };
        match (&mut self.value, value) {
            (None, Value::Matrix(more)) => {
                let mut series = Vec::with_capacity(more.len());
                extend(&mut series, &mut self.places, more);
                self.value = Some(Value::Matrix(series));
            }
            (value @ None, first) => *value = Some(first),
            (Some(Value::Matrix(series)), Value::Matrix(more)) => extend(series, &mut self.places, more),
            (Some(Value::Vector(rows)), Value::Vector(more)) => rows.extend(more),
            (Some(Value::Strings(strings)), Value::Strings(more)) => strings.extend(more),
            (Some(Value::Series(series)), Value::Series(more)) => series.extend(more),
            (Some(Value::Exemplars(series)), Value::Exemplars(more)) => series.extend(more),
            (Some(Value::Metadata(metrics)), Value::Metadata(more)) => metrics.extend(more),
            (Some(Value::Counts(counts)), Value::Counts(more)) => counts.extend(more),
            _ => return Err(internal("queriers answered with different kinds of values")),
        }
        Ok(false)
    }
}

fn extend(series: &mut Vec<RangeSeries>, places: &mut FxHashMap<Labels, usize>, more: Vec<RangeSeries>) {
    for one in more {
        match places.get(&one.labels) {
            Some(place) => {
                let known = &mut series[*place];
                known.samples.extend(one.samples);
                known.histograms.extend(one.histograms);
            }
            None => {
                places.insert(one.labels.clone(), series.len());
                series.push(one);
            }
        }
    }
}

impl Answer {
    /// Writes the answer to a query; `limit` series at most, 0 is all; `stats` where they are asked for.
    pub(super) fn write(mut self, query: &str, limit: usize, stats: Option<Stats>) -> Vec<u8> {
        let mut warnings = self.annotations.warnings(query, MAX_REMARKS);
        let infos = self.annotations.infos(query, MAX_REMARKS);
        if self.value.truncate(limit) {
            warnings.push(TRUNCATED.to_owned());
        }
        let mut out = Vec::with_capacity(self.value.written_bytes());
        json::begin(&mut out);
        self.value.write(&mut out);
        if let (Some(stats), Some(usage)) = (stats, &self.usage) {
            // The object of the value is open to what stands beside it.
            if out.pop_if(|last| *last == b'}').is_some() {
                stats.write(&mut out, usage);
                out.push(b'}');
            }
        }
        json::end(&mut out, &warnings, &infos);
        out
    }
}

/// How `stats` are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    /// The first step, ms since the Unix epoch.
    pub(super) start_ms: i64,
    /// The distance of the steps, ms.
    pub(super) step_ms: i64,
    /// Whether each step is told.
    pub(super) per_step: bool,
}

impl Stats {
    /// Appends the member `stats` of an object.
    fn write(self, out: &mut Vec<u8>, usage: &Usage) {
        out.extend_from_slice(br#","stats":{"samples":{"#);
        if self.per_step {
            out.extend_from_slice(br#""totalQueryableSamplesPerStep":"#);
            let times = (0..).map(|step: i64| self.start_ms + step * self.step_ms);
            json::list(out, times.zip(&usage.per_step), |out, (time, count)| {
                out.push(b'[');
                json::timestamp(out, time);
                out.extend_from_slice(format!(",{count}]").as_bytes());
            });
            out.push(b',');
        }
        let total: u64 = usage.per_step.iter().sum();
        out.extend_from_slice(format!(r#""totalQueryableSamples":{total},"peakSamples":{}}}}}"#, usage.peak).as_bytes());
    }
}

impl Value {
    /// Leaves so many series or strings, 0 is all; true if some had to go.
    pub(super) fn truncate(&mut self, limit: usize) -> bool {
        fn cut<T>(items: &mut Vec<T>, limit: usize) -> bool {
            let cut = items.len() > limit;
            items.truncate(limit);
            cut
        }
        match self {
            _ if limit == 0 => false,
            Self::Matrix(series) => cut(series, limit),
            Self::Vector(rows) => cut(rows, limit),
            Self::Strings(strings) => cut(strings, limit),
            Self::Series(series) => cut(series, limit),
            Self::Exemplars(series) => cut(series, limit),
            Self::Metadata(metrics) => cut(metrics, limit),
            Self::Counts(counts) => cut(counts, limit),
            Self::Scalar(_) | Self::Text { .. } => false,
        }
    }

    /// About how many bytes it takes as JSON.
    fn written_bytes(&self) -> usize {
        let items = match self {
            Self::Matrix(series) => series.iter().map(|one| 8 + one.samples.len() + one.histograms.len() * HISTOGRAM_ITEMS).sum(),
            Self::Vector(rows) => rows.len() * 8,
            Self::Scalar(_) | Self::Text { .. } => 8,
            Self::Strings(strings) => strings.len(),
            Self::Series(series) => series.len() * 6,
            Self::Exemplars(series) => series.iter().map(|one| 8 + 6 * one.exemplars.len()).sum(),
            Self::Metadata(metrics) => metrics.iter().map(|one| 4 + 4 * one.entries.len()).sum(),
            Self::Counts(counts) => counts.len(),
        };
        256 + items * 24
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut result = |kind: &str| {
            out.extend_from_slice(br#"{"resultType":""#);
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(br#"","result":"#);
        };
        match self {
            Self::Matrix(series) => {
                result("matrix");
                json::list(out, series, |out, one| {
                    metric(out, &one.labels);
                    // A series has a list of each kind of samples that it has any of.
                    if !one.samples.is_empty() {
                        out.extend_from_slice(b",\"values\":");
                        json::list(out, &one.samples, |out, sample| json::sample(out, *sample));
                    }
                    if !one.histograms.is_empty() {
                        out.extend_from_slice(b",\"histograms\":");
                        json::list(out, &one.histograms, |out, sample| json::histogram_sample(out, sample.t, &sample.h));
                    }
                    out.push(b'}');
                });
            }
            Self::Vector(rows) => {
                result("vector");
                json::list(out, rows, |out, row| {
                    metric(out, &row.labels);
                    match &row.value {
                        PointValue::Float(v) => {
                            out.extend_from_slice(b",\"value\":");
                            json::sample(out, Sample { t: row.t, v: *v });
                        }
                        PointValue::Histogram(h) => {
                            out.extend_from_slice(b",\"histogram\":");
                            json::histogram_sample(out, row.t, h);
                        }
                    }
                    out.push(b'}');
                });
            }
            Self::Scalar(sample) => {
                result("scalar");
                json::sample(out, *sample);
            }
            Self::Text { t, text } => {
                result("string");
                out.push(b'[');
                json::timestamp(out, *t);
                out.push(b',');
                json::text(out, text);
                out.push(b']');
            }
            Self::Strings(strings) => return json::list(out, strings, |out, one| json::text(out, one)),
            Self::Series(series) => return json::list(out, series, json::labels),
            Self::Exemplars(series) => return json::list(out, series, exemplars),
            Self::Metadata(metrics) => return metadata(out, metrics),
            Self::Counts(counts) => {
                return json::list(out, counts, |out, count| out.extend_from_slice(count.members.to_string().as_bytes()));
            }
        }
        out.push(b'}');
    }
}

/// Begins a series: what it has follows.
fn metric(out: &mut Vec<u8>, labels: &Labels) {
    out.extend_from_slice(br#"{"metric":"#);
    json::labels(out, labels);
}

/// Appends the exemplars of a series.
fn exemplars(out: &mut Vec<u8>, series: &SeriesExemplars) {
    out.extend_from_slice(br#"{"seriesLabels":"#);
    json::labels(out, &series.labels);
    out.extend_from_slice(br#","exemplars":"#);
    json::list(out, &series.exemplars, |out, exemplar| {
        out.extend_from_slice(br#"{"labels":"#);
        json::labels(out, &exemplar.labels);
        out.extend_from_slice(br#","value":"#);
        json::value(out, exemplar.value);
        out.extend_from_slice(br#","timestamp":"#);
        json::timestamp(out, exemplar.t);
        out.push(b'}');
    });
    out.push(b'}');
}

/// Appends metadata: an object of lists by metric.
fn metadata(out: &mut Vec<u8>, metrics: &[MetricMetadata]) {
    out.push(b'{');
    for (index, MetricMetadata { metric, entries }) in metrics.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::text(out, metric);
        out.push(b':');
        json::list(out, entries, |out, entry| {
            let metadata = &entry.metadata;
            for (name, value) in [("{\"type\":", metadata.kind.as_str()), (",\"help\":", &metadata.help), (",\"unit\":", &metadata.unit)] {
                out.extend_from_slice(name.as_bytes());
                json::text(out, value);
            }
            out.push(b'}');
        });
    }
    out.push(b'}');
}

/// The answer to a range query that looks at nothing.
pub(super) fn nothing() -> Answer {
    Answer { value: Value::Matrix(Vec::new()), annotations: Annotations::default(), fetched: Fetched::default(), usage: None }
}

/// The answer to a request for a list that looks at nothing.
pub(super) fn no_list() -> Answer {
    Answer { value: Value::Strings(Vec::new()), ..nothing() }
}

/// The answer to a request for metadata that wants none.
pub(super) fn no_metadata() -> Answer {
    Answer { value: Value::Metadata(Vec::new()), ..nothing() }
}

/// A success.
pub(super) fn success(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests;
