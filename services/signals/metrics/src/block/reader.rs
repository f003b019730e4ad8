//! Reads series of a block: a slab of them at a time, with few ranged reads and in bounded memory.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use index::{IndexError, IndexReader, Matcher, RoaringBitmap, SeriesCursor};
use signal::{Amount, RowDrop, ScanAccount, Stage};
use storage::block::{BlockId, BlockReader, Ranged};
use tenancy::TenantId;
use zstd::bulk::Decompressor;

use super::cut::SeriesRows;
use super::error::BlockError;
use super::skip::{Compressed, Kind, Page, RowMeta};
use super::{page, schema, skip};
use crate::chunk::Chunk;
use crate::drops::{self, Drops, Span};
use crate::model::{Labels, SeriesHash};
use crate::wire::codec::Reader;
use crate::wire::{MetricMetadata, SeriesShard, read_exemplars};

/// Pages that a slab reads, bytes, about. A series is never split, so that a very long one may take more.
const SLAB_BYTES: u64 = 4 << 20;

/// Series of a slab at most.
const SLAB_SERIES: usize = 8192;

/// Pages not wanted that are read along when they lie between wanted ones: cheaper than a request of their own.
const GAP_BYTES: u64 = 128 << 10;

/// Reads of one slab that run at once.
const PARALLEL_READS: usize = 4;

/// The largest index that is read, bytes.
const MAX_INDEX_BYTES: u64 = 2 << 30;

/// A block whose index is at hand.
#[derive(Clone, Debug)]
pub(super) struct OpenBlock {
    pub id: BlockId,
    pub index: IndexReader,
    data: Arc<dyn Ranged>,
    pages: Arc<[Page]>,
    metadata: Option<Compressed>,
    /// What is left out.
    drops: Arc<Drops>,
}

/// Which rows of a series are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Chunks,
    Exemplars,
    All,
}

impl Want {
    fn is(self, kind: Kind) -> bool {
        match self {
            Self::Chunks => matches!(kind, Kind::Chunk(_)),
            Self::Exemplars => kind == Kind::Exemplars,
            Self::All => true,
        }
    }
}

impl OpenBlock {
    /// Reads the index of a block.
    pub(super) async fn open(block: BlockReader) -> Result<Self, BlockError> {
        let id = block.id;
        if !(schema::FLOATS..=schema::VERSION).contains(&block.facts.schema_version) {
            return Err(BlockError::Version { block: id, version: block.facts.schema_version, known: schema::VERSION });
        }
        let index = block.index.ok_or(BlockError::Corrupt { block: id, what: "no index" })?;
        if index.len() > MAX_INDEX_BYTES {
            return Err(BlockError::Corrupt { block: id, what: "index is too large" });
        }
        let bytes = index.read(0..index.len()).await.map_err(|source| BlockError::Store { block: id, source })?;
        let index = IndexReader::open(bytes).map_err(|source| BlockError::Index { block: id, source })?;
        let attachment = Bytes::copy_from_slice(index.attachment().map_err(|source| BlockError::Index { block: id, source })?);
        let (pages, metadata) = skip::decode_attachment(&attachment, block.data.len())
            .map_err(|_| BlockError::Corrupt { block: id, what: "table of pages" })?;
        Ok(Self { id, index, data: block.data, pages: pages.into(), metadata, drops: Arc::default() })
    }

    /// The block without the rows that are dropped.
    pub(super) fn without(self, drops: &[RowDrop]) -> Result<Self, BlockError> {
        Ok(Self { drops: Arc::new(Drops::compile(drops)?), ..self })
    }

    /// True when rows may be left out: the index alone says too much then.
    pub(super) fn is_thinned(&self) -> bool {
        !self.drops.is_empty()
    }

    /// What is known about metrics, sorted by their names.
    pub(super) fn metadata(&self) -> Result<Vec<MetricMetadata>, BlockError> {
        let Some(metadata) = &self.metadata else { return Ok(Vec::new()) };
        metadata.read().map_err(|_| self.corrupt("metadata"))
    }

    /// All series.
    pub(super) fn all(&self) -> Result<RoaringBitmap, BlockError> {
        self.select(&[])
    }

