//! `quartet.json`: says that a bucket, or a folder of one, belongs to one cluster.

use std::time::Duration;

use bytes::Bytes;
use runtime::{Classify, ErrorKind};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::bucket::{Bucket, Created};
use crate::error::StoreError;
use crate::layout;

/// Version of the layout that this release writes and reads.
const FORMAT_VERSION: u16 = 1;
/// How often a missing marker is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The marker's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// `cluster.id` of those who may write here.
    pub cluster_id: String,
    /// Version of the layout.
    pub format_version: u16,
}

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Another cluster's.
    #[error("the bucket belongs to cluster \"{found}\", and cluster.id is \"{ours}\"")]
    OtherCluster {
        /// Whose it is.
        found: String,
        /// Whose we are.
        ours: String,
    },
    /// Written by a later release.
    #[error("the bucket has format version {found}, this release reads {FORMAT_VERSION}")]
    Version {
        /// The bucket's.
        found: u16,
    },
    /// Objects and no marker.
    #[error("the bucket holds objects, {object} among them, and no {marker}: it is not Quartet's; set storage.prefix to a folder of its own", marker = layout::MARKER)]
    Foreign {
        /// One of the objects.
        object: String,
    },
    /// The marker is not what it should be.
    #[error("{} is not readable", layout::MARKER)]
    Unreadable(#[source] serde_json::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ClaimError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(err) => err.kind(),
            _ => ErrorKind::Conflict,
        }
    }
}

/// Makes sure that the bucket is the cluster's, before anything else is written: reads the marker, or creates it in an empty bucket.
///
/// * `wait`: how long a marker is looked for in a bucket that holds objects and has none. Another process may have seen an
///   empty bucket a moment ago, and the list of a store may run ahead of it.
pub async fn claim(bucket: &dyn Bucket, cluster_id: &str, wait: Duration) -> Result<Marker, ClaimError> {
    let ours = Marker { cluster_id: cluster_id.to_owned(), format_version: FORMAT_VERSION };
    let end = tokio::time::Instant::now() + wait;
    loop {
        match bucket.get(layout::MARKER).await {
            Ok(bytes) => return check(&bytes, &ours),
            Err(err) if err.is_not_found() => {}
            Err(err) => return Err(err.into()),
        }
        match anything(bucket).await? {
            None => match create(bucket, &ours).await? {
                Created::Created => info!(cluster = cluster_id, "the bucket was empty and is now this cluster's"),
                // Whoever made it, it is read in the next round.
                Created::Exists => {}
            },
            Some(object) if tokio::time::Instant::now() >= end => return Err(ClaimError::Foreign { object }),
            Some(_) => tokio::time::sleep(LOOK_EVERY.min(wait)).await,
        }
    }
}

async fn create(bucket: &dyn Bucket, ours: &Marker) -> Result<Created, StoreError> {
    let json = serde_json::to_vec_pretty(ours).expect("two plain fields");
    bucket.create(layout::MARKER, Bytes::from(json)).await
}

/// An object or folder of the bucket, or `None` when it is empty. Lists at most one level, whatever the bucket holds.
async fn anything(bucket: &dyn Bucket) -> Result<Option<String>, StoreError> {
    if let Some(folder) = bucket.folders("").await?.into_iter().next() {
        return Ok(Some(format!("{folder}/")));
    }
    // No folders: what is left is the few objects at the top.
    Ok(bucket.list("", None).await?.into_iter().map(|object| object.key).find(|key| key != layout::MARKER))
}

fn check(bytes: &[u8], ours: &Marker) -> Result<Marker, ClaimError> {
    let found: Marker = serde_json::from_slice(bytes).map_err(ClaimError::Unreadable)?;
    if found.format_version != ours.format_version {
        return Err(ClaimError::Version { found: found.format_version });
    }
    if found.cluster_id == ours.cluster_id {
        Ok(found)
    } else {
        Err(ClaimError::OtherCluster { found: found.cluster_id, ours: ours.cluster_id.clone() })
    }
}

#[cfg(test)]
mod tests;
