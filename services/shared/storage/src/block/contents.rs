//! Files of blocks on their way up: large ones stay on the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

/// What an object will hold. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Contents {
    /// All of it.
    Memory(Bytes),
    /// The beginning of a file, which nobody changes any more. The length is in bytes.
    File(Arc<File>, u64),
}

impl Contents {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// True when there is not a byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a range: a slice of what is in memory, or a copy. Reads the disk on the calling thread.
    ///
    /// Errors: those of the disk, and a range that does not lie inside.
    pub fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let len = range.end.checked_sub(range.start).filter(|_| range.end <= self.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(range.start).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                Ok(bytes.slice(start..start + len))
            }
            Self::File(file, _) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, range.start)?;
                Ok(bytes.into())
            }
        }
    }

    /// All of it, in memory.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        self.read(0..self.len())
    }
}

impl Default for Contents {
    fn default() -> Self {
        Self::Memory(Bytes::new())
    }
}

impl From<Bytes> for Contents {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes.into())
    }
}

#[cfg(test)]
mod tests;
