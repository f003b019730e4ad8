//! Makes blocks out of series that come sorted by labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder, TimestampMillisecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use index::IndexWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use signal::{MergeOptions, NewBlock, TimeRange, WriteOptions};
use storage::block::BlockFacts;
use storage::catalog::Shard;
use tenancy::TenantId;

use super::error::BlockError;
use super::schema::{self, ROW_GROUP_BYTES};
use super::windows::{Form, Windows, arrange};
use super::{CutData, skip};
use crate::chunk::Chunk;
use crate::merge::group;
use crate::model::{Labels, METRIC_NAME, shard_key};

/// Rows that are collected before the Parquet writer gets them.
const BATCH_ROWS: usize = 1024;

/// Writes a cut: one block per window.
pub(super) fn write(data: &CutData, options: &WriteOptions) -> Result<Vec<NewBlock>, BlockError> {
    let mut writer = BlocksWriter::new(options);
    for (labels, chunks) in group(data.series.iter().cloned()) {
        writer.push(&labels, chunks)?;
    }
    writer.finish()
}

/// Writes series to one block per window, and begins the next one of a window where a block is large enough.
#[derive(Debug)]
pub(super) struct BlocksWriter {
    tenant: TenantId,
    windows: Windows,
    form: Form,
    target_bytes: Option<u64>,
    shards: u32,
    /// By window and shard.
    open: BTreeMap<(i128, u32), BlockWriter>,
    done: Vec<NewBlock>,
}

impl BlocksWriter {
    /// For a cut.
    pub(super) fn new(options: &WriteOptions) -> Self {
        let (tenant, windows) = (options.tenant.clone(), Windows::new(options.window_ns));
        Self { tenant, windows, form: Form::Cut, target_bytes: None, shards: 1, open: BTreeMap::new(), done: Vec::new() }
    }

    /// For a merge.
    pub(super) fn merging(options: &MergeOptions) -> Self {
        let (tenant, windows) = (options.tenant.clone(), Windows::new(options.window_ns));
        let (target_bytes, shards) = (Some(options.target_bytes.max(1)), options.shards.max(1));
        Self { tenant, windows, form: Form::Packed, target_bytes, shards, open: BTreeMap::new(), done: Vec::new() }
    }

    /// Takes all chunks of a series, in any order. Series come sorted, each once.
    pub(super) fn push(&mut self, labels: &Labels, chunks: Vec<Chunk>) -> Result<(), BlockError> {
        let arranged =
            arrange(chunks, self.windows, self.form).map_err(|source| BlockError::Chunk { series: labels.to_string(), source })?;
        let key = shard_key(self.tenant.as_str(), labels.hash());
        let shard = Shard { index: key % self.shards, of: self.shards };
        for (window, chunks) in arranged {
            let place = (window, shard.index);
            let mut writer = match self.open.remove(&place) {
                Some(writer) => writer,
                None => BlockWriter::new(shard)?,
            };
            writer.push(key, labels, &chunks)?;
            if self.target_bytes.is_some_and(|target| writer.bytes() >= target) {
                self.done.push(writer.finish()?);
            } else {
                self.open.insert(place, writer);
            }
        }
        Ok(())
    }

    /// The blocks, sorted by time.
    pub(super) fn finish(self) -> Result<Vec<NewBlock>, BlockError> {
        let mut blocks = self.done;
        for writer in self.open.into_values() {
            blocks.push(writer.finish()?);
        }
        blocks.sort_by_key(|block| (block.facts.range, block.shard));
        Ok(blocks)
    }
}

/// One block in the making.
#[derive(Debug)]
struct BlockWriter {
    parquet: ArrowWriter<Vec<u8>>,
    index: IndexWriter,
    shard: Shard,
    rows: Rows,
    /// Chunks written, one row each.
    chunks: u64,
    samples: u64,
    series: u32,
    /// Times, ms.
    min_t: i64,
    max_t: i64,
    min_key: u32,
    max_key: u32,
    /// Bytes of chunks of the row group that is open.
    group_bytes: usize,
}

impl BlockWriter {
    fn new(shard: Shard) -> Result<Self, BlockError> {
        let options = ArrowWriterOptions::new().with_properties(schema::properties()).with_skip_arrow_metadata(true);
        Ok(Self {
            parquet: ArrowWriter::try_new_with_options(Vec::new(), schema::schema(), options).map_err(BlockError::WriteRows)?,
            index: IndexWriter::new().map_err(BlockError::WriteIndex)?,
            shard,
            rows: Rows::default(),
            chunks: 0,
            samples: 0,
            series: 0,
            min_t: i64::MAX,
            max_t: i64::MIN,
            min_key: u32::MAX,
            max_key: 0,
            group_bytes: 0,
        })
    }

