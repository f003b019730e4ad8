//! `POST /api/v1/read`: series as they are stored, for other systems that evaluate by themselves.
//!
//! A client says which forms of an answer it takes: all samples of a query in one message, or a stream of chunks as Prometheus encodes
//! them. Errors are plain text, as Prometheus has them here.

mod bits;
mod chunks;
mod histograms;
mod request;
mod stream;
mod write;
mod xor;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use runtime::config::ByteSize;
use signal::{SubQuery, TimeRange};

use self::request::{Query, ReadRequest, ResponseType};
use self::stream::{Answering, Question};
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
    let mut questions = Vec::with_capacity(request.queries.len());
    for (number, query) in request.queries.iter().enumerate() {
        let mut log = QueryLog::begin(&api.deps, "remote_read", caller, &query.text());
        let part = part(api, caller, query, &mut log);
        questions.push(Question { number, part: log.outcome(part)?, log });
    }
    match form {
        ResponseType::Samples => samples(api, questions).await,
        ResponseType::StreamedChunks => {
            let mut answering = Answering::new(api, questions);
            // Before the answer begins an error still has a status.
            let first = answering.next().await?;
            let frames = futures::stream::iter(first.map(Ok)).chain(answering.frames());
            Ok(([(CONTENT_TYPE, STREAMED)], Body::from_stream(frames)).into_response())
        }
    }
}

/// All samples in one message.
async fn samples(api: &Api, questions: Vec<Question>) -> Result<Response, PromError> {
    let limit = api.deps.query.remote_read_sample_limit;
    let (mut results, mut count) = (Vec::with_capacity(questions.len()), 0u64);
    for Question { part, mut log, .. } in questions {
        let series = match part {
            Some(part) => read_whole(api, part, &mut log).await,
            None => Ok(Vec::new()),
        };
        let series = series.and_then(|series| {
            count += series.iter().map(|one| one.samples.len() as u64 + one.histograms.len() as u64).sum::<u64>();
            let fits = limit == 0 || count <= limit;
            if fits { Ok(series) } else { Err(PromError::bad_data(format!("exceeded sample limit ({limit})"))) }
        });
        results.push(log.outcome(series)?);
    }
    let written = crate::query::run(&api.deps.compute, move || write::samples(&results)).await??;
    Ok(([(CONTENT_TYPE, "application/x-protobuf"), (CONTENT_ENCODING, "snappy")], written).into_response())
}

fn decode(body: &[u8]) -> Result<ReadRequest, PromError> {
    let raw = snappy::decompress(body, MAX_REQUEST).map_err(PromError::bad_data)?;
    request::decode(&raw).map_err(PromError::bad_data)
}

/// What queriers are asked for a query; none where all of it is older than may be read.
fn part(api: &Api, caller: &Caller, query: &Query, log: &mut QueryLog) -> Result<Option<SubQuery>, PromError> {
    let guard = Guard::of(&api.deps, caller);
    log.times(query.start_ms, query.end_ms, 0);
    guard.check_blocked(&query.text(), Duration::from_millis(query.end_ms.saturating_sub(query.start_ms).max(0).unsigned_abs()), None)?;
    guard.check_length(query.start_ms, query.end_ms)?;
    let start_ms = query.start_ms.max(guard.oldest_ms);
    if start_ms > query.end_ms {
        return Ok(None);
    }
    log.parts(1);
    Ok(Some(SubQuery {
        tenants: caller.tenants.clone(),
        signal: NAME,
        payload: Task::Read(Read { matchers: query.matchers.clone(), start_ms, end_ms: query.end_ms }).encode(&caller.access),
        range: TimeRange::from_ms(start_ms, query.end_ms),
        timeout: api.deps.query.timeout.get(),
    }))
}

/// The series of one query, sorted by labels.
async fn read_whole(api: &Api, part: SubQuery, log: &mut QueryLog) -> Result<Vec<RangeSeries>, PromError> {
    let timeout = part.timeout;
    let answer = ask(api, vec![part], 1, timeout, |answer| answer).await?;
    log.fetched(answer.fetched);
    match answer.value {
        Value::Matrix(series) => Ok(series),
        _ => Err(PromError::internal("a querier read something else than series")),
    }
}

#[cfg(test)]
mod tests;
