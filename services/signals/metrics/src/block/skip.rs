//! What stands in `index` beside labels and postings: where the rows of a series are and what is known of its chunks, and where
//! the pages of the column `chunk` lie.
//!
//! # Beside a series
//!
//! *n* is a varint, *s* a zigzag varint. Number of its first row *n*; number of its rows *n*; per row, which is a chunk or some exemplars:
//! time of its first sample *s* (ms, after the last sample of the row before, the first after 0), milliseconds to its last sample *n*,
//! samples *n*, tag of its encoding `u8`.
//!
//! # Beside all series
//!
//! Version `u8`; number of pages *n*; per page: bytes between the end of the page before (the first: the start of the file) and its start *n*,
//! length with its header *n*, rows *n*, CRC-32 of its bytes `u32`, little-endian. The rows of a page follow those of the page before.
//!
//! In version 2 metadata follows, compressed as one zstd frame: length before *n*, the frame behind its length. In it: number of metrics *n*;
//! per metric, sorted, its name behind its length and its entries as [`put_metadata`] writes them. Version 1 has none.

use std::io;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::offset_index::PageLocation;
use storage::block::Contents;

use super::schema::{CHUNK, EXEMPLARS_TAG};
use crate::chunk::Encoding;
use crate::wire::codec::{Reader, put_bytes, put_len, put_signed, put_varint};
use crate::wire::{DecodeError, MetricMetadata, put_metadata, read_metadata};

/// Version of a table of pages that metadata follows; without any it is 1.
const VERSION: u8 = 2;
const PAGES_ALONE: u8 = 1;

/// How hard metadata is compressed: the default of zstd.
const LEVEL: i32 = 3;

/// The most metadata that is read, bytes.
const MAX_METADATA: usize = 256 << 20;

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chunk(Encoding),
    Exemplars,
}

impl Kind {
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Chunk(encoding) => encoding.tag(),
            Self::Exemplars => EXEMPLARS_TAG,
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        if tag == EXEMPLARS_TAG { Some(Self::Exemplars) } else { Encoding::from_tag(tag).ok().map(Self::Chunk) }
    }
}

/// What is known of a row before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowMeta {
    pub min_t: i64,
    pub max_t: i64,
    pub count: u16,
    pub kind: Kind,
}

impl RowMeta {
    /// True when a part of `start..=end`, ms, lies in the row.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.min_t <= end && start <= self.max_t
    }
}

/// What stands beside a series.
pub(super) fn encode_series(first_row: u64, rows: impl ExactSizeIterator<Item = RowMeta>) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + rows.len() * 10);
    put_varint(&mut out, first_row);
    put_len(&mut out, rows.len());
    let mut before = 0i64;
    for row in rows {
        put_signed(&mut out, row.min_t.wrapping_sub(before));
        put_varint(&mut out, row.max_t.abs_diff(row.min_t));
        put_varint(&mut out, u64::from(row.count));
        out.push(row.kind.tag());
        before = row.max_t;
    }
    out
}

/// Reads what stands beside a series: its first row and what is known of its rows.
pub(super) fn decode_series(bytes: &[u8]) -> Result<(u64, Vec<RowMeta>), DecodeError> {
    const WHAT: &str = "rows of a series";
    let mut from = Reader::new(bytes);
    let first_row = from.varint()?;
    let count = from.count(4)?;
    let mut rows = Vec::with_capacity(count);
    let mut before = 0i64;
    for _ in 0..count {
        let min_t = before.wrapping_add(from.signed()?);
        let max_t = min_t.checked_add_unsigned(from.varint()?).ok_or(DecodeError::Number { what: WHAT })?;
        let count = u16::try_from(from.varint()?).map_err(|_| DecodeError::Number { what: WHAT })?;
        let tag = from.byte()?;
        let kind = Kind::from_tag(tag).ok_or(DecodeError::Tag { what: WHAT, tag })?;
        rows.push(RowMeta { min_t, max_t, count, kind });
        before = max_t;
    }
    from.end()?;
    Ok((first_row, rows))
}

/// A page of the column `chunk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Position of its header in `data.parquet`.
    pub start: u64,
    /// Bytes with the header.
    pub len: u32,
    /// Number of its first row in the block.
    pub first_row: u64,
    /// How many rows.
    pub rows: u32,
    /// CRC-32 of its bytes.
    pub crc: u32,
}

impl Page {
    /// One past its last byte.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.len))
    }
}

/// Writes the table of pages, and metadata if there is any.
pub(super) fn encode_attachment(pages: &[Page], metadata: &[MetricMetadata]) -> io::Result<Vec<u8>> {
    let mut out = vec![if metadata.is_empty() { PAGES_ALONE } else { VERSION }];
    put_pages(&mut out, pages);
    if !metadata.is_empty() {
        let mut raw = Vec::new();
        put_len(&mut raw, metadata.len());
        for one in metadata {
            put_bytes(&mut raw, one.metric.as_bytes());
            put_metadata(&mut raw, &one.entries);
        }
        put_len(&mut out, raw.len());
        put_bytes(&mut out, &zstd::bulk::compress(&raw, LEVEL)?);
    }
    Ok(out)
}

fn put_pages(out: &mut Vec<u8>, pages: &[Page]) {
    put_len(out, pages.len());
    let mut before = 0;
    for page in pages {
        put_varint(out, page.start.saturating_sub(before));
        put_varint(out, u64::from(page.len));
        put_varint(out, u64::from(page.rows));
        out.extend_from_slice(&page.crc.to_le_bytes());
        before = page.end();
    }
}

