//! Exemplars: ids of trace and span, and the attributes that were left out of the series.

use proto::opentelemetry::proto::metrics::v1::Exemplar;
use proto::opentelemetry::proto::metrics::v1::exemplar::Value;

use super::labels::put_label;
use super::points::{millis, whole};
use super::values;
use crate::ingest::protobuf::put_varint;

/// Most characters of an exemplar's labels, names and values together: with more of them the attributes are left out.
const CHARACTERS: usize = 128;

/// The exemplar's value.
pub(crate) fn value(exemplar: &Exemplar) -> f64 {
    match exemplar.value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => whole(value),
        None => 0.0,
    }
}

/// The exemplar as a `prometheus.Exemplar` message.
pub(crate) fn message(exemplar: &Exemplar) -> Vec<u8> {
    let mut labels: Vec<(&str, std::borrow::Cow<'_, str>)> = Vec::with_capacity(2 + exemplar.filtered_attributes.len());
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        // An id of zeros is none.
        if id.iter().any(|byte| *byte != 0) {
            labels.push((name, hex(id).into()));
        }
    }
    let ids = labels.len();
    labels.extend(exemplar.filtered_attributes.iter().map(|one| (one.key.as_str(), values::text(one.value.as_ref()))));
    let characters: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if characters > CHARACTERS {
        labels.truncate(ids);
    }
    labels.sort_by_key(|(name, _)| *name);
    labels.dedup_by_key(|(name, _)| *name);
    let mut out = Vec::new();
    for (name, value) in &labels {
        put_label(&mut out, 1, name, value);
    }
    out.push(2 << 3 | 1);
    out.extend_from_slice(&value(exemplar).to_bits().to_le_bytes());
    out.push(3 << 3);
    put_varint(&mut out, millis(exemplar.time_unix_nano).cast_unsigned());
    out
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
