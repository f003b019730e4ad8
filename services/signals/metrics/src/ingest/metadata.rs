//! What is known about a metric: type, help and unit.
//!
//! Hot file: nothing is copied but what has to be mended.

use std::ops::Range;

use super::protobuf::{Message, ProtobufError, put_bytes, put_varint};

/// A `prometheus.MetricMetadata` message that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RawMetadata<'a> {
    /// The type: 0 unknown, 1 counter, 2 gauge, 3 histogram, 4 gauge histogram, 5 summary, 6 info, 7 state set.
    pub(crate) kind: u64,
    /// The metric.
    pub(crate) metric: &'a [u8],
    /// What it is.
    pub(crate) help: &'a [u8],
    /// Its unit.
    pub(crate) unit: &'a [u8],
}

impl<'a> RawMetadata<'a> {
    /// Reads the message at a place of the body.
    pub(crate) fn read(body: &'a [u8], place: Range<usize>) -> Result<Self, ProtobufError> {
        let mut metadata = Self::default();
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => metadata.kind = field.value.varint("MetricMetadata.Type")?,
                2 => metadata.metric = &body[field.value.bytes("MetricMetadata.MetricFamilyName")?],
                4 => metadata.help = &body[field.value.bytes("MetricMetadata.Help")?],
                5 => metadata.unit = &body[field.value.bytes("MetricMetadata.Unit")?],
                _ => {}
            }
        }
        Ok(metadata)
    }

    /// Appends the message.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.kind != 0 {
            put_varint(out, 1 << 3);
            put_varint(out, self.kind);
        }
        for (number, text) in [(2, self.metric), (4, self.help), (5, self.unit)] {
            if !text.is_empty() {
                put_bytes(out, number, text);
            }
        }
    }

    /// True when all of it is UTF-8.
    pub(crate) fn is_text(&self) -> bool {
        [self.metric, self.help, self.unit].iter().all(|text| std::str::from_utf8(text).is_ok())
    }

    /// The same with a help of at most `limit` bytes, cut between two characters.
    pub(crate) fn with_help_of(mut self, limit: usize) -> Self {
        if self.help.len() > limit {
            let end = (0..=limit).rev().find(|end| self.help[*end] & 0xc0 != 0x80).unwrap_or(0);
            self.help = &self.help[..end];
        }
        self
    }
}
