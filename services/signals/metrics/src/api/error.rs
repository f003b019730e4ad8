//! Errors as Prometheus's clients know them.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use runtime::http::BodyError;
use runtime::{Classify, ErrorKind};
use signal::{InstanceLimit, QueryError};

use super::json;
use crate::ingest::ingester_text;

/// The word `errorType` and the status that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorType {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
    NotFound,
    TooManyRequests,
    TooLargeEntry,
    /// Of what Quartet does not do: Prometheus would say `execution` with another status.
    NotImplemented,
}

impl ErrorType {
    const fn word(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution | Self::NotImplemented => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::TooManyRequests => "too_many_requests",
            Self::TooLargeEntry => "too_large_entry",
        }
    }

    /// The status code; 499 has no name of its own.
    const fn code(self) -> u16 {
        match self {
            Self::BadData => 400,
            Self::Execution => 422,
            Self::Canceled => 499,
            Self::Timeout | Self::Unavailable => 503,
            Self::Internal => 500,
            Self::NotFound => 404,
            Self::TooManyRequests => 429,
            Self::TooLargeEntry => 413,
            Self::NotImplemented => 501,
        }
    }
}

impl From<ErrorKind> for ErrorType {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::BadInput => Self::BadData,
            ErrorKind::LimitExceeded | ErrorKind::Execution | ErrorKind::Conflict => Self::Execution,
            ErrorKind::RateLimited => Self::TooManyRequests,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Cancelled => Self::Canceled,
            ErrorKind::Unsupported => Self::NotImplemented,
            ErrorKind::Internal => Self::Internal,
        }
    }
}

/// The status code of an answer that says an error of this kind.
pub(crate) fn status_code(kind: ErrorKind) -> u16 {
    ErrorType::from(kind).code()
}

/// An error of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct PromError {
    error_type: ErrorType,
    text: String,
}

impl PromError {
    pub(super) fn new(error_type: ErrorType, text: impl Into<String>) -> Self {
        Self { error_type, text: text.into() }
    }

    /// The request is wrong.
    pub(super) fn bad_data(text: impl ToString) -> Self {
        Self::new(ErrorType::BadData, text.to_string())
    }

    /// Something went wrong here.
    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::new(ErrorType::Internal, text)
    }

    /// A parameter is wrong.
    pub(super) fn parameter(name: &str, err: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {err}"))
    }

    /// The status of the answer.
    pub(super) const fn code(&self) -> u16 {
        self.error_type.code()
    }

    /// True when it is ours to mend.
    pub(super) const fn is_internal(&self) -> bool {
        matches!(self.error_type, ErrorType::Internal)
    }
}

impl From<QueryError> for PromError {
    fn from(err: QueryError) -> Self {
        if err.reason == QueryError::BLOCKS_UNANSWERED {
            let text = format!("failed to fetch some blocks (err-mimir-store-consistency-check-failed). {}", err.text);
            return Self::internal(text);
        }
        match InstanceLimit::of(&err.reason) {
            Some(limit) => Self::new(err.kind().into(), ingester_text(limit)),
            None => Self::new(err.kind().into(), err.text),
        }
    }
}

impl From<BodyError> for PromError {
    fn from(err: BodyError) -> Self {
        match err {
            BodyError::TooLarge { .. } => Self::new(ErrorType::TooLargeEntry, err.to_string()),
            _ => Self::bad_data(format!("error parsing form values: {}", runtime::Chain(&err))),
        }
    }
}

impl IntoResponse for PromError {
    fn into_response(self) -> Response {
        let mut body = br#"{"status":"error","errorType":""#.to_vec();
        body.extend_from_slice(self.error_type.word().as_bytes());
        body.extend_from_slice(br#"","error":"#);
        json::text(&mut body, &self.text);
        body.push(b'}');
        let status = StatusCode::from_u16(self.error_type.code()).expect("all codes of the table lie between 100 and 999");
        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}
