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

/// A chunk in the making. Heads hold one for each series: it is packed.
#[derive(Clone, Debug, Default)]
pub struct XorEncoder {
    bits: BitWriter,
    count: u16,
    /// As in [`XorValue`].
    window: Window,
    last: i64,
    delta: i64,
    /// The last value.
    value: u64,
}

/// A value, and how the next one is told from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct XorValue {
    /// Its bits.
    pub(super) bits: u64,
    window: Window,
}

/// Leading and trailing zeros of the window of significant bits in use; none before the first that differs.
type Window = Option<(u8, u8)>;

impl XorEncoder {
    /// Appends a sample; its time must be above that of the one before (checked in debug builds), and fewer than 65 535 must be there.
    pub fn push(&mut self, sample: Sample) {
        debug_assert!(self.count == 0 || sample.t > self.last, "times rise: {} after {}", sample.t, self.last);
        debug_assert!(self.count < u16::MAX, "the count has 16 bits");
        if self.count == 0 {
            self.bits.write(sample.t.cast_unsigned(), 64);
            self.bits.write(sample.v.to_bits(), 64);
        } else {
            let delta = sample.t.wrapping_sub(self.last);
            write_change(&mut self.bits, delta.wrapping_sub(self.delta));
            let mut value = XorValue { bits: self.value, window: self.window };
            value.write(&mut self.bits, sample.v.to_bits());
            self.window = value.window;
            self.delta = delta;
        }
        self.last = sample.t;
        self.value = sample.v.to_bits();
        self.count += 1;
    }

    /// Forgets its samples and gives their memory back. Time and value of the last one stay known.
    pub fn restart(&mut self) {
        self.bits.clear();
        self.count = 0;
        self.delta = 0;
        self.window = None;
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bits.bytes()
    }

    /// Samples so far.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Time of the first sample; meaningless when there is none.
    #[must_use]
    pub fn min_t(&self) -> i64 {
        // It stands in front of all.
        self.bits.bytes().first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
    }

    /// Time of the last sample; meaningless when there was none.
    #[must_use]
    pub fn max_t(&self) -> i64 {
        self.last
    }

    /// The last value; 0 when there was none.
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

impl XorValue {
    /// Becomes the next value.
    pub(super) fn write(&mut self, bits: &mut BitWriter, value: u64) {
        let xor = value ^ self.bits;
        self.bits = value;
        if xor == 0 {
            return bits.write(0, 1);
        }
        let leading = xor.leading_zeros().min(MAX_LEADING);
        let trailing = xor.trailing_zeros();
        if let Some((known_leading, known_trailing)) = self.window.map(|(leading, trailing)| (u32::from(leading), u32::from(trailing)))
            && leading >= known_leading
            && trailing >= known_trailing
        {
            bits.write(0b10, 2);
            return bits.write(xor >> known_trailing, 64 - known_leading - known_trailing);
        }
        let significant = 64 - leading - trailing;
        bits.write(0b11, 2);
        bits.write(u64::from(leading), 5);
        bits.write(u64::from(significant & 63), 6);
        bits.write(xor >> trailing, significant);
        let byte = |zeros: u32| u8::try_from(zeros).expect("at most 64");
        self.window = Some((byte(leading), byte(trailing)));
    }

    /// Becomes the next value; `None` when there is none.
    pub(super) fn read(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        if !bits.bit()? {
            return Some(());
        }
        if bits.bit()? {
            let leading = u8::try_from(bits.read(5)?).ok()?;
            let significant = match u8::try_from(bits.read(6)?).ok()? {
                0 => 64,
                some => some,
            };
            // Only garbage says more than 64 bits.
            self.window = Some((leading, 64u8.checked_sub(leading + significant)?));
        }
        // Only garbage uses a window that was never given.
        let (leading, trailing) = self.window?;
        self.bits ^= bits.read(u32::from(64 - leading - trailing))? << trailing;
        Some(())
    }
}

/// Appends a delta of deltas of times.
pub(super) fn write_change(bits: &mut BitWriter, change: i64) {
    if change == 0 {
        return bits.write(0, 1);
    }
    for (index, width) in (0u32..).zip(WIDTHS) {
        if fits(change, width) {
            // index + 1 ones and a zero
            bits.write((1 << (index + 2)) - 2, index + 2);
            return bits.write(change.cast_unsigned(), width);
        }
    }
    bits.write(0b1111, 4);
    bits.write(change.cast_unsigned(), 64);
}

/// Reads a delta of deltas of times.
pub(super) fn read_change(bits: &mut BitReader<'_>) -> Option<i64> {
    if !bits.bit()? {
        return Some(0);
    }
    for width in WIDTHS {
        if !bits.bit()? {
            return Some(extended(bits.read(width)?, width));
        }
    }
    Some(bits.read(64)?.cast_signed())
}

/// The number that `width` bits say in two's complement.
pub(super) const fn extended(raw: u64, width: u32) -> i64 {
    let shift = 64 - width;
    (raw << shift).cast_signed() >> shift
}

/// True when `value` can be said in `width` bits of two's complement.
pub(super) const fn fits(value: i64, width: u32) -> bool {
    let half = 1i64 << (width - 1);
    value >= -half && value < half
}

/// Appends `count` samples to `into`.
pub fn decode(bytes: &[u8], count: u16, into: &mut Vec<Sample>) -> Result<(), ChunkError> {
    let mut decoder = Decoder { bits: BitReader::new(bytes), t: 0, delta: 0, value: XorValue::default() };
    for index in 0..count {
        let before = decoder.t;
        let step = if index == 0 { decoder.first() } else { decoder.next() };
        step.ok_or(ChunkError::Short { read: index, count })?;
        if index > 0 && decoder.t <= before {
            return Err(ChunkError::Order { at: index });
        }
        into.push(Sample { t: decoder.t, v: f64::from_bits(decoder.value.bits) });
    }
    Ok(())
}

struct Decoder<'a> {
    bits: BitReader<'a>,
    t: i64,
    delta: i64,
    value: XorValue,
}

impl Decoder<'_> {
    fn first(&mut self) -> Option<()> {
        self.t = self.bits.read(64)?.cast_signed();
        self.value.bits = self.bits.read(64)?;
        Some(())
    }

    fn next(&mut self) -> Option<()> {
        self.delta = self.delta.wrapping_add(read_change(&mut self.bits)?);
        self.t = self.t.wrapping_add(self.delta);
        self.value.read(&mut self.bits)
    }
}
