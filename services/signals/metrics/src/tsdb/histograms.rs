//! Chunks of native histograms: encoding 2 with whole counts, encoding 3 with floats.
//!
//! A chunk has one layout (schema, spans, bounds) for all its samples, and one remark about a reset before its first.

use std::sync::Arc;

use super::bits::{Xored, signed, unsigned};
use super::floats::counted;
use crate::chunk::bits::BitReader;
use crate::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, HistogramSample, ResetHint, Span};
use crate::model::is_stale;

const SHORT: &str = "a chunk of histograms ends too early";
/// More buckets than any histogram has: a length beyond it is garbage.
const MOST_BUCKETS: u64 = 1 << 20;

/// What all samples of a chunk share.
struct Layout {
    schema: i32,
    zero_threshold: f64,
    positive: Vec<Span>,
    negative: Vec<Span>,
    bounds: Arc<[f64]>,
    hint: ResetHint,
}

/// Times as differences of differences.
#[derive(Default)]
struct Rising {
    value: i64,
    delta: i64,
}

impl Rising {
    fn advance(&mut self, from: &mut BitReader<'_>) -> Option<()> {
        self.delta = self.delta.wrapping_add(signed(from)?);
        self.value = self.value.wrapping_add(self.delta);
        Some(())
    }
}

/// Appends the samples of a chunk with whole counts.
pub(super) fn decode_integers(data: &[u8], into: &mut Vec<HistogramSample>) -> Result<(), &'static str> {
    let (count, layout, mut from) = begin(data)?;
    if count == 0 {
        return Ok(());
    }
    integers(count, &layout?, &mut from, into).ok_or(SHORT)
}

/// Appends the samples of a chunk with float counts.
pub(super) fn decode_floats(data: &[u8], into: &mut Vec<HistogramSample>) -> Result<(), &'static str> {
    let (count, layout, mut from) = begin(data)?;
    if count == 0 {
        return Ok(());
    }
    floats(count, &layout?, &mut from, into).ok_or(SHORT)
}

/// The count of samples, the layout, and the bits after it.
fn begin(data: &[u8]) -> Result<(u16, Result<Layout, &'static str>, BitReader<'_>), &'static str> {
    let (count, rest) = counted(data)?;
    let (flags, rest) = rest.split_first().ok_or("a chunk of histograms without flags")?;
    let hint = match flags >> 6 {
        0b10 => ResetHint::Reset,
        0b01 => ResetHint::NotReset,
        0b11 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    };
    let mut from = BitReader::new(rest);
    let layout = if count == 0 { Err(SHORT) } else { layout(&mut from, hint).ok_or("a chunk of histograms with a broken layout") };
    Ok((count, layout, from))
}

fn layout(from: &mut BitReader<'_>, hint: ResetHint) -> Option<Layout> {
    let zero_threshold = match from.read(8)? {
        0 => 0.0,
        255 => f64::from_bits(from.read(64)?),
        // A power of two, by its exponent.
        code => 0.5 * 2f64.powi(i32::try_from(code).ok()? - 243),
    };
    let schema = i32::try_from(signed(from)?).ok()?;
    if !(-4..=8).contains(&schema) && schema != CUSTOM_SCHEMA {
        return None;
    }
    let (positive, negative) = (spans(from)?, spans(from)?);
    let bounds = if schema == CUSTOM_SCHEMA { custom(from)? } else { Arc::default() };
    Some(Layout { schema, zero_threshold, positive, negative, bounds, hint })
}

fn spans(from: &mut BitReader<'_>) -> Option<Vec<Span>> {
    let (mut spans, mut buckets) = (Vec::new(), 0);
    for _ in 0..unsigned(from)? {
        let length = unsigned(from)?;
        buckets += length;
        if buckets > MOST_BUCKETS {
            return None;
        }
        spans.push(Span { length: u32::try_from(length).ok()?, offset: i32::try_from(signed(from)?).ok()? });
    }
    Some(spans)
}

/// Bounds in thousandths where they are such, one added; else 0 and the bits.
fn custom(from: &mut BitReader<'_>) -> Option<Arc<[f64]>> {
    let mut bounds = Vec::new();
    for _ in 0..unsigned(from)?.min(MOST_BUCKETS) {
        bounds.push(match unsigned(from)? {
            0 => f64::from_bits(from.read(64)?),
            code => (code - 1) as f64 / 1000.0,
        });
    }
    Some(bounds.into())
}

impl Layout {
    fn positive_len(&self) -> usize {
        self.positive.iter().map(|span| span.length as usize).sum()
    }

    fn negative_len(&self) -> usize {
        self.negative.iter().map(|span| span.length as usize).sum()
    }

