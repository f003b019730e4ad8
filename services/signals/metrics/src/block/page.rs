//! One page of the column `chunk`: a data page of Parquet's first version, values `PLAIN`, compressed as one zstd frame.
//!
//! The page is read here and not by the Parquet crate, which takes lengths from a damaged file as they are.

use bytes::Bytes;
use zstd::bulk::Decompressor;

use crate::wire::DecodeError;
use crate::wire::codec::Reader;

const WHAT: &str = "page";

/// The largest page before compression, bytes: what a reader is ready to allocate. The writer stays far below.
const MAX_PAGE: usize = 64 << 20;

/// Values of a page that was written with this checksum; slices of one buffer.
pub(super) fn decode(page: &[u8], crc: u32, decompressor: &mut Decompressor<'_>) -> Result<Vec<Bytes>, DecodeError> {
    if crc32fast::hash(page) != crc {
        return Err(DecodeError::Checksum { what: WHAT });
    }
    let mut from = Reader::new(page);
    let header = Header::read(&mut from)?;
    let compressed = from.take(header.compressed)?;
    from.end()?;
    if header.raw > MAX_PAGE {
        return Err(DecodeError::Number { what: WHAT });
    }
    let raw = decompressor.decompress(compressed, header.raw).map_err(|_| DecodeError::Number { what: WHAT })?;
    values(&raw.into(), header.values)
}

/// Takes `count` values apart, each behind its length in four bytes.
fn values(raw: &Bytes, count: usize) -> Result<Vec<Bytes>, DecodeError> {
    if count > raw.len() / 4 {
        return Err(DecodeError::Short);
    }
    let mut from = Reader::new(raw);
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let len = u32::from_le_bytes(from.take(4)?.try_into().map_err(|_| DecodeError::Short)?);
        values.push(raw.slice_ref(from.take(len as usize)?));
    }
    from.end()?;
    Ok(values)
}

/// What is needed of a page's header: `PageHeader` of parquet.thrift in Thrift's compact protocol.
#[derive(Debug, Default)]
struct Header {
    raw: usize,
    compressed: usize,
    values: usize,
}

impl Header {
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut header = Self::default();
        let mut id = 0;
        while let Some(kind) = field(from, &mut id)? {
            match (id, kind) {
                // The type of the page: 0 is a data page.
                (1, INT) => expect(from, 0)?,
                (2, INT) => header.raw = size(from)?,
                (3, INT) => header.compressed = size(from)?,
                (5, STRUCT) => header.values = Self::read_data_page(from)?,
                _ => skip(from, kind)?,
            }
        }
        Ok(header)
    }

    /// `DataPageHeader`: the number of values.
    fn read_data_page(from: &mut Reader<'_>) -> Result<usize, DecodeError> {
        let (mut id, mut values) = (0, 0);
        while let Some(kind) = field(from, &mut id)? {
            match (id, kind) {
                (1, INT) => values = size(from)?,
                // The encoding: 0 is `PLAIN`.
                (2, INT) => expect(from, 0)?,
                _ => skip(from, kind)?,
            }
        }
        Ok(values)
    }
}

/// Types of Thrift's compact protocol.
const BYTE: u8 = 3;
const INT: u8 = 5;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

/// The next field's type; `None` at the end of a struct. `id` is that of the field before, then of this one.
fn field(from: &mut Reader<'_>, id: &mut i64) -> Result<Option<u8>, DecodeError> {
    let head = from.byte()?;
    if head == 0 {
        return Ok(None);
    }
    match head >> 4 {
        0 => *id = from.signed()?,
        step => *id = id.wrapping_add(i64::from(step)),
    }
    Ok(Some(head & 0xf))
}

/// Passes over a value. The pages that are written have none of the types that are refused here.
fn skip(from: &mut Reader<'_>, kind: u8) -> Result<(), DecodeError> {
    match kind {
        // Truth and falsehood stand in the type.
        1 | 2 => Ok(()),
        BYTE => from.byte().map(drop),
        4..=6 => from.signed().map(drop),
        BINARY => from.bytes().map(drop),
        tag => Err(DecodeError::Tag { what: WHAT, tag }),
    }
}

fn size(from: &mut Reader<'_>) -> Result<usize, DecodeError> {
    usize::try_from(from.signed()?).map_err(|_| DecodeError::Number { what: WHAT })
}

fn expect(from: &mut Reader<'_>, number: i64) -> Result<(), DecodeError> {
    if from.signed()? == number { Ok(()) } else { Err(DecodeError::Number { what: WHAT }) }
}
