//! Exemplars on the wire, in the WAL and in blocks: count *n*; per exemplar its time *s* (after that of the one before, the first
//! after 0), its value `f64` little-endian, its labels as [`put_labels`] writes them.

use super::codec::{DecodeError, Reader, put_len, put_signed};
use super::{labels, put_labels};
use crate::model::{Exemplar, Labels};

/// Exemplars of one series from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesExemplars {
    /// Which series.
    pub labels: Labels,
    /// Its exemplars, sorted, each once.
    pub exemplars: Vec<Exemplar>,
}

/// Bytes that an exemplar takes at least: its time, its value and the number of its labels.
const MIN_BYTES: usize = 10;

/// Appends exemplars.
pub(crate) fn put_exemplars(out: &mut Vec<u8>, exemplars: &[Exemplar]) {
    put_len(out, exemplars.len());
    let mut before = 0i64;
    for exemplar in exemplars {
        put_signed(out, exemplar.t.wrapping_sub(before));
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        put_labels(out, &exemplar.labels);
        before = exemplar.t;
    }
}

/// Reads what [`put_exemplars`] wrote.
pub(crate) fn read_exemplars(from: &mut Reader<'_>) -> Result<Vec<Exemplar>, DecodeError> {
    let count = from.count(MIN_BYTES)?;
    let mut t = 0i64;
    (0..count)
        .map(|_| {
            t = t.wrapping_add(from.signed()?);
            let value = f64::from_bits(from.u64_le()?);
            Ok(Exemplar { labels: labels(from)?, value, t })
        })
        .collect()
}
