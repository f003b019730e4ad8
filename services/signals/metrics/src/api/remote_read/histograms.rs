//! Chunks of native histograms as Prometheus encodes them.
//!
//! Format: the count (16 bits, big-endian); a byte whose two upper bits speak of resets; the layout that all samples have (zero
//! threshold, schema, spans, custom bounds); the first sample; then changes. Whole counts are written as deltas of deltas, buckets as
//! differences from the one before in addition; counts that are floats by XOR.

use bytes::Bytes;

use super::bits::{XorFloat, put_int, put_uint};
use crate::chunk::bits::BitWriter;
use crate::histogram::{Buckets, Histogram, HistogramSample, ResetHint, Span};
use crate::model::is_stale;

/// The byte after the count: nothing is known of a reset before the chunk, there was one, it is no counter.
const UNKNOWN: u64 = 0;
const RESET: u64 = 0b1000_0000;
const GAUGE: u64 = 0b1100_0000;

/// The greatest custom bound, in thousandths, that is written as a number of few bits.
const MAX_SHORT_BOUND: f64 = 33_554_430.0;

/// True when `next` can stand behind `last` in one chunk: their layouts are the same, and the counter was not reset between them.
pub(super) fn go_together(last: &Histogram, next: &Histogram) -> bool {
    let gauge = |one: &Histogram| one.hint == ResetHint::Gauge;
    !is_stale(last.sum)
        && !is_stale(next.sum)
        && last.integer == next.integer
        && last.schema == next.schema
        && last.zero_threshold.to_bits() == next.zero_threshold.to_bits()
        && last.positive.spans == next.positive.spans
        && last.negative.spans == next.negative.spans
        && last.bounds.iter().map(|bound| bound.to_bits()).eq(next.bounds.iter().map(|bound| bound.to_bits()))
        && gauge(last) == gauge(next)
        && (gauge(next) || !next.is_reset_after(last))
}

/// Encodes samples that go together, at most 65 535 and at least one, all with whole counts or all without.
pub(super) fn encode(samples: &[HistogramSample]) -> Bytes {
    let count = u16::try_from(samples.len()).expect("a chunk is cut far below that");
    let mut out = BitWriter::default();
    out.write(u64::from(count), 16);
    if let Some(first) = samples.first() {
        out.write(
            match first.h.hint {
                ResetHint::Gauge => GAUGE,
                ResetHint::Reset => RESET,
                ResetHint::Unknown | ResetHint::NotReset => UNKNOWN,
            },
            8,
        );
        layout(&mut out, &first.h);
        if first.h.integer { whole(&mut out, samples) } else { floats(&mut out, samples) }
    }
    Bytes::copy_from_slice(out.bytes())
}

fn layout(out: &mut BitWriter, histogram: &Histogram) {
    zero_threshold(out, histogram.zero_threshold);
    put_int(out, i64::from(histogram.schema));
    for spans in [&histogram.positive.spans, &histogram.negative.spans] {
        put_uint(out, spans.len() as u64);
        for Span { offset, length } in spans {
            put_uint(out, u64::from(*length));
            put_int(out, i64::from(*offset));
        }
    }
    if histogram.schema == crate::histogram::CUSTOM_SCHEMA {
        put_uint(out, histogram.bounds.len() as u64);
        histogram.bounds.iter().for_each(|bound| custom_bound(out, *bound));
    }
}

/// Powers of two from 2^-243 to 2^10 are one byte, 0 is another, everything else is 255 and the float.
fn zero_threshold(out: &mut BitWriter, threshold: f64) {
    if threshold == 0.0 {
        return out.write(0, 8);
    }
    let bits = threshold.to_bits();
    let exponent = (bits >> 52).cast_signed() - 1023;
    let power_of_two = bits & ((1 << 52) - 1) == 0 && threshold > 0.0;
    // Of 0.5 times two to the exponent plus one, that exponent plus 243.
    match u64::try_from(exponent + 244) {
        Ok(byte @ 1..=254) if power_of_two => out.write(byte, 8),
        _ => {
            out.write(255, 8);
            out.write(bits, 64);
        }
    }
}

/// Whole thousandths are a number of few bits, other bounds a zero bit and the float.
fn custom_bound(out: &mut BitWriter, bound: f64) {
    let thousandths = bound * 1000.0;
    let rounded = thousandths.round();
    if (0.0..=MAX_SHORT_BOUND).contains(&thousandths) && rounded / 1000.0 == bound {
        return put_uint(out, whole_number(rounded).cast_unsigned() + 1);
    }
    out.write(0, 1);
    out.write(bound.to_bits(), 64);
}

/// A count that is a whole number.
fn whole_number(count: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "counts of integer histograms came as integers; saturates")]
    let whole = count as i64;
    whole
}

/// The parts of a sample that change, as whole numbers: count, zero count, then each bucket as the difference from the one before.
fn parts(histogram: &Histogram) -> Vec<i64> {
    let mut parts = vec![whole_number(histogram.count), whole_number(histogram.zero_count)];
    for Buckets { counts, .. } in [&histogram.positive, &histogram.negative] {
        let mut last = 0;
        for count in counts {
            let count = whole_number(*count);
            parts.push(count.wrapping_sub(last));
            last = count;
        }
    }
    parts
}

/// Samples whose counts are whole numbers.
fn whole(out: &mut BitWriter, samples: &[HistogramSample]) {
    let mut sum = XorFloat::new(0.0);
    let (mut t, mut t_delta) = (0i64, 0i64);
    let (mut last, mut deltas): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    for (index, sample) in samples.iter().enumerate() {
        let parts = parts(&sample.h);
        let (counts, buckets) = parts.split_at(2);
        if index == 0 {
            put_int(out, sample.t);
            counts.iter().for_each(|count| put_uint(out, count.cast_unsigned()));
            out.write(sample.h.sum.to_bits(), 64);
            sum = XorFloat::new(sample.h.sum);
            buckets.iter().for_each(|bucket| put_int(out, *bucket));
            deltas = vec![0; parts.len()];
        } else {
            let delta = sample.t.wrapping_sub(t);
            put_int(out, delta.wrapping_sub(t_delta));
            t_delta = delta;
            for (place, part) in parts.iter().enumerate() {
                if place == 2 {
                    sum.put(out, sample.h.sum);
                }
                let delta = part.wrapping_sub(last[place]);
                put_int(out, delta.wrapping_sub(deltas[place]));
                deltas[place] = delta;
            }
            if parts.len() == 2 {
                sum.put(out, sample.h.sum);
            }
        }
        t = sample.t;
        last = parts;
    }
}

/// Samples whose counts are floats.
fn floats(out: &mut BitWriter, samples: &[HistogramSample]) {
    let values = |h: &Histogram| -> Vec<f64> {
        let buckets = h.positive.counts.iter().chain(&h.negative.counts);
        [h.count, h.zero_count, h.sum].iter().chain(buckets).copied().collect()
    };
    let (mut t, mut t_delta) = (0i64, 0i64);
    let mut last: Vec<XorFloat> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let values = values(&sample.h);
        if index == 0 {
            put_int(out, sample.t);
            values.iter().for_each(|value| out.write(value.to_bits(), 64));
            last = values.iter().copied().map(XorFloat::new).collect();
        } else {
            let delta = sample.t.wrapping_sub(t);
            put_int(out, delta.wrapping_sub(t_delta));
            t_delta = delta;
            last.iter_mut().zip(values).for_each(|(last, value)| last.put(out, value));
        }
        t = sample.t;
    }
}