/// Reads the table of pages of a file of `file_len` bytes, and tells where metadata stands in `bytes`, with its length before compression.
pub(super) fn decode_attachment(bytes: &Bytes, file_len: u64) -> Result<(Vec<Page>, Option<Compressed>), DecodeError> {
    let mut from = Reader::new(bytes);
    let version = from.byte()?;
    if !(PAGES_ALONE..=VERSION).contains(&version) {
        return Err(DecodeError::Version { what: "table of pages", version });
    }
    let pages = read_pages(&mut from, file_len)?;
    let metadata = match version {
        PAGES_ALONE => None,
        _ => {
            let raw = usize::try_from(from.varint()?).ok().filter(|raw| *raw <= MAX_METADATA);
            let raw = raw.ok_or(DecodeError::Number { what: "length of metadata" })?;
            Some(Compressed { raw, frame: from.shared(bytes)? })
        }
    };
    from.end()?;
    Ok((pages, metadata))
}

/// Metadata that nobody wanted to read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compressed {
    /// Its length, bytes.
    raw: usize,
    frame: Bytes,
}

impl Compressed {
    /// Reads it.
    pub(super) fn read(&self) -> Result<Vec<MetricMetadata>, DecodeError> {
        let raw = zstd::bulk::decompress(&self.frame, self.raw).map_err(|_| DecodeError::Number { what: "metadata" })?;
        let mut from = Reader::new(&raw);
        let count = from.count(2)?;
        let one = |from: &mut Reader<'_>| Ok(MetricMetadata { metric: from.text()?.to_owned(), entries: read_metadata(from)? });
        let metadata = (0..count).map(|_| one(&mut from)).collect::<Result<_, DecodeError>>()?;
        from.end()?;
        Ok(metadata)
    }
}

fn read_pages(from: &mut Reader<'_>, file_len: u64) -> Result<Vec<Page>, DecodeError> {
    const WHAT: &str = "table of pages";
    let count = from.count(7)?;
    let mut pages = Vec::with_capacity(count);
    let (mut before, mut first_row) = (0u64, 0u64);
    for _ in 0..count {
        let start = before.checked_add(from.varint()?).ok_or(DecodeError::Number { what: WHAT })?;
        let (len, rows) = (from.varint32(WHAT)?, from.varint32(WHAT)?);
        let crc = u32::from_le_bytes(from.take(4)?.try_into().map_err(|_| DecodeError::Short)?);
        let page = Page { start, len, first_row, rows, crc };
        if page.end() > file_len {
            return Err(DecodeError::Number { what: WHAT });
        }
        before = page.end();
        first_row = first_row.saturating_add(u64::from(rows));
        pages.push(page);
    }
    Ok(pages)
}

/// Finds the pages of the column `chunk` in a file that was just written, and the first byte of its footer, page indexes included.
pub(super) fn find_pages(file: &Contents) -> Result<(Vec<Page>, u64), ParquetError> {
    let reader = ParquetMetaDataReader::new().with_offset_index_policy(PageIndexPolicy::Required);
    let metadata = match file {
        Contents::Memory(bytes) => reader.parse_and_finish(bytes)?,
        Contents::File(file, _) => reader.parse_and_finish(&**file)?,
    };
    let mut pages = Vec::new();
    let mut row = 0u64;
    for group in 0..metadata.num_row_groups() {
        let rows = u64::try_from(metadata.row_group(group).num_rows())?;
        let locations = locations(&metadata, group)?;
        let firsts = locations.iter().skip(1).map(|next| next.first_row_index).chain([i64::try_from(rows)?]);
        for (location, next_first) in locations.iter().zip(firsts) {
            let (start, len) = (u64::try_from(location.offset)?, u32::try_from(location.compressed_page_size)?);
            let body = file.read(start..start.saturating_add(u64::from(len)))?;
            pages.push(Page {
                start,
                len,
                first_row: row + u64::try_from(location.first_row_index)?,
                rows: u32::try_from(next_first - location.first_row_index)?,
                crc: crc32fast::hash(&body),
            });
        }
        row += rows;
    }
    Ok((pages, footer_start(&metadata, file.len())))
}

/// Pages of the column `chunk` in a row group.
fn locations(metadata: &ParquetMetaData, group: usize) -> Result<&Vec<PageLocation>, ParquetError> {
    let missing = || ParquetError::General(format!("column {CHUNK} has no page locations"));
    let columns = metadata.row_group(group).columns();
    let column = columns.iter().position(|column| column.column_path().string() == CHUNK).ok_or_else(missing)?;
    metadata.page_index().and_then(|pages| pages.page_locations(group, column)).ok_or_else(missing)
}

/// First byte of the page indexes, which stand right before the footer; where there are none, the end of the last column.
fn footer_start(metadata: &ParquetMetaData, file_len: u64) -> u64 {
    let columns = || metadata.row_groups().iter().flat_map(|group| group.columns());
    let indexes = columns().flat_map(|column| [column.column_index_range(), column.offset_index_range()]).flatten();
    let data_end = columns().map(|column| column.byte_range()).map(|(start, len)| start + len).max().unwrap_or(0);
    indexes.map(|range| range.start).min().unwrap_or(data_end).min(file_len)
}
