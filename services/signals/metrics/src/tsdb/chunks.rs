//! The files below `chunks/`: chunks one after the other, each with its checksum.

use bytes::Bytes as Shared;

use super::TsdbError;
use super::bits::Bytes;

const FILE: &str = "chunks";
const MAGIC: u32 = 0x85bd_40dd;

/// All segments of a block.
#[derive(Debug)]
pub(super) struct Segments(Vec<Shared>);

impl Segments {
    pub(super) fn open(files: Vec<Shared>) -> Result<Self, TsdbError> {
        for file in &files {
            let mut from = Bytes::new(FILE, file, 0, file.len())?;
            if from.u32()? != MAGIC {
                return Err(TsdbError::Corrupt { file: FILE, what: "no segment of chunks", at: 0 });
            }
            let version = from.u8()?;
            if version != 1 {
                return Err(TsdbError::Version { file: FILE, version });
            }
        }
        Ok(Self(files))
    }

    /// Encoding and data of a chunk. The upper half of the reference is the number of the segment, the lower one the place in it.
    pub(super) fn chunk(&self, reference: u64) -> Result<(u8, &[u8]), TsdbError> {
        let at = usize::try_from(reference & 0xffff_ffff).unwrap_or(usize::MAX);
        let missing = TsdbError::Corrupt { file: FILE, what: "a chunk in a segment that is not there", at };
        let file = usize::try_from(reference >> 32).ok().and_then(|segment| self.0.get(segment)).ok_or(missing)?;
        let mut from = Bytes::new(FILE, file, at, file.len())?;
        let len = from.len()?;
        let covered = from.at();
        let encoding = from.u8()?;
        let data = from.take(len)?;
        from.checksum(&file[covered..covered + 1 + len])?;
        Ok((encoding, data))
    }
}