    /// A sample. The remark about resets is that of the chunk for its first one; inside a chunk there is no reset.
    fn sample(&self, first: bool, t: i64, counts: Counts) -> HistogramSample {
        let hint = match self.hint {
            ResetHint::Gauge => ResetHint::Gauge,
            hint if first => hint,
            _ => ResetHint::NotReset,
        };
        let Counts { integer, count, zero_count, sum, positive, negative } = counts;
        let h = Histogram {
            hint,
            schema: self.schema,
            integer,
            zero_threshold: self.zero_threshold,
            zero_count,
            count,
            sum,
            positive: Buckets { spans: self.positive.clone(), counts: positive },
            negative: Buckets { spans: self.negative.clone(), counts: negative },
            bounds: self.bounds.clone(),
        };
        HistogramSample { t, h: Arc::new(h) }
    }

    /// The marker of a series that has ended: nothing but its sum means something.
    fn marker(&self, t: i64, integer: bool, sum: f64) -> HistogramSample {
        let h = Histogram {
            hint: ResetHint::Unknown,
            schema: self.schema,
            integer,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 0.0,
            sum,
            positive: Buckets::default(),
            negative: Buckets::default(),
            bounds: self.bounds.clone(),
        };
        HistogramSample { t, h: Arc::new(h) }
    }
}

struct Counts {
    integer: bool,
    count: f64,
    zero_count: f64,
    sum: f64,
    positive: Vec<f64>,
    negative: Vec<f64>,
}

/// Differences from bucket to bucket, each as it rises from sample to sample.
fn absolute(buckets: &[Rising]) -> Vec<f64> {
    let mut sum = 0i64;
    let each = buckets.iter().map(|bucket| {
        sum = sum.wrapping_add(bucket.value);
        sum as f64
    });
    each.collect()
}

fn integers(count: u16, layout: &Layout, from: &mut BitReader<'_>, into: &mut Vec<HistogramSample>) -> Option<()> {
    let mut time = Rising { value: signed(from)?, delta: 0 };
    let mut all = Rising { value: unsigned(from)?.cast_signed(), delta: 0 };
    let mut zero = Rising { value: unsigned(from)?.cast_signed(), delta: 0 };
    let mut sum = Xored::first(from)?;
    let first = |len: usize, from: &mut BitReader<'_>| -> Option<Vec<Rising>> {
        (0..len).map(|_| Some(Rising { value: signed(from)?, delta: 0 })).collect()
    };
    let mut positive = first(layout.positive_len(), from)?;
    let mut negative = first(layout.negative_len(), from)?;
    for number in 0..count {
        if number > 0 {
            time.advance(from)?;
            all.advance(from)?;
            zero.advance(from)?;
            sum.advance(from)?;
        }
        if is_stale(sum.value()) {
            into.push(layout.marker(time.value, true, sum.value()));
            continue;
        }
        if number > 0 {
            for bucket in positive.iter_mut().chain(&mut negative) {
                bucket.advance(from)?;
            }
        }
        let counts = Counts {
            integer: true,
            count: all.value.cast_unsigned() as f64,
            zero_count: zero.value.cast_unsigned() as f64,
            sum: sum.value(),
            positive: absolute(&positive),
            negative: absolute(&negative),
        };
        into.push(layout.sample(number == 0, time.value, counts));
    }
    Some(())
}

fn floats(count: u16, layout: &Layout, from: &mut BitReader<'_>, into: &mut Vec<HistogramSample>) -> Option<()> {
    let mut time = Rising { value: signed(from)?, delta: 0 };
    let (mut all, mut zero, mut sum) = (Xored::first(from)?, Xored::first(from)?, Xored::first(from)?);
    let first = |len: usize, from: &mut BitReader<'_>| -> Option<Vec<Xored>> { (0..len).map(|_| Xored::first(from)).collect() };
    let mut positive = first(layout.positive_len(), from)?;
    let mut negative = first(layout.negative_len(), from)?;
    for number in 0..count {
        if number > 0 {
            time.advance(from)?;
            for value in [&mut all, &mut zero, &mut sum] {
                value.advance(from)?;
            }
        }
        if is_stale(sum.value()) {
            into.push(layout.marker(time.value, false, sum.value()));
            continue;
        }
        if number > 0 {
            for bucket in positive.iter_mut().chain(&mut negative) {
                bucket.advance(from)?;
            }
        }
        let counts = Counts {
            integer: false,
            count: all.value(),
            zero_count: zero.value(),
            sum: sum.value(),
            positive: positive.iter().map(|bucket| bucket.value()).collect(),
            negative: negative.iter().map(|bucket| bucket.value()).collect(),
        };
        into.push(layout.sample(number == 0, time.value, counts));
    }
    Some(())
}
