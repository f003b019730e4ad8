//! Records of the WAL: what one push brought, small.
//!
//! Format, after the version byte, all numbers as [`codec`](crate::wire::codec) writes them; entries until the end:
//!
//! | what | how |
//! | --- | --- |
//! | number of the series, minus that of the one before | signed, times four, plus 1 if labels follow, plus 2 if kinds follow |
//! | labels, if they follow | count, then names and values behind their lengths |
//! | kinds, if they follow; else the entry has floats alone | `u8`: 1 floats, 2 histograms, 4 exemplars, 8 metadata |
//! | floats: how many | unsigned |
//! | each float: its time minus that of the sample before in the record | signed |
//! | and its value | the bytes of the double turned round, as an unsigned number: short for values with few digits |
//! | histograms: how many, then each: its time likewise, and the histogram | [`put_histogram`] |
//! | exemplars | as on the wire: [`put_exemplars`] |
//! | metadata: name of the metric, then its entries; such an entry of the record has no series | [`put_metadata`] |
//!
//! Numbers of series mean something only within a segment: there, labels come before or with the first use of a number, and
//! labels that come again give it a new meaning.
//!
//! Version 2 is written. Version 1, which is read, knows floats alone: the number is times two there, plus 1 if labels follow.

use smallvec::SmallVec;

use crate::histogram::HistogramSample;
use crate::histogram::wire::{histogram, put_histogram};
use crate::model::{Exemplar, Labels, Sample};
use crate::wire::codec::{DecodeError, Reader, put_bytes, put_len, put_signed, put_varint};
use crate::wire::{MetadataEntry, MetricMetadata, labels, put_exemplars, put_labels, put_metadata, read_exemplars, read_metadata};

/// The version that is written.
const VERSION: u8 = 2;

/// Kinds of what an entry holds.
const FLOATS: u8 = 1;
const HISTOGRAMS: u8 = 2;
const EXEMPLARS: u8 = 4;
const METADATA: u8 = 8;

/// Writes a record.
#[derive(Debug)]
pub struct RecordWriter {
    bytes: Vec<u8>,
    number: u32,
    t: i64,
}

/// What a record has of one series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// Float samples.
    pub samples: &'a [Sample],
    /// Samples that are histograms.
    pub histograms: &'a [HistogramSample],
    /// Exemplars.
    pub exemplars: &'a [Exemplar],
}

/// One entry of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Of a series.
    Series(SeriesEntry),
    /// Of a metric.
    Metadata(MetricMetadata),
}

/// One series of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesEntry {
    /// The number of the series in its segment.
    pub number: u32,
    /// What the number means from now on, if it is said.
    pub labels: Option<Labels>,
    /// Float samples: one as a rule, which is not worth an allocation of its own.
    pub samples: SmallVec<[Sample; 1]>,
    /// Samples that are histograms.
    pub histograms: Vec<HistogramSample>,
    /// Exemplars.
    pub exemplars: Vec<Exemplar>,
}

/// Reads a record.
#[derive(Debug)]
pub struct RecordReader<'a> {
    rest: Reader<'a>,
    version: u8,
    number: u32,
    t: i64,
}

