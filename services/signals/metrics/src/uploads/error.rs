//! Why a request is refused: statuses and texts are Mimir's.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use signal::DepotError;

use super::meta::{GoTime, META, MetaFault};

/// Bytes of a `meta.json` at most.
pub(super) const MAX_META: u64 = 1 << 20;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// The path names no block.
    #[error("invalid block ID")]
    BlockId,
    /// The request is of several tenants.
    #[error("invalid tenant ID")]
    TenantId,
    /// The tenant may not upload.
    #[error("block upload is disabled")]
    Disabled,
    /// The block was taken over before.
    #[error("block already exists")]
    Exists,
    /// The block is being taken over.
    #[error("block validation in progress")]
    Converting,
    /// The block could not be taken over.
    #[error("block validation failed")]
    Failed,
    /// Nothing was said of the block before its files came.
    #[error("block upload not started")]
    NotStarted,
    /// Nobody knows the block.
    #[error("block doesn't exist")]
    Unknown,
    /// Too much is said of the block.
    #[error("The block metadata was too large (maximum size allowed is {MAX_META} bytes)")]
    MetaTooLarge,
    /// What is said of the block cannot be.
    #[error(transparent)]
    Meta(#[from] MetaFault),
    /// All samples of the block are over their retention.
    #[error("block max time ({}) older than retention period", GoTime(*.0))]
    TooOld(i64),
    /// A file without a path.
    #[error("missing or invalid file path")]
    NoPath,
    /// What was said of the block stands, and is not sent again as a file.
    #[error("{META} is not allowed")]
    MetaFile,
    /// A file that blocks do not have.
    #[error("invalid path: {0:?}")]
    Path(String),
    /// A file without bytes.
    #[error("file cannot be empty")]
    Empty,
    /// A file that was not announced.
    #[error("unexpected file")]
    Unexpected,
    /// A file of another length than was announced.
    #[error("file size doesn't match {META}")]
    Size,
    /// As many blocks are being taken over as one process does at once.
    #[error("too many block upload validations in progress, limit is {0}")]
    Busy(usize),
    /// The client broke off.
    #[error("the request body was broken off")]
    Broken,
    /// Ours to mend.
    #[error("internal server error")]
    Depot(#[source] DepotError),
}

impl UploadError {
    /// The status.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::BlockId | Self::TenantId | Self::Disabled | Self::Converting | Self::Failed | Self::Meta(_) => StatusCode::BAD_REQUEST,
            Self::NoPath | Self::MetaFile | Self::Path(_) | Self::Empty | Self::Unexpected | Self::Size => StatusCode::BAD_REQUEST,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::NotStarted | Self::Unknown => StatusCode::NOT_FOUND,
            Self::Exists => StatusCode::CONFLICT,
            Self::MetaTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooOld(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Depot(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<DepotError> for UploadError {
    fn from(err: DepotError) -> Self {
        match err {
            DepotError::Length { .. } => Self::Size,
            DepotError::Body(_) => Self::Broken,
            DepotError::Finished => Self::Converting,
            DepotError::Busy { limit } => Self::Busy(limit),
            err => Self::Depot(err),
        }
    }
}

impl IntoResponse for UploadError {
    fn into_response(self) -> Response {
        (self.status(), format!("{self}\n")).into_response()
    }
}
