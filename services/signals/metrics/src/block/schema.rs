//! Columns of `data.parquet` and how they are written.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// The newest version of the rows and of what stands in `index`.
pub const VERSION: u16 = 2;

/// The version of blocks that hold nothing but float chunks: readers of that version know all that is in them.
pub const FLOATS: u16 = 1;

/// The tag in the column `encoding` of rows that hold exemplars; tags of chunks are below.
pub const EXEMPLARS_TAG: u8 = 200;

/// About how many bytes of chunks share a page: what a scan of one series must read and decompress at least.
pub const PAGE_BYTES: usize = 64 << 10;

/// About how many bytes of chunks make a row group: what the writer holds in memory.
pub const ROW_GROUP_BYTES: usize = 16 << 20;

/// The same in a block of a cut: it is written beside the heads, and soon merged.
pub const CUT_ROW_GROUP_BYTES: usize = 4 << 20;

/// Rows that the writer takes at once before it looks at the size of a page.
const WRITE_BATCH: usize = 128;

/// The column of chunks, the last one.
pub(super) const CHUNK: &str = "chunk";

/// What the footer's metadata says of the format.
pub(super) fn name(version: u16) -> KeyValue {
    KeyValue::new("quartet.schema".to_owned(), format!("metrics/{version}"))
}

/// The columns.
#[must_use]
pub fn schema() -> Arc<Schema> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("metric", DataType::Utf8, false),
        Field::new("labels", DataType::Map(Arc::new(label_entries()), false), false),
        Field::new("min_time", time.clone(), false),
        Field::new("max_time", time, false),
        Field::new("samples", DataType::UInt16, false),
        Field::new("encoding", DataType::UInt8, false),
        Field::new(CHUNK, DataType::Binary, false),
    ]))
}

/// Entries of the map, named as the Parquet specification does.
pub(super) fn label_entries() -> Field {
    Field::new("key_value", DataType::Struct(Fields::from(vec![label_key(), label_value()])), false)
}

pub(super) fn label_key() -> Field {
    Field::new("key", DataType::Utf8, false)
}

pub(super) fn label_value() -> Field {
    Field::new("value", DataType::Utf8, false)
}

/// How the columns are written.
pub(super) fn properties() -> WriterProperties {
    let chunk = || ColumnPath::from(CHUNK);
    let map = |part: &str| ColumnPath::from(vec!["labels".to_owned(), "key_value".to_owned(), part.to_owned()]);
    let times = ["min_time", "max_time"];
    let mut properties = WriterProperties::builder()
        .set_created_by("quartet".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Row groups end by their bytes, see `ROW_GROUP_BYTES`.
        .set_max_row_group_row_count(None)
        .set_write_batch_size(WRITE_BATCH)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![sorted(0), sorted(4)]))
        .set_column_dictionary_enabled(chunk(), false)
        .set_column_encoding(chunk(), Encoding::PLAIN)
        .set_column_data_page_size_limit(chunk(), PAGE_BYTES)
        .set_column_statistics_enabled(chunk(), EnabledStatistics::None)
        .set_column_statistics_enabled(map("key"), EnabledStatistics::None)
        .set_column_statistics_enabled(map("value"), EnabledStatistics::None);
    for time in times {
        let path = || ColumnPath::from(time);
        properties = properties.set_column_dictionary_enabled(path(), false).set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

/// Ascending, by the index of a leaf column.
fn sorted(column_idx: i32) -> SortingColumn {
    SortingColumn { column_idx, descending: false, nulls_first: false }
}
