//! How Prometheus writes numbers of few bits, and floats that are like the one before.

use crate::chunk::bits::BitWriter;

/// Bits of the value after each longer prefix: `10`, `110` … `11111110`; `11111111` stands before 64 bits.
const WIDTHS: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];

/// Writes a signed number in as many bits as it needs.
pub(super) fn put_int(out: &mut BitWriter, value: i64) {
    // Of each width the range is shifted by one to the positive side: -3 to 4 in three bits.
    put(out, value.cast_unsigned(), |width| {
        let half = 1i64 << (width - 1);
        -half < value && value <= half
    });
}

/// Writes an unsigned number in as many bits as it needs.
pub(super) fn put_uint(out: &mut BitWriter, value: u64) {
    put(out, value, |width| value >> width == 0);
}

fn put(out: &mut BitWriter, value: u64, fits: impl Fn(u32) -> bool) {
    if value == 0 {
        return out.write(0, 1);
    }
    for (index, width) in (0u32..).zip(WIDTHS) {
        if fits(width) {
            // index + 1 ones and a zero
            out.write((1 << (index + 2)) - 2, index + 2);
            return out.write(value & ((1 << width) - 1), width);
        }
    }
    out.write(0xff, 8);
    out.write(value, 64);
}

/// A float of which differences are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct XorFloat {
    bits: u64,
    /// Leading and trailing zeros of the significant bits in use; none before the first difference.
    window: Option<(u32, u32)>,
}

impl XorFloat {
    /// Begins with this value, which stands elsewhere.
    pub(super) const fn new(value: f64) -> Self {
        Self { bits: value.to_bits(), window: None }
    }

    /// Writes the next value.
    pub(super) fn put(&mut self, out: &mut BitWriter, value: f64) {
        let xor = value.to_bits() ^ self.bits;
        self.bits = value.to_bits();
        if xor == 0 {
            return out.write(0, 1);
        }
        let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
        if let Some((known_leading, known_trailing)) = self.window
            && leading >= known_leading
            && trailing >= known_trailing
        {
            out.write(0b10, 2);
            return out.write(xor >> known_trailing, 64 - known_leading - known_trailing);
        }
        let significant = 64 - leading - trailing;
        out.write(0b11, 2);
        out.write(u64::from(leading), 5);
        // All 64 are written as 0.
        out.write(u64::from(significant & 63), 6);
        out.write(xor >> trailing, significant);
        self.window = Some((leading, trailing));
    }
}
