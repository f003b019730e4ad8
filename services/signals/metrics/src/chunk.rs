//! Chunks: up to [`MAX_SAMPLES`] samples of one series, compressed. The tag byte of a chunk names its encoding, so that
//! others can be added: blocks keep whatever tag they were written with.

pub mod bits;
pub mod histogram;
pub mod packed;
pub mod xor;

use bytes::Bytes;

use crate::histogram::HistogramSample;
use crate::model::Sample;

pub use histogram::HistogramEncoder;
pub use xor::XorEncoder;

/// How many samples a head puts into one chunk. A decoder accepts as many as the 16-bit count can say.
pub const MAX_SAMPLES: u16 = 120;

/// How a chunk's bytes are encoded. The numbers are on disks and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Float samples, Gorilla XOR: see [`xor`].
    Xor = 1,
    /// Native histograms: see [`histogram`].
    Histogram = 2,
    /// Float samples of compacted blocks: see [`packed`].
    Packed = 3,
}

impl Encoding {
    /// The encoding of a tag.
    pub const fn from_tag(tag: u8) -> Result<Self, ChunkError> {
        match tag {
            1 => Ok(Self::Xor),
            2 => Ok(Self::Histogram),
            3 => Ok(Self::Packed),
            _ => Err(ChunkError::Encoding { tag }),
        }
    }

    /// Its tag.
    #[must_use]
    pub const fn tag(self) -> u8 {
        self as u8
    }
}

/// Why a chunk could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// Written by a newer version, or garbage.
    #[error("unknown chunk encoding {tag}")]
    Encoding {
        /// The tag.
        tag: u8,
    },
    /// The bytes end before the last sample.
    #[error("chunk ends after {read} of {count} samples")]
    Short {
        /// Samples that were read.
        read: u16,
        /// Samples that should be there.
        count: u16,
    },
    /// Times do not rise.
    #[error("timestamps of a chunk do not rise at sample {at}")]
    Order {
        /// Index of the sample.
        at: u16,
    },
    /// Samples of another kind were asked for.
    #[error("chunk encoding {encoding:?} has no samples of this kind")]
    Kind {
        /// The encoding.
        encoding: Encoding,
    },
    /// What is written of the samples contradicts itself.
    #[error("chunk is damaged: {what}")]
    Corrupt {
        /// Where.
        what: &'static str,
    },
}

/// An encoded chunk. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Time of its first sample, ms.
    pub min_t: i64,
    /// Time of its last sample, ms.
    pub max_t: i64,
    /// Number of samples.
    pub count: u16,
    /// How `bytes` are encoded.
    pub encoding: Encoding,
    /// The samples.
    pub bytes: Bytes,
}

impl Chunk {
    /// Encodes a run of samples with strictly rising timestamps as one chunk; `None` when there are none or more than 65 535.
    #[must_use]
    pub fn encode(samples: &[Sample]) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let count = u16::try_from(samples.len()).ok()?;
        let mut encoder = XorEncoder::default();
        for sample in samples {
            encoder.push(*sample);
        }
        Some(Self { min_t: first.t, max_t: last.t, count, encoding: Encoding::Xor, bytes: encoder.finish() })
    }

    /// The same in the encoding of compacted blocks.
    #[must_use]
    pub fn pack(samples: &[Sample]) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let count = u16::try_from(samples.len()).ok()?;
        Some(Self { min_t: first.t, max_t: last.t, count, encoding: Encoding::Packed, bytes: packed::encode(samples) })
    }

    /// Appends the samples to `into`. On an error `into` may have got some.
    pub fn decode_into(&self, into: &mut Vec<Sample>) -> Result<(), ChunkError> {
        match self.encoding {
            Encoding::Xor => xor::decode(&self.bytes, self.count, into),
            Encoding::Packed => packed::decode(&self.bytes, self.min_t, self.count, into),
            Encoding::Histogram => Err(ChunkError::Kind { encoding: self.encoding }),
        }
    }

    /// Appends the histograms to `into`. On an error `into` may have got some.
    pub fn decode_histograms_into(&self, into: &mut Vec<HistogramSample>) -> Result<(), ChunkError> {
        match self.encoding {
            Encoding::Histogram => histogram::decode(&self.bytes, self.count, into),
            Encoding::Xor | Encoding::Packed => Err(ChunkError::Kind { encoding: self.encoding }),
        }
    }

    /// The samples.
    pub fn decode(&self) -> Result<Vec<Sample>, ChunkError> {
        let mut samples = Vec::with_capacity(usize::from(self.count.min(1024)));
        self.decode_into(&mut samples)?;
        Ok(samples)
    }

    /// The chunk without the samples of these times, in the same encoding; `None` when none is left.
    pub fn without(&self, gone: impl Fn(i64) -> bool) -> Result<Option<Self>, ChunkError> {
        let floats = || {
            let mut samples = self.decode()?;
            samples.retain(|sample| !gone(sample.t));
            Ok(samples)
        };
        Ok(match self.encoding {
            Encoding::Xor => Self::encode(&floats()?),
            Encoding::Packed => Self::pack(&floats()?),
            Encoding::Histogram => {
                let mut samples = Vec::new();
                self.decode_histograms_into(&mut samples)?;
                let mut encoder = HistogramEncoder::default();
                samples.iter().filter(|sample| !gone(sample.t)).for_each(|sample| encoder.push(sample.t, &sample.h));
                encoder.chunk()
            }
        })
    }

    /// True when a part of `start..=end`, ms, lies in the chunk.
    #[must_use]
    pub const fn overlaps(&self, start: i64, end: i64) -> bool {
        self.min_t <= end && start <= self.max_t
    }
}

/// Encodes a sorted run for a compacted block: chunks of at most [`packed::PACKED_SAMPLES`] samples.
pub fn pack_run(samples: &[Sample]) -> impl Iterator<Item = Chunk> {
    packed::cut(samples).filter_map(Chunk::pack)
}

/// Encodes a sorted run as chunks of at most [`MAX_SAMPLES`] samples.
pub fn encode_run(samples: &[Sample]) -> impl Iterator<Item = Chunk> {
    samples.chunks(usize::from(MAX_SAMPLES)).filter_map(Chunk::encode)
}

/// Encodes a sorted run of histograms as chunks of at most [`MAX_SAMPLES`] samples.
pub fn encode_histogram_run(samples: &[HistogramSample]) -> impl Iterator<Item = Chunk> {
    samples.chunks(usize::from(MAX_SAMPLES)).filter_map(|run| {
        let mut encoder = HistogramEncoder::default();
        run.iter().for_each(|sample| encoder.push(sample.t, &sample.h));
        encoder.chunk()
    })
}

#[cfg(test)]
pub(crate) mod tests;
