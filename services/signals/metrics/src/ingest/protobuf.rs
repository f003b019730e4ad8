//! Reading protobuf in place: fields with their places in the body, nothing copied.
//!
//! Hot file: no allocation.

use std::ops::Range;

/// Why bytes are not protobuf, or not the message that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtobufError {
    /// The bytes end early.
    #[error("unexpected EOF")]
    Short,
    /// A number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A field without a number.
    #[error("proto: illegal tag {tag}")]
    Tag {
        /// The tag.
        tag: u64,
    },
    /// A wire type that does not exist, or a group.
    #[error("proto: illegal wireType {wire}")]
    Wire {
        /// The type.
        wire: u8,
    },
    /// A known field with the wrong type.
    #[error("proto: wrong wireType for field {field}")]
    Type {
        /// Message and field.
        field: &'static str,
    },
}

/// A field's content. Bytes are named by their place in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64(u64),
    Bytes(Range<usize>),
    Fixed32,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u64,
    pub(crate) value: Value,
}

/// Walks over the fields of a message that lies somewhere in a body.
#[derive(Clone, Debug)]
pub(crate) struct Message<'a> {
    body: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Message<'a> {
    /// The message that is the whole body.
    pub(crate) fn whole(body: &'a [u8]) -> Self {
        Self { body, at: 0, end: body.len() }
    }

    /// The message at a place of the body that a field named.
    pub(crate) fn at(body: &'a [u8], place: Range<usize>) -> Self {
        debug_assert!(place.start <= place.end && place.end <= body.len(), "fields lie inside the body");
        Self { body, at: place.start, end: place.end }
    }

    /// The next field; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field>, ProtobufError> {
        if self.at == self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return Err(ProtobufError::Tag { tag });
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| ProtobufError::Short)?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| ProtobufError::Short)?;
                let start = self.at;
                self.take(len)?;
                Value::Bytes(start..self.at)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            other => return Err(ProtobufError::Wire { wire: u8::try_from(other).unwrap_or(u8::MAX) }),
        };
        Ok(Some(Field { number, value }))
    }

    /// The bytes of the next field, if its tag is this one, of one byte, and its length is of one byte too: as nearly all fields of bytes that
    /// clients send. `None`: it is another, or there is none, and [`Message::next`] reads it.
    #[inline]
    pub(crate) fn short_bytes(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[actual, len], rest) = self.body[self.at..self.end].split_first_chunk::<2>()?;
        if actual != tag || len >= 0x80 {
            return None;
        }
        let bytes = rest.get(..usize::from(len))?;
        self.at += 2 + bytes.len();
        Some(bytes)
    }

    /// What was read so far since a place in the body.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.body[start..self.at]
    }

    /// The next number of a field that holds nothing but numbers; `None` at the end.
    pub(crate) fn packed_varint(&mut self) -> Result<Option<u64>, ProtobufError> {
        if self.at == self.end { Ok(None) } else { self.varint().map(Some) }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], ProtobufError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.end).ok_or(ProtobufError::Short)?;
        let bytes = &self.body[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, ProtobufError> {
        match self.body.get(self.at) {
            // Nearly all: tags, and lengths of labels and samples.
            Some(byte) if *byte < 0x80 && self.at < self.end => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0u64;
        let mut shift = 0;
        for byte in &self.body[self.at..self.end] {
            self.at += 1;
            // The tenth byte has room for one bit; what stands above it is cut off, as protobuf's own readers do.
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
            if shift >= 64 {
                return Err(ProtobufError::Overflow);
            }
        }
        Err(ProtobufError::Short)
    }
}

impl Value {
    pub(crate) fn bytes(self, field: &'static str) -> Result<Range<usize>, ProtobufError> {
        match self {
            Self::Bytes(place) => Ok(place),
            _ => Err(ProtobufError::Type { field }),
        }
    }

    pub(crate) fn varint(&self, field: &'static str) -> Result<u64, ProtobufError> {
        match self {
            Self::Varint(value) => Ok(*value),
            _ => Err(ProtobufError::Type { field }),
        }
    }

    pub(crate) fn double(&self, field: &'static str) -> Result<f64, ProtobufError> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(*bits)),
            _ => Err(ProtobufError::Type { field }),
        }
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    crate::wire::codec::put_varint(out, value);
}

/// Bytes that a varint takes.
pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a field of bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
