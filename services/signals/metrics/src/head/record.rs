//! Records of the WAL: what one push brought, small.
//!
//! Format, after the version byte 1, all numbers as [`codec`](crate::wire::codec) writes them; series until the end:
//!
//! | what | how |
//! | --- | --- |
//! | number of the series, minus that of the one before | signed, times two, plus 1 if labels follow |
//! | labels, if they follow | count, then names and values behind their lengths |
//! | how many samples | unsigned |
//! | each sample: its time minus that of the sample before in the record | signed |
//! | and its value | the bytes of the double turned round, as an unsigned number: short for values with few digits |
//!
//! Numbers of series mean something only within a segment: there, labels come before or with the first use of a number, and
//! labels that come again give it a new meaning.

use crate::model::{Labels, Sample};
use crate::wire::codec::{DecodeError, Reader, put_len, put_signed, put_varint};
use crate::wire::{labels, put_labels};

/// The version that is written.
const VERSION: u8 = 1;

/// Writes a record.
#[derive(Debug)]
pub struct RecordWriter {
    bytes: Vec<u8>,
    number: u32,
    t: i64,
}

/// One series of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the series in its segment.
    pub number: u32,
    /// What the number means from now on, if it is said.
    pub labels: Option<Labels>,
    /// At least one.
    pub samples: Vec<Sample>,
}

/// Reads a record.
#[derive(Debug)]
pub struct RecordReader<'a> {
    rest: Reader<'a>,
    number: u32,
    t: i64,
}

impl RecordWriter {
    /// An empty record that will take about so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), number: 0, t: 0 }
    }

    /// Appends the samples of a series, with its labels if this segment may not have them.
    pub fn push(&mut self, number: u32, labels: Option<&Labels>, samples: &[Sample]) {
        if self.bytes.is_empty() {
            self.bytes.push(VERSION);
        }
        let step = i64::from(number) - i64::from(self.number);
        put_signed(&mut self.bytes, step * 2 + i64::from(labels.is_some()));
        if let Some(labels) = labels {
            put_labels(&mut self.bytes, labels);
        }
        put_len(&mut self.bytes, samples.len());
        for sample in samples {
            put_signed(&mut self.bytes, sample.t.wrapping_sub(self.t));
            put_varint(&mut self.bytes, sample.v.to_bits().swap_bytes());
            self.t = sample.t;
        }
        self.number = number;
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
            VERSION => Ok(Self { rest, number: 0, t: 0 }),
            version => Err(DecodeError::Version { what: "record", version }),
        }
    }

    fn entry(&mut self) -> Result<Entry, DecodeError> {
        let step = self.rest.signed()?;
        let number = i64::from(self.number)
            .checked_add(step.div_euclid(2))
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(DecodeError::Number { what: "record" })?;
        let labels = if step.rem_euclid(2) == 1 { Some(labels(&mut self.rest)?) } else { None };
        let count = self.rest.count(2)?;
        if count == 0 {
            return Err(DecodeError::Number { what: "record" });
        }
        let mut samples = Vec::with_capacity(count);
        for _ in 0..count {
            self.t = self.t.wrapping_add(self.rest.signed()?);
            samples.push(Sample { t: self.t, v: f64::from_bits(self.rest.varint()?.swap_bytes()) });
        }
        self.number = number;
        Ok(Entry { number, labels, samples })
    }
}

/// The series of the record; ends after the first error.
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
