//! Native histograms: what they have in common once, and of each what has changed since the one before.
//!
//! | part | bits |
//! | --- | --- |
//! | time | the first as it is (64), then the delta of deltas as in [`xor`](super::xor) |
//! | what follows | `0`: a histogram with the layout of the one before; `10`: a layout, then a histogram; `11`: nothing, it is a staleness marker |
//! | hint | `0`: as before; `1` + 2 |
//! | sum | XOR as in [`xor`](super::xor) |
//! | count, count around zero, counts of positive, of negative buckets | deltas of deltas of whole numbers, or XOR |
//!
//! A layout is its schema, whether counts came as whole numbers (1 bit) and are written so (1 bit), the zero threshold (64 bits), the
//! spans, and custom bounds (64 bits each). After it each count is told from zero. Numbers of a layout and deltas of deltas are
//!
//! | number | bits |
//! | --- | --- |
//! | 0 | `0` |
//! | fits 3, 6, 9, 12, 18, 25 or 56 bits, two's complement | `10`, `110` … `11111110` + so many |
//! | else | `11111111` + 64 |

use std::sync::Arc;

use bytes::Bytes;

use super::bits::{BitReader, BitWriter};
use super::xor::{XorValue, extended, fits, read_change, write_change};
use super::{Chunk, ChunkError, Encoding};
use crate::histogram::{Buckets, Histogram, HistogramSample, ResetHint, Span};

/// Widths of numbers after the prefixes `10` to `11111110`.
const WIDTHS: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];
/// Whole numbers that a float says exactly are below it.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Spans that a side of a layout may have above the number of its buckets: those have none.
const EMPTY_SPANS: usize = 8;

/// A chunk of histograms in the making.
#[derive(Clone, Debug, Default)]
pub struct HistogramEncoder {
    bits: BitWriter,
    count: u16,
    first: i64,
    last: i64,
    delta: i64,
    state: State,
}

/// What is known of the histogram before.
#[derive(Clone, Debug, Default)]
struct State {
    layout: Layout,
    hint: ResetHint,
    sum: XorValue,
    /// Count, count around zero, counts of positive and of negative buckets.
    counts: Vec<Count>,
}

/// What histograms of a series have in common.
#[derive(Clone, Debug, Default)]
struct Layout {
    schema: i32,
    integer: bool,
    /// How counts are written.
    whole: bool,
    zero_threshold: f64,
    positive: Vec<Span>,
    negative: Vec<Span>,
    bounds: Arc<[f64]>,
}

/// A count, and how the next one is told from it: in one of two ways, as the layout says.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    xor: XorValue,
    whole: i64,
    delta: i64,
}

impl HistogramEncoder {
    /// Appends a histogram; its time must be above that of the one before (checked in debug builds), and fewer than 65 535 must be there.
    /// It should have passed [`Histogram::check`]: spans without counts, and counts without spans, are left out.
    pub fn push(&mut self, t: i64, histogram: &Histogram) {
        debug_assert!(self.count == 0 || t > self.last, "times rise: {t} after {}", self.last);
        debug_assert!(self.count < u16::MAX, "the count has 16 bits");
        if self.count == 0 {
            self.bits.write(t.cast_unsigned(), 64);
            self.first = t;
        } else {
            let delta = t.wrapping_sub(self.last);
            write_change(&mut self.bits, delta.wrapping_sub(self.delta));
            self.delta = delta;
        }
        self.last = t;
        self.count += 1;
        self.write(histogram);
    }

    fn write(&mut self, histogram: &Histogram) {
        if histogram.is_stale() && histogram.same_bits(&Histogram::stale()) {
            return self.bits.write(0b11, 2);
        }
        if [&histogram.positive, &histogram.negative].iter().any(|side| length_of(&side.spans) != Some(side.counts.len())) {
            let [positive, negative] = [&histogram.positive, &histogram.negative].map(|side| Buckets::from_indexed(side.indexed()));
            return self.write(&Histogram { positive, negative, ..histogram.clone() });
        }
        let whole = histogram.integer && counts(histogram).all(|count| whole_of(count).is_some());
        if self.state.counts.is_empty() || self.state.layout.whole != whole || !self.state.layout.is_of(histogram) {
            let layout = Layout::of(histogram, whole);
            self.bits.write(0b10, 2);
            layout.write(&mut self.bits);
            self.state.counts = vec![Count::default(); layout.count_of_counts()];
            self.state.layout = layout;
        } else {
            self.bits.write(0, 1);
        }
        if histogram.hint == self.state.hint {
            self.bits.write(0, 1);
        } else {
            self.bits.write(0b100 | histogram.hint as u64, 3);
            self.state.hint = histogram.hint;
        }
        self.state.sum.write(&mut self.bits, histogram.sum.to_bits());
        for (known, count) in self.state.counts.iter_mut().zip(counts(histogram)) {
            known.write(&mut self.bits, count, whole);
        }
    }

    /// Histograms so far.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Time of the first one; meaningless when there is none.
    #[must_use]
    pub const fn min_t(&self) -> i64 {
        self.first
    }

