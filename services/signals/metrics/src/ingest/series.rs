//! One time series of a remote-write 1.0 request, read in place and written again where it must be mended.
//!
//! Hot file: no allocation per series or sample once the buffers have grown.

use std::borrow::Cow;
use std::ops::Range;

use super::protobuf::{Message, ProtobufError, put_bytes, put_varint, varint_len};
use crate::model::{Sample, SeriesHash};

/// The field of an item that `prometheus.TimeSeries` does not have: what is known about the metric of the series.
pub(crate) const METADATA_FIELD: u64 = 15;

/// Tags of the fields that nearly every series consists of.
const LABEL_TAG: u8 = 1 << 3 | 2;
const NAME_TAG: u8 = 1 << 3 | 2;
const VALUE_TAG: u8 = 2 << 3 | 2;
const SAMPLE_VALUE_TAG: u8 = 1 << 3 | 1;
const SAMPLE_TIME_TAG: u8 = 2 << 3;

/// A label as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawLabel<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl RawLabel<'_> {
    /// True when name and value are UTF-8.
    pub(crate) fn is_text(&self) -> bool {
        std::str::from_utf8(self.name).is_ok() && std::str::from_utf8(self.value).is_ok()
    }
}

/// A series that was read. The buffers are used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct RawSeries<'a> {
    /// Its labels: as they came, until [`RawSeries::tidy`].
    pub(crate) labels: Vec<RawLabel<'a>>,
    /// Whether all names and values of them are known to be ASCII; of others nothing is known.
    pub(crate) ascii: bool,
    /// Its float samples, in the order in which they came.
    pub(crate) samples: Vec<Sample>,
    /// Its exemplars.
    pub(crate) exemplars: Vec<RawExemplar>,
    /// Labels of its exemplars, one after the other.
    pub(crate) exemplar_labels: Vec<RawLabel<'a>>,
    /// Its native histograms: `prometheus.Histogram` messages.
    pub(crate) histograms: Vec<Cow<'a, [u8]>>,
    /// What is known about its metric: a `prometheus.MetricMetadata` message.
    pub(crate) metadata: Option<Cow<'a, [u8]>>,
}

/// An exemplar of a series that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawExemplar {
    /// Its labels among [`RawSeries::exemplar_labels`].
    pub(crate) labels: Range<usize>,
    /// When and what.
    pub(crate) sample: Sample,
}

impl<'a> RawSeries<'a> {
    /// Forgets all, but not its buffers.
    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.ascii = false;
        self.samples.clear();
        self.exemplars.clear();
        self.exemplar_labels.clear();
        self.histograms.clear();
        self.metadata = None;
    }

    /// Reads the `TimeSeries` message at a place of the body.
    pub(crate) fn read(&mut self, body: &'a [u8], place: Range<usize>) -> Result<(), ProtobufError> {
        self.clear();
        let start = place.start;
        let mut message = Message::at(body, place);
        // First come the labels, then a sample: one look for each, where they are encoded as by nearly all clients.
        while let Some(label) = message.short_bytes(LABEL_TAG) {
            self.labels.push(plain_label(label).map_or_else(|| read_label(label, 0..label.len()), Ok)?);
        }
        // Tags and lengths of one byte are ASCII too, so one look at all of it tells.
        self.ascii = message.since(start).is_ascii();
        while let Some(field) = message.next()? {
            match field.number {
                1 => {
                    self.ascii = false;
                    self.labels.push(read_label(body, field.value.bytes("Labels")?)?);
                }
                2 => {
                    let place = field.value.bytes("Samples")?;
                    let sample = plain_sample(&body[place.clone()]);
                    self.samples.push(sample.map_or_else(|| read_sample(body, place), Ok)?);
                }
                3 => self.read_exemplar(body, field.value.bytes("Exemplars")?)?,
                4 => self.histograms.push(Cow::Borrowed(&body[field.value.bytes("Histograms")?])),
                METADATA_FIELD => self.metadata = Some(Cow::Borrowed(&body[field.value.bytes("Metadata")?])),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_exemplar(&mut self, body: &'a [u8], place: Range<usize>) -> Result<(), ProtobufError> {
        let start = self.exemplar_labels.len();
        let mut sample = Sample { t: 0, v: 0.0 };
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => self.exemplar_labels.push(read_label(body, field.value.bytes("Exemplar.Labels")?)?),
                2 => sample.v = field.value.double("Exemplar.Value")?,
                3 => sample.t = field.value.varint("Exemplar.Timestamp")?.cast_signed(),
                _ => {}
            }
        }
        self.exemplars.push(RawExemplar { labels: start..self.exemplar_labels.len(), sample });
        Ok(())
    }

    /// The labels of an exemplar.
    pub(crate) fn labels_of(&self, exemplar: &RawExemplar) -> &[RawLabel<'a>] {
        &self.exemplar_labels[exemplar.labels.clone()]
    }

    /// True when nothing of it would be stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.histograms.is_empty() && self.exemplars.is_empty() && self.metadata.is_none()
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

    /// Appends the series with all its parts as they are now: an item.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for label in &self.labels {
            put_label(out, *label);
        }
        for sample in &self.samples {
            put_varint(out, 2 << 3 | 2);
            put_varint(out, sample_len(*sample) as u64);
            put_sample(out, 1, *sample);
        }
        for exemplar in &self.exemplars {
            let labels = self.labels_of(exemplar);
            let len = labels.iter().map(|label| field_len(label_len(*label))).sum::<usize>() + sample_len(exemplar.sample);
            put_varint(out, 3 << 3 | 2);
            put_varint(out, len as u64);
            for label in labels {
                put_label(out, *label);
            }
            put_sample(out, 2, exemplar.sample);
        }
        for histogram in &self.histograms {
            put_bytes(out, 4, histogram);
        }
        if let Some(metadata) = &self.metadata {
            put_bytes(out, METADATA_FIELD, metadata);
        }
    }
}

