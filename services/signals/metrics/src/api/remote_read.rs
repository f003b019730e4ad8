//! `POST /api/v1/read`: series as they are stored, for other systems that evaluate by themselves.
//!
//! A client says which forms of an answer it takes: all samples of a query in one message, or a stream of chunks as Prometheus encodes
//! them. Errors are plain text, as Prometheus has them here.

mod bits;
mod chunks;
mod histograms;
mod request;
mod write;
mod xor;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use runtime::config::ByteSize;
use signal::{SubQuery, TimeRange};

use self::request::{Query, ReadRequest, ResponseType};
use super::Api;
use super::answer::{Value, ask};
use super::caller::Caller;
use super::error::PromError;
use super::guard::Guard;
use super::log::QueryLog;
use crate::NAME;
use crate::ingest::snappy;
use crate::query::engine::RangeSeries;
use crate::query::subquery::{Read, Task};

/// The most bytes of a request, compressed.
const MAX_BODY: ByteSize = ByteSize(10 << 20);
/// The same, decompressed.
const MAX_REQUEST: usize = 32 << 20;
/// The content type of a stream of chunks.
const STREAMED: &str = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";

/// `POST /api/v1/read`.
pub(super) async fn read(State(api): State<Api>, caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match answer(&api, &caller, &parts.headers, body).await {
        Ok(response) => response,
        Err(err) => {
            let status = StatusCode::from_u16(err.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, format!("{err}\n")).into_response()
        }
    }
}

async fn answer(api: &Api, caller: &Caller, headers: &HeaderMap, body: Body) -> Result<Response, PromError> {
    let body = runtime::http::read_body(headers, body, MAX_BODY).await.map_err(PromError::from)?;
    let request = crate::query::run(&api.deps.compute, move || decode(&body)).await??;
    let form = request.form().map_err(PromError::bad_data)?;
    let mut results = Vec::with_capacity(request.queries.len());
    for query in request.queries {
        let mut log = QueryLog::begin(&api.deps, "remote_read", caller, &query.text());
        let outcome = run(api, caller, &query, &mut log).await;
        results.push(log.outcome(outcome)?);
    }
    Ok(match form {
        ResponseType::Samples => {
            let written = crate::query::run(&api.deps.compute, move || write::samples(&results)).await??;
            ([(CONTENT_TYPE, "application/x-protobuf"), (CONTENT_ENCODING, "snappy")], written).into_response()
        }
        ResponseType::StreamedChunks => ([(CONTENT_TYPE, STREAMED)], Body::from_stream(stream::iter(frames(results)))).into_response(),
    })
}

/// The frames of a stream, each made when the one before has gone.
fn frames(results: Vec<Vec<RangeSeries>>) -> impl Iterator<Item = Result<Bytes, std::convert::Infallible>> {
    results.into_iter().enumerate().flat_map(|(query, series)| write::Stream::new(query, series)).map(Ok)
}

fn decode(body: &[u8]) -> Result<ReadRequest, PromError> {
    let raw = snappy::decompress(body, MAX_REQUEST).map_err(PromError::bad_data)?;
    request::decode(&raw).map_err(PromError::bad_data)
}

/// The series of one query, sorted by labels.
async fn run(api: &Api, caller: &Caller, query: &Query, log: &mut QueryLog) -> Result<Vec<RangeSeries>, PromError> {
    let guard = Guard::of(&api.deps, caller);
    log.times(query.start_ms, query.end_ms, 0);
    guard.check_blocked(&query.text(), Duration::from_millis(query.end_ms.saturating_sub(query.start_ms).max(0).unsigned_abs()), None)?;
    guard.check_length(query.start_ms, query.end_ms)?;
    let start_ms = query.start_ms.max(guard.oldest_ms);
    if start_ms > query.end_ms {
        return Ok(Vec::new());
    }
    log.parts(1);
    let timeout = api.deps.query.timeout.get();
    let part = SubQuery {
        tenants: caller.tenants.clone(),
        signal: NAME,
        payload: Task::Read(Read { matchers: query.matchers.clone(), start_ms, end_ms: query.end_ms }).encode(&caller.access),
        range: TimeRange::from_ms(start_ms, query.end_ms),
        timeout,
    };
    let answer = ask(api, vec![part], 1, timeout, |answer| answer).await?;
    log.fetched(answer.fetched);
    match answer.value {
        Value::Matrix(series) => Ok(series),
        _ => Err(PromError::internal("a querier read something else than series")),
    }
}

#[cfg(test)]
mod tests;
