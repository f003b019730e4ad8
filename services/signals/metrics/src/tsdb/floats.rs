//! Chunks of floats: encoding 1.

use super::bits::{Xored, extended};
use crate::chunk::bits::BitReader;
use crate::model::Sample;

/// Bits of a difference of differences by the number of ones before it.
const WIDTHS: [u32; 3] = [14, 17, 20];

/// Appends the samples of a chunk.
pub(super) fn decode(data: &[u8], into: &mut Vec<Sample>) -> Result<(), &'static str> {
    let (count, bits) = counted(data)?;
    into.reserve(usize::from(count.min(1024)));
    samples(count, bits, into).ok_or("a chunk of floats ends too early")
}

/// The count at a chunk's start, and what follows.
pub(super) fn counted(data: &[u8]) -> Result<(u16, &[u8]), &'static str> {
    let (count, rest) = data.split_first_chunk::<2>().ok_or("a chunk without a count")?;
    Ok((u16::from_be_bytes(*count), rest))
}

fn samples(count: u16, data: &[u8], into: &mut Vec<Sample>) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let (start, rest) = varint(data)?;
    let mut t = start;
    // The first value stands whole and at a byte's border; so does what follows the second time.
    let (first, mut rest) = rest.split_first_chunk::<8>()?;
    let mut value = Xored::starting(u64::from_be_bytes(*first));
    into.push(Sample { t, v: value.value() });
    if count == 1 {
        return Some(());
    }
    let (delta, after) = uvarint(rest)?;
    rest = after;
    let mut delta = i64::try_from(delta).ok()?;
    let mut from = BitReader::new(rest);
    for number in 1..count {
        if number > 1 {
            delta = delta.wrapping_add(difference(&mut from)?);
        }
        t = t.wrapping_add(delta);
        value.advance(&mut from)?;
        into.push(Sample { t, v: value.value() });
    }
    Some(())
}

/// A difference of differences of times.
fn difference(from: &mut BitReader<'_>) -> Option<i64> {
    let mut ones = 0;
    while ones < 4 && from.bit()? {
        ones += 1;
    }
    match ones {
        0 => Some(0),
        4 => Some(from.read(64)?.cast_signed()),
        ones => {
            let bits = WIDTHS[ones - 1];
            Some(extended(from.read(bits)?, bits))
        }
    }
}

fn uvarint(data: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in data.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, &data[index + 1..]));
        }
    }
    None
}

fn varint(data: &[u8]) -> Option<(i64, &[u8])> {
    let (value, rest) = uvarint(data)?;
    Some(((value >> 1).cast_signed() ^ -(value & 1).cast_signed(), rest))
}
