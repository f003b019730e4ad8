//! The files below `chunks/`: chunks one after the other, each with its checksum.

use bytes::Bytes as Shared;

use super::TsdbError;
use super::bits::Bytes;

const FILE: &str = "chunks";
const MAGIC: u32 = 0x85bd_40dd;

/// Parts of the files below `chunks/`: those that hold the wanted chunks.
#[derive(Clone, Debug, Default)]
pub struct ChunkBytes {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    segment: u64,
    start: usize,
    bytes: Shared,
}

impl ChunkBytes {
    /// Adds a part of a file.
    ///
    /// * `segment`: the number of the file among those of the block, from 0.
    /// * `start`: where in the file the part begins.
    ///
    /// Errors: a part that begins a file says that it is none of chunks, or of an unknown version.
    pub fn add(&mut self, segment: u64, start: usize, bytes: Shared) -> Result<(), TsdbError> {
        if start == 0 {
            let mut from = Bytes::new(FILE, &bytes, 0, bytes.len())?;
            if from.u32()? != MAGIC {
                return Err(TsdbError::Corrupt { file: FILE, what: "no segment of chunks", at: 0 });
            }
            let version = from.u8()?;
            if version != 1 {
                return Err(TsdbError::Version { file: FILE, version });
            }
        }
        self.parts.push(Part { segment, start, bytes });
        Ok(())
    }

    /// Encoding and data of a chunk.
    pub(super) fn chunk(&self, reference: ChunkReference) -> Result<(u8, &[u8]), TsdbError> {
        let ChunkReference { segment, at } = reference;
        let holds = |part: &&Part| part.segment == segment && (part.start..part.start + part.bytes.len()).contains(&at);
        let part = self.parts.iter().find(holds).ok_or(TsdbError::Corrupt { file: FILE, what: "a chunk that is not there", at })?;
        let mut from = Bytes::new(FILE, &part.bytes, at - part.start, part.bytes.len())?;
        let len = from.len()?;
        let covered = from.at();
        let encoding = from.u8()?;
        let data = from.take(len)?;
        from.checksum(&part.bytes[covered..covered + 1 + len])?;
        Ok((encoding, data))
    }
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkReference {
    /// The number of the file, from 0.
    pub segment: u64,
    /// The place in it.
    pub at: usize,
}

impl ChunkReference {
    /// The upper half of a reference is the file, the lower one the place.
    pub(super) fn of(reference: u64) -> Self {
        Self { segment: reference >> 32, at: usize::try_from(reference & 0xffff_ffff).unwrap_or(usize::MAX) }
    }
}
