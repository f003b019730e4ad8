//! Errors of the object store.

use runtime::{Classify, ErrorKind};

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No object of this key.
    #[error("object {key} does not exist")]
    NotFound {
        /// The key, below the prefix.
        key: String,
    },
    /// A range outside the object.
    #[error("range {start}..{end} is outside of an object of {len} bytes")]
    Range {
        /// First byte.
        start: u64,
        /// One past the last.
        end: u64,
        /// Length of the object.
        len: u64,
    },
    /// The store answered with an error, or not at all. For a write this does not say whether it was done.
    #[error("{operation} {key}")]
    Failed {
        /// get, put, list …
        operation: &'static str,
        /// The key, below the prefix.
        key: String,
        /// What the client library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store refuses us: credentials, rights, a key it cannot have. Trying again does not help.
    #[error("the store refuses {operation} {key}")]
    Refused {
        /// get, put, list …
        operation: &'static str,
        /// The key, below the prefix.
        key: String,
        /// What the client library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Range { .. } => ErrorKind::Internal,
            Self::Failed { .. } | Self::Refused { .. } => ErrorKind::Unavailable,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

impl StoreError {
    /// True when the object is not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
