//! Metadata on the wire, in the WAL and in blocks: count *n*; per entry when it was received last *s* (ms), the number of its type
//! `u8`, help and unit, each behind its length.

use super::codec::{DecodeError, Reader, put_bytes, put_len, put_signed};
use crate::model::{Metadata, MetricType};

/// Metadata of one metric from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricMetadata {
    /// The metric.
    pub metric: String,
    /// What is said about it, the last received first; each once.
    pub entries: Vec<MetadataEntry>,
}

/// Metadata and when it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataEntry {
    /// When an ingester received it last, ms since the Unix epoch; it has no time of its own.
    pub t: i64,
    /// What is said.
    pub metadata: Metadata,
}

/// Bytes that an entry takes at least: its time, its type and two lengths.
const MIN_BYTES: usize = 4;

/// Appends metadata of one metric.
pub(crate) fn put_metadata(out: &mut Vec<u8>, entries: &[MetadataEntry]) {
    put_len(out, entries.len());
    for MetadataEntry { t, metadata } in entries {
        put_signed(out, *t);
        out.push(metadata.kind.number());
        put_bytes(out, metadata.help.as_bytes());
        put_bytes(out, metadata.unit.as_bytes());
    }
}

/// Reads what [`put_metadata`] wrote.
pub(crate) fn read_metadata(from: &mut Reader<'_>) -> Result<Vec<MetadataEntry>, DecodeError> {
    let count = from.count(MIN_BYTES)?;
    (0..count)
        .map(|_| {
            let t = from.signed()?;
            let kind = MetricType::from_number(u64::from(from.byte()?));
            Ok(MetadataEntry { t, metadata: Metadata { kind, help: from.text()?.into(), unit: from.text()?.into() } })
        })
        .collect()
}