impl RecordWriter {
    /// An empty record that will take about so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), number: 0, t: 0 }
    }

    fn begin(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.push(VERSION);
        }
    }

    /// Appends what came of a series, with its labels if this segment may not have them.
    pub fn push(&mut self, number: u32, labels: Option<&Labels>, parts: Parts<'_>) {
        self.begin();
        let Parts { samples, histograms, exemplars } = parts;
        let floats_alone = histograms.is_empty() && exemplars.is_empty();
        let step = i64::from(number) - i64::from(self.number);
        put_signed(&mut self.bytes, step * 4 + i64::from(labels.is_some()) + if floats_alone { 0 } else { 2 });
        if let Some(labels) = labels {
            put_labels(&mut self.bytes, labels);
        }
        self.number = number;
        if !floats_alone {
            let kind = |any: bool, kind: u8| if any { kind } else { 0 };
            let floats = kind(!samples.is_empty(), FLOATS);
            self.bytes.push(floats | kind(!histograms.is_empty(), HISTOGRAMS) | kind(!exemplars.is_empty(), EXEMPLARS));
            if !samples.is_empty() {
                self.put_floats(samples);
            }
            self.put_rare(histograms, exemplars);
            return;
        }
        self.put_floats(samples);
    }

    fn put_floats(&mut self, samples: &[Sample]) {
        put_len(&mut self.bytes, samples.len());
        for sample in samples {
            put_signed(&mut self.bytes, sample.t.wrapping_sub(self.t));
            put_varint(&mut self.bytes, sample.v.to_bits().swap_bytes());
            self.t = sample.t;
        }
    }

    fn put_rare(&mut self, histograms: &[HistogramSample], exemplars: &[Exemplar]) {
        if !histograms.is_empty() {
            put_len(&mut self.bytes, histograms.len());
            for sample in histograms {
                put_signed(&mut self.bytes, sample.t.wrapping_sub(self.t));
                put_histogram(&mut self.bytes, &sample.h);
                self.t = sample.t;
            }
        }
        if !exemplars.is_empty() {
            put_exemplars(&mut self.bytes, exemplars);
        }
    }

    /// Appends metadata of a metric.
    pub fn push_metadata(&mut self, metric: &str, entries: &[MetadataEntry]) {
        self.begin();
        put_signed(&mut self.bytes, 2);
        self.bytes.push(METADATA);
        put_bytes(&mut self.bytes, metric.as_bytes());
        put_metadata(&mut self.bytes, entries);
    }

    /// The record; empty when nothing was pushed.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl<'a> RecordReader<'a> {
    /// Starts to read a record.
    pub fn new(record: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader::new(record);
        match rest.byte()? {
            version @ 1..=VERSION => Ok(Self { rest, version, number: 0, t: 0 }),
            version => Err(DecodeError::Version { what: "record", version }),
        }
    }

    fn entry(&mut self) -> Result<Entry, DecodeError> {
        let head = self.rest.signed()?;
        let flags = if self.version == 1 { 2 } else { 4 };
        let (step, flags) = (head.div_euclid(flags), head.rem_euclid(flags));
        let number = i64::from(self.number)
            .checked_add(step)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(DecodeError::Number { what: "record" })?;
        let labels = if flags & 1 == 1 { Some(labels(&mut self.rest)?) } else { None };
        let kinds = if flags & 2 == 2 { self.rest.byte()? } else { FLOATS };
        if kinds == METADATA && labels.is_none() {
            let metric = self.rest.text()?.to_owned();
            return Ok(Entry::Metadata(MetricMetadata { metric, entries: read_metadata(&mut self.rest)? }));
        }
        if kinds == 0 || kinds > FLOATS | HISTOGRAMS | EXEMPLARS {
            return Err(DecodeError::Tag { what: "record", tag: kinds });
        }
        self.number = number;
        Ok(Entry::Series(SeriesEntry {
            number,
            labels,
            samples: if kinds & FLOATS == 0 { SmallVec::new() } else { self.floats()? },
            histograms: if kinds & HISTOGRAMS == 0 { Vec::new() } else { self.histograms()? },
            exemplars: if kinds & EXEMPLARS == 0 { Vec::new() } else { read_exemplars(&mut self.rest)? },
        }))
    }

    fn floats(&mut self) -> Result<SmallVec<[Sample; 1]>, DecodeError> {
        let count = self.rest.count(2)?;
        if count == 0 {
            return Err(DecodeError::Number { what: "record" });
        }
        (0..count).map(|_| Ok(Sample { t: self.time()?, v: f64::from_bits(self.rest.varint()?.swap_bytes()) })).collect()
    }

    fn histograms(&mut self) -> Result<Vec<HistogramSample>, DecodeError> {
        let count = self.rest.count(2)?;
        (0..count).map(|_| Ok(HistogramSample { t: self.time()?, h: histogram(&mut self.rest)?.into() })).collect()
    }

    fn time(&mut self) -> Result<i64, DecodeError> {
        self.t = self.t.wrapping_add(self.rest.signed()?);
        Ok(self.t)
    }
}

/// The entries of the record; ends after the first error.
impl Iterator for RecordReader<'_> {
    type Item = Result<Entry, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
