//! Mimir's cardinality API: how many values labels have, how many series values have, which series are active.
//!
//! It speaks of the series that ingesters hold in memory, replicas counted once. Errors are plain text, as Mimir has them here.

use std::cmp::Reverse;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use signal::{SubQuery, TimeRange};
use syntax::LabelMatcher;

use super::answer::{Value, ask, success};
use super::caller::Caller;
use super::error::PromError;
use super::guard::Guard;
use super::log::QueryLog;
use super::params::Params;
use super::{Api, json as writer};
use crate::NAME;
use crate::query::partial::Count;
use crate::query::promql::parse_selector;
use crate::query::subquery::Task;
use crate::wire::{CardinalityQuery, Counted, LeafQuery};

/// How long after its last sample a series is active, ms, as in Mimir.
const ACTIVE_MS: i64 = 20 * 60 * 1000;
/// Items of a list where the request names no limit.
const DEFAULT_LIMIT: usize = 20;

/// `GET` and `POST /api/v1/cardinality/label_names`.
pub(super) async fn label_names(State(api): State<Api>, caller: Caller, params: Params) -> Response {
    answer(&api, &caller, "cardinality_label_names", |guard| {
        check_enabled(guard, &caller)?;
        let limit = limit(&params, guard.limits.cardinality_analysis_max_results)?;
        let query = CardinalityQuery { sets: selector(&params, false)?, since: since(&api, &params)?, what: Counted::Values };
        Ok((query, move |counts: Value| names_json(counts, limit)))
    })
    .await
}

/// `GET` and `POST /api/v1/cardinality/label_values`.
pub(super) async fn label_values(State(api): State<Api>, caller: Caller, params: Params) -> Response {
    answer(&api, &caller, "cardinality_label_values", |guard| {
        check_enabled(guard, &caller)?;
        let mut names: Vec<String> = params.all("label_names[]").map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        let most = guard.limits.label_values_max_cardinality_label_names_per_request;
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(PromError::bad_data("'label_names[]' param is required"));
        }
        if names.len() > most {
            return Err(PromError::bad_data(format!("label_names size must not exceed {most} (actual: {})", names.len())));
        }
        let limit = limit(&params, guard.limits.cardinality_analysis_max_results)?;
        let what = Counted::Series { names: names.clone() };
        let query = CardinalityQuery { sets: selector(&params, false)?, since: since(&api, &params)?, what };
        Ok((query, move |counts: Value| values_json(counts, &names, limit)))
    })
    .await
}

/// `GET` and `POST /api/v1/cardinality/active_series`.
pub(super) async fn active_series(State(api): State<Api>, caller: Caller, params: Params) -> Response {
    answer(&api, &caller, "cardinality_active_series", |guard| {
        check_enabled(guard, &caller)?;
        let query = CardinalityQuery { sets: selector(&params, true)?, since: Some(active_since(&api)), what: Counted::Labels };
        Ok((query, |found: Value| match found {
            Value::Series(series) => {
                let mut body = br#"{"data":"#.to_vec();
                writer::list(&mut body, &series, writer::labels);
                body.push(b'}');
                Ok(body)
            }
            _ => Err(other_answer()),
        }))
    })
    .await
}

/// `GET` and `POST /api/v1/cardinality/active_native_histogram_metrics`.
pub(super) async fn active_native_histogram_metrics(State(api): State<Api>, caller: Caller, params: Params) -> Response {
    answer(&api, &caller, "cardinality_active_native_histogram_metrics", |guard| {
        check_enabled(guard, &caller)?;
        let query = CardinalityQuery { sets: selector(&params, false)?, since: Some(active_since(&api)), what: Counted::Histograms };
        Ok((query, histograms_json))
    })
    .await
}

/// Asks the question that `prepare` makes, and answers with what its other half makes of the answer.
async fn answer<W>(
    api: &Api,
    caller: &Caller,
    kind: &'static str,
    prepare: impl FnOnce(&Guard) -> Result<(CardinalityQuery, W), PromError> + Send,
) -> Response
where
    W: FnOnce(Value) -> Result<Vec<u8>, PromError> + Send + 'static,
{
    let mut log = QueryLog::begin(&api.deps, kind, caller, "");
    let outcome = run(api, caller, prepare, &mut log).await;
    match log.outcome(outcome) {
        Ok(body) => success(body),
        Err(err) => {
            let status = StatusCode::from_u16(err.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, format!("{err}\n")).into_response()
        }
    }
}

async fn run<W>(
    api: &Api,
    caller: &Caller,
    prepare: impl FnOnce(&Guard) -> Result<(CardinalityQuery, W), PromError> + Send,
    log: &mut QueryLog,
) -> Result<Vec<u8>, PromError>
where
    W: FnOnce(Value) -> Result<Vec<u8>, PromError> + Send + 'static,
{
    caller.tenants.single().map_err(PromError::bad_data)?;
    let (query, write) = prepare(&Guard::of(&api.deps, caller))?;
    question(api, caller, query, log, write).await?
}

/// Asks heads a question, and gives what `write` makes of the answer.
pub(super) async fn question<T: Send + 'static>(
    api: &Api,
    caller: &Caller,
    query: CardinalityQuery,
    log: &mut QueryLog,
    write: impl FnOnce(Value) -> T + Send + 'static,
) -> Result<T, PromError> {
    // As in Mimir: what series of several tenants have in common is nobody's cardinality.
    caller.tenants.single().map_err(PromError::bad_data)?;
    log.parts(1);
    let timeout = api.deps.query.timeout.get();
    let part = SubQuery {
        tenants: caller.tenants.clone(),
        signal: NAME,
        payload: Task::List(LeafQuery::Cardinality(query)).encode(&caller.access),
        range: TimeRange::ALL,
        timeout,
    };
    ask(api, vec![part], 1, timeout, move |answer| write(answer.value)).await
}