    /// Series that meet all matchers.
    pub(super) fn select(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, BlockError> {
        self.index.select(matchers).map_err(|source| self.index_error(source))
    }

    /// Series with a chunk that overlaps `start..=end`, ms.
    pub(super) fn series(&self, selected: RoaringBitmap, start: i64, end: i64) -> Result<PlanReader, BlockError> {
        let cursor = self.index.series(selected).map_err(|source| self.index_error(source))?;
        Ok(PlanReader { block: self.clone(), cursor, start, end, want: Want::Chunks, shard: None })
    }

    /// Series with a wanted row that overlaps `start..=end`, ms, and these rows.
    pub(super) fn rows(&self, selected: RoaringBitmap, start: i64, end: i64, want: Want) -> Result<SlabReader, BlockError> {
        let plans = PlanReader { want, ..self.series(selected, start, end)? };
        let decompressor = Decompressor::new().map_err(|_| self.index_error(IndexError::TooLarge { what: "decompressor" }))?;
        Ok(SlabReader { plans, decompressor, current: None, account: Arc::default() })
    }

    pub(super) fn index_error(&self, source: IndexError) -> BlockError {
        BlockError::Index { block: self.id, source }
    }

    fn corrupt(&self, what: &'static str) -> BlockError {
        BlockError::Corrupt { block: self.id, what }
    }

    /// Index of the page that holds a row.
    fn page_of(&self, row: u64) -> Result<usize, BlockError> {
        let index = self.pages.partition_point(|page| page.first_row <= row).checked_sub(1);
        let holds = |page: &Page| row - page.first_row < u64::from(page.rows);
        index.filter(|index| self.pages.get(*index).is_some_and(holds)).ok_or_else(|| self.corrupt("a series has rows that are not there"))
    }
}

/// A series and those of its rows that are wanted.
#[derive(Debug)]
pub(super) struct Plan {
    pub labels: Labels,
    /// Times that are left out.
    gone: Vec<Span>,
    rows: Vec<(u64, RowMeta)>,
}

/// Series in the order of their labels, from the index alone.
#[derive(Debug)]
pub(super) struct PlanReader {
    block: OpenBlock,
    cursor: SeriesCursor,
    start: i64,
    end: i64,
    want: Want,
    /// Whose series of which shard are wanted; none is all.
    shard: Option<(TenantId, SeriesShard)>,
}

impl PlanReader {
    /// The next series with a wanted row.
    pub(super) fn next_plan(&mut self) -> Result<Option<Plan>, BlockError> {
        let block = self.block.id;
        while let Some(entry) = self.cursor.next_series().map_err(|source| BlockError::Index { block, source })? {
            if self.shard.as_ref().is_some_and(|(tenant, shard)| !shard.holds(tenant.as_str(), hash(&entry.labels))) {
                continue;
            }
            let (first_row, metas) =
                skip::decode_series(entry.payload).map_err(|_| BlockError::Corrupt { block, what: "rows of a series" })?;
            let rows = (0u64..).map(|row| first_row.saturating_add(row)).zip(metas);
            let wanted = |meta: &RowMeta| self.want.is(meta.kind) && meta.overlaps(self.start, self.end);
            let rows: Vec<_> = rows.filter(|(_, meta)| wanted(meta)).collect();
            if rows.is_empty() {
                continue;
            }
            let plan = Plan { labels: Labels::from_sorted(entry.labels), gone: Vec::new(), rows };
            if let Some(plan) = plan.thinned(&self.block.drops) {
                return Ok(Some(plan));
            }
        }
        Ok(None)
    }
}

impl Plan {
    /// What is left when rows are dropped.
    fn thinned(mut self, drops: &Drops) -> Option<Self> {
        if !drops.is_empty() {
            self.gone = drops.of(&self.labels);
            self.rows.retain(|(_, meta)| !drops::covers(&self.gone, meta.min_t, meta.max_t));
        }
        (!self.rows.is_empty()).then_some(self)
    }
}

/// The hash of labels as [`Labels::hash`] has it.
fn hash(labels: &[(&str, &str)]) -> u64 {
    let mut hash = SeriesHash::default();
    labels.iter().for_each(|(name, value)| hash.add(name.as_bytes(), value.as_bytes()));
    hash.finish()
}

/// Series with their rows, slab by slab.
pub(super) struct SlabReader {
    plans: PlanReader,
    decompressor: Decompressor<'static>,
    /// The page decoded last: the next slab may begin in it.
    current: Option<(usize, Vec<Bytes>)>,
    account: Arc<ScanAccount>,
}

impl SlabReader {
    /// Leaves out what is not in a tenant's shard, where there is one.
    pub(super) fn of_shard(mut self, tenant: &TenantId, shard: Option<SeriesShard>) -> Self {
        self.plans.shard = shard.map(|shard| (tenant.clone(), shard));
        self
    }

    /// Adds what is read to the account of a request.
    pub(super) fn with_account(mut self, account: &Arc<ScanAccount>) -> Self {
        self.account = Arc::clone(account);
        self.account.add_row_scan();
        self
    }

    /// What is read is added to it.
    pub(super) fn account(&self) -> &ScanAccount {
        &self.account
    }

    /// The next series, sorted by labels; empty after the last.
    pub(super) async fn next_slab(&mut self) -> Result<Vec<SeriesRows>, BlockError> {
        let begun = Instant::now();
        let slab = self.read_slab().await;
        self.account.add_time(Stage::Read, begun.elapsed());
        slab
    }

