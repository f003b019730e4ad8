//! A remote-write 2.0 request (`io.prometheus.write.v2.Request`): read in place, turned into items of the 1.0 form.
//!
//! Text is sent once, in a table of symbols; series name it by numbers. Symbols are sliced out of the body, so that a series
//! costs its item and nothing else. A reference outside of the table makes the whole no request.
//!
//! Hot file: no allocation per series or sample once the buffers have grown.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashSet;
use tenancy::Reservation;

use super::check::{Checked, Checker, Rules, Start};
use super::error::DecodeError;
use super::metadata::RawMetadata;
use super::peek::{Fields, Pair, PairNames, Peek, earliest};
use super::protobuf::{Message, ProtobufError, Value};
use super::series::{RawExemplar, RawLabel, RawSeries};
use crate::model::{METRIC_NAME, Sample};

/// What is wrong with references of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SymbolError {
    /// A name without a value.
    #[error("invalid labelRefs length {0}")]
    Odd(usize),
    /// A label outside of the table.
    #[error("labelRefs {name} (name) = {value} (value) outside of symbols table (size {size})")]
    Label {
        /// The reference of its name.
        name: u32,
        /// The reference of its value.
        value: u32,
        /// Symbols of the table.
        size: usize,
    },
    /// A text of metadata outside of the table.
    #[error("invalid {field} {reference}: exceeds symbols length {size}")]
    Metadata {
        /// `HelpRef` or `UnitRef`.
        field: &'static str,
        /// The reference.
        reference: u32,
        /// Symbols of the table.
        size: usize,
    },
}

/// Where the times of a request stand.
const FIELDS: Fields = Fields { series: 5, histograms: 3 };

/// Decodes and checks a request. Errors: the body is no request; nothing of it is used then.
pub(crate) fn check(body: &[u8], rules: Rules<'_>, memory: &mut Reservation) -> Result<Checked, DecodeError> {
    let symbols = Symbols::read(body, memory)?;
    let zeros = rules.limits.created_timestamp_zero_ingestion_enabled;
    let mut checker = Checker::new(rules, 0, memory);
    let mut series = Series::default();
    let mut known = FxHashSet::default();
    let mut exemplars = false;
    let mut message = Message::whole(body);
    while let Some(field) = message.next()? {
        if field.number != 5 {
            continue;
        }
        series.read(body, field.value.bytes("Timeseries")?, &symbols)?;
        if !series.raw.exemplars.is_empty() && !std::mem::replace(&mut exemplars, true) {
            checker.batch_begins(earliest(body, FIELDS)?);
        }
        if let Some(metadata) = series.metadata.take().filter(|metadata| known.insert(*metadata)) {
            let mut message = Vec::new();
            metadata.write(&mut message);
            series.raw.metadata = Some(Cow::Owned(message));
        }
        if zeros && !series.start.is_empty() {
            checker.series_with_start(&mut series.raw, &series.start)?;
        } else {
            checker.series(&mut series.raw, None)?;
        }
    }
    Ok(checker.finish(Vec::new()))
}

/// Looks at a request without checking it. Errors: as [`check`], as far as it is looked at.
pub(crate) fn peek(body: &[u8], names: PairNames<'_>, memory: &mut Reservation) -> Result<Peek, DecodeError> {
    let symbols = Symbols::read(body, memory)?;
    let mut peek = Peek::default();
    let mut first = true;
    let mut message = Message::whole(body);
    while let Some(field) = message.next()? {
        if field.number != 5 {
            continue;
        }
        let place = field.value.bytes("Timeseries")?;
        if std::mem::take(&mut first) {
            let mut series = Series::default();
            series.read(body, place.clone(), &symbols)?;
            peek.pair = Pair::of(&series.raw.labels, names);
        }
        let mut parts = Message::at(body, place);
        while let Some(part) = parts.next()? {
            peek.points += u64::from(matches!(part.number, 2 | 3));
        }
    }
    Ok(peek)
}