fn check_enabled(guard: &Guard, caller: &Caller) -> Result<(), PromError> {
    if guard.limits.cardinality_analysis_enabled {
        return Ok(());
    }
    Err(PromError::bad_data(format!("cardinality analysis is disabled for the tenant: {}", caller.tenants)))
}

/// `selector`: at most one.
fn selector(params: &Params, required: bool) -> Result<Vec<Vec<LabelMatcher>>, PromError> {
    let mut all = params.all("selector").filter(|selector| !selector.is_empty());
    let Some(selector) = all.next() else {
        return if required { Err(PromError::bad_data("missing 'selector' parameter")) } else { Ok(Vec::new()) };
    };
    if all.next().is_some() {
        return Err(PromError::bad_data("multiple 'selector' params are not allowed"));
    }
    let matchers = parse_selector(selector).map_err(|err| PromError::bad_data(format!("failed to parse selector: {err}")))?;
    index::Matcher::compile_all(&matchers).map_err(|err| PromError::bad_data(format!("failed to parse selector: {err}")))?;
    Ok(vec![matchers])
}

/// `count_method`: since when series must have had a sample.
fn since(api: &Api, params: &Params) -> Result<Option<i64>, PromError> {
    match params.get("count_method") {
        "" | "inmemory" => Ok(None),
        "active" => Ok(Some(active_since(api))),
        other => Err(PromError::bad_data(format!("invalid 'count_method' param '{other}'. valid options are: [inmemory,active]"))),
    }
}

fn active_since(api: &Api) -> i64 {
    api.deps.clock.now_ms().saturating_sub(ACTIVE_MS)
}

/// `limit`: unlike Mimir's it may be above 500, unless the tenant's limits say otherwise.
fn limit(params: &Params, most: u64) -> Result<usize, PromError> {
    let limit = asked_limit(params)?;
    if most > 0 && limit as u64 > most {
        return Err(PromError::bad_data(format!("'limit' param cannot be greater than '{most}'")));
    }
    Ok(limit)
}

fn asked_limit(params: &Params) -> Result<usize, PromError> {
    match params.get("limit") {
        "" => Ok(DEFAULT_LIMIT),
        text => {
            let limit: i64 = text.parse().map_err(|_| PromError::bad_data(format!("strconv.Atoi: parsing {text:?}: invalid syntax")))?;
            usize::try_from(limit).map_err(|_| PromError::bad_data("'limit' param cannot be less than '0'"))
        }
    }
}

fn other_answer() -> PromError {
    PromError::internal("a querier answered another question")
}

pub(super) fn counts(found: Value) -> Result<Vec<Count>, PromError> {
    match found {
        Value::Counts(counts) => Ok(counts),
        _ => Err(other_answer()),
    }
}

fn written(body: &Json) -> Vec<u8> {
    body.to_string().into_bytes()
}

/// Labels by the number of their values.
fn names_json(found: Value, limit: usize) -> Result<Vec<u8>, PromError> {
    let mut names = counts(found)?;
    let total: u64 = names.iter().map(|name| name.members).sum();
    names.sort_by(|one, other| (Reverse(one.members), &one.name).cmp(&(Reverse(other.members), &other.name)));
    let cardinality: Vec<Json> =
        names.iter().take(limit).map(|name| json!({"label_name": name.name, "label_values_count": name.members})).collect();
    Ok(written(&json!({"label_values_count_total": total, "label_names_count": names.len(), "cardinality": cardinality})))
}

/// Values by the number of their series.
fn values_json(found: Value, names: &[String], limit: usize) -> Result<Vec<u8>, PromError> {
    let counts = counts(found)?;
    let total = counts.iter().find(|count| count.name.is_empty()).map_or(0, |count| count.members);
    let mut labels = Vec::with_capacity(names.len());
    for name in names {
        let mut values: Vec<&Count> = counts.iter().filter(|count| count.name == *name).collect();
        values.sort_by(|one, other| (Reverse(one.members), &one.value).cmp(&(Reverse(other.members), &other.value)));
        let series: u64 = values.iter().map(|value| value.members).sum();
        let cardinality: Vec<Json> =
            values.iter().take(limit).map(|value| json!({"label_value": value.value, "series_count": value.members})).collect();
        let label = json!({"label_name": name, "label_values_count": values.len(), "series_count": series, "cardinality": cardinality});
        labels.push((Reverse(series), name, label));
    }
    labels.sort_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
    let labels: Vec<Json> = labels.into_iter().map(|(_, _, label)| label).collect();
    Ok(written(&json!({"series_count_total": total, "labels": labels})))
}

/// Metrics that are native histograms by their series and buckets.
fn histograms_json(found: Value) -> Result<Vec<u8>, PromError> {
    let metrics = counts(found)?;
    let metric = |metric: &Count| {
        json!({
            "metric": metric.name,
            "series_count": metric.members,
            "bucket_count": metric.sum,
            "avg_bucket_count": metric.sum as f64 / metric.members.max(1) as f64,
            "min_bucket_count": metric.min,
            "max_bucket_count": metric.max,
        })
    };
    Ok(written(&json!({"data": metrics.iter().map(metric).collect::<Vec<_>>()})))
}
