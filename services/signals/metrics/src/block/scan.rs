//! Answers the questions of a leaf from one block.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use index::{Matcher, RoaringBitmap};
use signal::{ScanAccount, ScanError, ScanQuery, ScanStream, Stage};
use storage::block::BlockReader;
use syntax::LabelMatcher;

use super::cut::SeriesRows;
use super::error::BlockError;
use super::reader::{OpenBlock, PlanReader, SlabReader, Want};
use crate::merge::{merge_exemplars, merge_metadata};
use crate::model::{Labels, TimestampMs};
use crate::wire::{BATCH_BYTES, LeafQuery, LeafRows, MetricMetadata, SeriesChunks, SeriesExemplars};

/// About what a chunk takes in a message beside its bytes.
const CHUNK_BYTES: usize = 16;

type Batches = BoxStream<'static, Result<Bytes, BlockError>>;

/// Rows of a block that match.
pub(super) fn scan(block: BlockReader, query: ScanQuery, account: Arc<ScanAccount>) -> ScanStream {
    answer(block, query, account).into_stream().try_flatten().map_err(ScanError::from).boxed()
}

async fn answer(block: BlockReader, query: ScanQuery, account: Arc<ScanAccount>) -> Result<Batches, BlockError> {
    let asked = LeafQuery::decode(&query.payload)?;
    // Asked of what is in memory.
    if matches!(asked, LeafQuery::Cardinality(_)) {
        return Ok(stream::empty().boxed());
    }
    let begun = Instant::now();
    account.add_index(block.index.as_ref().map_or(0, |index| index.len()));
    let batches = found(block, query, asked, &account).await;
    account.add_time(Stage::Select, begun.elapsed());
    batches
}

/// Finds what is asked for; rows are read when the batches are.
async fn found(block: BlockReader, query: ScanQuery, asked: LeafQuery, account: &Arc<ScanAccount>) -> Result<Batches, BlockError> {
    // A time that has nanoseconds in it is never a sample's: the range shrinks to whole milliseconds.
    let (start, end) = (TimestampMs::ceil_ns(query.range.start).0, TimestampMs::floor_ns(query.range.end).0);
    match asked {
        LeafQuery::Chunks { matchers, shard } => {
            let matchers = Matcher::compile_all(&matchers)?;
            let block = OpenBlock::open(block).await?.without(&query.drops)?;
            let rows = block.rows(block.select(&matchers)?, start, end, Want::Chunks)?.of_shard(&query.tenant, shard);
            Ok(chunks(rows.with_account(account)))
        }
        LeafQuery::LabelNames { sets, limit } => {
            let sets = compile(&sets)?;
            let block = OpenBlock::open(block).await?.without(&query.drops)?;
            if block.is_thinned() {
                return Ok(strings(names(&block, select(&block, &sets)?)?, limit));
            }
            let names = block.index.label_names(select(&block, &sets)?.as_ref()).map_err(|source| block.index_error(source))?;
            Ok(strings(names, limit))
        }
        LeafQuery::LabelValues { name, sets, limit } => {
            let sets = compile(&sets)?;
            let block = OpenBlock::open(block).await?.without(&query.drops)?;
            if block.is_thinned() {
                return Ok(strings(values(&block, select(&block, &sets)?, &name)?, limit));
            }
            let values = block.index.label_values(&name, select(&block, &sets)?.as_ref()).map_err(|source| block.index_error(source))?;
            Ok(strings(values, limit))
        }
        LeafQuery::Cardinality(_) => Ok(stream::empty().boxed()),
        LeafQuery::Series { sets, limit } => {
            let sets = compile(&sets)?;
            let block = OpenBlock::open(block).await?.without(&query.drops)?;
            let selected = select(&block, &sets)?.map_or_else(|| block.all(), Ok)?;
            Ok(series(block.series(selected, start, end)?, limit))
        }
        LeafQuery::Exemplars { sets } => {
            let sets = compile(&sets)?;
            let block = OpenBlock::open(block).await?.without(&query.drops)?;
            let selected = select(&block, &sets)?.map_or_else(|| block.all(), Ok)?;
            Ok(exemplars(block.rows(selected, start, end, Want::Exemplars)?.with_account(account), start, end))
        }
        LeafQuery::Metadata { metric, limit, limit_per_metric } => {
            let block = OpenBlock::open(block).await?;
            let mut all = block.metadata()?;
            if let Some(metric) = metric {
                all.retain(|known| known.metric == metric);
            }
            for known in &mut all {
                known.entries.retain(|entry| (start..=end).contains(&entry.t));
            }
            Ok(metadata(merge_metadata(all, limit, limit_per_metric)))
        }
    }
}

/// Batches of exemplars: one for each slab.
fn exemplars(reader: SlabReader, start: i64, end: i64) -> Batches {
    let slabs = stream::try_unfold(reader, |mut reader| async move {
        let slab = reader.next_slab().await?;
        Ok((!slab.is_empty()).then_some((slab, reader)))
    });
    let batch = move |slab: Vec<SeriesRows>| {
        let rows = slab.into_iter().map(|rows| SeriesExemplars { labels: rows.labels, exemplars: rows.exemplars });
        LeafRows::Exemplars(merge_exemplars(rows, start, end)).encode()
    };
    slabs.map_ok(batch).boxed()
}

