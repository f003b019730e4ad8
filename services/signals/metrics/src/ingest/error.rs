//! What can come of a push, and what its client is told: the one place that knows statuses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use runtime::ErrorKind;
use signal::WriteError;
use tenancy::{BudgetExceeded, TenantIdError};

use super::fault::limit_text;
use super::protobuf::ProtobufError;
use super::snappy::SnappyError;

/// The part of the texts about the ingestion rate that both share.
const RATE_OF_WHAT: &str = "This limit is applied on the total number of samples, exemplars and metadata received across all distributors";

/// The status of a request whose client has gone.
const CLIENT_CLOSED: u16 = 499;

/// Why a push is not answered with success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// Several tenants.
    #[error(transparent)]
    Tenant(#[from] TenantIdError),
    /// Not `application/x-protobuf`.
    #[error("expected application/x-protobuf as the first (media) part, got {got} content-type")]
    MediaType {
        /// What it is.
        got: String,
    },
    /// Another message than those of remote write.
    #[error("got {got} content-type parameter proto; expected prometheus.WriteRequest (accepted here) or io.prometheus.write.v2.Request")]
    Message {
        /// What it is.
        got: String,
    },
    /// Remote write 2.0. A sender that can do so goes back to 1.0 at this status.
    #[error("io.prometheus.write.v2.Request is not accepted by this server; only prometheus.WriteRequest (remote write 1.0) is")]
    Version2,
    /// Not compressed with snappy.
    #[error("{got} encoding (compression) is not accepted by this server; only snappy is acceptable")]
    Encoding {
        /// What it is.
        got: String,
    },
    /// Larger than what is taken, compressed or not.
    #[error(
        "the incoming push request has been rejected because its message size of {size} bytes is larger than the allowed limit of \
         {limit} bytes (err-mimir-distributor-max-write-message-size). To adjust the related limit, configure \
         -distributor.max-recv-msg-size, or contact your service administrator."
    )]
    TooLarge {
        /// Its size, or what of it had come.
        size: usize,
        /// What is taken.
        limit: usize,
    },
    /// The client stopped sending.
    #[error("the request's body did not come")]
    Body(#[source] axum::Error),
    /// Not a snappy block.
    #[error("snappy: corrupt input")]
    Corrupt,
    /// Not the message it should be.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// Too many requests.
    #[error("{}", limit_text(
        &format!("the request has been rejected because the tenant exceeded the request rate limit, set to {rate} requests/s across all \
                  distributors with a maximum allowed burst of {burst}"),
        "tenant-max-request-rate", &["distributor.request-rate-limit", "distributor.request-burst-size"],
    ))]
    RequestRate {
        /// Requests per second.
        rate: f64,
        /// At once.
        burst: u64,
    },
    /// Too many samples.
    #[error("{}", limit_text(
        &format!("the request has been rejected because the tenant exceeded the ingestion rate limit, set to {rate} items/s with a \
                  maximum allowed burst of {burst}. {RATE_OF_WHAT}"),
        "tenant-max-ingestion-rate", &["distributor.ingestion-rate-limit", "distributor.ingestion-burst-size"],
    ))]
    IngestionRate {
        /// Items per second.
        rate: f64,
        /// At once.
        burst: u64,
    },
    /// More samples in one request than may ever come at once.
    #[error("{}", limit_text(
        &format!("the request has been rejected because the tenant exceeded the ingestion burst size limit, set to {burst}, with \
                  {items} items. {RATE_OF_WHAT}"),
        "tenant-max-ingestion-rate", &["distributor.ingestion-rate-limit", "distributor.ingestion-burst-size"],
    ))]
    IngestionBurst {
        /// At once.
        burst: u64,
        /// Of the request.
        items: u64,
    },
    /// The pushes on their way take all the memory that they may.
    #[error(
        "the write request has been rejected because the distributor exceeded the allowed total size in bytes of inflight push requests \
         (err-mimir-distributor-max-inflight-push-requests-bytes). To adjust the related limit, configure \
         -distributor.instance-limits.max-inflight-push-requests-bytes, or contact your service administrator."
    )]
    Busy(#[from] BudgetExceeded),
    /// A part of the request was refused; the rest of it is stored.
    #[error("{text}")]
    Refused {
        /// What kind of refusal.
        kind: ErrorKind,
        /// What is wrong with the first part that was refused.
        text: String,
    },
    /// Nothing is known to be stored.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The computation was lost.
    #[error("the request could not be decoded")]
    Lost(#[from] runtime::compute::Lost),
}

impl PushError {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            // Mimir answers bodies that are too large with 400: a sender drops both.
            Self::Tenant(_) | Self::Message { .. } | Self::TooLarge { .. } | Self::Corrupt | Self::Protobuf(_) => StatusCode::BAD_REQUEST,
            Self::MediaType { .. } | Self::Version2 | Self::Encoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(_) => status_of(ErrorKind::Cancelled),
            Self::RequestRate { .. } | Self::IngestionRate { .. } | Self::IngestionBurst { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused { kind, .. } => status_of(*kind),
            Self::Write(err) => status_of(err.kind),
            Self::Lost(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer.
    ///
    /// * `attempt`: which attempt the client says this is, from 1.
    /// * `jitter`: any number; it spreads the clients that come again.
    #[must_use]
    pub fn response(&self, attempt: u32, jitter: u64) -> Response {
        let status = self.status();
        let mut response = Response::new(Body::from(format!("{self}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after(attempt, jitter)));
        }
        response
    }
}

impl From<SnappyError> for PushError {
    fn from(err: SnappyError) -> Self {
        match err {
            SnappyError::Corrupt => Self::Corrupt,
            SnappyError::TooLarge { size, limit } => Self::TooLarge { size, limit },
        }
    }
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::BadInput | ErrorKind::LimitExceeded | ErrorKind::NotFound | ErrorKind::Execution | ErrorKind::Conflict => {
            StatusCode::BAD_REQUEST
        }
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Cancelled => StatusCode::from_u16(CLIENT_CLOSED).expect("three digits"),
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Timeout | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Seconds until the client should come again: 6 s, doubled with each attempt up to 96 s, with 50 % of jitter either way.
fn retry_after(attempt: u32, jitter: u64) -> u64 {
    let seconds = 6u64 << attempt.clamp(1, 5).saturating_sub(1);
    (seconds / 2 + jitter % (seconds + 1)).clamp(6, 96)
}

#[cfg(test)]
mod tests;
