//! Compactor: blocks of another system, which clients upload file by file.
//!
//! The signal knows the API, the format and the rules; the role keeps what comes in a [`Depot`], has finished uploads turned into blocks
//! in the background, and takes those into the catalog.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use runtime::{Classify, ErrorKind};
use storage::block::Ranged;
use storage::error::StoreError;
use tenancy::TenantId;
use ulid::Ulid;

use crate::{NewBlock, Routes, SignalError, SignalName};

/// A signal that takes blocks of another system.
pub trait Uploads: Send + Sync {
    /// Mounts the routes at which clients upload. A handler checks a request against the tenant's limits and what `depot` says of the
    /// upload, and hands on what is good.
    fn mount(&self, routes: &mut Routes, depot: Arc<dyn Depot>);

    /// Makes blocks of a finished upload, step by step.
    ///
    /// * `from`: where to begin, [`Step::next`] of the last step that is kept; 0 is the beginning. A step depends on what was uploaded and
    ///   on its beginning alone in this: the rows of a beginning and of all that follows are those of the upload, each once.
    /// * `window_ns`: blocks do not cross multiples of this many nanoseconds of data time.
    /// * Errors: [`ErrorKind::BadInput`] is the upload's own fault and its end; all others pass, and it is begun again.
    fn convert(&self, upload: Uploaded, from: u64, window_ns: i64) -> StepStream;

    /// How long an upload is kept that nobody goes on with; `None` is for ever.
    fn kept_for(&self, tenant: &TenantId) -> Option<Duration>;
}

/// Blocks as they are made.
pub type StepStream = BoxStream<'static, Result<Step, SignalError>>;

/// A part of an upload that has become blocks.
#[derive(Clone, Debug)]
pub struct Step {
    /// The blocks; a part may have no rows.
    pub blocks: Vec<NewBlock>,
    /// Where the next part begins; greater than where this one does.
    pub next: u64,
}

/// The name of an upload: that of the block in the other system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId {
    /// Whose it becomes.
    pub tenant: TenantId,
    /// Of which signal.
    pub signal: SignalName,
    /// Its name.
    pub id: Ulid,
}

/// An upload all of whose files are there.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// Its name.
    pub upload: UploadId,
    /// What was said of it at its beginning.
    pub about: Bytes,
    /// Its files by their names.
    pub files: BTreeMap<String, Arc<dyn Ranged>>,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// It was never begun, or is forgotten.
    Unknown,
    /// Files may come.
    Open {
        /// What was said of it at its beginning.
        about: Bytes,
    },
    /// It becomes blocks.
    Converting,
    /// It cannot become blocks.
    Failed {
        /// Why not.
        error: String,
    },
    /// It has become blocks, which the catalog has or had.
    Done,
}

/// Keeps uploads in the bucket: any process of the role can go on with what another one has begun.
pub trait Depot: Send + Sync {
    /// How far an upload is.
    fn state(&self, upload: UploadId) -> BoxFuture<'static, Result<UploadState, DepotError>>;

    /// Begins an upload, or begins one that is open anew.
    fn begin(&self, upload: UploadId, about: Bytes) -> BoxFuture<'static, Result<(), DepotError>>;

    /// Keeps a file of an open upload, in the place of an earlier one of its name. What comes is written piece by piece.
    ///
    /// * `name`: words of letters, digits, `.`, `-` and `_`, joined by `/`.
    /// * `len`: how many bytes `body` has to have.
    fn store(&self, upload: UploadId, name: String, len: u64, body: Body) -> BoxFuture<'static, Result<(), DepotError>>;

    /// How long rows are kept of tenants whose limits say nothing; `None` is for ever.
    fn default_retention(&self) -> Option<Duration>;

    /// Says that all files are there, and has them turned into blocks in the background.
    fn finish(&self, upload: UploadId) -> BoxFuture<'static, Result<(), DepotError>>;
}

/// Why a depot cannot do what it is asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepotError {
    /// The bucket.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object of the depot cannot be read.
    #[error("object {key} is damaged")]
    Damaged {
        /// Which.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The client broke a body off.
    #[error("read the request body")]
    Body(#[source] axum::Error),
    /// A body is shorter or longer than it has to be.
    #[error("the file has to have {expected} bytes")]
    Length {
        /// How many.
        expected: u64,
    },
    /// Another request has said that the upload is whole.
    #[error("the upload is finished already")]
    Finished,
    /// As many uploads are turned into blocks as this process does at once.
    #[error("{limit} uploads are turned into blocks, as many as at once")]
    Busy {
        /// How many.
        limit: usize,
    },
}

impl Classify for DepotError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(err) => err.kind(),
            Self::Damaged { .. } => ErrorKind::Internal,
            Self::Body(_) => ErrorKind::Cancelled,
            Self::Length { .. } => ErrorKind::BadInput,
            Self::Finished => ErrorKind::Conflict,
            Self::Busy { .. } => ErrorKind::RateLimited,
        }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, signal, id } = self;
        write!(f, "{id} of {tenant} ({signal})")
    }
}
