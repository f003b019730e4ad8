//! Samples as a table in a Parquet file: a row is a sample.
//!
//! | column | type | |
//! | --- | --- | --- |
//! | `series` | `UINT_64` | hash of all labels: equal in all files |
//! | `metric` | `STRING` | the label `__name__`, empty when there is none |
//! | `labels` | `MAP<STRING, STRING>` | all other labels |
//! | `timestamp` | `TIMESTAMP(MILLIS, UTC)` | `DELTA_BINARY_PACKED` |
//! | `value` | `DOUBLE`, may be null | the value of a float sample; `BYTE_STREAM_SPLIT` |
//! | `histogram_count`, `histogram_sum`, `histogram_zero_threshold`, `histogram_zero_count` | `DOUBLE`, may be null | of a native histogram |
//! | `histogram_schema` | `INT_32`, may be null | its resolution; -53: bounds of its own |
//! | `histogram_buckets` | `LIST<STRUCT<lower, upper, count>>`, may be null | its buckets but for the one around zero, rising; counts are not cumulative |
//!
//! Rows are sorted by labels, then by time. A row without value and histogram is a staleness marker: the series ended there. So NaN in
//! `value` is always one that was written. All columns are compressed with zstd.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder as _, Float64Builder, Int32Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructBuilder,
    TimestampMillisecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::histogram::Histogram;
use crate::merge::SeriesSamples;
use crate::model::{METRIC_NAME, STALE_BITS};

/// Rows that are collected before the Parquet writer gets them.
const BATCH_ROWS: usize = 16 << 10;

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The Parquet writer, or the file.
    #[error("write the table")]
    Write(#[from] ParquetError),
    /// The arrays for the Parquet writer.
    #[error("collect rows")]
    Rows(#[from] ArrowError),
}

/// What is in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Series, each counted once per table.
    pub series: u64,
    /// Rows.
    pub samples: u64,
}

/// A table in the making.
#[derive(Debug)]
pub struct Table<W: Write + Send> {
    parquet: ArrowWriter<W>,
    rows: Rows,
    written: Written,
}

impl<W: Write + Send> Table<W> {
    /// An empty table in `file`. Its rows are in memory until a million of them, compressed, make a row group.
    pub fn new(file: W) -> Result<Self, TableError> {
        let options = ArrowWriterOptions::new().with_properties(properties()).with_skip_arrow_metadata(true);
        Ok(Self {
            parquet: ArrowWriter::try_new_with_options(file, schema(), options)?,
            rows: Rows::default(),
            written: Written::default(),
        })
    }

    /// Adds the samples of a series.
    pub fn push(&mut self, series: &SeriesSamples) -> Result<(), TableError> {
        self.written.series += 1;
        let mut histograms = series.histograms.iter().peekable();
        for sample in &series.samples {
            while let Some(before) = histograms.next_if(|histogram| histogram.t < sample.t) {
                self.row(series, before.t, Value::histogram(&before.h))?;
            }
            self.row(series, sample.t, Value::float(sample.v))?;
        }
        histograms.try_for_each(|histogram| self.row(series, histogram.t, Value::histogram(&histogram.h)))
    }

    fn row(&mut self, series: &SeriesSamples, t: i64, value: Value<'_>) -> Result<(), TableError> {
        self.rows.push(series, t, value)?;
        self.written.samples += 1;
        if self.rows.len() >= BATCH_ROWS { self.write_rows() } else { Ok(()) }
    }

    fn write_rows(&mut self) -> Result<(), TableError> {
        Ok(self.parquet.write(&self.rows.take()?)?)
    }

    /// Ends the table. Returns what is in it, and the file.
    pub fn finish(mut self) -> Result<(Written, W), TableError> {
        self.write_rows()?;
        self.parquet.append_key_value_metadata(KeyValue::new("quartet.schema".to_owned(), "metrics/export/1".to_owned()));
        Ok((self.written, self.parquet.into_inner()?))
    }
}

/// What stands in the columns of values.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Stale,
    Float(f64),
    Histogram(&'a Histogram),
}

impl<'a> Value<'a> {
    fn float(v: f64) -> Self {
        if v.to_bits() == STALE_BITS { Self::Stale } else { Self::Float(v) }
    }

    fn histogram(h: &'a Histogram) -> Self {
        if h.is_stale() { Self::Stale } else { Self::Histogram(h) }
    }
}

