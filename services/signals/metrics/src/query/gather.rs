//! Brings the chunks of a selector together from all leaves and merges replicas.
//!
//! Heavy parts run on the compute pool, one batch of a leaf or some hundred thousand samples at a time, so that a query whose
//! client has gone ends soon.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use runtime::{Chain, Compute, ErrorKind};
use rustc_hash::{FxHashMap, FxHashSet};
use signal::{Leaves, QueryError, Scan, TimeRange};
use tenancy::TenantId;

use super::engine::SelectorRequest;
use super::limit::LimitExceeded;
use super::partial::Fetched;
use super::scope::{Part, Scope};
use crate::chunk::Chunk;
use crate::histogram::{Histogram, HistogramSample};
use crate::limits::MetricsLimits;
use crate::merge::{SeriesSamples, merge_replicas};
use crate::model::{Labels, Sample};
use crate::wire::{LeafQuery, LeafRows, SeriesChunks, SeriesShard};

/// Batches up to so many bytes are read where they arrive: that takes less than going to the pool and back is worth.
const INLINE_BYTES: usize = 8 << 10;
/// How many tenants, or policies of one, are asked at once.
const TENANTS_AT_ONCE: usize = 16;
/// About how many samples are decoded at a time.
const SLICE_SAMPLES: usize = 200_000;
/// About what a chunk and a series take in memory beside their bytes.
const CHUNK_OVERHEAD: usize = size_of::<Chunk>() + 48;
const SERIES_OVERHEAD: usize = 96;

/// What the selectors of one sub-query share.
pub(super) struct Gathering {
    leaves: Arc<dyn Leaves>,
    compute: Compute,
    limits: Arc<MetricsLimits>,
    scope: Scope,
    /// The share of the series; none is all.
    shard: Option<SeriesShard>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    series: FxHashSet<Labels>,
    fetched: Fetched,
}

impl Gathering {
    pub(super) fn new(
        leaves: Arc<dyn Leaves>,
        compute: Compute,
        limits: Arc<MetricsLimits>,
        scope: Scope,
        shard: Option<SeriesShard>,
    ) -> Arc<Self> {
        Arc::new(Self { leaves, compute, limits, scope, shard, counted: Mutex::default() })
    }

    /// What was fetched so far.
    pub(super) fn fetched(&self) -> Fetched {
        let counted = self.counted.lock();
        Fetched { series: counted.series.len() as u64, ..counted.fetched }
    }

    /// The series of a selector, sorted by labels, with their samples in the selector's range.
    pub(super) async fn select(self: Arc<Self>, request: SelectorRequest) -> Result<Vec<SeriesSamples>, QueryError> {
        let (start, end) = (request.start_ms, request.end_ms);
        if start > end {
            return Ok(Vec::new());
        }
        let range = TimeRange::from_ms(start, end);
        let shard = self.shard;
        let parts = self.scope.select(&request.matchers)?.into_iter().map(|Part { tenant, matchers }| {
            let scan = Scan { tenant: tenant.clone(), range, payload: LeafQuery::Chunks { matchers, shard }.encode() };
            self.leaves.scan(scan).map_ok(move |batch| (tenant.clone(), batch))
        });
        let mut batches = stream::iter(parts).flatten_unordered(TENANTS_AT_ONCE);
        let mut gather = Gather { start, end, ..Gather::default() };
        while let Some(batch) = batches.next().await {
            let (tenant, batch) = batch?;
            let batch = batch.payload;
            if batch.len() <= INLINE_BYTES {
                gather.take(&tenant, &batch, &self)?;
                continue;
            }
            let shared = self.clone();
            gather = run(&self.compute, move || gather.take(&tenant, &batch, &shared).map(|()| gather)).await??;
        }
        drop(batches);
        self.merge(gather).await
    }

    async fn merge(&self, gather: Gather) -> Result<Vec<SeriesSamples>, QueryError> {
        let (start, end) = (gather.start, gather.end);
        let mut rows = run(&self.compute, move || gather.sorted().into_iter()).await?;
        let mut merged = Vec::with_capacity(rows.len());
        while rows.len() > 0 {
            let (slice, samples) = next_slice(&mut rows);
            self.reserve((samples * size_of::<Sample>()) as u64)?;
            let part = run(&self.compute, move || merge_replicas(slice, start, end)).await?;
            let mut part = part.map_err(|err| broken(&err))?;
            self.reserve(histogram_bytes(&part))?;
            merged.append(&mut part);
        }
        self.counted.lock().fetched.samples +=
            merged.iter().map(|series: &SeriesSamples| (series.samples.len() + series.histograms.len()) as u64).sum::<u64>();
        Ok(merged)
    }
}

/// What the histograms of some series take in memory: known only once they are decoded.
fn histogram_bytes(series: &[SeriesSamples]) -> u64 {
    let histograms = series.iter().flat_map(|series| &series.histograms);
    histograms.map(|sample| (size_of::<HistogramSample>() + size_of::<Histogram>() + sample.h.heap_bytes()) as u64).sum()
}

