//! Reading and writing single bits, the highest bit of a byte first.

/// How many bytes more are reserved when those that are reserved are used up: heads hold one writer for each series, and doubling
/// would leave a third of all that memory empty.
const GROW_BYTES: usize = 32;

/// How many bits a filled window has at least.
const FILLED: u32 = 57;

/// Collects bits.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are free, 0 to 7.
    free: u8,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`, the highest of them first. `count` is at most 64.
    pub fn write(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                if self.bytes.len() == self.bytes.capacity() {
                    self.bytes.reserve_exact(GROW_BYTES);
                }
                self.bytes.push(0);
                self.free = 8;
            }
            let free = u32::from(self.free);
            let take = left.min(free);
            let part = (value >> (left - take)) & ((1 << take) - 1);
            let last = self.bytes.last_mut().expect("a byte with free bits was pushed");
            *last |= u8::try_from(part << (free - take)).expect("the part fits the free bits");
            self.free = u8::try_from(free - take).expect("at most 7 bits are left free");
            left -= take;
        }
    }

    /// What was written; the last byte is filled up with zeros.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was written, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes reserved.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Takes bits apart again.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits that were loaded and not yet taken, at the top.
    window: u64,
    /// How many of them may be taken.
    loaded: u32,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, window: 0, loaded: 0 }
    }

    /// Bits that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_mul(8).saturating_add(self.loaded as usize)
    }

    fn fill(&mut self) {
        if let Some(next) = self.bytes.first_chunk() {
            // Of the bits that do not fill a byte some stand in the window as well; they are put there once more when their byte is taken.
            self.window |= u64::from_be_bytes(*next) >> self.loaded;
            let bytes = (64 - self.loaded) / 8;
            self.loaded += 8 * bytes;
            self.bytes = &self.bytes[bytes as usize..];
            return;
        }
        while self.loaded <= 56 {
            let Some((first, rest)) = self.bytes.split_first() else { return };
            self.window |= u64::from(*first) << (56 - self.loaded);
            self.loaded += 8;
            self.bytes = rest;
        }
    }

    /// The next `count` bits as a number; `None` when fewer are left. `count` is at most 64.
    #[inline]
    pub fn read(&mut self, count: u32) -> Option<u64> {
        if count > FILLED {
            let high = self.read(count - FILLED)?;
            return Some(high << FILLED | self.read(FILLED)?);
        }
        if count == 0 {
            return Some(0);
        }
        if self.loaded < count {
            self.fill();
            if self.loaded < count {
                return None;
            }
        }
        let value = self.window >> (64 - count);
        self.window <<= count;
        self.loaded -= count;
        Some(value)
    }

    /// The next bit.
    #[inline]
    pub fn bit(&mut self) -> Option<bool> {
        if self.loaded == 0 {
            self.fill();
            if self.loaded == 0 {
                return None;
            }
        }
        let bit = self.window >> 63 == 1;
        self.window <<= 1;
        self.loaded -= 1;
        Some(bit)
    }
}