fn schema() -> Arc<Schema> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let entries = Field::new("key_value", DataType::Struct(Fields::from(vec![text("key"), text("value")])), false);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt64, false),
        text("metric"),
        Field::new("labels", DataType::Map(Arc::new(entries), false), false),
        Field::new("timestamp", time, false),
        number("value"),
        number("histogram_count"),
        number("histogram_sum"),
        number("histogram_zero_threshold"),
        number("histogram_zero_count"),
        Field::new("histogram_schema", DataType::Int32, true),
        Field::new("histogram_buckets", DataType::List(Arc::new(bucket())), true),
    ]))
}

fn bucket() -> Field {
    Field::new("element", DataType::Struct(bucket_fields()), false)
}

fn bucket_fields() -> Fields {
    ["lower", "upper", "count"].map(|name| Field::new(name, DataType::Float64, false)).into_iter().collect()
}

fn properties() -> WriterProperties {
    let map = |part: &str| ColumnPath::from(vec!["labels".to_owned(), "key_value".to_owned(), part.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_created_by("quartet".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_statistics_enabled(map("key"), EnabledStatistics::None)
        .set_column_statistics_enabled(map("value"), EnabledStatistics::None);
    for (column, encoding) in [("timestamp", Encoding::DELTA_BINARY_PACKED), ("value", Encoding::BYTE_STREAM_SPLIT)] {
        let path = || ColumnPath::from(column);
        properties = properties.set_column_dictionary_enabled(path(), false).set_column_encoding(path(), encoding);
    }
    properties.build()
}

/// Rows on their way to the Parquet writer, column by column.
#[derive(Debug)]
struct Rows {
    series: UInt64Builder,
    metric: StringBuilder,
    labels: MapBuilder<StringBuilder, StringBuilder>,
    timestamp: TimestampMillisecondBuilder,
    value: Float64Builder,
    /// Count, sum, threshold and count of the bucket around zero.
    numbers: [Float64Builder; 4],
    resolution: Int32Builder,
    buckets: ListBuilder<StructBuilder>,
}

impl Default for Rows {
    fn default() -> Self {
        let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        Self {
            series: UInt64Builder::new(),
            metric: StringBuilder::new(),
            labels: MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
                .with_keys_field(text("key"))
                .with_values_field(text("value")),
            timestamp: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            value: Float64Builder::new(),
            numbers: Default::default(),
            resolution: Int32Builder::new(),
            buckets: ListBuilder::new(StructBuilder::from_fields(bucket_fields(), 0)).with_field(bucket()),
        }
    }
}

impl Rows {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn push(&mut self, series: &SeriesSamples, t: i64, value: Value<'_>) -> Result<(), ArrowError> {
        self.series.append_value(series.labels.hash());
        self.metric.append_value(series.labels.metric_name().unwrap_or_default());
        for (name, value) in series.labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            self.labels.keys().append_value(name);
            self.labels.values().append_value(value);
        }
        self.labels.append(true)?;
        self.timestamp.append_value(t);
        self.value.append_option(if let Value::Float(v) = value { Some(v) } else { None });
        self.push_histogram(if let Value::Histogram(h) = value { Some(h) } else { None });
        Ok(())
    }

    fn push_histogram(&mut self, histogram: Option<&Histogram>) {
        let numbers = histogram.map(|h| [h.count, h.sum, h.zero_threshold, h.zero_count]);
        for (at, column) in self.numbers.iter_mut().enumerate() {
            column.append_option(numbers.map(|numbers| numbers[at]));
        }
        self.resolution.append_option(histogram.map(|h| h.schema));
        if let Some(h) = histogram {
            let mut buckets: Vec<_> = h.negative_buckets().collect();
            buckets.reverse();
            for bucket in buckets.into_iter().chain(h.positive_buckets()) {
                let row = self.buckets.values();
                for (at, number) in [bucket.lower, bucket.upper, bucket.count].into_iter().enumerate() {
                    row.field_builder::<Float64Builder>(at).expect("all three fields are doubles").append_value(number);
                }
                row.append(true);
            }
        }
        self.buckets.append(histogram.is_some());
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let [count, sum, zero_threshold, zero_count] = self.numbers.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.series.finish()),
            Arc::new(self.metric.finish()),
            Arc::new(self.labels.finish()),
            Arc::new(self.timestamp.finish()),
            Arc::new(self.value.finish()),
            count,
            sum,
            zero_threshold,
            zero_count,
            Arc::new(self.resolution.finish()),
            Arc::new(self.buckets.finish()),
        ];
        RecordBatch::try_new(schema(), columns)
    }
}
