//! The file `tombstones`: which times of which series are deleted.

use std::collections::BTreeMap;

use super::TsdbError;
use super::bits::Bytes;

const FILE: &str = "tombstones";
const MAGIC: u32 = 0x0130_ba30;

/// Deleted times by series.
#[derive(Debug, Default)]
pub(super) struct Tombstones(BTreeMap<u64, Vec<(i64, i64)>>);

/// The deleted times of one series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deleted<'a>(&'a [(i64, i64)]);

impl Tombstones {
    pub(super) fn read(file: &[u8]) -> Result<Self, TsdbError> {
        let end = file.len().saturating_sub(4);
        let mut from = Bytes::new(FILE, file, 0, end)?;
        if from.u32()? != MAGIC {
            return Err(TsdbError::Corrupt { file: FILE, what: "no tombstones", at: 0 });
        }
        let version = from.u8()?;
        if version != 1 {
            return Err(TsdbError::Version { file: FILE, version });
        }
        let covered = &file[from.at()..end];
        Bytes::new(FILE, file, end, file.len())?.checksum(covered)?;
        let mut stones: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
        while from.left() > 0 {
            let (series, start, stop) = (from.uvarint()?, from.varint()?, from.varint()?);
            stones.entry(series).or_default().push((start, stop));
        }
        Ok(Self(stones))
    }

    /// What is deleted of the series with this reference.
    pub(super) fn of(&self, series: u64) -> Deleted<'_> {
        Deleted(self.0.get(&series).map_or(&[], Vec::as_slice))
    }
}

impl Deleted<'_> {
    /// True when the time, ms, is deleted.
    pub(super) fn covers(self, t: i64) -> bool {
        self.0.iter().any(|(start, end)| (*start..=*end).contains(&t))
    }
}