/// The table of symbols.
#[derive(Debug)]
struct Symbols<'a>(Vec<&'a [u8]>);

impl<'a> Symbols<'a> {
    fn read(body: &'a [u8], memory: &mut Reservation) -> Result<Self, DecodeError> {
        let mut count = 0;
        let mut message = Message::whole(body);
        while let Some(field) = message.next()? {
            count += usize::from(field.number == 4);
        }
        memory.grow((count * size_of::<&[u8]>()) as u64)?;
        let mut symbols = Vec::with_capacity(count);
        let mut message = Message::whole(body);
        while let Some(field) = message.next()? {
            if field.number == 4 {
                symbols.push(&body[field.value.bytes("Symbols")?]);
            }
        }
        Ok(Self(symbols))
    }

    fn get(&self, reference: u32) -> Option<&'a [u8]> {
        self.0.get(usize::try_from(reference).ok()?).copied()
    }

    fn label(&self, name: u32, value: u32) -> Result<RawLabel<'a>, SymbolError> {
        match (self.get(name), self.get(value)) {
            (Some(name), Some(value)) => Ok(RawLabel { name, value }),
            _ => Err(SymbolError::Label { name, value, size: self.0.len() }),
        }
    }

    /// A text of metadata; without a reference there is none.
    fn text(&self, field: &'static str, reference: u32) -> Result<&'a [u8], SymbolError> {
        match self.get(reference) {
            Some(text) => Ok(text),
            None if reference == 0 => Ok(&[]),
            None => Err(SymbolError::Metadata { field, reference, size: self.0.len() }),
        }
    }
}

/// A series of a request. The buffers are used again for the next one.
#[derive(Debug, Default)]
struct Series<'a> {
    raw: RawSeries<'a>,
    metadata: Option<RawMetadata<'a>>,
    refs: Vec<u32>,
    start: Start,
}

