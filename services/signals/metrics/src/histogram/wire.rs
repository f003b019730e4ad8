//! A histogram as the signal's own messages hold it: every bit of it, spans and lengths as varints, floats as their bits.

use std::sync::Arc;

use super::{Buckets, Histogram, ResetHint, Span};
use crate::wire::codec::{DecodeError, Reader, put_len, put_signed, put_varint};

/// The bits of the first byte that hold the hint.
const HINT: u8 = 0b11;
/// The bit of the first byte that says that counts came as whole numbers.
const INTEGER: u8 = 0b100;

/// Appends a histogram.
pub fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let Histogram { hint, schema, integer, zero_threshold, zero_count, count, sum, positive, negative, bounds } = histogram;
    out.push(*hint as u8 | if *integer { INTEGER } else { 0 });
    put_signed(out, i64::from(*schema));
    put_floats(out, &[*zero_threshold, *zero_count, *count, *sum]);
    for buckets in [positive, negative] {
        put_len(out, buckets.spans.len());
        for span in &buckets.spans {
            put_signed(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
        put_len(out, buckets.counts.len());
        put_floats(out, &buckets.counts);
    }
    put_len(out, bounds.len());
    put_floats(out, bounds);
}

/// Reads a histogram.
///
/// * Errors: bytes that are none; counts that are not as many as the spans say.
pub fn histogram(from: &mut Reader<'_>) -> Result<Histogram, DecodeError> {
    let flags = from.byte()?;
    if flags > HINT | INTEGER {
        return Err(DecodeError::Tag { what: "histogram", tag: flags });
    }
    let hint = match flags & HINT {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        _ => ResetHint::Gauge,
    };
    let schema = i32::try_from(from.signed()?).map_err(|_| DecodeError::Number { what: "schema" })?;
    let [zero_threshold, zero_count, count, sum] = [float(from)?, float(from)?, float(from)?, float(from)?];
    let (positive, negative) = (buckets(from)?, buckets(from)?);
    let bounds: Arc<[f64]> = floats(from)?.into();
    Ok(Histogram { hint, schema, integer: flags & INTEGER != 0, zero_threshold, zero_count, count, sum, positive, negative, bounds })
}

fn buckets(from: &mut Reader<'_>) -> Result<Buckets, DecodeError> {
    let spans = (0..from.count(2)?)
        .map(|_| {
            let offset = i32::try_from(from.signed()?).map_err(|_| DecodeError::Number { what: "span" })?;
            Ok(Span { offset, length: from.varint32("span")? })
        })
        .collect::<Result<Vec<_>, DecodeError>>()?;
    let counts = floats(from)?;
    if spans.iter().map(|span| u64::from(span.length)).sum::<u64>() != counts.len() as u64 {
        return Err(DecodeError::Number { what: "spans" });
    }
    Ok(Buckets { spans, counts })
}

fn put_floats(out: &mut Vec<u8>, floats: &[f64]) {
    floats.iter().for_each(|float| out.extend(float.to_bits().to_le_bytes()));
}

fn floats(from: &mut Reader<'_>) -> Result<Vec<f64>, DecodeError> {
    (0..from.count(8)?).map(|_| float(from)).collect()
}

fn float(from: &mut Reader<'_>) -> Result<f64, DecodeError> {
    Ok(f64::from_bits(from.u64_le()?))
}
