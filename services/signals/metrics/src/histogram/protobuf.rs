//! `prometheus.Histogram`: histograms as they are written and read remotely. The messages of remote write 1.0 and 2.0 have the same fields.
//!
//! Counts of whole numbers are differences, each from the bucket before; others are absolute.

use std::ops::Range;

use super::{Buckets, Histogram, HistogramSample, ResetHint, Span};
use crate::ingest::protobuf::{Message, ProtobufError, Value, put_bytes, put_varint};
use crate::wire::codec::{Reader, put_signed};

const COUNT_INT: u64 = 1;
const COUNT_FLOAT: u64 = 2;
const SUM: u64 = 3;
const SCHEMA: u64 = 4;
const ZERO_THRESHOLD: u64 = 5;
const ZERO_COUNT_INT: u64 = 6;
const ZERO_COUNT_FLOAT: u64 = 7;
const NEGATIVE: Side = Side { spans: 8, deltas: 9, counts: 10 };
const POSITIVE: Side = Side { spans: 11, deltas: 12, counts: 13 };
const RESET_HINT: u64 = 14;
const TIMESTAMP: u64 = 15;
const CUSTOM_VALUES: u64 = 16;
const SPAN_OFFSET: u64 = 1;
const SPAN_LENGTH: u64 = 2;

/// Field numbers of the buckets of one sign.
struct Side {
    spans: u64,
    deltas: u64,
    counts: u64,
}

/// Buckets as they are read: which counts are meant is known at the end of the message.
#[derive(Default)]
struct Raw {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

/// Reads the message at a place of a body. Whether its parts fit together is for [`Histogram::check`] to say.
///
/// * Errors: bytes that are not protobuf; known fields of a wrong type.
pub fn read(body: &[u8], place: Range<usize>) -> Result<HistogramSample, ProtobufError> {
    let mut histogram = Histogram { integer: true, ..Histogram::default() };
    let (mut t, mut zero_int, mut zero_float) = (0, 0, 0.0);
    let (mut negative, mut positive, mut bounds) = (Raw::default(), Raw::default(), Vec::new());
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        let value = field.value;
        match field.number {
            COUNT_INT => (histogram.integer, histogram.count) = (true, float_of(value.varint("Histogram.CountInt")?)),
            COUNT_FLOAT => (histogram.integer, histogram.count) = (false, value.double("Histogram.CountFloat")?),
            SUM => histogram.sum = value.double("Histogram.Sum")?,
            SCHEMA => histogram.schema = sint32(value.varint("Histogram.Schema")?),
            ZERO_THRESHOLD => histogram.zero_threshold = value.double("Histogram.ZeroThreshold")?,
            ZERO_COUNT_INT => zero_int = value.varint("Histogram.ZeroCountInt")?,
            ZERO_COUNT_FLOAT => zero_float = value.double("Histogram.ZeroCountFloat")?,
            RESET_HINT => histogram.hint = hint_of(value.varint("Histogram.ResetHint")?),
            TIMESTAMP => t = value.varint("Histogram.Timestamp")?.cast_signed(),
            CUSTOM_VALUES => doubles(body, value, "Histogram.CustomValues", &mut bounds)?,
            number => {
                negative.read(&NEGATIVE, number, body, &value)?;
                positive.read(&POSITIVE, number, body, &value)?;
            }
        }
    }
    histogram.zero_count = if histogram.integer { float_of(zero_int) } else { zero_float };
    histogram.negative = negative.finish(histogram.integer);
    histogram.positive = positive.finish(histogram.integer);
    histogram.bounds = bounds.into();
    Ok(HistogramSample { t, h: histogram.into() })
}

/// Appends the message, behind the field number that it has in another one, and its length. As usual fields that are zero are left out,
/// those of which one of several is there excepted.
pub fn put(out: &mut Vec<u8>, number: u64, sample: &HistogramSample) {
    let mut message = Vec::with_capacity(64 + sample.h.bucket_count() * 8);
    put_fields(&mut message, sample);
    put_bytes(out, number, &message);
}

fn put_fields(out: &mut Vec<u8>, sample: &HistogramSample) {
    let Histogram { hint, schema, integer, zero_threshold, zero_count, count, sum, positive, negative, bounds } = &*sample.h;
    if *integer {
        put_number(out, COUNT_INT, unsigned(*count));
    } else {
        put_double(out, COUNT_FLOAT, *count);
    }
    put_double_unless_zero(out, SUM, *sum);
    if *schema != 0 {
        put_varint(out, SCHEMA << 3);
        put_signed(out, i64::from(*schema));
    }
    put_double_unless_zero(out, ZERO_THRESHOLD, *zero_threshold);
    if *integer {
        put_number(out, ZERO_COUNT_INT, unsigned(*zero_count));
    } else {
        put_double(out, ZERO_COUNT_FLOAT, *zero_count);
    }
    put_side(out, &NEGATIVE, negative, *integer);
    put_side(out, &POSITIVE, positive, *integer);
    if *hint != ResetHint::Unknown {
        put_number(out, RESET_HINT, *hint as u64);
    }
    if sample.t != 0 {
        put_number(out, TIMESTAMP, sample.t.cast_unsigned());
    }
    if !bounds.is_empty() {
        put_doubles(out, CUSTOM_VALUES, bounds);
    }
}

