//! Reads blocks of the TSDB that Prometheus, Mimir and Thanos write, so that they can be taken over.
//!
//! A block is a folder: `meta.json`, `index`, `chunks/000001` and on, `tombstones`. [`TsdbBlock`] takes the bytes of index and tombstones,
//! [`ChunkBytes`] parts of the chunks. Each part is checked as it is read; series come in the order of their labels, with their samples
//! decoded and deleted ones left out. Read only: nothing here writes the format.
//!
//! Source of the format: the public description of Prometheus's TSDB (index format 1 and 2, chunks format 1, tombstones format 1).

mod bits;
mod chunks;
mod floats;
mod health;
mod histograms;
mod index;
mod meta;
mod tombstones;

use bytes::Bytes;

pub use chunks::{ChunkBytes, ChunkReference};
pub use health::Health;
pub use index::{ChunkPlace, SeriesEntry};
pub use meta::{BlockMeta, MetaError};

use crate::histogram::HistogramSample;
use crate::merge::SeriesSamples;
use crate::model::Sample;
use index::Index;
use tombstones::Tombstones;

/// Why a block cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TsdbError {
    /// A file ends too early, or what it says of itself cannot be.
    #[error("{file}: {what} at byte {at}")]
    Corrupt {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// A checksum is not that of the bytes.
    #[error("{file}: the checksum at byte {at} is wrong")]
    Checksum {
        /// Which file.
        file: &'static str,
        /// Where.
        at: usize,
    },
    /// A format that is not known here.
    #[error("{file}: format {version} is not known")]
    Version {
        /// Which file.
        file: &'static str,
        /// Its number.
        version: u8,
    },
    /// A chunk whose encoding is not known here.
    #[error("series {series}: chunk encoding {encoding} is not known (1 XOR, 2 histogram and 3 float histogram are)")]
    Encoding {
        /// Of which series.
        series: String,
        /// The number.
        encoding: u8,
    },
    /// The samples of a chunk cannot be decoded.
    #[error("series {series}: {what}")]
    Chunk {
        /// Of which series.
        series: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// A block that was opened.
#[derive(Debug)]
pub struct TsdbBlock {
    index: Index,
    tombstones: Tombstones,
    /// Whether samples must be as the index says of their chunk.
    strict: bool,
}

impl TsdbBlock {
    /// Opens a block: reads the table of contents, the symbols and the tombstones.
    ///
    /// * `index`, `tombstones`: the files of these names; a block without deletes may have no tombstones.
    pub fn open(index: Bytes, tombstones: Option<Bytes>) -> Result<Self, TsdbError> {
        let tombstones = tombstones.map(|file| Tombstones::read(&file)).transpose()?.unwrap_or_default();
        Ok(Self { index: Index::open(index)?, tombstones, strict: false })
    }

    /// The same block, whose samples are refused where they are not in order, or outside the times that the index has of their chunk.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Its series with the places of their chunks, in the order of their labels.
    pub fn series(&self) -> impl Iterator<Item = Result<SeriesEntry, TsdbError>> + '_ {
        self.index.series(0)
    }

    /// As [`TsdbBlock::series`], from the place of one of them on: 0, or [`SeriesEntry::next`] of the one before.
    pub fn series_from(&self, place: u64) -> impl Iterator<Item = Result<SeriesEntry, TsdbError>> + '_ {
        self.index.series(place)
    }

    /// The samples of a series, whose chunks lie in `bytes`. A series whose samples are all deleted has none.
    pub fn samples(&self, entry: &SeriesEntry, bytes: &ChunkBytes) -> Result<SeriesSamples, TsdbError> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut histograms: Vec<HistogramSample> = Vec::new();
        for chunk in &entry.chunks {
            let (encoding, data) = bytes.chunk(chunk.reference)?;
            let failed = |what| TsdbError::Chunk { series: entry.labels.to_string(), what };
            let before = (samples.len(), histograms.len());
            match encoding {
                1 => floats::decode(data, &mut samples).map_err(failed)?,
                2 => histograms::decode_integers(data, &mut histograms).map_err(failed)?,
                3 => histograms::decode_floats(data, &mut histograms).map_err(failed)?,
                encoding => return Err(TsdbError::Encoding { series: entry.labels.to_string(), encoding }),
            }
            if self.strict {
                chunk.check(samples[before.0..].iter().map(|sample| sample.t)).map_err(failed)?;
                chunk.check(histograms[before.1..].iter().map(|sample| sample.t)).map_err(failed)?;
            }
        }
        let deleted = self.tombstones.of(entry.reference);
        samples.retain(|sample| !deleted.covers(sample.t));
        histograms.retain(|sample| !deleted.covers(sample.t));
        // Chunks of one series do not overlap in a block that a compaction made; those of an out-of-order head may.
        crate::merge::sort_and_dedup(&mut samples);
        histograms.sort_by_key(|sample| sample.t);
        histograms.dedup_by_key(|sample| sample.t);
        samples.retain(|sample| histograms.binary_search_by_key(&sample.t, |other| other.t).is_err());
        Ok(SeriesSamples { labels: entry.labels.clone(), samples, histograms })
    }
}

#[cfg(test)]
mod tests;
