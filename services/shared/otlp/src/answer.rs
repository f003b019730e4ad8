//! Answers: the message of success, or a status, in what the request was written in.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use prost::Message;
use proto::google::rpc::{Any, Duration, RetryInfo, Status};
use serde::Serialize;
use tonic::Code;

use crate::body::{BodyError, Encoding};

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of HTTP. One of 500 to 599 that clients would not come again for is sent as 503.
    pub status: StatusCode,
    /// What the client is told.
    pub text: String,
    /// Seconds until the client should come again.
    pub retry_after: Option<u64>,
}

/// 200 with a message of success; `json` is its other form.
#[must_use]
pub fn success(encoding: Encoding, message: &impl Message, json: &impl Serialize) -> Response {
    respond(StatusCode::OK, encoding, message, json)
}

impl Refusal {
    /// A refusal that no client should repeat.
    #[must_use]
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    /// The status that is sent: clients of OTLP come again after 429, 502, 503 and 504 alone, and a failure of the server should not cost them their data.
    #[must_use]
    pub fn sent_status(&self) -> StatusCode {
        match self.status {
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => self.status,
            status if status.is_server_error() => StatusCode::SERVICE_UNAVAILABLE,
            status => status,
        }
    }

    /// The same as a code of gRPC.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.status.as_u16() {
            // Taken, and thrown away: another replica's samples are stored.
            202 => Code::AlreadyExists,
            401 => Code::Unauthenticated,
            429 => Code::ResourceExhausted,
            499 => Code::Cancelled,
            501 => Code::Unimplemented,
            502..=504 => Code::Unavailable,
            400..=499 => Code::InvalidArgument,
            _ => Code::Internal,
        }
    }

    /// The answer over HTTP, in what the request was written in; a text where that is unknown.
    #[must_use]
    pub fn response(&self, encoding: Option<Encoding>) -> Response {
        #[derive(Serialize)]
        struct Json<'a> {
            code: i32,
            message: &'a str,
        }
        let code = self.code() as i32;
        let message = Status { code, message: self.text.clone(), details: Vec::new() };
        let mut response = match encoding {
            Some(encoding) => respond(self.sent_status(), encoding, &message, &Json { code, message: &self.text }),
            None => with_headers(self.sent_status(), "text/plain; charset=utf-8", format!("{}\n", self.text).into()),
        };
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// The answer over gRPC. What a client may send again is `Unavailable` or, where its rate is limited, `ResourceExhausted`.
    #[must_use]
    pub fn grpc(&self) -> tonic::Status {
        let code = if self.sent_status().is_server_error() { Code::Unavailable } else { self.code() };
        let Some(seconds) = self.retry_after else { return tonic::Status::new(code, self.text.clone()) };
        // Without this a client must not come again after `ResourceExhausted` (OTLP 1, "Failures").
        let delay = Duration { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 };
        let info = RetryInfo { retry_delay: Some(delay) };
        let details = vec![Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec().into() }];
        let status = Status { code: code as i32, message: self.text.clone(), details };
        tonic::Status::with_details(code, self.text.clone(), status.encode_to_vec().into())
    }
}

impl BodyError {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MediaType(_) | Self::Compression(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) | Self::Corrupt(_) | Self::Lz4(_) | Self::Json(_) | Self::Protobuf(_) => StatusCode::BAD_REQUEST,
        }
    }
}

fn respond(status: StatusCode, encoding: Encoding, message: &impl Message, json: &impl Serialize) -> Response {
    let body = match encoding {
        Encoding::Protobuf => message.encode_to_vec(),
        Encoding::Json => serde_json::to_vec(json).expect("texts and numbers are always JSON"),
    };
    with_headers(status, encoding.media_type(), body.into())
}

fn with_headers(status: StatusCode, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