impl Raw {
    fn read(&mut self, side: &Side, number: u64, body: &[u8], value: &Value) -> Result<(), ProtobufError> {
        if number == side.spans {
            self.spans.push(span(body, value.clone().bytes("Histogram.Spans")?)?);
        } else if number == side.deltas {
            match value {
                Value::Varint(raw) => self.deltas.push(sint64(*raw)),
                packed => {
                    let mut packed = Reader::new(&body[packed.clone().bytes("Histogram.Deltas")?]);
                    while !packed.is_empty() {
                        self.deltas.push(packed.signed().map_err(|_| ProtobufError::Short)?);
                    }
                }
            }
        } else if number == side.counts {
            doubles(body, value.clone(), "Histogram.Counts", &mut self.counts)?;
        }
        Ok(())
    }

    fn finish(self, integer: bool) -> Buckets {
        let Self { spans, deltas, counts } = self;
        if !integer {
            return Buckets { spans, counts };
        }
        let mut count = 0_i64;
        let absolute = deltas.into_iter().map(|delta| {
            count = count.wrapping_add(delta);
            signed_float_of(count)
        });
        Buckets { spans, counts: absolute.collect() }
    }
}

fn span(body: &[u8], place: Range<usize>) -> Result<Span, ProtobufError> {
    let mut span = Span::default();
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            SPAN_OFFSET => span.offset = sint32(field.value.varint("BucketSpan.Offset")?),
            SPAN_LENGTH => span.length = low_half(field.value.varint("BucketSpan.Length")?),
            _ => {}
        }
    }
    Ok(span)
}

fn doubles(body: &[u8], value: Value, name: &'static str, into: &mut Vec<f64>) -> Result<(), ProtobufError> {
    if let Value::Fixed64(bits) = value {
        into.push(f64::from_bits(bits));
        return Ok(());
    }
    let (packed, rest) = body[value.bytes(name)?].as_chunks::<8>();
    if !rest.is_empty() {
        return Err(ProtobufError::Short);
    }
    into.extend(packed.iter().map(|bytes| f64::from_le_bytes(*bytes)));
    Ok(())
}

fn put_side(out: &mut Vec<u8>, side: &Side, buckets: &Buckets, integer: bool) {
    for span in &buckets.spans {
        let mut message = Vec::with_capacity(12);
        put_varint(&mut message, SPAN_OFFSET << 3);
        put_signed(&mut message, i64::from(span.offset));
        put_number(&mut message, SPAN_LENGTH, u64::from(span.length));
        put_bytes(out, side.spans, &message);
    }
    if buckets.counts.is_empty() {
        return;
    }
    if !integer {
        return put_doubles(out, side.counts, &buckets.counts);
    }
    let mut deltas = Vec::with_capacity(buckets.counts.len() * 2);
    let mut before = 0;
    for count in &buckets.counts {
        let count = signed(*count);
        put_signed(&mut deltas, count.wrapping_sub(before));
        before = count;
    }
    put_bytes(out, side.deltas, &deltas);
}

fn put_number(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn put_double(out: &mut Vec<u8>, number: u64, value: f64) {
    put_varint(out, number << 3 | 1);
    out.extend(value.to_le_bytes());
}

/// A field that is not there is zero; minus zero is another number.
fn put_double_unless_zero(out: &mut Vec<u8>, number: u64, value: f64) {
    if value.to_bits() != 0 {
        put_double(out, number, value);
    }
}

fn put_doubles(out: &mut Vec<u8>, number: u64, values: &[f64]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, size_of_val(values) as u64);
    values.iter().for_each(|value| out.extend(value.to_le_bytes()));
}

const fn hint_of(number: u64) -> ResetHint {
    match number {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    }
}

/// Readers of protobuf cut a number of 32 bits off where it comes with more.
fn low_half(raw: u64) -> u32 {
    u32::try_from(raw & u64::from(u32::MAX)).unwrap_or_default()
}

fn sint32(raw: u64) -> i32 {
    let raw = low_half(raw);
    (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed())
}

const fn sint64(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed())
}

/// The nearest float.
#[expect(clippy::cast_precision_loss, reason = "observations are counted in floats, which are exact up to 2^53")]
const fn float_of(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "observations are counted in floats, which are exact up to 2^53")]
const fn signed_float_of(count: i64) -> f64 {
    count as f64
}

/// Of a count that came as a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts that came as whole numbers are whole; others are cut")]
const fn unsigned(count: f64) -> u64 {
    count as u64
}

#[expect(clippy::cast_possible_truncation, reason = "counts that came as whole numbers are whole; others are cut")]
const fn signed(count: f64) -> i64 {
    count as i64
}

#[cfg(test)]
mod tests;