impl<'a> Series<'a> {
    /// Reads the `TimeSeries` message at a place of the body.
    fn read(&mut self, body: &'a [u8], place: Range<usize>, symbols: &Symbols<'a>) -> Result<(), DecodeError> {
        self.raw.clear();
        self.refs.clear();
        self.start.clear();
        self.metadata = None;
        let (mut metadata, mut created, mut start, mut began) = (None, 0, 0, 0);
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => read_refs(body, field.value, &mut self.refs)?,
                2 => start = self.sample(body, field.value.bytes("Samples")?, start)?,
                // The same message as in 1.0; its time of start has a number that is unknown there.
                3 => {
                    let place = field.value.bytes("Histograms")?;
                    if self.raw.histograms.is_empty() {
                        began = start_of_histogram(body, place.clone())?;
                    }
                    self.raw.histograms.push(Cow::Borrowed(&body[place]));
                }
                4 => self.exemplar(body, field.value.bytes("Exemplars")?, symbols)?,
                5 => metadata = Some(field.value.bytes("Metadata")?),
                6 => created = field.value.varint("CreatedTimestamp")?.cast_signed(),
                _ => {}
            }
        }
        read_labels(&self.refs, symbols, &mut self.raw.labels)?;
        if let Some(place) = metadata {
            self.metadata(body, place, symbols)?;
        }
        let earlier = self.raw.samples.first().is_some_and(|first| created < first.t);
        if created > 0 && earlier && self.start.samples.is_empty() {
            self.start.samples.push(Sample { t: created, v: 0.0 });
        }
        if !self.raw.histograms.is_empty() {
            self.start.histogram = if began > 0 { began } else { created.max(0) };
        }
        Ok(())
    }

    /// Reads a sample; `start` is where the counter of the one before began. Returns where that of this one did.
    fn sample(&mut self, body: &[u8], place: Range<usize>, start: i64) -> Result<i64, ProtobufError> {
        let (mut sample, mut began) = (Sample { t: 0, v: 0.0 }, 0);
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => sample.v = field.value.double("Sample.Value")?,
                2 => sample.t = field.value.varint("Sample.Timestamp")?.cast_signed(),
                3 => began = field.value.varint("Sample.StartTimestamp")?.cast_signed(),
                _ => {}
            }
        }
        let after_last = self.raw.samples.last().is_none_or(|last| last.t < began);
        if began > 0 && began != start && began < sample.t && after_last {
            self.start.samples.push(Sample { t: began, v: 0.0 });
        }
        self.raw.samples.push(sample);
        Ok(began)
    }

    fn exemplar(&mut self, body: &'a [u8], place: Range<usize>, symbols: &Symbols<'a>) -> Result<(), DecodeError> {
        let mut sample = Sample { t: 0, v: 0.0 };
        let mut refs = Vec::new();
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => read_refs(body, field.value, &mut refs)?,
                2 => sample.v = field.value.double("Exemplar.Value")?,
                3 => sample.t = field.value.varint("Exemplar.Timestamp")?.cast_signed(),
                _ => {}
            }
        }
        let start = self.raw.exemplar_labels.len();
        read_labels(&refs, symbols, &mut self.raw.exemplar_labels)?;
        self.raw.exemplars.push(RawExemplar { labels: start..self.raw.exemplar_labels.len(), sample });
        Ok(())
    }

    fn metadata(&mut self, body: &'a [u8], place: Range<usize>, symbols: &Symbols<'a>) -> Result<(), DecodeError> {
        let (mut kind, mut help, mut unit) = (0, 0, 0);
        let mut message = Message::at(body, place);
        while let Some(field) = message.next()? {
            match field.number {
                1 => kind = field.value.varint("Metadata.Type")?,
                3 => help = reference(field.value.varint("Metadata.HelpRef")?),
                4 => unit = reference(field.value.varint("Metadata.UnitRef")?),
                _ => {}
            }
        }
        let (help, unit) = (symbols.text("HelpRef", help)?, symbols.text("UnitRef", unit)?);
        let name = self.raw.labels.iter().find(|label| label.name == METRIC_NAME.as_bytes()).map(|label| label.value);
        if let Some(name) = name.filter(|_| kind != 0 || !help.is_empty() || !unit.is_empty()) {
            self.metadata = Some(RawMetadata { kind, metric: family(name, kind), help, unit });
        }
        Ok(())
    }
}

/// The family that a series of a metric belongs to: that of a classic histogram or a summary has no suffix.
fn family(name: &[u8], kind: u64) -> &[u8] {
    let suffixes: &[&[u8]] = match kind {
        // Histogram and gauge histogram.
        3 | 4 => &[b"_bucket", b"_count", b"_sum"],
        // Summary.
        5 => &[b"_count", b"_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).filter(|family| !family.is_empty()).unwrap_or(name)
}

/// When the counter of a native histogram began, ms; 0 is unknown.
fn start_of_histogram(body: &[u8], place: Range<usize>) -> Result<i64, ProtobufError> {
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        if field.number == 17 {
            return Ok(field.value.varint("Histogram.StartTimestamp")?.cast_signed());
        }
    }
    Ok(0)
}

/// Reads references, packed or one by one.
fn read_refs(body: &[u8], value: Value, refs: &mut Vec<u32>) -> Result<(), ProtobufError> {
    match value {
        Value::Varint(one) => refs.push(reference(one)),
        value => {
            let mut packed = Message::at(body, value.bytes("LabelsRefs")?);
            while let Some(one) = packed.packed_varint()? {
                refs.push(reference(one));
            }
        }
    }
    Ok(())
}

/// A reference as protobuf reads it: the lower 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "as protobuf's own readers do")]
const fn reference(value: u64) -> u32 {
    value as u32
}

fn read_labels<'a>(refs: &[u32], symbols: &Symbols<'a>, labels: &mut Vec<RawLabel<'a>>) -> Result<(), SymbolError> {
    let (pairs, rest) = refs.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(SymbolError::Odd(refs.len()));
    }
    for [name, value] in pairs {
        labels.push(symbols.label(*name, *value)?);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
