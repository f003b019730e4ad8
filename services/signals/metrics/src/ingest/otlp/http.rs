//! `/otlp/v1/metrics` on the main port, `/v1/metrics` on OTLP's own.

use std::sync::Arc;

use ::otlp::{Encoding, Format, answer, body};
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use proto::json::COLLECTOR_METRICS_EXPORT_METRICS_SERVICE_REQUEST as TABLE;
use proto::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceResponse;
use serde_json::json;
use tenancy::Reservation;

use super::{OtlpError, receive};
use crate::ingest::error::{Protocol, PushError};
use crate::ingest::http::retry_attempt;
use crate::ingest::intake::Intake;

/// Takes pushes by OTLP over HTTP.
#[derive(Debug)]
pub(crate) struct HttpReceiver {
    intake: Arc<Intake>,
}

impl HttpReceiver {
    pub(crate) const fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }

    /// Answers one push, in what it was written in.
    pub(crate) async fn push(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let (encoding, attempt) = (Encoding::of(&parts.headers), retry_attempt(&parts.headers));
        match self.receive(&parts, body).await {
            Ok(done) => success(encoding.unwrap_or(Encoding::Protobuf), &done),
            Err(err) => err.refusal(attempt, self.intake.jitter()).response(encoding.ok()),
        }
    }

    async fn receive(&self, parts: &Parts, body: Body) -> Result<ExportMetricsServiceResponse, OtlpError> {
        let mut admission = self.intake.admit(parts)?;
        let limit = self.intake.max_otlp();
        let of_body = |err| PushError::of_body(err, Protocol::Otlp);
        let format = Format::of(&parts.headers).map_err(of_body)?;
        let packed = read(&parts.headers, body, limit, admission.memory()).await?;
        let decode = move |memory: &mut Reservation| format.decode(packed, limit, memory, &TABLE).map_err(of_body);
        receive(&self.intake, admission, decode).await
    }
}

async fn read(headers: &HeaderMap, body: Body, limit: usize, memory: &mut Reservation) -> Result<bytes::Bytes, PushError> {
    body::read(headers, body, limit, memory).await.map_err(|err| PushError::of_body(err, Protocol::Otlp))
}

fn success(encoding: Encoding, done: &ExportMetricsServiceResponse) -> Response {
    let json = match &done.partial_success {
        Some(partial) => json!({ "partialSuccess": { "errorMessage": partial.error_message } }),
        None => json!({}),
    };
    answer::success(encoding, done, &json)
}
