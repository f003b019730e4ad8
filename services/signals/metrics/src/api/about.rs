//! `/api/v1/metadata` and `/api/v1/query_exemplars`: what stands beside samples.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use signal::{SubQuery, TimeRange};

use super::Api;
use super::answer::{Value, ask};
use super::caller::Caller;
use super::error::PromError;
use super::guard::Guard;
use super::log::QueryLog;
use super::params::Params;
use super::times::{self, FARTHEST_MS};
use crate::NAME;
use crate::query::promql::parse;
use crate::query::subquery::Task;
use crate::wire::LeafQuery;

/// `GET /api/v1/metadata`.
pub(super) async fn metadata(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let mut log = QueryLog::begin(&api.deps, "metadata", &caller, params.get("metric"));
    let outcome = metadata_of(&api, &caller, &params, &mut log).await;
    log.answer(outcome)
}

async fn metadata_of(api: &Api, caller: &Caller, params: &Params, log: &mut QueryLog) -> Result<Vec<u8>, PromError> {
    let limit = count(params, "limit")?;
    let limit_per_metric = count(params, "limit_per_metric")?.unwrap_or(0);
    // Of no metric at all: so Prometheus has it, although elsewhere 0 is no limit.
    if limit == Some(0) {
        return Ok(super::answer::no_metadata().write("", 0, None));
    }
    let metric = Some(params.get("metric")).filter(|metric| !metric.is_empty()).map(str::to_owned);
    let query = LeafQuery::Metadata { metric, limit: limit.unwrap_or(0), limit_per_metric };
    let guard = Guard::of(&api.deps, caller);
    ask_list(api, caller, query, (guard.oldest_ms.max(-FARTHEST_MS), FARTHEST_MS), log).await
}

/// A number of things; less than 0 is no limit.
fn count(params: &Params, name: &str) -> Result<Option<u64>, PromError> {
    match params.get(name) {
        "" => Ok(None),
        text => {
            let number: i64 = text.parse().map_err(|_| PromError::bad_data(format!("{name} must be a number")))?;
            Ok(u64::try_from(number).ok())
        }
    }
}

/// `GET` and `POST /api/v1/query_exemplars`: exemplars of all series that the query's selectors select. A query without a selector has
/// no content, as in Mimir.
pub(super) async fn query_exemplars(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let mut log = QueryLog::begin(&api.deps, "query_exemplars", &caller, params.get("query"));
    let outcome = exemplars_of(&api, &caller, &params, &mut log).await;
    match outcome {
        Ok(None) => log.outcome(Ok(StatusCode::NO_CONTENT.into_response())),
        Ok(Some(body)) => log.answer(Ok(body)),
        Err(err) => log.answer(Err(err)),
    }
}

async fn exemplars_of(api: &Api, caller: &Caller, params: &Params, log: &mut QueryLog) -> Result<Option<Vec<u8>>, PromError> {
    let (start, end) = times::window(params)?;
    let text = params.get("query");
    let guard = Guard::of(&api.deps, caller);
    guard.check_size(text)?;
    let query = text.to_owned();
    let parsed = crate::query::run(&api.deps.compute, move || parse(&query)).await?;
    let expr = parsed.map_err(PromError::bad_data)?;
    let sets: Vec<_> = expr.selectors().into_iter().map(|selector| selector.matchers.clone()).collect();
    if sets.is_empty() {
        return Ok(None);
    }
    guard.check_blocked(text, Duration::from_millis(end.abs_diff(start)), None)?;
    let range = (start.max(guard.oldest_ms), end);
    if range.0 > range.1 {
        return Ok(Some(super::answer::no_list().write("", 0, None)));
    }
    ask_list(api, caller, LeafQuery::Exemplars { sets }, range, log).await.map(Some)
}

async fn ask_list(
    api: &Api,
    caller: &Caller,
    query: LeafQuery,
    (start, end): (i64, i64),
    log: &mut QueryLog,
) -> Result<Vec<u8>, PromError> {
    log.times(start, end, 0);
    log.parts(1);
    let timeout = api.deps.query.timeout.get();
    let part = SubQuery {
        tenants: caller.tenants.clone(),
        signal: NAME,
        payload: Task::List(query).encode(&caller.access),
        range: TimeRange::from_ms(start, end),
        timeout,
    };
    let written = ask(api, vec![part], 1, timeout, move |answer| {
        debug_assert!(matches!(answer.value, Value::Exemplars(_) | Value::Metadata(_)), "a list has an answer of its own");
        (answer.fetched, answer.write("", 0, None))
    });
    let (fetched, body) = written.await?;
    log.fetched(fetched);
    Ok(body)
}