    /// Time of the last one; meaningless when there is none.
    #[must_use]
    pub const fn max_t(&self) -> i64 {
        self.last
    }

    /// Bytes so far.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bits.bytes().len()
    }

    /// Bytes reserved on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let State { layout, counts, .. } = &self.state;
        let spans = layout.positive.capacity() + layout.negative.capacity();
        self.bits.capacity() + spans * size_of::<Span>() + counts.capacity() * size_of::<Count>() + size_of_val::<[f64]>(&layout.bounds)
    }

    /// A copy of the histograms so far, encoded.
    #[must_use]
    pub fn finish(&self) -> Bytes {
        Bytes::copy_from_slice(self.bits.bytes())
    }

    /// The histograms so far as a chunk; `None` when there are none.
    #[must_use]
    pub fn chunk(&self) -> Option<Chunk> {
        let Self { count, first, last, .. } = *self;
        (count > 0).then(|| Chunk { min_t: first, max_t: last, count, encoding: Encoding::Histogram, bytes: self.finish() })
    }
}

/// Appends `count` histograms to `into`.
pub fn decode(bytes: &[u8], count: u16, into: &mut Vec<HistogramSample>) -> Result<(), ChunkError> {
    let mut decoder = Decoder { bits: BitReader::new(bytes), t: 0, delta: 0, state: State::default() };
    for index in 0..count {
        let before = decoder.t;
        let histogram = decoder.next(index == 0).ok_or(ChunkError::Short { read: index, count })?;
        if index > 0 && decoder.t <= before {
            return Err(ChunkError::Order { at: index });
        }
        into.push(HistogramSample { t: decoder.t, h: Arc::new(histogram) });
    }
    Ok(())
}

struct Decoder<'a> {
    bits: BitReader<'a>,
    t: i64,
    delta: i64,
    state: State,
}

impl Decoder<'_> {
    /// The next histogram; `None` when the bytes end before its end, or are garbage.
    fn next(&mut self, first: bool) -> Option<Histogram> {
        if first {
            self.t = self.bits.read(64)?.cast_signed();
        } else {
            self.delta = self.delta.wrapping_add(read_change(&mut self.bits)?);
            self.t = self.t.wrapping_add(self.delta);
        }
        if self.bits.bit()? {
            if self.bits.bit()? {
                return Some(Histogram::stale());
            }
            let layout = Layout::read(&mut self.bits)?;
            self.state.counts.clear();
            self.state.counts.resize(layout.count_of_counts(), Count::default());
            self.state.layout = layout;
        }
        if self.bits.bit()? {
            self.state.hint = hint_of(self.bits.read(2)?);
        }
        self.state.sum.read(&mut self.bits)?;
        let whole = self.state.layout.whole;
        self.state.counts.iter_mut().try_for_each(|count| count.read(&mut self.bits, whole))?;
        self.state.histogram()
    }
}

impl State {
    /// The histogram that it has come to; `None` where no layout was given.
    fn histogram(&self) -> Option<Histogram> {
        let Layout { schema, integer, whole, zero_threshold, ref positive, ref negative, ref bounds } = self.layout;
        let mut counts = self.counts.iter().map(|count| count.value(whole));
        let (count, zero_count) = (counts.next()?, counts.next()?);
        let mut buckets = |spans: &Vec<Span>| Buckets {
            spans: spans.clone(),
            counts: counts.by_ref().take(length_of(spans).unwrap_or_default()).collect(),
        };
        let (positive, negative) = (buckets(positive), buckets(negative));
        let (hint, sum, bounds) = (self.hint, f64::from_bits(self.sum.bits), Arc::clone(bounds));
        Some(Histogram { hint, schema, integer, zero_threshold, zero_count, count, sum, positive, negative, bounds })
    }
}

impl Layout {
    fn of(histogram: &Histogram, whole: bool) -> Self {
        Self {
            schema: histogram.schema,
            integer: histogram.integer,
            whole,
            zero_threshold: histogram.zero_threshold,
            positive: histogram.positive.spans.clone(),
            negative: histogram.negative.spans.clone(),
            bounds: Arc::clone(&histogram.bounds),
        }
    }

    /// True when the histogram has this layout.
    fn is_of(&self, histogram: &Histogram) -> bool {
        let bits = |bound: &f64| bound.to_bits();
        self.schema == histogram.schema
            && self.integer == histogram.integer
            && self.zero_threshold.to_bits() == histogram.zero_threshold.to_bits()
            && self.positive == histogram.positive.spans
            && self.negative == histogram.negative.spans
            && (Arc::ptr_eq(&self.bounds, &histogram.bounds) || self.bounds.iter().map(bits).eq(histogram.bounds.iter().map(bits)))
    }

    /// Counts of all buckets, and the two others.
    fn count_of_counts(&self) -> usize {
        2 + [&self.positive, &self.negative].into_iter().filter_map(|spans| length_of(spans)).sum::<usize>()
    }

