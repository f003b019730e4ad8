//! Makes blocks out of series that come sorted by labels.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder, TimestampMillisecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;
use index::IndexWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use signal::{MergeOptions, NewBlock, TimeRange, WriteOptions};
use storage::block::{BlockFacts, Contents};
use storage::catalog::Shard;
use tenancy::TenantId;

use super::cut::SeriesRows;
use super::error::BlockError;
use super::schema::{self, CUT_ROW_GROUP_BYTES, ROW_GROUP_BYTES};
use super::skip::{Kind, RowMeta};
use super::windows::{Form, Windows, arrange};
use super::{CutData, skip};
use crate::chunk::{Chunk, Encoding};
use crate::merge::merge_metadata;
use crate::model::{Exemplar, Labels, METRIC_NAME, metadata_key, shard_key};
use crate::wire::{MetricMetadata, put_exemplars};

/// Rows that are collected before the Parquet writer gets them.
const BATCH_ROWS: usize = 1024;

/// Exemplars of one row at most.
const ROW_EXEMPLARS: usize = 1024;

/// Writes a cut: one block per window.
pub(super) fn write(data: &CutData, options: &WriteOptions) -> Result<Vec<NewBlock>, BlockError> {
    let mut writer = BlocksWriter::new(options, data);
    for series in data.series() {
        writer.push(series.map_err(BlockError::ReadCut)?)?;
    }
    writer.push_metadata(data.metadata().iter().cloned());
    writer.finish()
}

/// The number of a window, and that of a shard.
type Place = (i128, u32);

/// Writes series to one block per window, and begins the next one of a window where a block is large enough.
#[derive(Debug)]
pub(super) struct BlocksWriter<'a> {
    tenant: TenantId,
    /// What is written, if that is a cut.
    cut: Option<&'a CutData>,
    windows: Windows,
    form: Form,
    target_bytes: Option<u64>,
    shards: u32,
    /// By window and shard.
    open: BTreeMap<Place, BlockWriter>,
    metadata: BTreeMap<Place, Vec<MetricMetadata>>,
    done: Vec<NewBlock>,
}

impl<'a> BlocksWriter<'a> {
    /// For a cut.
    pub(super) fn new(options: &WriteOptions, cut: &'a CutData) -> Self {
        Self { cut: Some(cut), ..Self::with(options.tenant.clone(), options.window_ns, Form::Cut, None, 1) }
    }

    /// For a merge.
    pub(super) fn merging(options: &MergeOptions) -> Self {
        let target_bytes = Some(options.target_bytes.max(1));
        Self::with(options.tenant.clone(), options.window_ns, Form::Packed, target_bytes, options.shards.max(1))
    }

    fn with(tenant: TenantId, window_ns: i64, form: Form, target_bytes: Option<u64>, shards: u32) -> Self {
        let windows = Windows::new(window_ns);
        let (open, metadata, done) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { tenant, cut: None, windows, form, target_bytes, shards, open, metadata, done }
    }

    /// Takes all rows of a series, in any order. Series come sorted, each once.
    pub(super) fn push(&mut self, rows: SeriesRows) -> Result<(), BlockError> {
        let SeriesRows { labels, chunks, exemplars } = rows;
        let arranged = arrange(chunks, self.windows, self.form);
        let arranged = arranged.map_err(|source| BlockError::Chunk { series: labels.to_string(), source })?;
        let rows = |chunks: Vec<Chunk>| chunks.into_iter().map(Row::from).collect::<Vec<Row>>();
        let mut by_window: BTreeMap<i128, Vec<Row>> = arranged.into_iter().map(|(window, chunks)| (window, rows(chunks))).collect();
        for (window, row) in self.exemplar_rows(exemplars) {
            by_window.entry(window).or_default().push(row);
        }
        let key = shard_key(self.tenant.as_str(), labels.hash());
        for (window, rows) in by_window {
            let place = (window, key % self.shards);
            let mut writer = self.writer(place)?;
            writer.push(key, &labels, rows)?;
            if self.target_bytes.is_some_and(|target| writer.bytes() >= target) {
                self.done.push(writer.finish()?);
            } else {
                self.open.insert(place, writer);
            }
        }
        Ok(())
    }

