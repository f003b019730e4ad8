//! Influx's line protocol: `/api/v1/push/influx/write`, for Telegraf and what else writes to InfluxDB 1 and 2.
//!
//! Every field that is a number or a truth becomes a series: measurement and field are its name (the field `value` says nothing more),
//! tags are its labels.

mod line;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use otlp::body::{self, Compression};
use tenancy::Reservation;
use tracing::debug;

use super::error::{Protocol, PushError};
use super::http::retry_attempt;
use super::intake::{Intake, Message};
use super::protobuf::{put_bytes, put_varint, varint_len};
use super::room::{Room, RoomError};
use crate::model::{METRIC_NAME, Sample};
use line::{FieldValue, Point, Precision};

/// The label that says where a series came from.
const SOURCE: (&str, &str) = ("__mimir_source__", "influx");

/// Bytes of the text about lines that could not be read.
const COMPLAINT_TEXT: usize = 1024;

/// Takes pushes of lines.
#[derive(Debug)]
pub(crate) struct InfluxReceiver {
    intake: Arc<Intake>,
}

impl InfluxReceiver {
    pub(crate) const fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }

    /// Answers one push: 204 when all of it is stored.
    pub(crate) async fn push(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        match self.receive(&parts, body).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(err) => {
                debug!(error = %runtime::Chain(&err), "push of lines refused");
                err.response(retry_attempt(&parts.headers), self.intake.jitter())
            }
        }
    }

    async fn receive(&self, parts: &Parts, body: Body) -> Result<(), PushError> {
        let mut admission = self.intake.admit(parts)?;
        let precision = precision(parts)?;
        let of_body = |err| PushError::of_body(err, Protocol::Influx);
        let compression = Compression::of(&parts.headers).map_err(of_body)?;
        let limit = self.intake.max_influx();
        let packed = body::read(&parts.headers, body, limit, admission.memory()).await.map_err(of_body)?;
        let now = self.intake.deps.clock.now_ns();
        let complaints = Arc::new(OnceLock::new());
        let found = Arc::clone(&complaints);
        let make = move |memory: &mut Reservation| {
            let text = compression.decompress(packed, limit, memory).map_err(of_body)?;
            let (body, complaint) = translate(&text, precision, now, memory)?;
            found.get_or_init(|| complaint);
            Ok(Message::One(body))
        };
        let written = self.intake.write(admission, make).await?;
        match (complaints.get().cloned().flatten(), written.refused) {
            (Some(complaint), _) => Err(PushError::Lines(complaint)),
            (None, Some(refused)) => Err(refused),
            (None, None) => Ok(()),
        }
    }
}

/// What the parameter `precision` says of timestamps: nanoseconds if there is none.
fn precision(parts: &Parts) -> Result<Precision, PushError> {
    let Query(parameters) = Query::<HashMap<String, String>>::try_from_uri(&parts.uri).unwrap_or_default();
    let given = parameters.get("precision").map(String::as_str).unwrap_or_default();
    Precision::parse(given).ok_or_else(|| PushError::Precision(given.to_owned()))
}

/// A series in the making: its labels as they are written, and its samples. Clients choose the keys: the hash must not be one that they know.
type Series = HashMap<Vec<u8>, Vec<Sample>>;

/// Lines into a `prometheus.WriteRequest`, and what is wrong with those that could not be read.
///
/// * `now`: the time of lines that tell none, ns since the Unix epoch.
fn translate(text: &[u8], precision: Precision, now: i64, memory: &mut Reservation) -> Result<(Vec<u8>, Option<String>), PushError> {
    let mut series = Series::default();
    let mut complaint = String::new();
    let mut room = Room::new(memory);
    for read in line::points(text, precision) {
        match read {
            Ok(point) => add(&point, now, &mut series, &mut room).map_err(|err| PushError::of_room(err, Protocol::Influx))?,
            Err(err) if complaint.len() < COMPLAINT_TEXT => {
                let separator = if complaint.is_empty() { "" } else { "\n" };
                complaint += &format!("{separator}{err}");
            }
            Err(_) => {}
        }
    }
    complaint.truncate(complaint.floor_char_boundary(COMPLAINT_TEXT));
    Ok((write(series), (!complaint.is_empty()).then_some(complaint)))
}

/// Bytes that a series takes beside its labels, which stand in two places before it is all written: roughly.
const SERIES: usize = 256;
/// Bytes that a sample takes, in memory and written: roughly.
const SAMPLE: usize = 48;

/// Adds a point: a sample for each of its fields that has a number.
fn add(point: &Point<'_>, now: i64, series: &mut Series, room: &mut Room<'_>) -> Result<(), RoomError> {
    let t = point.time.unwrap_or(now) / 1_000_000;
    let tags: Vec<(String, &str)> = point
        .tags
        .iter()
        .filter(|(key, _)| key != METRIC_NAME && key != SOURCE.0)
        .map(|(key, value)| (legal(key), value.as_ref()))
        .collect();
    for (field, value) in &point.fields {
        let v = match value {
            FieldValue::Number(number) => *number,
            FieldValue::Truth(truth) => f64::from(u8::from(*truth)),
            // Prometheus has no texts.
            FieldValue::Text => continue,
        };
        let name = if field == "value" { legal(&point.measurement) } else { legal(&format!("{}_{field}", point.measurement)) };
        let mut labels: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        labels.extend([(METRIC_NAME, name.as_str()), SOURCE]);
        labels.sort_by(|one, other| one.0.cmp(other.0));
        let mut key = Vec::with_capacity(128);
        for (name, value) in labels {
            put_label(&mut key, name, value);
        }
        // Labels count each time: many fields of one series take as long as many series.
        let new = if series.contains_key(&key) { 0 } else { SERIES + key.len() };
        room.take(SAMPLE + key.len() + new)?;
        series.entry(key).or_default().push(Sample { t, v });
    }
    Ok(())
}

fn write(series: Series) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = Vec::new();
    for (labels, mut samples) in series {
        message.clear();
        message.extend_from_slice(&labels);
        samples.sort_by_key(|sample| sample.t);
        for sample in samples {
            let t = sample.t.cast_unsigned();
            put_varint(&mut message, 2 << 3 | 2);
            put_varint(&mut message, (10 + varint_len(t)) as u64);
            message.push(1 << 3 | 1);
            message.extend_from_slice(&sample.v.to_bits().to_le_bytes());
            message.push(2 << 3);
            put_varint(&mut message, t);
        }
        put_bytes(&mut out, 1, &message);
    }
    out
}

fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    super::otlp::put_label(out, 1, name, value);
}

/// A name of letters, digits and underscores, which does not begin with a digit.
fn legal(name: &str) -> String {
    let made: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if made.starts_with(|c: char| c.is_ascii_digit()) { format!("_{made}") } else { made }
}

#[cfg(test)]
mod tests;
