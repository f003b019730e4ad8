//! Writes protobuf messages by hand: those of remote write, whose generated code is made for reading.

/// A protobuf message that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// What has been written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What has been written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, number: u8, kind: u8) {
        self.raw(u64::from(number) << 3 | u64::from(kind));
    }

    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(low(value) | 0x80);
            value >>= 7;
        }
        self.0.push(low(value));
    }

    /// Adds an unsigned number.
    pub(crate) fn varint(&mut self, number: u8, value: u64) -> &mut Self {
        self.key(number, 0);
        self.raw(value);
        self
    }

    /// Adds a number of the type `int64`.
    pub(crate) fn signed(&mut self, number: u8, value: i64) -> &mut Self {
        self.varint(number, value.cast_unsigned())
    }

    /// Adds a number of the type `sint64`.
    pub(crate) fn zigzag(&mut self, number: u8, value: i64) -> &mut Self {
        self.varint(number, zigzag(value))
    }

    /// Adds a float.
    pub(crate) fn double(&mut self, number: u8, value: f64) -> &mut Self {
        self.key(number, 1);
        self.0.extend(value.to_bits().to_le_bytes());
        self
    }

    /// Adds bytes, a text or a message.
    pub(crate) fn bytes(&mut self, number: u8, bytes: &[u8]) -> &mut Self {
        self.key(number, 2);
        self.raw(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Adds several unsigned numbers.
    pub(crate) fn packed(&mut self, number: u8, values: &[u64]) -> &mut Self {
        let mut inner = Self::default();
        for &value in values {
            inner.raw(value);
        }
        self.bytes(number, &inner.0)
    }

    /// Adds fields that were written before.
    pub(crate) fn fields(&mut self, fields: &Self) -> &mut Self {
        self.0.extend(&fields.0);
        self
    }
}

/// A signed number as it is written where both signs are usual.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn low(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits")
}
