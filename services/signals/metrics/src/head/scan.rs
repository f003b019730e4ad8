//! Answers of a head: chunk references are taken at one moment under the lock, batches are encoded outside of it.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use index::{Matcher, RoaringBitmap};
use prometheus_client::metrics::histogram::Histogram;
use runtime::{Chain, ErrorKind};
use rustc_hash::FxHashMap;
use signal::{ScanError, ScanQuery, ScanStream, SignalError, TimeRange};

use super::files::Files;
use super::more::late_chunks as late_histogram_chunks;
use super::series::{Series, View, late_chunks};
use super::{Shared, cardinality};
use crate::chunk::Chunk;
use crate::drops::{self, Drops};
use crate::model::{Exemplar, Labels, TimestampMs};
use crate::wire::{BATCH_BYTES, Group, LeafQuery, LeafRows, MetadataEntry, MetricMetadata, SeriesChunks, SeriesExemplars, SeriesShard};

/// Bytes that a chunk takes in a batch beside its samples, about.
const CHUNK_BYTES: usize = 24;

/// A scan on its way.
enum Scan {
    Asked(Question),
    Chunks(Chunks),
    Strings(std::vec::IntoIter<String>),
    Series(std::vec::IntoIter<Labels>),
    Exemplars(std::vec::IntoIter<SeriesExemplars>),
    Metadata(std::vec::IntoIter<MetricMetadata>),
    Groups(std::vec::IntoIter<Group>),
}

/// Chunks with their series; those of files are read when they are asked for.
type Chunks = Box<dyn Iterator<Item = Result<(Labels, Chunk), SignalError>> + Send>;

/// What is asked.
struct Question {
    shared: Arc<Shared>,
    query: LeafQuery,
    /// First and last ms.
    range: (i64, i64),
    /// What is left out.
    drops: Drops,
}

/// Counts the samples of chunks that go out, and tells when none comes any more.
struct Sent {
    samples: u64,
    histogram: Histogram,
}

impl Sent {
    fn add(&mut self, chunk: Option<&Chunk>) {
        self.samples += chunk.map_or(0, |chunk| u64::from(chunk.count));
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.histogram.observe(self.samples as f64);
    }
}

/// Answers a query.
pub(super) fn scan(shared: &Arc<Shared>, query: &ScanQuery) -> ScanStream {
    let compute = shared.deps.compute.clone();
    let asked = ask(shared, query).map(Scan::Asked);
    let steps = stream::once(std::future::ready(asked)).map(move |asked| {
        let compute = compute.clone();
        let steps = stream::try_unfold(asked, move |scan| {
            let compute = compute.clone();
            async move {
                let scan = scan?;
                let next = compute.run(move || scan.next()).await;
                let next = next.map_err(|err| SignalError::internal(err.to_string()))?;
                Ok::<_, SignalError>(next?.map(|(batch, scan)| (batch, Ok(scan))))
            }
        });
        steps.map(|batch| batch.map_err(ScanError::from))
    });
    steps.flatten().boxed()
}

fn ask(shared: &Arc<Shared>, query: &ScanQuery) -> Result<Question, SignalError> {
    let asked = LeafQuery::decode(&query.payload).map_err(|err| SignalError::new(ErrorKind::BadInput, err.to_string()))?;
    let drops = Drops::compile(&query.drops).map_err(|err| SignalError::internal(Chain(&err).to_string()))?;
    Ok(Question { shared: Arc::clone(shared), query: asked, range: ms(query.range), drops })
}

impl Scan {
    /// The next batch and what comes after it.
    fn next(self) -> Result<Option<(Bytes, Self)>, SignalError> {
        let mut scan = match self {
            Self::Asked(question) => question.answer()?,
            other => other,
        };
        let batch = match &mut scan {
            // Answered above.
            Self::Asked(_) => None,
            Self::Chunks(chunks) => next_chunks(chunks)?.map(LeafRows::Chunks),
            Self::Strings(strings) => next_of(strings, String::len).map(LeafRows::Strings),
            Self::Series(series) => next_of(series, Labels::heap_bytes).map(LeafRows::Series),
            Self::Exemplars(series) => next_of(series, exemplar_bytes).map(LeafRows::Exemplars),
            Self::Metadata(metrics) => next_of(metrics, metadata_bytes).map(LeafRows::Metadata),
            Self::Groups(groups) => next_of(groups, |group| group.value.len() + 10 * group.members.len()).map(LeafRows::Groups),
        };
        Ok(batch.map(|rows| (rows.encode(), scan)))
    }
}

