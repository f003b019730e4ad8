//! Why an ingester could not do what it was asked.

use runtime::{Classify, ErrorKind};
use signal::InstanceLimit;
use storage::wal::WalError;

/// Why a push was not stored. Nothing of it will be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The state of this member forbids writes.
    #[error("ingester is {state}")]
    NotWritable {
        /// The state, in words.
        state: &'static str,
    },
    /// The process is at a limit of its own.
    #[error("{0}")]
    AtLimit(InstanceLimit),
    /// The signal is not enabled here.
    #[error("signal {signal:?} is not enabled")]
    Signal {
        /// Its name.
        signal: String,
    },
    /// The message does not hold together.
    #[error("{what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The log did not take the record.
    #[error("append to the log")]
    Wal(#[from] WalError),
    /// A computation was lost: the process is stopping, or there is a bug.
    #[error("a computation did not end")]
    Lost,
}

impl Classify for PushError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotWritable { .. } | Self::AtLimit(_) => ErrorKind::Unavailable,
            Self::Signal { .. } => ErrorKind::Unsupported,
            Self::Malformed { .. } => ErrorKind::BadInput,
            Self::Wal(err) => err.kind(),
            Self::Lost => ErrorKind::Internal,
        }
    }
}

impl From<InstanceLimit> for PushError {
    fn from(limit: InstanceLimit) -> Self {
        Self::AtLimit(limit)
    }
}

impl PushError {
    /// As the internal API answers it.
    #[must_use]
    pub fn status(&self) -> tonic::Status {
        let status = runtime::grpc::status(self);
        match self {
            Self::AtLimit(limit) => signal::rpc::with_limit(status, *limit),
            _ => status,
        }
    }
}