    /// The block of a place that is open, or a new one.
    fn writer(&mut self, place: Place) -> Result<BlockWriter, BlockError> {
        match self.open.remove(&place) {
            Some(writer) => Ok(writer),
            None => {
                let file = self.cut.map_or(Ok(None), CutData::file).map_err(BlockError::WriteFile)?;
                BlockWriter::new(Shard { index: place.1, of: self.shards }, Sink::new(file), self.form)
            }
        }
    }

    /// Rows of exemplars with their windows: sorted, each exemplar once.
    fn exemplar_rows(&self, mut exemplars: Vec<Exemplar>) -> Vec<(i128, Row)> {
        exemplars.sort();
        exemplars.dedup();
        let mut rows = Vec::new();
        for run in exemplars.chunk_by(|one, next| self.windows.of(one.t) == self.windows.of(next.t)) {
            rows.extend(run.chunks(ROW_EXEMPLARS).filter_map(|run| Some((self.windows.of(run.first()?.t), Row::of_exemplars(run)?))));
        }
        rows
    }

    /// Takes metadata, in any order: it goes by when it was received.
    pub(super) fn push_metadata(&mut self, all: impl IntoIterator<Item = MetricMetadata>) {
        for MetricMetadata { metric, entries } in all {
            let shard = metadata_key(self.tenant.as_str(), &metric) % self.shards;
            for entry in entries {
                let of_place = self.metadata.entry((self.windows.of(entry.t), shard)).or_default();
                match of_place.last_mut() {
                    Some(last) if last.metric == metric => last.entries.push(entry),
                    _ => of_place.push(MetricMetadata { metric: metric.clone(), entries: vec![entry] }),
                }
            }
        }
    }

    /// The blocks, sorted by time.
    pub(super) fn finish(mut self) -> Result<Vec<NewBlock>, BlockError> {
        for (place, metadata) in std::mem::take(&mut self.metadata) {
            let mut writer = self.writer(place)?;
            writer.set_metadata(&self.tenant, merge_metadata(metadata, 0, 0));
            self.open.insert(place, writer);
        }
        let mut blocks = self.done;
        for writer in self.open.into_values() {
            blocks.push(writer.finish()?);
        }
        blocks.sort_by_key(|block| (block.facts.range, block.shard));
        Ok(blocks)
    }
}

/// A row in the making.
#[derive(Debug)]
struct Row {
    meta: RowMeta,
    bytes: Bytes,
}

impl From<Chunk> for Row {
    fn from(chunk: Chunk) -> Self {
        let Chunk { min_t, max_t, count, encoding, bytes } = chunk;
        Self { meta: RowMeta { min_t, max_t, count, kind: Kind::Chunk(encoding) }, bytes }
    }
}

impl Row {
    /// Of sorted exemplars; `None` when there are none.
    fn of_exemplars(exemplars: &[Exemplar]) -> Option<Self> {
        let (first, last) = (exemplars.first()?, exemplars.last()?);
        let count = u16::try_from(exemplars.len()).ok()?;
        let mut bytes = Vec::new();
        put_exemplars(&mut bytes, exemplars);
        Some(Self { meta: RowMeta { min_t: first.t, max_t: last.t, count, kind: Kind::Exemplars }, bytes: bytes.into() })
    }
}

/// One block in the making.
#[derive(Debug)]
struct BlockWriter {
    parquet: ArrowWriter<Sink>,
    index: IndexWriter,
    shard: Shard,
    rows: Rows,
    /// Rows written.
    written: u64,
    /// Samples, exemplars and entries of metadata.
    samples: u64,
    metadata: Vec<MetricMetadata>,
    version: u16,
    series: u32,
    /// Times, ms.
    min_t: i64,
    max_t: i64,
    min_key: u32,
    max_key: u32,
    /// Bytes of chunks of the row group that is open.
    group_bytes: usize,
    /// Bytes at which it ends.
    full_group: usize,
}

impl BlockWriter {
    fn new(shard: Shard, sink: Sink, form: Form) -> Result<Self, BlockError> {
        let options = ArrowWriterOptions::new().with_properties(schema::properties()).with_skip_arrow_metadata(true);
        Ok(Self {
            parquet: ArrowWriter::try_new_with_options(sink, schema::schema(), options).map_err(BlockError::WriteRows)?,
            index: IndexWriter::new().map_err(BlockError::WriteIndex)?,
            shard,
            rows: Rows::default(),
            written: 0,
            samples: 0,
            metadata: Vec::new(),
            version: schema::FLOATS,
            series: 0,
            min_t: i64::MAX,
            max_t: i64::MIN,
            min_key: u32::MAX,
            max_key: 0,
            group_bytes: 0,
            full_group: match form {
                Form::Cut => CUT_ROW_GROUP_BYTES,
                Form::Packed => ROW_GROUP_BYTES,
            },
        })
    }

