//! Float samples as Gorilla compresses them (Pelkonen et al., VLDB 2015, §4.1), with wider steps for milliseconds.
//!
//! Format: the first timestamp (64 bits) and value (64 bits); then per sample the delta of deltas of its timestamp
//! and its value XOR the one before.
//!
//! | delta of deltas | bits |
//! | --- | --- |
//! | 0 | `0` |
//! | fits 14 bits, two's complement | `10` + 14 |
//! | fits 17 bits | `110` + 17 |
//! | fits 20 bits | `1110` + 20 |
//! | else | `1111` + 64 |
//!
//! | XOR | bits |
//! | --- | --- |
//! | 0 | `0` |
//! | significant bits inside those of the one before | `10` + them |
//! | else | `11` + leading zeros (5) + significant bits (6, 0 stands for 64) + them |
//!
//! Hot file: no allocation per sample, no branch that a steady scrape interval does not need.

use bytes::Bytes;

use super::ChunkError;
use super::bits::{BitReader, BitWriter};
use crate::model::Sample;

/// Most leading zeros that 5 bits can say.
const MAX_LEADING: u32 = 31;

/// Widths of the delta of deltas after the prefixes `10`, `110` and `1110`.
const WIDTHS: [u32; 3] = [14, 17, 20];

/// A chunk in the making.
#[derive(Clone, Debug, Default)]
pub struct XorEncoder {
    bits: BitWriter,
    count: u16,
    first: i64,
    last: i64,
    delta: i64,
    value: u64,
    /// Leading and trailing zeros of the window of significant bits in use; none before the first that differs.
    window: Option<(u32, u32)>,
}

impl XorEncoder {
    /// Appends a sample; its time must be above that of the one before (checked in debug builds), and fewer than 65 535 must be there.
    pub fn push(&mut self, sample: Sample) {
        debug_assert!(self.count == 0 || sample.t > self.last, "times rise: {} after {}", sample.t, self.last);
        debug_assert!(self.count < u16::MAX, "the count has 16 bits");
        if self.count == 0 {
            self.bits.write(sample.t.cast_unsigned(), 64);
            self.bits.write(sample.v.to_bits(), 64);
            self.first = sample.t;
        } else {
            let delta = sample.t.wrapping_sub(self.last);
            self.write_time(delta.wrapping_sub(self.delta));
            self.write_value(sample.v.to_bits());
            self.delta = delta;
        }
        self.last = sample.t;
        self.value = sample.v.to_bits();
        self.count += 1;
    }

    fn write_time(&mut self, change: i64) {
        if change == 0 {
            return self.bits.write(0, 1);
        }
        for (index, width) in (0u32..).zip(WIDTHS) {
            if fits(change, width) {
                // index + 1 ones and a zero
                self.bits.write((1 << (index + 2)) - 2, index + 2);
                return self.bits.write(change.cast_unsigned(), width);
            }
        }
        self.bits.write(0b1111, 4);
        self.bits.write(change.cast_unsigned(), 64);
    }

    fn write_value(&mut self, value: u64) {
        let xor = value ^ self.value;
        if xor == 0 {
            return self.bits.write(0, 1);
        }
        let leading = xor.leading_zeros().min(MAX_LEADING);
        let trailing = xor.trailing_zeros();
        if let Some((known_leading, known_trailing)) = self.window
            && leading >= known_leading
            && trailing >= known_trailing
        {
            self.bits.write(0b10, 2);
            return self.bits.write(xor >> known_trailing, 64 - known_leading - known_trailing);
        }
        let significant = 64 - leading - trailing;
        self.bits.write(0b11, 2);
        self.bits.write(u64::from(leading), 5);
        self.bits.write(u64::from(significant & 63), 6);
        self.bits.write(xor >> trailing, significant);
        self.window = Some((leading, trailing));
    }

    /// Samples so far.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Time of the first sample; meaningless when there is none.
    #[must_use]
    pub fn min_t(&self) -> i64 {
        self.first
    }

    /// Time of the last sample; meaningless when there is none.
    #[must_use]
    pub fn max_t(&self) -> i64 {
        self.last
    }

    /// The last value; 0 when there is none.
    #[must_use]
    pub fn last_value(&self) -> f64 {
        f64::from_bits(self.value)
    }

    /// Bytes reserved on the heap.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bits.capacity()
    }

    /// A copy of the samples so far, encoded.
    #[must_use]
    pub fn finish(&self) -> Bytes {
        Bytes::copy_from_slice(self.bits.bytes())
    }
}

/// True when `value` can be said in `width` bits of two's complement.
const fn fits(value: i64, width: u32) -> bool {
    let half = 1i64 << (width - 1);
    value >= -half && value < half
}

/// Appends `count` samples to `into`.
pub fn decode(bytes: &[u8], count: u16, into: &mut Vec<Sample>) -> Result<(), ChunkError> {
    let mut decoder = Decoder { bits: BitReader::new(bytes), t: 0, delta: 0, value: 0, window: (0, 0) };
    for index in 0..count {
        let before = decoder.t;
        let step = if index == 0 { decoder.first() } else { decoder.next() };
        step.ok_or(ChunkError::Short { read: index, count })?;
        if index > 0 && decoder.t <= before {
            return Err(ChunkError::Order { at: index });
        }
        into.push(Sample { t: decoder.t, v: f64::from_bits(decoder.value) });
    }
    Ok(())
}

struct Decoder<'a> {
    bits: BitReader<'a>,
    t: i64,
    delta: i64,
    value: u64,
    window: (u32, u32),
}

impl Decoder<'_> {
    fn first(&mut self) -> Option<()> {
        self.t = self.bits.read(64)?.cast_signed();
        self.value = self.bits.read(64)?;
        Some(())
    }

    fn next(&mut self) -> Option<()> {
        if self.bits.bit()? {
            let change = self.change()?;
            self.delta = self.delta.wrapping_add(change);
        }
        self.t = self.t.wrapping_add(self.delta);
        if self.bits.bit()? {
            self.value()?;
        }
        Some(())
    }

    /// A delta of deltas after its first 1.
    fn change(&mut self) -> Option<i64> {
        for width in WIDTHS {
            if !self.bits.bit()? {
                let raw = self.bits.read(width)?;
                let shift = 64 - width;
                return Some((raw << shift).cast_signed() >> shift);
            }
        }
        Some(self.bits.read(64)?.cast_signed())
    }

    /// A value after its first 1.
    fn value(&mut self) -> Option<()> {
        if self.bits.bit()? {
            let leading = u32::try_from(self.bits.read(5)?).ok()?;
            let significant = match u32::try_from(self.bits.read(6)?).ok()? {
                0 => 64,
                some => some,
            };
            // Only garbage says more than 64 bits.
            self.window = (leading, 64u32.checked_sub(leading + significant)?);
        }
        let (leading, trailing) = self.window;
        self.value ^= self.bits.read(64 - leading - trailing)? << trailing;
        Some(())
    }
}