    fn write(&self, bits: &mut BitWriter) {
        write_number(bits, i64::from(self.schema));
        bits.write(u64::from(self.integer), 1);
        bits.write(u64::from(self.whole), 1);
        bits.write(self.zero_threshold.to_bits(), 64);
        for spans in [&self.positive, &self.negative] {
            write_number(bits, spans.len().cast_signed() as i64);
            for span in spans {
                write_number(bits, i64::from(span.offset));
                write_number(bits, i64::from(span.length));
            }
        }
        write_number(bits, self.bounds.len().cast_signed() as i64);
        self.bounds.iter().for_each(|bound| bits.write(bound.to_bits(), 64));
    }

    /// Reads one; no number in it is larger than what the bits that are left can hold.
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let schema = i32::try_from(read_number(bits)?).ok()?;
        let (integer, whole) = (bits.bit()?, bits.bit()?);
        let zero_threshold = f64::from_bits(bits.read(64)?);
        let (positive, negative) = (without_excess(read_spans(bits)?), without_excess(read_spans(bits)?));
        let bounds = (0..read_len(bits, 64)?).map(|_| bits.read(64).map(f64::from_bits)).collect::<Option<_>>()?;
        let layout = Self { schema, integer, whole, zero_threshold, positive, negative, bounds };
        // Each count takes at least a bit.
        let buckets = length_of(&layout.positive)?.checked_add(length_of(&layout.negative)?)?;
        (buckets <= bits.left()).then_some(layout)
    }
}

fn read_spans(bits: &mut BitReader<'_>) -> Option<Vec<Span>> {
    (0..read_len(bits, 2)?)
        .map(|_| Some(Span { offset: i32::try_from(read_number(bits)?).ok()?, length: u32::try_from(read_number(bits)?).ok()? }))
        .collect()
}

/// Leaves spans without buckets out where there are many: every histogram of the chunk has a copy of its spans, and takes a few bits
/// where there is no bucket to count for. The buckets stay where they are.
fn without_excess(spans: Vec<Span>) -> Vec<Span> {
    if length_of(&spans).is_none_or(|buckets| spans.len() <= buckets.saturating_add(EMPTY_SPANS)) {
        return spans;
    }
    let mut offset = 0_i32;
    let mut moved = |span: Span| {
        offset = offset.wrapping_add(span.offset);
        (span.length > 0).then(|| Span { offset: std::mem::take(&mut offset), length: span.length })
    };
    spans.into_iter().filter_map(&mut moved).collect()
}

/// A number of things that take at least `each` bits.
fn read_len(bits: &mut BitReader<'_>, each: usize) -> Option<usize> {
    let len = usize::try_from(read_number(bits)?).ok()?;
    (len <= bits.left() / each).then_some(len)
}

impl Count {
    fn write(&mut self, bits: &mut BitWriter, count: f64, whole: bool) {
        if !whole {
            return self.xor.write(bits, count.to_bits());
        }
        let value = whole_of(count).unwrap_or_default();
        // Both are below 2^53: nothing here overflows.
        let delta = value - self.whole;
        write_number(bits, delta - self.delta);
        (self.whole, self.delta) = (value, delta);
    }

    fn read(&mut self, bits: &mut BitReader<'_>, whole: bool) -> Option<()> {
        if !whole {
            return self.xor.read(bits);
        }
        self.delta = self.delta.wrapping_add(read_number(bits)?);
        self.whole = self.whole.wrapping_add(self.delta);
        Some(())
    }

    #[expect(clippy::cast_precision_loss, reason = "what was written is below 2^53; garbage may be rounded")]
    fn value(&self, whole: bool) -> f64 {
        if whole { self.whole as f64 } else { f64::from_bits(self.xor.bits) }
    }
}

/// Count, count around zero, and counts of all buckets.
fn counts(histogram: &Histogram) -> impl Iterator<Item = f64> {
    let buckets = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    [histogram.count, histogram.zero_count].into_iter().chain(buckets.copied())
}

/// Buckets of all spans.
fn length_of(spans: &[Span]) -> Option<usize> {
    spans.iter().try_fold(0_usize, |sum, span| sum.checked_add(usize::try_from(span.length).ok()?))
}

/// A count as a whole number, when it is one and can be had back.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
fn whole_of(count: f64) -> Option<i64> {
    (count.fract() == 0.0 && count.abs() < EXACT && (count != 0.0 || count.is_sign_positive())).then_some(count as i64)
}

const fn hint_of(bits: u64) -> ResetHint {
    match bits {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        _ => ResetHint::Gauge,
    }
}

fn write_number(bits: &mut BitWriter, number: i64) {
    if number == 0 {
        return bits.write(0, 1);
    }
    for (index, width) in (0u32..).zip(WIDTHS) {
        if fits(number, width) {
            // index + 1 ones and a zero
            bits.write((1 << (index + 2)) - 2, index + 2);
            return bits.write(number.cast_unsigned(), width);
        }
    }
    bits.write(0xff, 8);
    bits.write(number.cast_unsigned(), 64);
}

fn read_number(bits: &mut BitReader<'_>) -> Option<i64> {
    if !bits.bit()? {
        return Some(0);
    }
    for width in WIDTHS {
        if !bits.bit()? {
            return Some(extended(bits.read(width)?, width));
        }
    }
    Some(bits.read(64)?.cast_signed())
}

#[cfg(test)]
mod tests;
