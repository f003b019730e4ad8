//! What stands in `index` beside labels and postings: where the rows of a series are and what is known of its chunks, and where
//! the pages of the column `chunk` lie.
//!
//! # Beside a series
//!
//! *n* is a varint, *s* a zigzag varint. Number of its first row *n*; number of its chunks *n*; per chunk, one row each: time of its first
//! sample *s* (ms, after the last sample of the chunk before, the first after 0), milliseconds to its last sample *n*, samples *n*,
//! tag of its encoding `u8`.
//!
//! # Beside all series
//!
//! Version `u8`; number of pages *n*; per page: bytes between the end of the page before (the first: the start of the file) and its start *n*,
//! length with its header *n*, rows *n*, CRC-32 of its bytes `u32`, little-endian. The rows of a page follow those of the page before.

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::offset_index::PageLocation;

use super::schema::CHUNK;
use crate::chunk::{Chunk, Encoding};
use crate::wire::DecodeError;
use crate::wire::codec::{Reader, put_len, put_signed, put_varint};

/// Version of the table of pages.
const VERSION: u8 = 1;

/// What is known of a chunk before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkMeta {
    pub min_t: i64,
    pub max_t: i64,
    pub count: u16,
    pub encoding: Encoding,
}

impl ChunkMeta {
    /// True when a part of `start..=end`, ms, lies in the chunk.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.min_t <= end && start <= self.max_t
    }

    /// The chunk, when its bytes are there.
    pub(super) fn with(self, bytes: Bytes) -> Chunk {
        Chunk { min_t: self.min_t, max_t: self.max_t, count: self.count, encoding: self.encoding, bytes }
    }
}

/// What stands beside a series.
pub(super) fn encode_series(first_row: u64, chunks: &[Chunk]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + chunks.len() * 10);
    put_varint(&mut out, first_row);
    put_len(&mut out, chunks.len());
    let mut before = 0i64;
    for chunk in chunks {
        put_signed(&mut out, chunk.min_t.wrapping_sub(before));
        put_varint(&mut out, chunk.max_t.abs_diff(chunk.min_t));
        put_varint(&mut out, u64::from(chunk.count));
        out.push(chunk.encoding.tag());
        before = chunk.max_t;
    }
    out
}

/// Reads what stands beside a series: its first row and its chunks.
pub(super) fn decode_series(bytes: &[u8]) -> Result<(u64, Vec<ChunkMeta>), DecodeError> {
    const WHAT: &str = "rows of a series";
    let mut from = Reader::new(bytes);
    let first_row = from.varint()?;
    let count = from.count(4)?;
    let mut chunks = Vec::with_capacity(count);
    let mut before = 0i64;
    for _ in 0..count {
        let min_t = before.wrapping_add(from.signed()?);
        let max_t = min_t.checked_add_unsigned(from.varint()?).ok_or(DecodeError::Number { what: WHAT })?;
        let count = u16::try_from(from.varint()?).map_err(|_| DecodeError::Number { what: WHAT })?;
        let tag = from.byte()?;
        let encoding = Encoding::from_tag(tag).map_err(|_| DecodeError::Tag { what: WHAT, tag })?;
        chunks.push(ChunkMeta { min_t, max_t, count, encoding });
        before = max_t;
    }
    from.end()?;
    Ok((first_row, chunks))
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

/// Writes the table of pages.
pub(super) fn encode_pages(pages: &[Page]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_len(&mut out, pages.len());
    let mut before = 0;
    for page in pages {
        put_varint(&mut out, page.start.saturating_sub(before));
        put_varint(&mut out, u64::from(page.len));
        put_varint(&mut out, u64::from(page.rows));
        out.extend_from_slice(&page.crc.to_le_bytes());
        before = page.end();
    }
    out
}

/// Reads the table of pages of a file of `file_len` bytes.
pub(super) fn decode_pages(bytes: &[u8], file_len: u64) -> Result<Vec<Page>, DecodeError> {
    const WHAT: &str = "table of pages";
    let mut from = Reader::new(bytes);
    match from.byte()? {
        VERSION => {}
        version => return Err(DecodeError::Version { what: WHAT, version }),
    }
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
    from.end()?;
    Ok(pages)
}

/// Finds the pages of the column `chunk` in a file that was just written, and the first byte of its footer, page indexes included.
pub(super) fn find_pages(file: &Bytes) -> Result<(Vec<Page>, u64), ParquetError> {
    let metadata = ParquetMetaDataReader::new().with_offset_index_policy(PageIndexPolicy::Required).parse_and_finish(file)?;
    let mut pages = Vec::new();
    let mut row = 0u64;
    for group in 0..metadata.num_row_groups() {
        let rows = u64::try_from(metadata.row_group(group).num_rows())?;
        let locations = locations(&metadata, group)?;
        let firsts = locations.iter().skip(1).map(|next| next.first_row_index).chain([i64::try_from(rows)?]);
        for (location, next_first) in locations.iter().zip(firsts) {
            let (start, len) = (usize::try_from(location.offset)?, usize::try_from(location.compressed_page_size)?);
            let body = start.checked_add(len).and_then(|end| file.get(start..end)).ok_or(ParquetError::EOF("page".to_owned()))?;
            pages.push(Page {
                start: start as u64,
                len: u32::try_from(len)?,
                first_row: row + u64::try_from(location.first_row_index)?,
                rows: u32::try_from(next_first - location.first_row_index)?,
                crc: crc32fast::hash(body),
            });
        }
        row += rows;
    }
    Ok((pages, footer_start(&metadata, file.len() as u64)))
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
