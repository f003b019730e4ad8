//! What a Prometheus and a Grafana do: remote write, and queries.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use prost::Message;
use proto::prometheus as pb;
use serde_json::Value;

/// The tenant of all tests that need one.
pub(crate) const TENANT: &str = "tenant";

/// An answer: status and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Samples by series: time in ms, and value as the API prints it.
pub(crate) type Rows = BTreeMap<String, Vec<(i64, String)>>;

/// A client over HTTP/1.1.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Whose rows it writes and asks for.
    tenant: String,
}

impl Client {
    pub(crate) fn new() -> Self {
        runtime::tls::install_provider();
        // No connection is kept: one to a process that has gone would fail a test for a reason of its own.
        let client = reqwest::Client::builder().http1_only().pool_max_idle_per_host(0).timeout(Duration::from_secs(30)).build();
        Self { http: client.expect("a plain client can be built"), tenant: TENANT.to_owned() }
    }

    /// A client of another tenant.
    pub(crate) fn of(&self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..self.clone() }
    }

    /// Sends a body as it is.
    pub(crate) async fn post(&self, at: SocketAddr, path: &str, tenant: Option<&str>, body: Vec<u8>) -> Answer {
        let request = self.http.post(format!("http://{at}{path}")).header("content-type", "application/x-protobuf");
        let request = tenant.into_iter().fold(request, |request, tenant| request.header("x-scope-orgid", tenant));
        answer(request.header("content-encoding", "snappy").body(body)).await
    }

    /// Sends a body of another type, uncompressed.
    pub(crate) async fn send(&self, at: SocketAddr, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request =
            self.http.post(format!("http://{at}{path}")).header("content-type", content_type).header("x-scope-orgid", &self.tenant);
        answer(request.body(body)).await
    }

    pub(crate) async fn get(&self, at: SocketAddr, path: &str, tenant: Option<&str>) -> Answer {
        let request = self.http.get(format!("http://{at}{path}"));
        answer(tenant.into_iter().fold(request, |request, tenant| request.header("x-scope-orgid", tenant))).await
    }

    /// A page as JSON.
    pub(crate) async fn page(&self, at: SocketAddr, path: &str) -> Value {
        let answer = answer(self.http.get(format!("http://{at}{path}")).header("accept", "application/json")).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).expect("a page is JSON")
    }

    /// Remote write of series with their samples.
    pub(crate) async fn push(&self, at: SocketAddr, series: Vec<pb::TimeSeries>) -> Answer {
        self.post(at, "/api/v1/push", Some(&self.tenant), compressed(series)).await
    }

    /// An instant query at `time_ms`.
    pub(crate) async fn query(&self, at: SocketAddr, expression: &str, time_ms: i64) -> Answer {
        let seconds = format!("{}.{:03}", time_ms / 1000, time_ms % 1000);
        let path = format!("/prometheus/api/v1/query?time={seconds}&query={}", escaped(expression));
        self.get(at, &path, Some(&self.tenant)).await
    }

    /// An instant query of a process that may have gone.
    pub(crate) async fn try_query(&self, at: SocketAddr, expression: &str, time_ms: i64) -> Option<Answer> {
        let path = format!("/prometheus/api/v1/query?time={}&query={}", time_ms / 1000, escaped(expression));
        match self.http.get(format!("http://{at}{path}")).header("x-scope-orgid", &self.tenant).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                Some(Answer { status, body: response.text().await.expect("the answer is whole") })
            }
            Err(_) => None,
        }
    }

    /// The raw samples of a range selector, or the answer that was none.
    pub(crate) async fn rows(&self, at: SocketAddr, selector: &str, time_ms: i64) -> Result<Rows, Answer> {
        let answer = self.query(at, selector, time_ms).await;
        if answer.status == 200 { Ok(rows(&answer.body)) } else { Err(answer) }
    }

    /// Waits until a process is ready.
    pub(crate) async fn ready(&self, at: SocketAddr) {
        let mut last = String::new();
        let ready = async {
            loop {
                let answer = self.get(at, "/ready", None).await;
                if answer.status == 200 {
                    return true;
                }
                last = answer.body;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let became = tokio::time::timeout(Duration::from_secs(20), ready).await;
        assert!(became.is_ok(), "not ready: {last}");
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("every request is answered");
    let status = response.status().as_u16();
    Answer { status, body: response.text().await.expect("the answer is whole") }
}

fn rows(body: &str) -> Rows {
    let answer: Value = serde_json::from_str(body).expect("an answer is JSON");
    let mut rows = Rows::new();
    for series in answer["data"]["result"].as_array().expect("a matrix") {
        let name = series["metric"].to_string();
        let values = series["values"].as_array().expect("raw samples");
        let sample = |pair: &Value| (milliseconds(&pair[0]), pair[1].as_str().expect("a value").to_owned());
        rows.entry(name).or_default().extend(values.iter().map(sample));
    }
    rows
}

/// A time as the API prints it, `1.5`, in ms.
fn milliseconds(seconds: &Value) -> i64 {
    let text = seconds.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{part:0<3}").parse().expect("a time")
}

/// A remote write request as it goes over the wire.
pub(crate) fn compressed(timeseries: Vec<pb::TimeSeries>) -> Vec<u8> {
    let write = pb::WriteRequest { timeseries, metadata: Vec::new() };
    snap::raw::Encoder::new().compress_vec(&write.encode_to_vec()).expect("small input")
}

/// One series with samples.
pub(crate) fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> pb::TimeSeries {
    let label = |(name, value): &(&str, &str)| pb::Label { name: (*name).to_owned(), value: (*value).to_owned() };
    pb::TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: samples.iter().map(|&(timestamp, value)| pb::Sample { value, timestamp }).collect(),
        exemplars: Vec::new(),
    }
}

/// What was written and acknowledged, to compare answers with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth(pub(crate) Rows);

impl Truth {
    /// Writes `samples` to each of `count` series of the metric `m`, and remembers them once they are acknowledged.
    pub(crate) async fn write(&mut self, client: &Client, at: SocketAddr, count: usize, times_ms: &[i64]) {
        let names: Vec<String> = (0..count).map(|number| format!("{number:03}")).collect();
        let samples: Vec<(i64, f64)> = times_ms.iter().map(|&time| (time, value_of(time))).collect();
        let batch = names.iter().map(|name| series(&[("__name__", "m"), ("i", name)], &samples)).collect();
        let answer = client.push(at, batch).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for name in names {
            let rows = self.0.entry(format!("{{\"__name__\":\"m\",\"i\":\"{name}\"}}")).or_default();
            rows.extend(samples.iter().map(|&(time, value)| (time, value.to_string())));
        }
    }

    /// Panics unless a query for all of it answers exactly what was written.
    pub(crate) async fn check(&self, client: &Client, at: SocketAddr, time_ms: i64, when: &str) {
        match client.rows(at, "m[2h]", time_ms).await {
            Ok(rows) => self.compare(&rows, when),
            Err(answer) => panic!("{when}: {answer:?}"),
        }
    }

    pub(crate) fn compare(&self, rows: &Rows, when: &str) {
        assert_eq!(rows.keys().collect::<Vec<_>>(), self.0.keys().collect::<Vec<_>>(), "{when}: the series");
        for (series, samples) in &self.0 {
            assert_eq!(&rows[series], samples, "{when}: the samples of {series}");
        }
    }
}

fn value_of(time_ms: i64) -> f64 {
    (time_ms % 100_000) as f64
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
