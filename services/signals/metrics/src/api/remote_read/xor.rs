//! Float chunks as Prometheus encodes them: like ours ([`crate::chunk::xor`]), but with a count before and varints for the first two
//! times.
//!
//! Format: the count (16 bits, big-endian); the first time as a zigzag varint and the value in 64 bits; the second time as a varint of
//! the difference; then deltas of deltas in 1, 14, 17, 20 or 64 bits. Values after the first are differences by XOR.

use bytes::Bytes;

use super::bits::XorFloat;
use crate::chunk::bits::BitWriter;
use crate::model::Sample;
use crate::wire::codec::{put_signed, put_varint};

/// Bits of a delta of deltas after the prefixes `10`, `110` and `1110`.
const WIDTHS: [u32; 3] = [14, 17, 20];

/// Encodes samples with rising times, at most 65 535.
pub(super) fn encode(samples: &[Sample]) -> Bytes {
    let count = u16::try_from(samples.len()).expect("a chunk is cut far below that");
    let mut out = BitWriter::default();
    out.write(u64::from(count), 16);
    let mut value = XorFloat::new(0.0);
    let (mut last, mut delta) = (0i64, 0i64);
    for (index, sample) in samples.iter().enumerate() {
        let next = sample.t.wrapping_sub(last);
        match index {
            0 => {
                varint(&mut out, |bytes| put_signed(bytes, sample.t));
                out.write(sample.v.to_bits(), 64);
                value = XorFloat::new(sample.v);
            }
            1 => {
                varint(&mut out, |bytes| put_varint(bytes, next.cast_unsigned()));
                value.put(&mut out, sample.v);
            }
            _ => {
                put_change(&mut out, next.wrapping_sub(delta));
                value.put(&mut out, sample.v);
            }
        }
        (last, delta) = (sample.t, next);
    }
    Bytes::copy_from_slice(out.bytes())
}

fn varint(out: &mut BitWriter, put: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = Vec::with_capacity(10);
    put(&mut bytes);
    bytes.iter().for_each(|byte| out.write(u64::from(*byte), 8));
}

fn put_change(out: &mut BitWriter, change: i64) {
    if change == 0 {
        return out.write(0, 1);
    }
    for (index, width) in (0u32..).zip(WIDTHS) {
        let half = 1i64 << (width - 1);
        if -half < change && change <= half {
            // index + 1 ones and a zero
            out.write((1 << (index + 2)) - 2, index + 2);
            return out.write(change.cast_unsigned() & ((1 << width) - 1), width);
        }
    }
    out.write(0b1111, 4);
    out.write(change.cast_unsigned(), 64);
}
