//! What can come of a push, and what its client is told: the one place that knows statuses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use runtime::ErrorKind;
use signal::{InstanceLimit, Overloaded, WriteError};
use tenancy::{BudgetExceeded, TenantIdError};

use super::fault::limit_text;
use super::ha::HaRefusal;
use super::protobuf::ProtobufError;
use super::room::RoomError;
use super::snappy::SnappyError;
use super::version2::SymbolError;
use crate::limits::MetricsLimits;

/// The part of the texts about the ingestion rate that both share.
const RATE_OF_WHAT: &str = "This limit is applied on the total number of samples, exemplars and metadata received across all distributors";

/// The status of a service that is overloaded, which Mimir gives if it is told to.
const OVERLOADED: u16 = 529;

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
    /// A parameter of the content type without a value.
    #[error(
        "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got {parameter} in {got} content-type"
    )]
    Parameter {
        /// The parameter.
        parameter: String,
        /// The whole content type.
        got: String,
    },
    /// Another message than those of remote write.
    #[error("got {got} content type; expected prometheus.WriteRequest or io.prometheus.write.v2.Request")]
    Message {
        /// What it is.
        got: String,
    },
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
    /// By OTLP or Influx's line protocol, and larger than what is taken, compressed or not.
    #[error("{}", instance_text(
        &format!("the incoming {} request has been rejected because its message size{} is larger than the allowed limit of {limit} bytes",
                 protocol.name(), size.map(|size| format!(" of {size} bytes")).unwrap_or_default()),
        &format!("distributor-max-{}-request-size", protocol.word()), &format!("distributor.max-{}-request-size", protocol.word()),
    ))]
    RequestTooLarge {
        /// Of what.
        protocol: Protocol,
        /// Its size, if that is known.
        size: Option<u64>,
        /// What is taken.
        limit: usize,
    },
    /// By OTLP or Influx's line protocol, and not what its headers say.
    #[error(transparent)]
    Unreadable(otlp::BodyError),
    /// Lines of Influx's protocol that are none. The rest of the request is stored.
    #[error("error parsing points: {0}")]
    Lines(String),
    /// A unit of time that Influx's line protocol does not have.
    #[error("precision supplied is not valid: {0}")]
    Precision(String),
    /// The client stopped sending.
    #[error("the request's body did not come")]
    Body(#[source] axum::Error),
    /// Not a snappy block.
    #[error("snappy: corrupt input")]
    Corrupt,
    /// Not the message it should be.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// References that lead nowhere.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
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
    /// Series of the request would have been active ones too many; the others are stored.
    #[error("{}", limit_text(
        &format!("the request has been rejected because the tenant exceeded the active series limit, set to {limit}. {rejected} series \
                  were rejected from this request of a total of {total}"),
        "max-active-series", &["distributor.max-active-series-per-user"],
    ))]
    ActiveSeries {
        /// How many the tenant may have.
        limit: u64,
        /// Series that were refused.
        rejected: usize,
        /// Series of the request.
        total: usize,
    },
    /// One of the rates and limits above, of a tenant whose clients are to be told that the service is overloaded.
    #[error(transparent)]
    Overloaded(Box<Self>),
    /// The pushes on their way take all the memory that they may.
    #[error(
        "{}",
        instance_text(
            "the write request has been rejected because the distributor exceeded the allowed total size in bytes of inflight push requests",
            "distributor-max-inflight-push-requests-bytes",
            "distributor.instance-limits.max-inflight-push-requests-bytes",
        )
    )]
    Busy(#[from] BudgetExceeded),
    /// Too many pushes are on their way.
    #[error(
        "{}",
        instance_text(
            "the write request has been rejected because the distributor exceeded the allowed number of inflight push requests",
            "distributor-max-inflight-push-requests",
            "distributor.instance-limits.max-inflight-push-requests",
        )
    )]
    Inflight,
    /// This distributor takes no more samples per second.
    #[error(
        "{}",
        instance_text(
            "the write request has been rejected because the distributor exceeded the ingestion rate limit",
            "distributor-max-ingestion-rate",
            "distributor.instance-limits.max-ingestion-rate",
        )
    )]
    OwnRate,
    /// It came from a replica of a high-availability pair that is not to be stored.
    #[error(transparent)]
    Replica(HaRefusal),
    /// The tenant has too many high-availability pairs.
    #[error("{}", limit_text(
        &format!("the write request has been rejected because the maximum number of high-availability (HA) clusters has been reached for \
                  this tenant (limit: {limit})"),
        "tenant-too-many-ha-clusters", &["distributor.ha-tracker.max-clusters"],
    ))]
    TooManyClusters {
        /// How many it may have.
        limit: u64,
    },
    /// A part of the request was refused; the rest of it is stored.
    #[error("{text}")]
    Refused {
        /// What kind of refusal.
        kind: ErrorKind,
        /// What is wrong with the first part that was refused, and who sent it.
        text: String,
    },
    /// Nothing is known to be stored.
    #[error(transparent)]
    Write(WriteError),
    /// The same, since an ingester is at a limit of its own.
    #[error("failed pushing to ingester {}: {}", .0.ingester, ingester_text(.0.limit))]
    Overload(Overloaded),
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
            Self::Tenant(_)
            | Self::Parameter { .. }
            | Self::Message { .. }
            | Self::TooLarge { .. }
            | Self::Corrupt
            | Self::Protobuf(_)
            | Self::Symbols(_)
            | Self::TooManyClusters { .. } => StatusCode::BAD_REQUEST,
            Self::Lines(_) | Self::Precision(_) => StatusCode::BAD_REQUEST,
            Self::RequestTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(err) => err.status(),
            // To a sender that is a success.
            Self::Replica(HaRefusal::NotElected { .. }) => StatusCode::ACCEPTED,
            Self::Replica(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::MediaType { .. } | Self::Encoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(_) => status_of(ErrorKind::Cancelled),
            Self::RequestRate { .. } | Self::IngestionRate { .. } | Self::IngestionBurst { .. } | Self::ActiveSeries { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Overloaded(_) => StatusCode::from_u16(OVERLOADED).expect("three digits"),
            Self::Busy(_) | Self::Inflight | Self::OwnRate | Self::Overload(_) => StatusCode::SERVICE_UNAVAILABLE,
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
        if let Some(seconds) = self.retry_after(attempt, jitter) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Seconds until the client should come again, if it should; see [`PushError::response`].
    #[must_use]
    pub fn retry_after(&self, attempt: u32, jitter: u64) -> Option<u64> {
        let status = self.status();
        (status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()).then(|| retry_after(attempt, jitter))
    }

    /// Above a rate, or the limit of active series, of the tenant, as its clients are to be told.
    pub(crate) fn of_rate(self, limits: &MetricsLimits) -> Self {
        if limits.service_overload_status_code_on_rate_limit_enabled { Self::Overloaded(Box::new(self)) } else { self }
    }

    /// A request that became too large while it was translated.
    pub(crate) fn of_room(err: RoomError, protocol: Protocol) -> Self {
        match err {
            RoomError::Busy(err) => Self::Busy(err),
            RoomError::TooLarge { limit } => Self::RequestTooLarge { protocol, size: None, limit },
        }
    }

    /// A body that could not be read.
    pub(crate) fn of_body(err: otlp::BodyError, protocol: Protocol) -> Self {
        match err {
            otlp::BodyError::TooLarge { size, limit } => Self::RequestTooLarge { protocol, size, limit },
            otlp::BodyError::Busy(err) => Self::Busy(err),
            otlp::BodyError::Broken(err) => Self::Body(err),
            err => Self::Unreadable(err),
        }
    }
}

/// A protocol whose requests have a limit of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP.
    Otlp,
    /// Influx's line protocol.
    Influx,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Otlp => "OTLP",
            Self::Influx => "Influx",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::Influx => "influx",
        }
    }
}