    async fn read_slab(&mut self) -> Result<Vec<SeriesRows>, BlockError> {
        let mut plans: Vec<Plan> = Vec::new();
        let mut pages: Vec<usize> = Vec::new();
        let mut bytes = 0;
        while bytes < SLAB_BYTES && plans.len() < SLAB_SERIES {
            let Some(plan) = self.plans.next_plan()? else { break };
            for (row, _) in &plan.rows {
                let page = self.plans.block.page_of(*row)?;
                if pages.last().is_none_or(|last| *last < page) {
                    bytes += u64::from(self.plans.block.pages[page].len);
                    pages.push(page);
                }
            }
            plans.push(plan);
        }
        let fetched = self.fetch(&pages).await?;
        let slab: Vec<SeriesRows> = plans.into_iter().map(|plan| self.fill(plan, &fetched)).collect::<Result<_, _>>()?;
        let count = slab.iter().map(|series| (series.chunks.len() + series.exemplars.len()) as u64).sum();
        let bytes = slab.iter().flat_map(|series| &series.chunks).map(|chunk| chunk.bytes.len() as u64).sum();
        self.account.add_returned(slab.len() as u64, Amount { count, bytes });
        Ok(slab)
    }

    /// Reads pages, given in rising order; those that lie together in one request.
    async fn fetch(&self, pages: &[usize]) -> Result<Vec<Fetched>, BlockError> {
        let block = &self.plans.block;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut rows = 0;
        for page in pages.iter().filter(|page| self.current.as_ref().is_none_or(|(current, _)| current != *page)) {
            let page = &block.pages[*page];
            rows += u64::from(page.rows);
            match ranges.last_mut() {
                Some(last) if page.start.saturating_sub(last.end) <= GAP_BYTES && page.end() - last.start <= 2 * SLAB_BYTES => {
                    last.end = page.end();
                }
                _ => ranges.push(page.start..page.end()),
            }
        }
        self.account.add_read(Amount { count: rows, bytes: ranges.iter().map(|range| range.end - range.start).sum() });
        let (id, data) = (block.id, Arc::clone(&block.data));
        let reads = stream::iter(ranges).map(move |range| {
            let read = data.read(range.clone());
            async move {
                read.await.map(|bytes| Fetched { start: range.start, bytes }).map_err(|source| BlockError::Store { block: id, source })
            }
        });
        reads.buffered(PARALLEL_READS).try_collect().await
    }

    /// Takes the rows of a series out of the pages that were read.
    fn fill(&mut self, plan: Plan, fetched: &[Fetched]) -> Result<SeriesRows, BlockError> {
        let Plan { labels, gone, rows } = plan;
        let mut filled = SeriesRows { labels, chunks: Vec::with_capacity(rows.len()), exemplars: Vec::new() };
        for (row, meta) in rows {
            let page = self.plans.block.page_of(row)?;
            if self.current.as_ref().is_none_or(|(current, _)| *current != page) {
                self.current = Some((page, self.decode(page, fetched)?));
            }
            let first_row = self.plans.block.pages[page].first_row;
            let values = self.current.as_ref().map_or(&[][..], |(_, values)| values);
            let bytes = usize::try_from(row - first_row).ok().and_then(|at| values.get(at));
            let bytes = bytes.ok_or_else(|| self.plans.block.corrupt("a page has too few rows"))?.clone();
            let RowMeta { min_t, max_t, count, kind } = meta;
            match kind {
                Kind::Chunk(encoding) => filled.chunks.push(Chunk { min_t, max_t, count, encoding, bytes }),
                Kind::Exemplars => {
                    let exemplars = read_exemplars(&mut Reader::new(&bytes));
                    filled.exemplars.extend(exemplars.map_err(|_| self.plans.block.corrupt("exemplars"))?);
                }
            }
        }
        let thinned = drops::thin(&mut filled.chunks, &gone);
        thinned.map_err(|source| BlockError::Chunk { series: filled.labels.to_string(), source })?;
        filled.exemplars.retain(|exemplar| !drops::drops(&gone, exemplar.t));
        Ok(filled)
    }

    fn decode(&mut self, page: usize, fetched: &[Fetched]) -> Result<Vec<Bytes>, BlockError> {
        let block = &self.plans.block;
        let page = &block.pages[page];
        let bytes = fetched.iter().find_map(|fetched| fetched.get(page)).ok_or_else(|| block.corrupt("a page was read short"))?;
        page::decode(bytes, page.crc, &mut self.decompressor).map_err(|_| block.corrupt("page of chunks"))
    }
}

impl fmt::Debug for SlabReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlabReader").field("plans", &self.plans).finish_non_exhaustive()
    }
}

/// What one request brought.
struct Fetched {
    start: u64,
    bytes: Bytes,
}

impl Fetched {
    fn get(&self, page: &Page) -> Option<&[u8]> {
        let start = usize::try_from(page.start.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(page.len as usize)?)
    }
}
