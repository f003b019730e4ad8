//! The push routes of remote write: headers, body, answer.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tenancy::Reservation;
use tracing::debug;

use super::check::Counts;
use super::error::PushError;
use super::intake::{Admission, Intake, Message, Written};
use super::snappy;
use crate::instruments::Rejected;

/// Bytes that are reserved for a body before any of it has come, at most.
const FIRST_RESERVE: usize = 1 << 20;

/// How many samples, histograms and exemplars of a request by remote write 2.0 are stored.
const WRITTEN: [HeaderName; 3] = [
    HeaderName::from_static("x-prometheus-remote-write-samples-written"),
    HeaderName::from_static("x-prometheus-remote-write-histograms-written"),
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written"),
];

/// Takes pushes by remote write.
#[derive(Debug)]
pub(crate) struct Receiver {
    intake: Arc<Intake>,
}

/// The versions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Receiver {
    pub(crate) fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }

    /// Answers one push; `success` is the status of one that was stored whole.
    pub(crate) async fn push(&self, request: Request, success: StatusCode) -> Response {
        let (parts, body) = request.into_parts();
        let (attempt, jitter) = (retry_attempt(&parts.headers), self.intake.deps.clock.now_ns().unsigned_abs() / 1000);
        let (version, taken) = match self.intake.admit(&parts) {
            Err(err) => (version(&parts.headers).unwrap_or(Version::One), Err(err)),
            Ok(admission) => match negotiate(&parts.headers) {
                Err(err) => (Version::One, Err(err)),
                Ok(version) => (version, self.receive(admission, version, &parts.headers, body).await),
            },
        };
        let (counts, refused) = match taken {
            Ok(Written { counts, refused, .. }) => (counts, refused),
            Err(err) => (Counts::default(), Some(err)),
        };
        let mut response = match refused {
            None => success.into_response(),
            Some(err) => {
                debug!(error = %runtime::Chain(&err), "push refused");
                if matches!(err, PushError::Busy(_)) {
                    self.intake.deps.instruments.reject(Rejected::Bytes);
                }
                err.response(attempt, jitter)
            }
        };
        if version == Version::Two {
            for (name, count) in WRITTEN.into_iter().zip([counts.samples, counts.histograms, counts.exemplars]) {
                response.headers_mut().insert(name, HeaderValue::from(count));
            }
        }
        response
    }

    async fn receive(&self, mut admission: Admission, version: Version, headers: &HeaderMap, body: Body) -> Result<Written, PushError> {
        let limit = self.intake.max_body();
        let block = read_body(headers, body, limit, &mut admission).await?;
        admission.reserve(snappy::declared_len(&block, limit)?)?;
        let decode = move |_: &mut Reservation| -> Result<Message, PushError> {
            let body = snappy::decompress(&block, limit)?;
            Ok(match version {
                Version::One => Message::One(body),
                Version::Two => Message::Two(body),
            })
        };
        self.intake.write(admission, decode).await
    }
}

/// The number of the attempt that a client says this is.
pub(crate) fn retry_attempt(headers: &HeaderMap) -> u32 {
    headers.get("retry-attempt").and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok()).unwrap_or(1)
}

fn text(headers: &HeaderMap, name: HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).unwrap_or_default()
}

/// Which version comes, and whether it comes in a form that is taken.
fn negotiate(headers: &HeaderMap) -> Result<Version, PushError> {
    let version = version(headers)?;
    let encoding = text(headers, header::CONTENT_ENCODING);
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("snappy") { Ok(version) } else { Err(PushError::Encoding { got: encoding }) }
}

/// The version by the content type; no header at all means 1.0.
fn version(headers: &HeaderMap) -> Result<Version, PushError> {
    let content_type = text(headers, header::CONTENT_TYPE);
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !media.is_empty() && !media.eq_ignore_ascii_case("application/x-protobuf") {
        return Err(PushError::MediaType { got: media.to_owned() });
    }
    for part in parts.filter(|part| !part.is_empty()) {
        let Some((key, value)) = part.split_once('=') else {
            return Err(PushError::Parameter { parameter: part.to_owned(), got: content_type.clone() });
        };
        if !key.trim().eq_ignore_ascii_case("proto") {
            continue;
        }
        return match value.trim().trim_matches('"') {
            "prometheus.WriteRequest" => Ok(Version::One),
            "io.prometheus.write.v2.Request" => Ok(Version::Two),
            _ => Err(PushError::Message { got: content_type.clone() }),
        };
    }
    Ok(Version::One)
}

/// Takes a body of at most `limit` bytes; a longer one, or one that has no room in memory, is refused as soon as that is known.
async fn read_body(headers: &HeaderMap, body: Body, limit: usize, admission: &mut Admission) -> Result<Bytes, PushError> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if let Some(size) = declared.filter(|size| *size > limit) {
        return Err(PushError::TooLarge { size, limit });
    }
    let memory = admission.memory();
    memory.grow(declared.unwrap_or_default() as u64)?;
    let mut stream = body.into_data_stream();
    let mut whole = Vec::with_capacity(declared.unwrap_or_default().min(FIRST_RESERVE));
    while let Some(part) = stream.next().await {
        let part = part.map_err(PushError::Body)?;
        let size = whole.len() + part.len();
        if size > limit {
            return Err(PushError::TooLarge { size, limit });
        }
        // Without a declared length, or beyond it.
        memory.grow((size as u64).saturating_sub(memory.bytes()))?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests;