    fn push(&mut self, key: u32, labels: &Labels, chunks: &[Chunk]) -> Result<(), BlockError> {
        let series = self.index.add(labels.iter(), &skip::encode_series(self.chunks, chunks)).map_err(BlockError::WriteIndex)?;
        (self.min_key, self.max_key) = (self.min_key.min(key), self.max_key.max(key));
        self.series += 1;
        for chunk in chunks {
            self.rows.push(series, labels, chunk)?;
            self.chunks += 1;
            self.samples += u64::from(chunk.count);
            (self.min_t, self.max_t) = (self.min_t.min(chunk.min_t), self.max_t.max(chunk.max_t));
            self.group_bytes += chunk.bytes.len();
            if self.rows.len() >= BATCH_ROWS {
                self.write_rows()?;
            }
        }
        // Row groups end between series.
        if self.group_bytes >= ROW_GROUP_BYTES {
            self.write_rows()?;
            self.parquet.flush().map_err(BlockError::WriteRows)?;
            self.group_bytes = 0;
        }
        Ok(())
    }

    fn write_rows(&mut self) -> Result<(), BlockError> {
        if self.rows.len() > 0 {
            self.parquet.write(&self.rows.take()?).map_err(BlockError::WriteRows)?;
        }
        Ok(())
    }

    /// Bytes so far, about.
    fn bytes(&self) -> u64 {
        (self.parquet.bytes_written() + self.group_bytes + self.index.written()) as u64
    }

    fn finish(mut self) -> Result<NewBlock, BlockError> {
        self.write_rows()?;
        let data = self.parquet.into_inner().map_err(BlockError::WriteRows)?.into();
        let (pages, footer) = skip::find_pages(&data).map_err(BlockError::WriteRows)?;
        let index = self.index.finish(&skip::encode_pages(&pages)).map_err(BlockError::WriteIndex)?;
        let footer_len = u32::try_from(data.len() as u64 - footer)
            .map_err(|_| BlockError::WriteRows(ParquetError::General("footer of more than 4 GiB".to_owned())))?;
        let facts = BlockFacts {
            range: TimeRange::from_ms(self.min_t, self.max_t),
            rows: self.samples,
            series: u64::from(self.series),
            hash_range: (self.min_key, self.max_key),
            footer_len,
            schema_version: schema::VERSION,
        };
        Ok(NewBlock { facts, data, index: Some(index), shard: self.shard })
    }
}

/// Rows on their way to the Parquet writer, column by column.
#[derive(Debug)]
struct Rows {
    series: UInt32Builder,
    metric: StringBuilder,
    labels: MapBuilder<StringBuilder, StringBuilder>,
    min_time: TimestampMillisecondBuilder,
    max_time: TimestampMillisecondBuilder,
    samples: UInt16Builder,
    encoding: UInt8Builder,
    chunk: BinaryBuilder,
}

impl Default for Rows {
    fn default() -> Self {
        let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
        let time = || TimestampMillisecondBuilder::new().with_timezone("UTC");
        Self {
            series: UInt32Builder::new(),
            metric: StringBuilder::new(),
            labels: MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
                .with_keys_field(schema::label_key())
                .with_values_field(schema::label_value()),
            min_time: time(),
            max_time: time(),
            samples: UInt16Builder::new(),
            encoding: UInt8Builder::new(),
            chunk: BinaryBuilder::new(),
        }
    }
}

impl Rows {
    fn len(&self) -> usize {
        arrow_array::builder::ArrayBuilder::len(&self.series)
    }

    fn push(&mut self, series: u32, labels: &Labels, chunk: &Chunk) -> Result<(), BlockError> {
        self.series.append_value(series);
        self.metric.append_value(labels.metric_name().unwrap_or_default());
        for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            self.labels.keys().append_value(name);
            self.labels.values().append_value(value);
        }
        self.labels.append(true).map_err(BlockError::Rows)?;
        self.min_time.append_value(chunk.min_t);
        self.max_time.append_value(chunk.max_t);
        self.samples.append_value(chunk.count);
        self.encoding.append_value(chunk.encoding.tag());
        self.chunk.append_value(&chunk.bytes);
        Ok(())
    }

    fn take(&mut self) -> Result<RecordBatch, BlockError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.series.finish()),
            Arc::new(self.metric.finish()),
            Arc::new(self.labels.finish()),
            Arc::new(self.min_time.finish()),
            Arc::new(self.max_time.finish()),
            Arc::new(self.samples.finish()),
            Arc::new(self.encoding.finish()),
            Arc::new(self.chunk.finish()),
        ];
        RecordBatch::try_new(schema::schema(), columns).map_err(BlockError::Rows)
    }
}
