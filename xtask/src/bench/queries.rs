//! Queries of dashboards, asked of every server.

use std::time::{Duration, Instant};

use super::BenchError;
use super::data::Set;
use super::peers::Peer;
use crate::http::{Request, encode};

/// How often each query is asked.
const TIMES: usize = 7;

/// What is asked: the text, and whether over the whole time or at its end.
const QUERIES: [(&str, Kind); 22] = [
    ("sum(rate(http_requests_total[5m]))", Kind::Range),
    ("sum by (code) (rate(http_requests_total[5m]))", Kind::Range),
    ("sum by (pod) (rate(http_requests_total[5m]))", Kind::Range),
    ("sum by (route, code) (rate(http_requests_total[5m]))", Kind::Range),
    ("rate(http_requests_total{route=\"/api/v1/resource3\",code=\"200\"}[5m])", Kind::Range),
    ("sum(rate(http_requests_total{code=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))", Kind::Range),
    ("histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))", Kind::Range),
    ("histogram_quantile(0.9, sum by (le, route) (rate(http_request_duration_seconds_bucket[5m])))", Kind::Range),
    ("topk(10, sum by (pod) (rate(http_requests_total[5m])))", Kind::Range),
    ("avg by (cluster) (pool_utilisation_ratio)", Kind::Range),
    ("max_over_time(process_resident_memory_bytes[10m])", Kind::Range),
    ("sum by (cluster) (process_open_fds)", Kind::Range),
    ("count by (namespace) (up)", Kind::Range),
    ("quantile(0.95, pool_utilisation_ratio)", Kind::Range),
    ("sum(rate(http_request_duration_seconds_sum[5m])) / sum(rate(http_request_duration_seconds_count[5m]))", Kind::Range),
    ("up", Kind::Instant),
    ("sum by (pod) (rate(http_requests_total[5m]))", Kind::Instant),
    ("topk(5, process_resident_memory_bytes)", Kind::Instant),
    ("count({__name__=~\"process_.*\"})", Kind::Instant),
    ("sum(increase(http_requests_total[1h]))", Kind::Instant),
    ("pod", Kind::Values),
    ("__name__", Kind::Values),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Over the set's time, in steps of a minute.
    Range,
    /// At the set's end.
    Instant,
    /// Values of a label.
    Values,
}

/// How long a query took.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) text: String,
    pub(super) median: Duration,
    pub(super) p95: Duration,
    /// Series or values in the answer.
    pub(super) series: usize,
}

/// Asks everything.
pub(super) fn ask(peer: &Peer, set: &Set, end_ms: i64) -> Result<Vec<Timed>, BenchError> {
    let end = end_ms / 1000;
    let start = end - set.length_ms() / 1000;
    let each = QUERIES.iter().map(|(text, kind)| {
        let (name, path) = match kind {
            Kind::Range => {
                ((*text).to_owned(), format!("/api/v1/query_range?query={}&start={start}&end={end}&step=60{}", encode(text), peer.no_cache))
            }
            Kind::Instant => (format!("{text} at once"), format!("/api/v1/query?query={}&time={end}{}", encode(text), peer.no_cache)),
            Kind::Values => (format!("values of {text}"), format!("/api/v1/label/{text}/values?start={start}&end={end}")),
        };
        time(peer, name, &format!("{}{path}", peer.query_prefix))
    });
    let cardinality = std::iter::once_with(|| time(peer, "page of cardinalities".to_owned(), peer.cardinality));
    each.chain(cardinality).collect()
}

fn time(peer: &Peer, text: String, path: &str) -> Result<Timed, BenchError> {
    let mut times = Vec::with_capacity(TIMES);
    let mut series = 0;
    for _ in 0..TIMES {
        let begun = Instant::now();
        let request = Request {
            timeout: Duration::from_secs(120),
            headers: &[("Cache-Control", "no-store")],
            ..Request::new("GET", &peer.address, path)
        };
        let answer = request.send()?;
        times.push(begun.elapsed());
        if answer.status != 200 {
            return Err(BenchError::Peer {
                peer: peer.name,
                what: format!("{path} was answered with {}: {}", answer.status, answer.text()),
            });
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        series = body["data"]["result"].as_array().or_else(|| body["data"].as_array()).map_or(0, Vec::len);
    }
    times.sort_unstable();
    Ok(Timed { text, median: times[TIMES / 2], p95: times[TIMES - 1], series })
}