/// Takes series worth about [`SLICE_SAMPLES`], and counts their samples.
fn next_slice(rows: &mut std::vec::IntoIter<SeriesChunks>) -> (Vec<SeriesChunks>, usize) {
    let (mut slice, mut samples) = (Vec::new(), 0);
    while samples < SLICE_SAMPLES {
        let Some(row) = rows.next() else { break };
        samples += row.chunks.iter().map(|chunk| usize::from(chunk.count)).sum::<usize>();
        slice.push(row);
    }
    (slice, samples)
}

/// What tells chunks apart: the series, the times, the count, and a hash of the bytes.
type ChunkIdentity = (u64, i64, i64, u16, u64);

/// The chunks of one selector so far.
#[derive(Default)]
struct Gather {
    start: i64,
    end: i64,
    /// In the order in which they came: a block sends them sorted.
    series: Vec<SeriesChunks>,
    places: FxHashMap<Labels, usize>,
    seen: FxHashSet<ChunkIdentity>,
}

impl Gather {
    /// Takes a batch of a leaf. What another replica has sent already is dropped at once, and does not count.
    fn take(&mut self, tenant: &TenantId, batch: &Bytes, shared: &Gathering) -> Result<(), QueryError> {
        let rows = match LeafRows::decode(batch).map_err(|err| broken(&err))? {
            LeafRows::Chunks(rows) => rows,
            _ => return Err(QueryError::new(ErrorKind::Internal, "a leaf sent no chunks")),
        };
        let (mut found, mut fresh, mut overhead) = (Found::default(), 0u64, 0);
        for row in rows {
            let labels = shared.scope.label(tenant, row.labels);
            let hash = labels.hash();
            let seen = &mut self.seen;
            let (start, end) = (self.start, self.end);
            let mut chunks = row.chunks;
            chunks.retain(|chunk| {
                let identity = (hash, chunk.min_t, chunk.max_t, chunk.count, xxhash_rust::xxh3::xxh3_64(&chunk.bytes));
                chunk.overlaps(start, end) && seen.insert(identity)
            });
            if chunks.is_empty() {
                continue;
            }
            overhead += chunks.len() * CHUNK_OVERHEAD;
            fresh += chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum::<u64>();
            let place = *self.places.entry(labels).or_insert_with_key(|labels| {
                overhead += 2 * SERIES_OVERHEAD + labels.heap_bytes();
                self.series.push(SeriesChunks { labels: labels.clone(), chunks: Vec::new() });
                self.series.len() - 1
            });
            let series = &mut self.series[place];
            if series.chunks.is_empty() {
                found.series.push(series.labels.clone());
            }
            found.chunks += chunks.len() as u64;
            series.chunks.append(&mut chunks);
        }
        shared.counted.lock().add(Found { bytes: fresh, ..found }, &shared.limits)?;
        // Chunks are slices of the batch: one of them keeps all of it.
        let kept = if fresh > 0 { batch.len() } else { 0 };
        shared.reserve((kept + overhead) as u64)
    }

    fn sorted(mut self) -> Vec<SeriesChunks> {
        // The stable sort takes runs as they are.
        self.series.sort_by(|one, other| one.labels.cmp(&other.labels));
        self.series
    }
}

impl Gathering {
    /// Reserves memory for what the query holds until it ends.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), QueryError> {
        let limit = self.limits.max_estimated_memory_consumption_per_query;
        self.leaves.reserve(bytes).map_err(|err| match err.kind {
            ErrorKind::LimitExceeded if limit > 0 => LimitExceeded::Memory { limit }.into(),
            _ => err,
        })
    }
}

/// What a batch of a leaf brought that was not known.
#[derive(Default)]
struct Found {
    series: Vec<Labels>,
    chunks: u64,
    bytes: u64,
}

impl Counted {
    /// Counts it against the limits; a series once, whichever selectors found it.
    fn add(&mut self, found: Found, limits: &MetricsLimits) -> Result<(), LimitExceeded> {
        self.series.extend(found.series);
        self.fetched.chunks += found.chunks;
        self.fetched.bytes += found.bytes;
        let (series, chunks) = (limits.max_fetched_series_per_query, limits.max_fetched_chunks_per_query);
        if exceeds(self.series.len() as u64, series) {
            return Err(LimitExceeded::Series { limit: series });
        }
        if exceeds(self.fetched.chunks, chunks) {
            return Err(LimitExceeded::Chunks { limit: chunks });
        }
        let limit = limits.max_fetched_chunk_bytes_per_query;
        if exceeds(self.fetched.bytes, limit) { Err(LimitExceeded::ChunkBytes { limit }) } else { Ok(()) }
    }
}

/// True above a limit; 0 is none.
const fn exceeds(count: u64, limit: u64) -> bool {
    limit > 0 && count > limit
}

/// Runs a piece of work on the pool.
pub(crate) async fn run<T: Send + 'static>(compute: &Compute, work: impl FnOnce() -> T + Send + 'static) -> Result<T, QueryError> {
    compute.run(work).await.map_err(|err| QueryError::new(ErrorKind::Internal, Chain(&err).to_string()))
}

/// The error for bytes of a leaf that cannot be read.
pub(super) fn broken(err: &(dyn std::error::Error + 'static)) -> QueryError {
    QueryError::new(ErrorKind::Internal, format!("a leaf's answer cannot be read: {}", Chain(err)))
}
