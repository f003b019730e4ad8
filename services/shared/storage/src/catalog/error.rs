//! Errors of the catalog.

use runtime::{Classify, ErrorKind};

pub use crate::codec::CodecError;
use crate::error::StoreError;

/// Why the catalog could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object of the catalog is not what it should be.
    #[error("{key} is damaged")]
    Damaged {
        /// Its key.
        key: String,
        /// What is wrong.
        source: CodecError,
    },
    /// An object of the log carries another number than its key.
    #[error("{key} says that it is number {says}")]
    Number {
        /// Its key.
        key: String,
        /// The number inside.
        says: u64,
    },
    /// The log does not have the number yet.
    #[error("the catalog is at number {at}, and {wanted} is needed")]
    Behind {
        /// The newest number.
        at: u64,
        /// The number that was asked for.
        wanted: u64,
    },
    /// Another leader writes the log.
    #[error("another leader wrote number {number} of the catalog")]
    LostOffice {
        /// The number that this one wanted to write.
        number: u64,
    },
    /// The catalog is being rebuilt: nobody may lead.
    #[error("the catalog is being rebuilt")]
    Rebuilding,
    /// A number was created and is not there when it is read.
    #[error("number {number} of the catalog exists and cannot be read")]
    Vanishing {
        /// The number.
        number: u64,
    },
}

impl Classify for CatalogError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(StoreError::NotFound { .. }) => ErrorKind::Unavailable,
            Self::Store(err) => err.kind(),
            Self::Damaged { .. } | Self::Number { .. } => ErrorKind::Internal,
            Self::Behind { .. } | Self::Rebuilding | Self::Vanishing { .. } => ErrorKind::Unavailable,
            Self::LostOffice { .. } => ErrorKind::Conflict,
        }
    }
}