impl Question {
    fn answer(self) -> Result<Scan, SignalError> {
        match &self.query {
            LeafQuery::Chunks { matchers, shard } => {
                let selected = self.shared.index.select(&compile(matchers)?);
                Ok(Scan::Chunks(self.chunks(&selected, *shard)))
            }
            LeafQuery::LabelNames { sets, limit } => {
                let names = self.shared.index.label_names(Some(&self.about(sets)?));
                Ok(Scan::Strings(limited(names, *limit)))
            }
            LeafQuery::LabelValues { name, sets, limit } => {
                let values = self.shared.index.label_values(name, Some(&self.about(sets)?));
                Ok(Scan::Strings(limited(values, *limit)))
            }
            LeafQuery::Cardinality(query) => {
                let selected = self.selected(&query.sets)?;
                Ok(match cardinality::count(&self.shared, query, &selected) {
                    cardinality::Answer::Groups(groups) => Scan::Groups(groups.into_iter()),
                    cardinality::Answer::Series(series) => Scan::Series(series.into_iter()),
                })
            }
            LeafQuery::Series { sets, limit } => {
                let selected = self.with_rows(sets)?;
                let state = self.shared.state.read();
                let labels = selected.iter().filter_map(|number| state.get(number)).map(|series| series.labels.clone());
                Ok(Scan::Series(limited(labels.collect(), *limit)))
            }
            LeafQuery::Exemplars { sets } => {
                let found = self.exemplars(&self.selected(sets)?);
                let count: usize = found.iter().map(|series| series.exemplars.len()).sum();
                self.shared.deps.instruments.heads.queried_exemplars.observe(count as f64);
                Ok(Scan::Exemplars(found.into_iter()))
            }
            LeafQuery::Metadata { metric, limit, limit_per_metric } => {
                let (start, end) = self.range;
                let state = self.shared.state.read();
                Ok(Scan::Metadata(state.metadata.within(start, end, metric.as_deref(), *limit, *limit_per_metric).into_iter()))
            }
        }
    }

    /// Chunks of the selected series, as of one moment.
    fn chunks(&self, selected: &RoaringBitmap, shard: Option<SeriesShard>) -> Chunks {
        let (start, end) = self.range;
        let views: Vec<View> = {
            let state = self.shared.state.read();
            let tenant = self.shared.tenant.as_str();
            let wanted = |labels: &Labels| shard.is_none_or(|shard| shard.holds(tenant, labels.hash()));
            let series = selected.iter().filter_map(|number| state.get(number)).filter(|series| wanted(&series.labels));
            series.filter_map(|series| series.view(start, end, &state.files)).collect()
        };
        let drops = self.drops.clone();
        let heads = &self.shared.deps.instruments.heads;
        heads.queried_series.observe(views.len() as f64);
        let mut sent = Sent { samples: 0, histogram: heads.queried_samples.clone() };
        let all = views.into_iter().flat_map(move |view| {
            let View { labels, stored, chunks, late, late_histograms } = view;
            let spans = if drops.is_empty() { Vec::new() } else { drops.of(&labels) };
            let late = late_chunks(&late).into_iter().chain(late_histogram_chunks(&late_histograms));
            let stored = stored.into_iter().map(|stored| stored.read());
            let chunks = stored.chain(chunks.into_iter().chain(late).map(Ok));
            let left = chunks.filter_map(move |chunk| chunk.map(|chunk| thinned(chunk, &spans)).transpose());
            left.map(move |chunk| match chunk {
                Ok(chunk) => Ok((labels.clone(), chunk)),
                Err(err) => Err(SignalError::internal(format!("read a chunk of the head: {err}"))),
            })
        });
        Box::new(all.inspect(move |chunk| sent.add(chunk.as_ref().ok().map(|(_, chunk)| chunk))))
    }

    /// Exemplars of the selected series, as of one moment: per series, sorted.
    fn exemplars(&self, selected: &RoaringBitmap) -> Vec<SeriesExemplars> {
        let (start, end) = self.range;
        let state = self.shared.state.read();
        let mut found: FxHashMap<u32, Vec<Exemplar>> = FxHashMap::default();
        for (number, exemplar) in state.exemplars.within(start, end, |number| selected.contains(number)) {
            found.entry(number).or_default().push(exemplar.clone());
        }
        let all = found.into_iter().filter_map(|(number, mut exemplars)| {
            let labels = state.get(number)?.labels.clone();
            if !self.drops.is_empty() {
                let spans = self.drops.of(&labels);
                exemplars.retain(|exemplar| !drops::drops(&spans, exemplar.t));
            }
            exemplars.sort();
            Some(SeriesExemplars { labels, exemplars })
        });
        all.filter(|one| !one.exemplars.is_empty()).collect()
    }

    /// Series that any of the matcher sets selects.
    fn selected(&self, sets: &[Vec<syntax::LabelMatcher>]) -> Result<RoaringBitmap, SignalError> {
        let index = &self.shared.index;
        let mut selected = RoaringBitmap::new();
        if sets.is_empty() {
            selected = index.select(&[]);
        }
        for set in sets {
            selected |= index.select(&compile(set)?);
        }
        Ok(selected)
    }

