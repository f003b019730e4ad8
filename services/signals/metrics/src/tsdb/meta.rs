//! The file `meta.json` of a block.

use serde::Deserialize;
use ulid::Ulid;

/// What a block says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BlockMeta {
    /// Its name.
    pub ulid: Ulid,
    /// Time of its first sample, ms since the Unix epoch.
    #[serde(rename = "minTime")]
    pub min_time: i64,
    /// A time after its last sample, ms since the Unix epoch.
    #[serde(rename = "maxTime")]
    pub max_time: i64,
    /// What it holds.
    #[serde(default)]
    pub stats: BlockStats,
    /// Version of the file.
    pub version: u32,
}

/// Figures of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BlockStats {
    /// Samples, floats and histograms.
    pub num_samples: u64,
    /// Series.
    pub num_series: u64,
}

/// Why a `meta.json` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// It is not what it should be.
    #[error("meta.json is not that of a block")]
    Json(#[from] serde_json::Error),
    /// A version that is not known here.
    #[error("meta.json has version {0}, 1 is known")]
    Version(u32),
}

impl BlockMeta {
    /// Reads the file.
    pub fn read(file: &[u8]) -> Result<Self, MetaError> {
        let meta: Self = serde_json::from_slice(file)?;
        if meta.version == 1 { Ok(meta) } else { Err(MetaError::Version(meta.version)) }
    }
}
