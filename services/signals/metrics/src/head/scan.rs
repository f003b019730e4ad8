//! Answers of a head: chunk references are taken at one moment under the lock, batches are encoded outside of it.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use index::{Matcher, RoaringBitmap};
use runtime::{Chain, ErrorKind};
use signal::{ScanError, ScanQuery, ScanStream, SignalError, TimeRange};

use super::Shared;
use super::series::{Series, View};
use crate::chunk::{self, Chunk};
use crate::drops::{self, Drops};
use crate::model::{Labels, TimestampMs};
use crate::wire::{BATCH_BYTES, LeafQuery, LeafRows, SeriesChunks, SeriesShard};

/// Bytes that a chunk takes in a batch beside its samples, about.
const CHUNK_BYTES: usize = 24;

/// A scan on its way.
enum Scan {
    Asked(Question),
    Chunks(Box<dyn Iterator<Item = (Labels, Chunk)> + Send>),
    Strings(std::vec::IntoIter<String>),
    Series(std::vec::IntoIter<Labels>),
}

/// What is asked.
struct Question {
    shared: Arc<Shared>,
    query: LeafQuery,
    /// First and last ms.
    range: (i64, i64),
    /// What is left out.
    drops: Drops,
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
            Self::Chunks(chunks) => next_chunks(chunks).map(LeafRows::Chunks),
            Self::Strings(strings) => next_of(strings, String::len).map(LeafRows::Strings),
            Self::Series(series) => next_of(series, Labels::heap_bytes).map(LeafRows::Series),
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
            LeafQuery::Series { sets, limit } => {
                let selected = self.with_rows(sets)?;
                let state = self.shared.state.read();
                let labels = selected.iter().filter_map(|number| state.get(number)).map(|series| series.labels.clone());
                Ok(Scan::Series(limited(labels.collect(), *limit)))
            }
            // None are stored yet.
            LeafQuery::Exemplars { .. } | LeafQuery::Metadata { .. } => Ok(Scan::Strings(Vec::new().into_iter())),
        }
    }

    /// Chunks of the selected series, as of one moment.
    fn chunks(&self, selected: &RoaringBitmap, shard: Option<SeriesShard>) -> Box<dyn Iterator<Item = (Labels, Chunk)> + Send> {
        let (start, end) = self.range;
        let views: Vec<View> = {
            let state = self.shared.state.read();
            let tenant = self.shared.tenant.as_str();
            let wanted = |labels: &Labels| shard.is_none_or(|shard| shard.holds(tenant, labels.hash()));
            let series = selected.iter().filter_map(|number| state.get(number)).filter(|series| wanted(&series.labels));
            series.filter_map(|series| series.view(start, end)).collect()
        };
        let drops = self.drops.clone();
        let views = views.into_iter().map(move |view| thinned(view, &drops));
        Box::new(views.into_iter().flat_map(|view| {
            let late: Vec<Chunk> = chunk::encode_run(&view.late).collect();
            view.chunks.into_iter().chain(late).map(move |chunk| (view.labels.clone(), chunk))
        }))
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
        let any = selected.iter().any(|number| state.get(number).is_some_and(|series| self.has_rows(series, start, end)));
        Ok(if any { selected } else { RoaringBitmap::new() })
    }

    /// Series that any of the matcher sets selects and that have rows in the range.
    fn with_rows(&self, sets: &[Vec<syntax::LabelMatcher>]) -> Result<RoaringBitmap, SignalError> {
        let selected = self.selected(sets)?;
        let (start, end) = self.range;
        let state = self.shared.state.read();
        Ok(selected.iter().filter(|number| state.get(*number).is_some_and(|series| self.has_rows(series, start, end))).collect())
    }

    /// Whether a series may have samples of `start..=end`, ms, that are not left out.
    fn has_rows(&self, series: &Series, start: i64, end: i64) -> bool {
        if self.drops.is_empty() {
            return series.overlaps(start, end);
        }
        let spans = self.drops.of(&series.labels);
        series.view(start, end).is_some_and(|view| {
            view.chunks.iter().any(|chunk| !drops::covers(&spans, chunk.min_t, chunk.max_t))
                || view.late.iter().any(|sample| !drops::drops(&spans, sample.t))
        })
    }
}

/// What is left of a view. A chunk that does not decode stays whole: who reads it finds out.
fn thinned(mut view: View, drops: &Drops) -> View {
    if !drops.is_empty() {
        let spans = drops.of(&view.labels);
        let whole = view.chunks.clone();
        if drops::thin(&mut view.chunks, &spans).is_err() {
            view.chunks = whole;
        }
        view.late.retain(|sample| !drops::drops(&spans, sample.t));
    }
    view
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
fn next_chunks(chunks: &mut dyn Iterator<Item = (Labels, Chunk)>) -> Option<Vec<SeriesChunks>> {
    let mut batch: Vec<SeriesChunks> = Vec::new();
    let mut bytes = 0;
    while bytes < BATCH_BYTES
        && let Some((labels, chunk)) = chunks.next()
    {
        bytes += chunk.bytes.len() + CHUNK_BYTES;
        match batch.last_mut() {
            Some(last) if last.labels == labels => last.chunks.push(chunk),
            _ => {
                bytes += labels.heap_bytes();
                batch.push(SeriesChunks { labels, chunks: vec![chunk] });
            }
        }
    }
    (!batch.is_empty()).then_some(batch)
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
