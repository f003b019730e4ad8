//! Native histograms with whole counts, written as `prometheus.Histogram` messages of remote write.

use crate::histogram::ResetHint;
use crate::ingest::protobuf::{put_bytes, put_varint};
use crate::model::STALE_BITS;

/// So many empty buckets between two that are not are written as such; more begin a new span.
const MAX_GAP: i64 = 2;

/// Why a point is no native histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NativeError {
    /// Coarser than any schema.
    #[error("cannot convert exponential to native histogram. Scale must be >= -4, was {scale}")]
    Scale { scale: i32 },
    /// A bucket whose number has more than 32 bits, or a count with more than 63.
    #[error("cannot convert to native histogram. Numbers or counts of buckets are out of range")]
    Range,
}

/// The buckets of one sign: runs of counts, each with the number of its first bucket. No two runs touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buckets(Vec<(i64, Vec<i64>)>);

/// A native histogram in the making.
#[derive(Debug)]
pub(crate) struct Native<'a> {
    /// When, ms since the Unix epoch.
    pub(crate) t: i64,
    /// Whether it only says that its series has ended.
    pub(crate) stale: bool,
    /// Whether it is no counter.
    pub(crate) gauge: bool,
    pub(crate) schema: i32,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// Width and count of the bucket around zero.
    pub(crate) zero: Option<(f64, u64)>,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
    /// Upper bounds of custom buckets.
    pub(crate) bounds: &'a [f64],
}

impl Buckets {
    /// Of consecutive counts, the first of which is that of bucket `offset`; `2^merged` neighbours become one.
    pub(crate) fn new(counts: &[u64], offset: i32, merged: u32) -> Result<Self, NativeError> {
        let mut runs: Vec<(i64, Vec<i64>)> = Vec::new();
        for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = i64::from(offset) + i64::try_from(index).map_err(|_| NativeError::Range)?;
            // More than 2^63 finer buckets would be one.
            let at = at >> merged.min(63);
            let count = i64::try_from(*count).map_err(|_| NativeError::Range)?;
            match runs.last_mut() {
                Some((first, run)) => {
                    let gap = at - (*first + i64::try_from(run.len()).map_err(|_| NativeError::Range)?);
                    match (gap, run.last_mut()) {
                        (-1, Some(last)) => *last = last.checked_add(count).ok_or(NativeError::Range)?,
                        (0..=MAX_GAP, _) => {
                            run.extend((0..gap).map(|_| 0));
                            run.push(count);
                        }
                        _ => runs.push((at, vec![count])),
                    }
                }
                None => runs.push((at, vec![count])),
            }
        }
        Ok(Self(runs))
    }

    /// The same with other numbers.
    pub(crate) fn shifted(mut self, by: i64) -> Self {
        self.0.iter_mut().for_each(|(first, _)| *first += by);
        self
    }

    /// Appends spans and differences of counts.
    fn write(&self, out: &mut Vec<u8>, spans: u64, deltas: u64) -> Result<(), NativeError> {
        let (mut end, mut before) = (0, 0);
        let mut packed = Vec::new();
        for (first, run) in &self.0 {
            let offset = i32::try_from(first - end).map_err(|_| NativeError::Range)?;
            let length = i64::try_from(run.len()).map_err(|_| NativeError::Range)?;
            let mut span = Vec::new();
            span.push(1 << 3);
            put_varint(&mut span, zigzag(i64::from(offset)));
            span.push(2 << 3);
            put_varint(&mut span, length.cast_unsigned());
            put_bytes(out, spans, &span);
            end = first + length;
            for count in run {
                // Both lie between 0 and 2^63.
                put_varint(&mut packed, zigzag(count - before));
                before = *count;
            }
        }
        if !packed.is_empty() {
            put_bytes(out, deltas, &packed);
        }
        Ok(())
    }
}

impl Native<'_> {
    /// As a message of remote write 1.0: `count_int` 1, `sum` 3, `schema` 4, `zero_threshold` 5, `zero_count_int` 6, negative spans 8 and
    /// deltas 9, positive 11 and 12, `reset_hint` 14, `timestamp` 15, `custom_values` 16.
    pub(crate) fn message(&self) -> Result<Vec<u8>, NativeError> {
        let mut out = Vec::new();
        let double = |out: &mut Vec<u8>, number: u8, value: f64| {
            out.push(number << 3 | 1);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        };
        out.push(1 << 3);
        put_varint(&mut out, if self.stale { STALE_BITS } else { self.count });
        double(&mut out, 3, if self.stale { f64::from_bits(STALE_BITS) } else { self.sum });
        out.push(4 << 3);
        put_varint(&mut out, zigzag(i64::from(self.schema)));
        if let Some((threshold, count)) = self.zero {
            double(&mut out, 5, threshold);
            out.push(6 << 3);
            put_varint(&mut out, count);
        }
        self.negative.write(&mut out, 8, 9)?;
        self.positive.write(&mut out, 11, 12)?;
        // Whether a counter began anew is left to be found out: a wrong hint would hide it.
        out.push(14 << 3);
        put_varint(&mut out, if self.gauge { ResetHint::Gauge } else { ResetHint::Unknown } as u64);
        out.push(15 << 3);
        put_varint(&mut out, self.t.cast_unsigned());
        if !self.bounds.is_empty() {
            let packed: Vec<u8> = self.bounds.iter().flat_map(|bound| bound.to_bits().to_le_bytes()).collect();
            put_bytes(&mut out, 16, &packed);
        }
        Ok(out)
    }
}

/// Small numbers of either sign in few bytes: 0, -1, 1, -2 … become 0, 1, 2, 3 ….
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Buckets, NativeError};

    #[test]
    fn small_gaps_are_filled_and_large_ones_begin_a_span() {
        let buckets = Buckets::new(&[0, 1, 2, 0, 0, 3, 0, 0, 0, 4, 0], -3, 0).expect("in range");
        assert_eq!(buckets, Buckets(vec![(-2, vec![1, 2, 0, 0, 3]), (6, vec![4])]));
        assert_eq!(Buckets::new(&[0, 0], 5, 0), Ok(Buckets::default()));
    }

    #[test]
    fn finer_buckets_are_merged() {
        assert_eq!(Buckets::new(&[1, 2, 3, 4, 5], -1, 1), Ok(Buckets(vec![(-1, vec![1, 5, 9])])));
        assert_eq!(Buckets::new(&[1, 2, 3], -1, 40), Ok(Buckets(vec![(-1, vec![1, 5])])));
        assert_eq!(Buckets::new(&[u64::MAX], 0, 0), Err(NativeError::Range));
        assert_eq!(Buckets::new(&[1 << 62, 1 << 62], 0, 1), Err(NativeError::Range));
    }

    proptest! {
        #[test]
        fn no_count_is_lost(counts in prop::collection::vec(0u64..5, 0..60), offset in -100i32..100, merged in 0u32..6) {
            let Buckets(runs) = Buckets::new(&counts, offset, merged).expect("small numbers");
            let mut expected = std::collections::BTreeMap::new();
            for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let at = (i64::from(offset) + i64::try_from(index).expect("small")).div_euclid(1 << merged);
                *expected.entry(at).or_insert(0) += i64::try_from(*count).expect("small");
            }
            let found = runs.iter().flat_map(|(first, run)| run.iter().zip(*first..).filter(|(count, _)| **count > 0).map(|(count, at)| (at, *count)));
            prop_assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), expected);
            for pair in runs.windows(2) {
                prop_assert!(pair[1].0 - (pair[0].0 + i64::try_from(pair[0].1.len()).expect("small")) > super::MAX_GAP);
            }
        }
    }
}