/// Bytes that a field of `len` bytes takes, if its number is below 16.
fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

fn label_len(label: RawLabel<'_>) -> usize {
    field_len(label.name.len()) + field_len(label.value.len())
}

fn sample_len(sample: Sample) -> usize {
    10 + varint_len(sample.t.cast_unsigned())
}

/// Appends a label as field 1.
fn put_label(out: &mut Vec<u8>, label: RawLabel<'_>) {
    put_varint(out, 1 << 3 | 2);
    put_varint(out, label_len(label) as u64);
    put_bytes(out, 1, label.name);
    put_bytes(out, 2, label.value);
}

/// Appends a value as the field `number` and its time as the next one.
fn put_sample(out: &mut Vec<u8>, number: u8, sample: Sample) {
    out.push(number << 3 | 1);
    out.extend_from_slice(&sample.v.to_bits().to_le_bytes());
    out.push((number + 1) << 3);
    put_varint(out, sample.t.cast_unsigned());
}

/// A label that is encoded as by nearly all clients: name, then value, both shorter than 128 bytes. `None`: encoded in another way.
#[inline]
fn plain_label(message: &[u8]) -> Option<RawLabel<'_>> {
    let (&[NAME_TAG, name_len], rest) = message.split_first_chunk::<2>()? else { return None };
    let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
    let (&[VALUE_TAG, value_len], value) = rest.split_first_chunk::<2>()? else { return None };
    (name_len < 0x80 && usize::from(value_len) == value.len() && value_len < 0x80).then_some(RawLabel { name, value })
}

/// A sample that is encoded as by nearly all clients: the value, then the time, positive. `None`: encoded in another way.
#[inline]
fn plain_sample(message: &[u8]) -> Option<Sample> {
    let (&SAMPLE_VALUE_TAG, rest) = message.split_first()? else { return None };
    let (bits, rest) = rest.split_first_chunk::<8>()?;
    let (&SAMPLE_TIME_TAG, varint) = rest.split_first()? else { return None };
    let (last, before) = varint.split_last()?;
    // Nine bytes hold 63 bits.
    if *last >= 0x80 || before.len() > 8 || before.iter().any(|byte| *byte < 0x80) {
        return None;
    }
    let t = varint.iter().rev().fold(0, |t, byte| t << 7 | i64::from(byte & 0x7f));
    Some(Sample { t, v: f64::from_bits(u64::from_le_bytes(*bits)) })
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

pub(super) fn read_sample(body: &[u8], place: Range<usize>) -> Result<Sample, ProtobufError> {
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

#[cfg(test)]
mod tests;
