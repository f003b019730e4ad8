//! The file `index` of a block.
//!
//! # Version 1
//!
//! Fixed-width numbers are little-endian, *n* is a LEB128 varint, *text* is its length *n* and its bytes. Positions count from the
//! first byte of the file. Every part has a CRC-32 that is checked when the part is read, and only then: opening reads the trailer and the
//! table of contents.
//!
//! | part | content |
//! | --- | --- |
//! | header | `QIDX`, version `u16`, zero `u16` |
//! | series pages | of 64 series each, in the order of their numbers: raw length *n*, then a zstd frame |
//! | page table | per page: position of its end `u64`, CRC of its bytes `u32` |
//! | attachment | belongs to the signal |
//! | per name: postings | bitmaps of values with more than one series: length *n*, CRC `u32`, bitmap; then the bitmap of all its series |
//! | per name: dictionary | fst from value to `series << 1 \| 1` for a value of one series, else to `offset << 1` in the postings |
//! | table of contents | series *n*; position *n* and CRC `u32` of the page table; position *n*, length *n* and CRC `u32` of the attachment; number of names *n*; the names |
//! | trailer | position `u64`, length `u32` and CRC `u32` of the table of contents, `QIDX` |
//!
//! A name in the table of contents: *text*; number of values *n*; position *n* of its postings; position *n*, length *n* and CRC `u32` of the
//! bitmap of all its series; the same three of its dictionary. The names stand in the order in which series brought them.
//!
//! A series within a page: how many labels it shares with the beginning of the series before it in the page *n*; how many follow *n*;
//! each of them: number of its name *n*, value *text*; then *text* that belongs to the signal (where its rows are).
//!
//! Bitmaps are in Roaring's portable format.

use crate::error::IndexError;

/// First and last bytes of the file.
pub(crate) const MAGIC: [u8; 4] = *b"QIDX";

/// The version that is written.
pub const VERSION: u16 = 1;

/// Bytes of the header.
pub(crate) const HEADER: usize = 8;

/// Bytes of the trailer.
pub(crate) const TRAILER: usize = 20;

/// Series of one page.
pub(crate) const PAGE_SERIES: u32 = 64;

/// Bytes of an entry of the page table.
pub(crate) const PAGE_ENTRY: usize = 12;

/// The greatest page before compression, bytes: what a reader is ready to allocate.
pub(crate) const MAX_PAGE: usize = 64 << 20;

/// Appends an unsigned number.
pub(crate) fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            into.push(low);
            return;
        }
        into.push(low | 0x80);
    }
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

/// Takes bytes apart; every length is compared with what is left.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Starts at a position; `what` names the part in errors.
    pub(crate) fn new(bytes: &'a [u8], at: usize, what: &'static str) -> Self {
        Self { bytes, at, what }
    }

    /// Position of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn corrupt(&self) -> IndexError {
        IndexError::Corrupt { what: self.what }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], IndexError> {
        let end = self.at.checked_add(len).ok_or_else(|| self.corrupt())?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(|| self.corrupt())?;
        self.at = end;
        Ok(bytes)
    }

    /// An unsigned number.
    pub(crate) fn varint(&mut self) -> Result<u64, IndexError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(|| self.corrupt())?;
            self.at += 1;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(self.corrupt());
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt())
    }

    /// A number that counts or places something.
    pub(crate) fn size(&mut self) -> Result<usize, IndexError> {
        usize::try_from(self.varint()?).map_err(|_| self.corrupt())
    }

    /// A number of 32 bits behind its varint.
    pub(crate) fn number32(&mut self) -> Result<u32, IndexError> {
        u32::try_from(self.varint()?).map_err(|_| self.corrupt())
    }

    /// Four bytes.
    pub(crate) fn fixed32(&mut self) -> Result<u32, IndexError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| self.corrupt())?))
    }

    /// Eight bytes, as a position.
    pub(crate) fn fixed64(&mut self) -> Result<usize, IndexError> {
        let bytes = self.take(8)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().map_err(|_| self.corrupt())?)).map_err(|_| self.corrupt())
    }

    /// Bytes behind their length.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], IndexError> {
        let len = self.size()?;
        self.take(len)
    }

    /// Text behind its length.
    pub(crate) fn text(&mut self) -> Result<&'a str, IndexError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.corrupt())
    }
}

/// A part of `file` whose checksum fits.
pub(crate) fn part<'a>(file: &'a [u8], start: usize, len: usize, crc: u32, what: &'static str) -> Result<&'a [u8], IndexError> {
    let bytes = Reader::new(file, start, what).take(len)?;
    if crc32fast::hash(bytes) == crc { Ok(bytes) } else { Err(IndexError::Corrupt { what }) }
}