    /// Series whose names and values are told: all that are selected, if any of them has rows in the range. Blocks, whose index knows
    /// no times, answer alike.
    fn about(&self, sets: &[Vec<syntax::LabelMatcher>]) -> Result<RoaringBitmap, SignalError> {
        let selected = self.selected(sets)?;
        let (start, end) = self.range;
        let state = self.shared.state.read();
        let any = selected.iter().any(|number| state.get(number).is_some_and(|series| self.has_rows(series, &state.files, start, end)));
        Ok(if any { selected } else { RoaringBitmap::new() })
    }

    /// Series that any of the matcher sets selects and that have rows in the range.
    fn with_rows(&self, sets: &[Vec<syntax::LabelMatcher>]) -> Result<RoaringBitmap, SignalError> {
        let selected = self.selected(sets)?;
        let (start, end) = self.range;
        let state = self.shared.state.read();
        Ok(selected
            .iter()
            .filter(|number| state.get(*number).is_some_and(|series| self.has_rows(series, &state.files, start, end)))
            .collect())
    }

    /// Whether a series may have samples of `start..=end`, ms, that are not left out.
    fn has_rows(&self, series: &Series, files: &Files, start: i64, end: i64) -> bool {
        if self.drops.is_empty() {
            return series.overlaps(start, end);
        }
        let spans = self.drops.of(&series.labels);
        series.view(start, end, files).is_some_and(|view| {
            view.stored.iter().any(|stored| !drops::covers(&spans, stored.min_t(), stored.max_t()))
                || view.chunks.iter().any(|chunk| !drops::covers(&spans, chunk.min_t, chunk.max_t))
                || view.late.iter().any(|sample| !drops::drops(&spans, sample.t))
                || view.late_histograms.iter().any(|sample| !drops::drops(&spans, sample.t))
        })
    }
}

/// What is left of a chunk. One that does not decode stays whole: who reads it finds out.
fn thinned(chunk: Chunk, spans: &[drops::Span]) -> Option<Chunk> {
    let mut left = vec![chunk.clone()];
    match drops::thin(&mut left, spans) {
        Ok(()) => left.pop(),
        Err(_) => Some(chunk),
    }
}

fn compile(matchers: &[syntax::LabelMatcher]) -> Result<Vec<Matcher>, SignalError> {
    Matcher::compile_all(matchers).map_err(|err| SignalError::new(ErrorKind::BadInput, err.to_string()))
}

/// Milliseconds of a range. An end where nanoseconds are saturated stands for everything beyond it.
fn ms(range: TimeRange) -> (i64, i64) {
    let start = if range.start == i64::MIN { i64::MIN } else { TimestampMs::ceil_ns(range.start).0 };
    let end = if range.end == i64::MAX { i64::MAX } else { TimestampMs::floor_ns(range.end).0 };
    (start, end)
}

fn limited<T>(mut all: Vec<T>, limit: u64) -> std::vec::IntoIter<T> {
    if limit > 0 {
        all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    all.into_iter()
}

/// Chunks for one batch, those of one series together. `None` at the end.
fn next_chunks(chunks: &mut Chunks) -> Result<Option<Vec<SeriesChunks>>, SignalError> {
    let mut batch: Vec<SeriesChunks> = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH_BYTES
        && let Some(next) = chunks.next()
    {
        let (labels, chunk) = next?;
        bytes += chunk.bytes.len() + CHUNK_BYTES;
        match batch.last_mut() {
            Some(last) if last.labels == labels => last.chunks.push(chunk),
            _ => {
                bytes += labels.heap_bytes();
                batch.push(SeriesChunks { labels, chunks: vec![chunk] });
            }
        }
    }
    Ok((!batch.is_empty()).then_some(batch))
}

/// Bytes of exemplars in a batch, about.
fn exemplar_bytes(series: &SeriesExemplars) -> usize {
    let labels = series.exemplars.iter().map(|exemplar| exemplar.labels.heap_bytes());
    series.labels.heap_bytes() + labels.sum::<usize>() + series.exemplars.len() * size_of::<Exemplar>()
}

/// Bytes of metadata in a batch, about.
fn metadata_bytes(metric: &MetricMetadata) -> usize {
    let entries = metric.entries.iter().map(|entry| entry.metadata.text_bytes() + size_of::<MetadataEntry>());
    metric.metric.len() + entries.sum::<usize>()
}

/// Things for one batch. `None` at the end.
fn next_of<T>(all: &mut impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> Option<Vec<T>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH_BYTES
        && let Some(one) = all.next()
    {
        bytes += size(&one) + 1;
        batch.push(one);
    }
    (!batch.is_empty()).then_some(batch)
}
