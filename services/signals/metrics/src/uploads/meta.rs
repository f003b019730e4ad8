//! What a client says of a block before its files come: `meta.json`, with a list of the files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use runtime::{Classify, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use storage::block::Ranged;
use ulid::Ulid;

use crate::limits::MetricsLimits;

/// The file itself, as it may stand in its list of files.
pub(super) const META: &str = "meta.json";

/// The version of the file that is known.
const VERSION: i64 = 1;

/// A label that tells which share of the series of a tenant a block of Mimir has. It says nothing here: blocks are split anew.
const SHARD_LABEL: &str = "__compactor_shard_id__";

/// Labels of earlier releases of Mimir, which say nothing.
const UNUSED_LABELS: [&str; 3] = ["__org_id__", "__ingester_id__", "__shard_id__"];

/// What is needed of `meta.json`. What is not there is as 0 or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct UploadMeta {
    /// Its name, which must be one; that of the request's path is the one that counts.
    #[serde(deserialize_with = "or_default")]
    ulid: Option<Ulid>,
    /// Time of its first sample, ms since the Unix epoch.
    #[serde(rename = "minTime", deserialize_with = "or_default")]
    pub(super) min_time: i64,
    /// A time after its last sample, ms since the Unix epoch.
    #[serde(rename = "maxTime", deserialize_with = "or_default")]
    pub(super) max_time: i64,
    #[serde(deserialize_with = "or_default")]
    version: i64,
    #[serde(deserialize_with = "or_default")]
    thanos: Thanos,
}

/// What Thanos and Mimir add to the file of Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Thanos {
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    downsample: Downsample,
    #[serde(deserialize_with = "or_default")]
    files: Vec<File>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Downsample {
    #[serde(deserialize_with = "or_default")]
    resolution: i64,
}

/// A file of the block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct File {
    #[serde(deserialize_with = "or_default")]
    rel_path: String,
    #[serde(deserialize_with = "or_default")]
    size_bytes: i64,
}

/// `null` says no more than nothing.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The path of a file that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// `index`.
    Index,
    /// `chunks/000001` and on, with its number.
    Chunks(u64),
}

impl Path {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "index" {
            return Some(Self::Index);
        }
        let digits = text.strip_prefix("chunks/").filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Self::Chunks(digits.parse().ok()?))
    }
}

/// What is wrong with a block, in Mimir's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MetaFault {
    #[error("malformed request body")]
    Malformed,
    #[error("block contains downsampled data")]
    Downsampled,
    #[error("invalid {SHARD_LABEL} external label: {0:?}")]
    ShardLabel(String),
    #[error("unsupported external label: {0}")]
    Label(String),
    #[error("file with invalid path: {0}")]
    Path(String),
    #[error("file with invalid size: {0}")]
    Size(String),
    #[error("invalid negative file size in block metadata")]
    NegativeSize,
    #[error("block exceeds the maximum block size limit of {0} bytes")]
    BlockSize(u64),
    #[error("version must be {VERSION}")]
    Version,
    #[error("invalid minTime/maxTime: minTime={0}, maxTime={1}")]
    Times(i64, i64),
    #[error("block time(s) greater than the present: minTime={0}, maxTime={1}")]
    Future(i64, i64),
    #[error("failed to stat {0}: no such file or directory")]
    Missing(String),
    #[error("file size mismatch for {0}")]
    OtherSize(String),
}

impl Classify for MetaFault {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

impl UploadMeta {
    /// Reads the file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, MetaFault> {
        // A list is no meta, though serde would take it for one; `null` is one of which nothing is said.
        let map: Option<Map<String, Value>> = serde_json::from_slice(bytes).map_err(|_| MetaFault::Malformed)?;
        serde_json::from_value(Value::Object(map.unwrap_or_default())).map_err(|_| MetaFault::Malformed)
    }

    /// The same as bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("no map with other keys than text")
    }

    /// Whether a block like this may come, whatever is in its files.
    ///
    /// * `now_ms`: the time, ms since the Unix epoch.
    pub(super) fn check(&self, limits: &MetricsLimits, now_ms: i64) -> Result<(), MetaFault> {
        if self.thanos.downsample.resolution > 0 {
            return Err(MetaFault::Downsampled);
        }
        self.thanos.labels.iter().try_for_each(|(name, value)| check_label(name, value))?;
        for file in self.files() {
            if Path::parse(&file.rel_path).is_none() {
                return Err(MetaFault::Path(file.rel_path.clone()));
            }
            if file.size_bytes <= 0 {
                return Err(MetaFault::Size(file.rel_path.clone()));
            }
        }
        self.check_size(limits)?;
        if self.version != VERSION {
            return Err(MetaFault::Version);
        }
        let (min, max) = (self.min_time, self.max_time);
        if min < 0 || max < min {
            return Err(MetaFault::Times(min, max));
        }
        if max > now_ms {
            return Err(MetaFault::Future(min, max));
        }
        Ok(())
    }

    /// The tenant's limit for the size of a block.
    pub(super) fn check_size(&self, limits: &MetricsLimits) -> Result<(), MetaFault> {
        let limit = limits.compactor_block_upload_max_block_size_bytes;
        if limit == 0 {
            return Ok(());
        }
        let mut bytes = 0u64;
        for file in &self.thanos.files {
            bytes = bytes.saturating_add(u64::try_from(file.size_bytes).map_err(|_| MetaFault::NegativeSize)?);
        }
        if bytes > limit { Err(MetaFault::BlockSize(limit)) } else { Ok(()) }
    }

    /// Whether all files have come that were announced.
    pub(super) fn check_files(&self, files: &BTreeMap<String, Arc<dyn Ranged>>) -> Result<(), MetaFault> {
        for File { rel_path, size_bytes } in self.files() {
            let file = files.get(rel_path).ok_or_else(|| MetaFault::Missing(rel_path.clone()))?;
            if u64::try_from(*size_bytes).ok() != Some(file.len()) {
                return Err(MetaFault::OtherSize(rel_path.clone()));
            }
        }
        Ok(())
    }

    /// How many bytes a file has to have; none: it was not announced.
    pub(super) fn size_of(&self, path: &str) -> Option<u64> {
        // Of one that is announced twice the last counts.
        let file = self.files().filter(|file| file.rel_path == path).last()?;
        u64::try_from(file.size_bytes).ok()
    }

    /// The files beside the meta itself.
    fn files(&self) -> impl Iterator<Item = &File> {
        self.thanos.files.iter().filter(|file| file.rel_path != META)
    }
}

fn check_label(name: &str, value: &str) -> Result<(), MetaFault> {
    match name {
        SHARD_LABEL if value.is_empty() || is_shard(value) => Ok(()),
        SHARD_LABEL => Err(MetaFault::ShardLabel(value.to_owned())),
        name if UNUSED_LABELS.contains(&name) => Ok(()),
        name => Err(MetaFault::Label(name.to_owned())),
    }
}

/// True for the number of a shard, from 1, and of all shards: `2_of_4`.
fn is_shard(text: &str) -> bool {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let shard = text.split_once("_of_").and_then(|(index, count)| Some((number(index)?, number(count)?)));
    shard.is_some_and(|(index, count)| (1..=count).contains(&index))
}

/// A time in ms as Go writes it where nobody asks for a format.
#[derive(Clone, Copy, Debug)]
pub(super) struct GoTime(pub(super) i64);

impl fmt::Display for GoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::head::Rfc3339(self.0).to_string();
        write!(f, "{} +0000 UTC", text.trim_end_matches('Z').replacen('T', " ", 1))
    }
}

#[cfg(test)]
mod tests;