/// Batches of metadata.
fn metadata(all: Vec<MetricMetadata>) -> Batches {
    let mut rest = all.into_iter().peekable();
    let batches = std::iter::from_fn(move || {
        rest.peek()?;
        let mut bytes = 0;
        let mut batch = Vec::new();
        while bytes < BATCH_BYTES
            && let Some(next) = rest.next()
        {
            bytes += next.metric.len() + next.entries.iter().map(|entry| entry.metadata.text_bytes() + 16).sum::<usize>();
            batch.push(next);
        }
        Some(Ok(LeafRows::Metadata(batch).encode()))
    });
    stream::iter(batches).boxed()
}

/// Compiles sets of matchers.
pub(super) fn compile(sets: &[Vec<LabelMatcher>]) -> Result<Vec<Vec<Matcher>>, BlockError> {
    Ok(sets.iter().map(Matcher::compile_all).collect::<Result<_, _>>()?)
}

/// Series that any of the sets selects; `None` stands for all.
pub(super) fn select(block: &OpenBlock, sets: &[Vec<Matcher>]) -> Result<Option<RoaringBitmap>, BlockError> {
    if sets.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let mut selected = RoaringBitmap::new();
    for set in sets {
        selected |= block.select(set)?;
    }
    Ok(Some(selected))
}

/// Labels of the series that have rows left.
fn left(block: &OpenBlock, selected: Option<RoaringBitmap>, mut each: impl FnMut(&Labels)) -> Result<(), BlockError> {
    let mut plans = block.series(selected.map_or_else(|| block.all(), Ok)?, i64::MIN, i64::MAX)?;
    while let Some(plan) = plans.next_plan()? {
        each(&plan.labels);
    }
    Ok(())
}

fn names(block: &OpenBlock, selected: Option<RoaringBitmap>) -> Result<Vec<String>, BlockError> {
    let mut names = BTreeSet::new();
    left(block, selected, |labels| names.extend(labels.iter().map(|(name, _)| name.to_owned())))?;
    Ok(names.into_iter().collect())
}

fn values(block: &OpenBlock, selected: Option<RoaringBitmap>, name: &str) -> Result<Vec<String>, BlockError> {
    let mut values = BTreeSet::new();
    left(block, selected, |labels| values.extend(labels.get(name).map(str::to_owned)))?;
    Ok(values.into_iter().collect())
}

/// Batches of chunks. The reader is dropped with the stream, and reads no slab before somebody wants it.
fn chunks(reader: SlabReader) -> Batches {
    stream::try_unfold(reader, next_batches).map_ok(|batches| stream::iter(batches.into_iter().map(Ok))).try_flatten().boxed()
}

async fn next_batches(mut reader: SlabReader) -> Result<Option<(Vec<Bytes>, SlabReader)>, BlockError> {
    let slab = reader.next_slab().await?;
    let begun = Instant::now();
    let packed = (!slab.is_empty()).then(|| batches(slab));
    reader.account().add_time(Stage::Encode, begun.elapsed());
    Ok(packed.map(|packed| (packed, reader)))
}

/// Packs series into batches of about [`BATCH_BYTES`]; a long series is split between chunks.
fn batches(slab: Vec<SeriesRows>) -> Vec<Bytes> {
    let mut packed = Vec::new();
    let mut batch: Vec<SeriesChunks> = Vec::new();
    let mut bytes = 0;
    for SeriesRows { labels, chunks, .. } in slab {
        for chunk in chunks {
            if bytes >= BATCH_BYTES {
                packed.push(LeafRows::Chunks(std::mem::take(&mut batch)).encode());
                bytes = 0;
            }
            bytes += CHUNK_BYTES + chunk.bytes.len();
            match batch.last_mut() {
                Some(last) if last.labels == labels => last.chunks.push(chunk),
                _ => {
                    bytes += labels.heap_bytes();
                    batch.push(SeriesChunks { labels: labels.clone(), chunks: vec![chunk] });
                }
            }
        }
    }
    if !batch.is_empty() {
        packed.push(LeafRows::Chunks(batch).encode());
    }
    packed
}

/// At most so many: 0 says all.
fn at_most(limit: u64) -> usize {
    if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}

/// Batches of strings.
fn strings(mut all: Vec<String>, limit: u64) -> Batches {
    all.truncate(at_most(limit));
    let mut rest = all.into_iter().peekable();
    let batches = std::iter::from_fn(move || {
        rest.peek()?;
        let mut bytes = 0;
        let mut batch = Vec::new();
        while bytes < BATCH_BYTES {
            let Some(next) = rest.next() else { break };
            bytes += next.len() + 2;
            batch.push(next);
        }
        Some(Ok(LeafRows::Strings(batch).encode()))
    });
    stream::iter(batches).boxed()
}

/// Batches of labels.
fn series(plans: PlanReader, limit: u64) -> Batches {
    let state = (plans, at_most(limit));
    stream::try_unfold(state, |(mut plans, mut left)| async move {
        let mut bytes = 0;
        let mut batch: Vec<Labels> = Vec::new();
        while bytes < BATCH_BYTES && left > 0 {
            let Some(plan) = plans.next_plan()? else { break };
            bytes += plan.labels.heap_bytes();
            batch.push(plan.labels);
            left -= 1;
        }
        Ok((!batch.is_empty()).then(|| (LeafRows::Series(batch).encode(), (plans, left))))
    })
    .boxed()
}
