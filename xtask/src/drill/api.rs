//! Prometheus's query API as a client sees it, spoken by Prometheus and by Quartet.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{HttpError, Request, encode};

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{of}: {what}")]
    Http { of: &'static str, what: String, source: HttpError },
    #[error("{of} answered {status} to {what}: {text}")]
    Status { of: &'static str, what: String, status: u16, text: String },
    #[error("{of} answered {what} with something else: {text}")]
    Form { of: &'static str, what: String, text: String },
}

impl ApiError {
    /// The status, where there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// A server of the API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Its name in errors.
    pub(crate) of: &'static str,
    /// `host:port`.
    pub(crate) address: String,
    /// What stands before `/api/v1`.
    pub(crate) prefix: &'static str,
    /// Whose data.
    pub(crate) tenant: &'static str,
}

/// A sample: milliseconds since the epoch, and the value's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: i64,
    pub(crate) bits: u64,
}

impl Sample {
    /// The value.
    pub(crate) fn value(self) -> f64 {
        f64::from_bits(self.bits)
    }
}

/// Samples by series; a series is its labels as PromQL writes them, in order.
pub(crate) type Matrix = BTreeMap<String, Vec<Sample>>;

#[derive(Deserialize)]
struct Body<T> {
    data: T,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Api {
    /// The answer at one time.
    pub(crate) fn instant(&self, expr: &str, at: i64) -> Result<Matrix, ApiError> {
        self.matrix("query", expr, &format!("query={}&time={}", encode(expr), seconds(at)))
    }

    /// The answer over a range, both ends included.
    pub(crate) fn range(&self, expr: &str, start: i64, end: i64, step: i64) -> Result<Matrix, ApiError> {
        let (start, end, step) = (seconds(start), seconds(end), seconds(step));
        self.matrix("query_range", expr, &format!("query={}&start={start}&end={end}&step={step}", encode(expr)))
    }

    /// The names of metrics in a range.
    pub(crate) fn names(&self, start: i64, end: i64) -> Result<Vec<String>, ApiError> {
        let path = format!("label/__name__/values?start={}&end={}", seconds(start), seconds(end));
        self.call::<Body<Vec<String>>>("GET", &path, "names of metrics", "").map(|body| body.data)
    }

    fn matrix(&self, path: &str, expr: &str, form: &str) -> Result<Matrix, ApiError> {
        let body: Body<Data> = self.call("POST", path, expr, form)?;
        let mut matrix = Matrix::new();
        for Series { metric, value, values } in body.data.result {
            let samples = value.into_iter().chain(values).map(|(at, value)| sample(at, &value)).collect::<Option<Vec<_>>>();
            let samples = samples.ok_or_else(|| self.form(expr, "a value that is no number"))?;
            if matrix.insert(labels(&metric), samples).is_some() {
                return Err(self.form(expr, &format!("{} twice", labels(&metric))));
            }
        }
        Ok(matrix)
    }

    fn call<T: DeserializeOwned>(&self, method: &str, path: &str, what: &str, form: &str) -> Result<T, ApiError> {
        let path = format!("{}/api/v1/{path}", self.prefix);
        let headers = [("X-Scope-OrgID", self.tenant), ("Content-Type", "application/x-www-form-urlencoded")];
        let request = Request {
            headers: &headers,
            body: form.as_bytes(),
            timeout: Duration::from_secs(60),
            ..Request::new(method, &self.address, &path)
        };
        let answer = request.send().map_err(|source| ApiError::Http { of: self.of, what: short(what), source })?;
        if answer.status != 200 {
            return Err(ApiError::Status { of: self.of, what: short(what), status: answer.status, text: short(&answer.text()) });
        }
        serde_json::from_slice(&answer.body).map_err(|err| self.form(what, &err.to_string()))
    }

    fn form(&self, what: &str, text: &str) -> ApiError {
        ApiError::Form { of: self.of, what: short(what), text: text.to_owned() }
    }
}

fn sample(at: f64, value: &str) -> Option<Sample> {
    // Answers carry milliseconds: 53 bits hold them until long after.
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds is far below 2^53")]
    let at = (at * 1000.0).round() as i64;
    Some(Sample { at, bits: value.parse::<f64>().ok()?.to_bits() })
}

/// Milliseconds as the API's seconds.
pub(crate) fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

fn labels(metric: &BTreeMap<String, String>) -> String {
    let mut text = metric.get("__name__").cloned().unwrap_or_default();
    text.push('{');
    for (at, (name, value)) in metric.iter().filter(|(name, _)| *name != "__name__").enumerate() {
        write!(text, "{}{name}={value:?}", if at == 0 { "" } else { "," }).expect("a text takes everything");
    }
    text.push('}');
    text
}

fn short(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
