//! Numbers and strings as the signal's own messages and records hold them: LEB128 varints, zigzag for signed ones, strings
//! and byte runs behind their length. A reader compares every length with what is left before it allocates.

use bytes::Bytes;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end early.
    #[error("message ends early")]
    Short,
    /// More bytes than the message has.
    #[error("{left} bytes follow the message")]
    Long {
        /// How many.
        left: usize,
    },
    /// A number does not fit where it belongs.
    #[error("number out of range in {what}")]
    Number {
        /// The field.
        what: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A version that is not known here.
    #[error("unknown version {version} of {what}")]
    Version {
        /// The message.
        what: &'static str,
        /// Its version.
        version: u8,
    },
    /// A kind or tag that is not known here.
    #[error("unknown tag {tag} in {what}")]
    Tag {
        /// The field.
        what: &'static str,
        /// The tag.
        tag: u8,
    },
    /// Labels that are not sorted, stand twice or have an empty value.
    #[error("labels out of order")]
    Labels,
    /// A checksum does not match.
    #[error("checksum of {what} does not match")]
    Checksum {
        /// What is damaged.
        what: &'static str,
    },
}

/// Appends an unsigned number.
pub fn put_varint(into: &mut Vec<u8>, mut value: u64) {
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

/// Appends a length.
pub fn put_len(into: &mut Vec<u8>, len: usize) {
    put_varint(into, len as u64);
}

/// Appends a signed number.
pub fn put_signed(into: &mut Vec<u8>, value: i64) {
    put_varint(into, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends bytes behind their length.
pub fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    put_len(into, bytes.len());
    into.extend_from_slice(bytes);
}

/// Takes a message apart.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// True at the end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// An unsigned number.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(DecodeError::Number { what: "varint" });
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Number { what: "varint" })
    }

    /// A signed number.
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// An unsigned number of at most 32 bits.
    pub fn varint32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.varint()?).map_err(|_| DecodeError::Number { what })
    }

    /// A count of things that take at least `each` bytes (at least 1); more than can be left is an error.
    pub fn count(&mut self, each: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint()?).map_err(|_| DecodeError::Short)?;
        if count > self.rest.len() / each.max(1) {
            return Err(DecodeError::Short);
        }
        Ok(count)
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// Eight bytes, little-endian.
    pub fn u64_le(&mut self) -> Result<u64, DecodeError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| DecodeError::Short)?))
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.varint()?).map_err(|_| DecodeError::Short)?;
        self.take(len)
    }

    /// Text behind its length.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Utf8)
    }

    /// Bytes behind their length, as a slice of `whole`, which must be what this reader was made of.
    pub fn shared(&mut self, whole: &Bytes) -> Result<Bytes, DecodeError> {
        let bytes = self.bytes()?;
        Ok(whole.slice_ref(bytes))
    }

    /// Ends the reading: nothing may be left.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Long { left: self.rest.len() }) }
    }
}
