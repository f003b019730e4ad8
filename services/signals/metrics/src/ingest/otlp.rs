//! OTLP: metrics of OpenTelemetry, over HTTP and gRPC, translated into remote write.
//!
//! A request is decoded, translated on the compute pool, and goes through [`super::intake`] like every other. What cannot be
//! translated is left out and told with 400; what ingesters refuse is told with success, as a partial one.

mod exemplars;
mod exponential;
mod grpc;
mod histogram;
mod http;
mod labels;
mod names;
mod native;
mod points;
mod series;
mod settings;
mod target;
mod translate;
mod values;

use std::sync::{Arc, OnceLock};

use ::otlp::Refusal;
use axum::http::StatusCode;
use proto::opentelemetry::proto::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use tenancy::Reservation;
use tracing::debug;

use super::check::{Checked, Checker, Rules};
use super::error::{DecodeError, Protocol, PushError};
use super::intake::{Admission, Intake, Message};
use super::protobuf::Message as Fields;
use super::request;
use super::series::RawSeries;
pub(crate) use grpc::GrpcReceiver;
pub(crate) use http::HttpReceiver;
pub(crate) use labels::put_label;
pub(crate) use series::Starts;
use settings::Translation;
pub use settings::TranslationStrategy;
use translate::{PointError, translate};

/// Bytes of the text about what could not be translated.
const COMPLAINT_TEXT: usize = 1024;

/// Why a request is not answered with success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OtlpError {
    /// As with every push.
    #[error(transparent)]
    Push(#[from] PushError),
    /// A part of it could not be translated; the rest is stored.
    #[error("otlp parse error: {0}")]
    Translation(String),
}

/// What was left out of a request.
#[derive(Debug, Default)]
struct LeftOut {
    count: u64,
    why: Vec<PointError>,
}

impl OtlpError {
    /// For the client; `attempt` and `jitter` as in [`PushError::response`].
    fn refusal(&self, attempt: u32, jitter: u64) -> Refusal {
        debug!(error = %runtime::Chain(self), "push by OTLP refused");
        match self {
            Self::Push(err) => Refusal { status: err.status(), text: err.to_string(), retry_after: err.retry_after(attempt, jitter) },
            Self::Translation(_) => Refusal::new(StatusCode::BAD_REQUEST, self.to_string()),
        }
    }
}

impl LeftOut {
    /// The complaints in one text of bounded length.
    fn text(&self) -> String {
        let mut text = self.why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        text.truncate(text.floor_char_boundary(COMPLAINT_TEXT));
        text
    }
}

/// Decodes, translates and writes a request. What ingesters refused stands in the answer.
async fn receive<D>(intake: &Intake, admission: Admission, decode: D) -> Result<ExportMetricsServiceResponse, OtlpError>
where
    D: FnOnce(&mut Reservation) -> Result<ExportMetricsServiceRequest, PushError> + Send + 'static,
{
    let (tenant, how) = (admission.tenant.clone(), Translation::of(&admission.limits));
    let left_out = Arc::new(OnceLock::new());
    let found = Arc::clone(&left_out);
    let make = move |memory: &mut Reservation| {
        let request = decode(memory)?;
        let translated = translate(&request, &how, memory).map_err(|err| PushError::of_room(err, Protocol::Otlp))?;
        found.get_or_init(|| LeftOut { count: translated.dropped, why: translated.complaints });
        Ok(Message::Otlp(translated.body, translated.starts))
    };
    let written = intake.write(admission, make).await;
    let left_out = left_out.get().filter(|left_out| left_out.count > 0);
    if let Some(left_out) = left_out {
        intake.deps.instruments.discard_samples(&tenant, "otlp_parse_error", left_out.count);
    }
    let written = written?;
    match (left_out, written.refused) {
        (_, Some(refused)) if !written.soft => Err(refused.into()),
        (Some(left_out), _) => Err(OtlpError::Translation(left_out.text())),
        (None, Some(refused)) => {
            let partial = ExportMetricsPartialSuccess { rejected_data_points: 0, error_message: refused.to_string() };
            Ok(ExportMetricsServiceResponse { partial_success: Some(partial) })
        }
        (None, None) => Ok(ExportMetricsServiceResponse::default()),
    }
}

/// Checks a translated request. Errors: there is no room for what has to be written anew.
pub(crate) fn check(body: Vec<u8>, starts: &Starts, rules: Rules<'_>, memory: &mut Reservation) -> Result<Checked, DecodeError> {
    if starts.is_empty() {
        return request::check(body, rules, memory);
    }
    let mut checker = Checker::new(rules, body.len(), memory);
    let mut series = RawSeries::default();
    let mut message = Fields::whole(&body);
    let mut number = 0;
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let place = field.value.bytes("Timeseries")?;
                series.read(&body, place.clone())?;
                match starts.get(&number) {
                    Some(start) => checker.series_with_start(&mut series, start)?,
                    None => checker.series(&mut series, Some(place))?,
                }
                number += 1;
            }
            3 => checker.metadata(super::metadata::RawMetadata::read(&body, field.value.bytes("Metadata")?)?)?,
            _ => {}
        }
    }
    drop(series);
    Ok(checker.finish(body))
}

#[cfg(test)]
mod tests;
