//! One time series of a remote-write 1.0 request, read in place and written again where it must be mended.
//!
//! Hot file: no allocation per series or sample once the buffers have grown.

use std::ops::Range;

use super::protobuf::{Message, ProtobufError, put_bytes, put_varint, varint_len};
use crate::model::{Sample, SeriesHash};

/// A label as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawLabel<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// A series that was read. The buffers are used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct RawSeries<'a> {
    /// Its labels: as they came, until [`RawSeries::tidy`].
    pub(crate) labels: Vec<RawLabel<'a>>,
    /// Its float samples, in the order in which they came.
    pub(crate) samples: Vec<Sample>,
    /// Where its exemplars lie.
    pub(crate) exemplars: Vec<Range<usize>>,
    /// How many native histograms it has.
    pub(crate) histograms: u64,
}

impl<'a> RawSeries<'a> {
    /// Reads the `TimeSeries` message at a place of the body.
    pub(crate) fn read(&mut self, body: &'a [u8], place: Range<usize>) -> Result<(), ProtobufError> {
        self.labels.clear();
        self.samples.clear();
        self.exemplars.clear();
        self.histograms = 0;
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => self.labels.push(read_label(body, field.value.bytes("Labels")?)?),
                2 => self.samples.push(read_sample(body, field.value.bytes("Samples")?)?),
                3 => self.exemplars.push(field.value.bytes("Exemplars")?),
                4 => {
                    // Not stored yet; still, what is no message is no request.
                    check(body, field.value.bytes("Histograms")?)?;
                    self.histograms += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes out labels without a value and sorts the rest by name. True when that changed nothing.
    pub(crate) fn tidy(&mut self) -> bool {
        let before = self.labels.len();
        self.labels.retain(|label| !label.value.is_empty());
        let sorted = self.labels.windows(2).all(|pair| pair[0].name <= pair[1].name);
        if !sorted {
            self.labels.sort_by(|one, other| one.name.cmp(other.name));
        }
        sorted && before == self.labels.len()
    }

    /// The hash of the labels, which must be tidy.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = SeriesHash::default();
        for label in &self.labels {
            hash.add(label.name, label.value);
        }
        hash.finish()
    }

    /// Appends the series with its labels and float samples as they are now.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for label in &self.labels {
            let len = field_len(label.name.len()) + field_len(label.value.len());
            put_varint(out, 1 << 3 | 2);
            put_varint(out, len as u64);
            put_bytes(out, 1, label.name);
            put_bytes(out, 2, label.value);
        }
        for sample in &self.samples {
            let t = sample.t.cast_unsigned();
            put_varint(out, 2 << 3 | 2);
            put_varint(out, (10 + varint_len(t)) as u64);
            out.push(1 << 3 | 1);
            out.extend_from_slice(&sample.v.to_bits().to_le_bytes());
            out.push(2 << 3);
            put_varint(out, t);
        }
    }
}

/// Bytes that a field of `len` bytes takes, if its number is below 16.
fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

fn read_label(body: &[u8], place: Range<usize>) -> Result<RawLabel<'_>, ProtobufError> {
    let mut label = RawLabel { name: &[], value: &[] };
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            1 => label.name = &body[field.value.bytes("Label.Name")?],
            2 => label.value = &body[field.value.bytes("Label.Value")?],
            _ => {}
        }
    }
    Ok(label)
}

fn read_sample(body: &[u8], place: Range<usize>) -> Result<Sample, ProtobufError> {
    let mut sample = Sample { t: 0, v: 0.0 };
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            1 => sample.v = field.value.double("Sample.Value")?,
            2 => sample.t = field.value.varint("Sample.Timestamp")?.cast_signed(),
            _ => {}
        }
    }
    Ok(sample)
}

/// Walks over a message that is not looked into.
fn check(body: &[u8], place: Range<usize>) -> Result<(), ProtobufError> {
    let mut message = Message::at(body, place);
    while message.next()?.is_some() {}
    Ok(())
}

/// An exemplar, as far as its checks need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawExemplar {
    /// How many labels.
    pub(crate) labels: usize,
    /// Characters of all names and values.
    pub(crate) characters: usize,
    /// When, ms.
    pub(crate) t: i64,
}

/// Reads an exemplar.
pub(crate) fn read_exemplar(body: &[u8], place: Range<usize>) -> Result<RawExemplar, ProtobufError> {
    let mut exemplar = RawExemplar::default();
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let label = read_label(body, field.value.bytes("Exemplar.Labels")?)?;
                exemplar.labels += 1;
                exemplar.characters += characters(label.name) + characters(label.value);
            }
            3 => exemplar.t = field.value.varint("Exemplar.Timestamp")?.cast_signed(),
            _ => {}
        }
    }
    Ok(exemplar)
}

/// Characters of a text: bytes that do not continue one.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A metadata entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawMetadata<'a> {
    /// The metric.
    pub(crate) metric: &'a [u8],
    /// Its unit.
    pub(crate) unit: &'a [u8],
}

/// Reads a metadata entry.
pub(crate) fn read_metadata(body: &[u8], place: Range<usize>) -> Result<RawMetadata<'_>, ProtobufError> {
    let mut metadata = RawMetadata::default();
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            2 => metadata.metric = &body[field.value.bytes("MetricMetadata.MetricFamilyName")?],
            5 => metadata.unit = &body[field.value.bytes("MetricMetadata.Unit")?],
            _ => {}
        }
    }
    Ok(metadata)
}