/// Why a body could not be decoded and checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not protobuf, or not the message it should be.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// References that lead nowhere.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
    /// There is no room for what it would become.
    #[error(transparent)]
    Memory(#[from] BudgetExceeded),
}

impl From<DecodeError> for PushError {
    fn from(err: DecodeError) -> Self {
        match err {
            DecodeError::Protobuf(err) => err.into(),
            DecodeError::Symbols(err) => err.into(),
            DecodeError::Memory(err) => err.into(),
        }
    }
}

impl From<HaRefusal> for PushError {
    fn from(refusal: HaRefusal) -> Self {
        match refusal {
            HaRefusal::TooManyClusters { limit } => Self::TooManyClusters { limit },
            other => Self::Replica(other),
        }
    }
}

impl From<WriteError> for PushError {
    fn from(err: WriteError) -> Self {
        match err.overloaded {
            Some(overloaded) => Self::Overload(overloaded),
            None => Self::Write(err),
        }
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

/// What Mimir says of a limit that an ingester has reached.
pub(crate) fn ingester_text(limit: InstanceLimit) -> String {
    let (word, flag) = match limit {
        InstanceLimit::IngestionRate => ("ingestion-rate", None),
        InstanceLimit::Tenants => ("tenants", None),
        InstanceLimit::Series => ("series", None),
        InstanceLimit::InflightPushes => ("inflight-push-requests", None),
        InstanceLimit::InflightPushBytes => ("inflight-push-requests-bytes", None),
        // There a limit that adapts; this is the flag of the greatest it takes.
        InstanceLimit::InflightReads => ("inflight-read-requests", Some("ingester.read-reactive-limiter.max-limit")),
    };
    let (request, what) = match limit {
        InstanceLimit::IngestionRate => ("write", "the samples ingestion rate limit"),
        InstanceLimit::Tenants => ("write", "the allowed number of tenants"),
        InstanceLimit::Series => ("write", "the allowed number of in-memory series"),
        InstanceLimit::InflightPushes => ("write", "the allowed number of inflight push requests"),
        InstanceLimit::InflightPushBytes => ("write", "the allowed total size in bytes of inflight push requests"),
        InstanceLimit::InflightReads => ("read", "the allowed number of inflight read requests"),
    };
    instance_text(
        &format!("the {request} request has been rejected because the ingester exceeded {what}"),
        &format!("ingester-max-{word}"),
        &flag.map_or_else(|| format!("ingester.instance-limits.max-{word}"), str::to_owned),
    )
}

/// A message about a limit of a process, with the flag that sets it.
fn instance_text(what: &str, id: &str, flag: &str) -> String {
    format!("{what} (err-mimir-{id}). To adjust the related limit, configure -{flag}, or contact your service administrator.")
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