    /// Takes the rows of a series. Series come sorted, each once.
    fn push(&mut self, key: u32, labels: &Labels, rows: Vec<Row>) -> Result<(), BlockError> {
        let payload = skip::encode_series(self.written, rows.iter().map(|row| row.meta));
        let series = self.index.add(labels.iter(), &payload).map_err(BlockError::WriteIndex)?;
        self.hold_key(key);
        self.series += 1;
        for Row { meta, bytes } in rows {
            self.rows.push(series, labels, meta, &bytes)?;
            self.written += 1;
            self.samples += u64::from(meta.count);
            self.hold_time(meta.min_t);
            self.hold_time(meta.max_t);
            self.group_bytes += bytes.len();
            if matches!(meta.kind, Kind::Exemplars | Kind::Chunk(Encoding::Histogram)) {
                self.version = schema::VERSION;
            }
            if self.rows.len() >= BATCH_ROWS {
                self.write_rows()?;
            }
        }
        // Row groups end between series.
        if self.group_bytes >= self.full_group {
            self.write_rows()?;
            self.parquet.flush().map_err(BlockError::WriteRows)?;
            self.group_bytes = 0;
        }
        Ok(())
    }

    fn set_metadata(&mut self, tenant: &TenantId, metadata: Vec<MetricMetadata>) {
        for MetricMetadata { metric, entries } in &metadata {
            self.hold_key(metadata_key(tenant.as_str(), metric));
            self.samples += entries.len() as u64;
            entries.iter().for_each(|entry| self.hold_time(entry.t));
            self.version = schema::VERSION;
        }
        self.metadata = metadata;
    }

    fn hold_key(&mut self, key: u32) {
        (self.min_key, self.max_key) = (self.min_key.min(key), self.max_key.max(key));
    }

    fn hold_time(&mut self, t: i64) {
        (self.min_t, self.max_t) = (self.min_t.min(t), self.max_t.max(t));
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
        self.parquet.append_key_value_metadata(schema::name(self.version));
        let data = self.parquet.into_inner().map_err(BlockError::WriteRows)?.finish().map_err(BlockError::WriteFile)?;
        let (pages, footer) = skip::find_pages(&data).map_err(BlockError::WriteRows)?;
        let attachment = skip::encode_attachment(&pages, &self.metadata).map_err(BlockError::WriteMetadata)?;
        let index = self.index.finish(&attachment).map_err(BlockError::WriteIndex)?;
        let footer_len = u32::try_from(data.len() - footer)
            .map_err(|_| BlockError::WriteRows(ParquetError::General("footer of more than 4 GiB".to_owned())))?;
        let facts = BlockFacts {
            range: TimeRange::from_ms(self.min_t, self.max_t),
            rows: self.samples,
            series: u64::from(self.series),
            hash_range: (self.min_key, self.max_key),
            footer_len,
            schema_version: self.version,
        };
        Ok(NewBlock { facts, data, index: Some(index), shard: self.shard })
    }
}

/// Where `data.parquet` is written.
#[derive(Debug)]
enum Sink {
    Memory(Vec<u8>),
    File(File),
}

impl Sink {
    fn new(file: Option<File>) -> Self {
        file.map_or_else(|| Self::Memory(Vec::new()), Self::File)
    }

    fn finish(self) -> io::Result<Contents> {
        match self {
            Self::Memory(bytes) => Ok(bytes.into()),
            Self::File(file) => {
                let len = file.metadata()?.len();
                Ok(Contents::File(Arc::new(file), len))
            }
        }
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Memory(memory) => memory.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

    fn push(&mut self, series: u32, labels: &Labels, row: RowMeta, bytes: &[u8]) -> Result<(), BlockError> {
        self.series.append_value(series);
        self.metric.append_value(labels.metric_name().unwrap_or_default());
        for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            self.labels.keys().append_value(name);
            self.labels.values().append_value(value);
        }
        self.labels.append(true).map_err(BlockError::Rows)?;
        self.min_time.append_value(row.min_t);
        self.max_time.append_value(row.max_t);
        self.samples.append_value(row.count);
        self.encoding.append_value(row.kind.tag());
        self.chunk.append_value(bytes);
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
