//! Numbers of the TSDB's files: bytes that are read in order, and the bit codes of its chunks.

use crate::chunk::bits::BitReader;
use crate::tsdb::TsdbError;

/// Reads one part of a file, the most significant byte first.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'a> {
    file: &'static str,
    whole: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Bytes<'a> {
    /// The part of a file from `at` to `end`.
    pub(super) fn new(file: &'static str, whole: &'a [u8], at: usize, end: usize) -> Result<Self, TsdbError> {
        if at > end || end > whole.len() {
            return Err(TsdbError::Corrupt { file, what: "a place outside the file", at });
        }
        Ok(Self { file, whole, at, end })
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.end - self.at
    }

    pub(super) fn corrupt(&self, what: &'static str) -> TsdbError {
        TsdbError::Corrupt { file: self.file, what, at: self.at }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], TsdbError> {
        if count > self.left() {
            return Err(self.corrupt("the file ends too early"));
        }
        let taken = &self.whole[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, TsdbError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, TsdbError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_be_bytes(bytes))
    }

    pub(super) fn u64(&mut self) -> Result<u64, TsdbError> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(bytes))
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn uvarint(&mut self) -> Result<u64, TsdbError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("a number of more than 64 bits"))
    }

    /// As [`Bytes::uvarint`], with the sign in the lowest bit.
    pub(super) fn varint(&mut self) -> Result<i64, TsdbError> {
        let value = self.uvarint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn len(&mut self) -> Result<usize, TsdbError> {
        let len = usize::try_from(self.uvarint()?).map_err(|_| self.corrupt("a length beyond all memory"))?;
        if len > self.left() { Err(self.corrupt("a length beyond the file's end")) } else { Ok(len) }
    }

    /// Checks that the four bytes after `covered` are its Castagnoli checksum, and reads them.
    pub(super) fn checksum(&mut self, covered: &[u8]) -> Result<(), TsdbError> {
        let at = self.at;
        if self.u32()? == crc32c::crc32c(covered) { Ok(()) } else { Err(TsdbError::Checksum { file: self.file, at }) }
    }
}

/// A count of leading ones, at most eight, says how many bits a number has: 0, 3, 6, 9, 12, 18, 25, 56 or 64.
fn class(from: &mut BitReader<'_>) -> Option<u32> {
    const BITS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];
    let mut ones = 0;
    while ones < 8 && from.bit()? {
        ones += 1;
    }
    Some(BITS[ones])
}

/// A signed number of a histogram chunk.
pub(super) fn signed(from: &mut BitReader<'_>) -> Option<i64> {
    let bits = class(from)?;
    let value = from.read(bits)?;
    Some(if bits < 64 && bits > 0 { extended(value, bits) } else { value.cast_signed() })
}

/// A number of a histogram chunk that has no sign.
pub(super) fn unsigned(from: &mut BitReader<'_>) -> Option<u64> {
    let bits = class(from)?;
    from.read(bits)
}

/// `bits` bits as a signed number. Of the two numbers that the highest bit could mean, 2^(bits-1) is the positive one.
pub(super) fn extended(value: u64, bits: u32) -> i64 {
    let negative = value > 1 << (bits - 1);
    value.cast_signed() - if negative { 1 << bits } else { 0 }
}

/// A float that is stored as its difference from the one before (Gorilla).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Xored {
    pub(super) bits: u64,
    leading: u32,
    trailing: u32,
}

impl Xored {
    /// The first value, stored whole.
    pub(super) fn first(from: &mut BitReader<'_>) -> Option<Self> {
        Some(Self { bits: from.read(64)?, leading: 0, trailing: 0 })
    }

    /// The first value, where its bits stand elsewhere.
    pub(super) fn starting(bits: u64) -> Self {
        Self { bits, leading: 0, trailing: 0 }
    }

    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.bits)
    }

    /// Goes on to the next value.
    pub(super) fn advance(&mut self, from: &mut BitReader<'_>) -> Option<()> {
        if !from.bit()? {
            return Some(());
        }
        if from.bit()? {
            self.leading = u32::try_from(from.read(5)?).ok()?;
            let meaning = match u32::try_from(from.read(6)?).ok()? {
                0 => 64,
                bits => bits,
            };
            self.trailing = 64u32.checked_sub(self.leading + meaning)?;
        }
        let meaning = 64 - self.leading - self.trailing;
        self.bits ^= from.read(meaning)? << self.trailing;
        Some(())
    }
}
