//! Errors of the WAL.

use std::io;
use std::sync::Arc;

use runtime::{Classify, ErrorKind};

use super::Segment;

/// Why the log did not take a record. Cheap to clone: a group of records shares the failure of its write.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalError {
    /// The record was prepared for a segment that has closed: prepare it again for the one named here.
    #[error("log segment is closed, segment {} is open", .0.0)]
    SegmentClosed(Segment),
    /// The disk is full. Nothing of the record will be read again; the log takes records again when there is space.
    #[error("no space left for the log")]
    Full,
    /// The disk failed. As for [`WalError::Full`], the log goes on by itself when the disk does.
    #[error("write the log")]
    Io {
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// More bytes wait for the disk than `wal.max_queued` allows.
    #[error("{queued} bytes already wait for the log")]
    Backlog {
        /// Bytes that wait.
        queued: u64,
    },
    /// The record is longer than a record may be.
    #[error("a record of {len} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The log was closed: the process is stopping.
    #[error("the log is closed")]
    Closed,
}

impl WalError {
    /// Tells a full disk from a failing one.
    pub(super) fn of(err: io::Error) -> Self {
        match err.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { source: Arc::new(err) },
        }
    }
}

impl Classify for WalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::SegmentClosed(_) => ErrorKind::Conflict,
            Self::Full | Self::Io { .. } | Self::Backlog { .. } | Self::Closed => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
        }
    }
}

/// Why a log could not be opened: its directory cannot be used. What the log's files hold never is a reason.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}")]
pub struct OpenError {
    /// What failed: create, list …
    pub operation: &'static str,
    /// The directory or the file.
    pub path: String,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl OpenError {
    pub(super) fn at(operation: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self { operation, path, source }
    }
}

impl Classify for OpenError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}
