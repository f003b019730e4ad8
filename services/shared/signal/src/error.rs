//! Errors that cross the seam.

use runtime::{Classify, ErrorKind};

/// A failure inside a signal, reduced to what a role can act on and a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SignalError {
    /// What kind.
    pub kind: ErrorKind,
    /// What went wrong, for logs.
    pub text: String,
}

impl SignalError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Ours to mend.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, text)
    }
}

impl Classify for SignalError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Why a leaf could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The block's object is not there any more: plan again.
    #[error("block {block} is gone")]
    Gone {
        /// The block.
        block: String,
    },
    /// Everything else.
    #[error(transparent)]
    Signal(#[from] SignalError),
}

impl Classify for ScanError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Gone { .. } => ErrorKind::Unavailable,
            Self::Signal(err) => err.kind,
        }
    }
}

/// Why a query has no answer. It crosses processes: `reason` is a word that the signal's API knows
/// (for metrics the `errorType`) or one of a role's, which every signal may say in words of its own; `text` is what the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct QueryError {
    /// What kind.
    pub kind: ErrorKind,
    /// A word of the signal's own or of a role's; may be empty.
    pub reason: String,
    /// What the client is told.
    pub text: String,
}

impl QueryError {
    /// The `reason` of a query for which blocks could not be read: `text` names them. For a query that an ingester refused it is
    /// [`InstanceLimit::word`](crate::InstanceLimit::word).
    pub const BLOCKS_UNANSWERED: &str = "blocks_unanswered";

    /// An error of a kind.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, reason: String::new(), text: text.into() }
    }

    /// The same with a word of the signal's own.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

impl Classify for QueryError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<ScanError> for QueryError {
    fn from(err: ScanError) -> Self {
        Self::new(err.kind(), err.to_string())
    }
}
