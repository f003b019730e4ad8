//! What a tenant has in memory: Mimir's `user_stats` and Prometheus's `status/tsdb`.

use std::cmp::Reverse;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::Api;
use super::answer::{Value, success};
use super::caller::Caller;
use super::cardinality::{counts, question};
use super::error::PromError;
use super::log::QueryLog;
use super::params::Params;
use crate::model::METRIC_NAME;
use crate::query::partial::Count;
use crate::wire::{CardinalityQuery, Counted, HeadFact, unordered};

/// Items of each list of `status/tsdb` where the request names no limit, and the most that it may name.
const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 10_000;

/// `GET /api/v1/user_stats`: how many series a tenant has and how many samples a second it sends.
///
/// Each ingester estimates both from what it has and its share of the tenant's series; the answer is the mean. There is no ruler, so
/// that all samples came by the API.
pub(super) async fn user_stats(State(api): State<Api>, caller: Caller) -> Result<Response, PromError> {
    let mut log = QueryLog::begin(&api.deps, "user_stats", &caller, "");
    let facts = facts(&api, &caller, &mut log).await;
    let facts = log.outcome(facts)?;
    let rate = facts.mean(HeadFact::MilliSamples) / 1000.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of numbers that are not negative")]
    let series = facts.mean(HeadFact::Series).round() as u64;
    let body = json!({"ingestionRate": rate, "numSeries": series, "APIIngestionRate": rate, "RuleIngestionRate": 0});
    Ok(success(body.to_string().into_bytes()))
}

/// `GET /api/v1/status/tsdb`: series, values and pairs of labels of the series in memory, each counted once whatever the number of
/// replicas.
pub(super) async fn tsdb(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let mut log = QueryLog::begin(&api.deps, "status_tsdb", &caller, "");
    let outcome = tsdb_body(&api, &caller, &params, &mut log).await;
    Ok(success(log.outcome(outcome)?))
}

async fn tsdb_body(api: &Api, caller: &Caller, params: &Params, log: &mut QueryLog) -> Result<Vec<u8>, PromError> {
    let limit = limit(params)?;
    let facts = facts(api, caller, log).await?;
    let labels = counted(api, caller, Counted::Values, log).await?;
    let names = labels.iter().map(|label| label.name.clone()).collect();
    let pairs = counted(api, caller, Counted::Series { names }, log).await?;
    let series = pairs.iter().find(|pair| pair.name.is_empty()).map_or(0, |all| all.members);
    let pairs: Vec<Count> = pairs.into_iter().filter(|pair| !pair.name.is_empty()).collect();
    let metrics = pairs.iter().filter(|pair| pair.name == METRIC_NAME).map(|pair| (pair.value.clone(), pair.members));
    let bytes = labels.iter().map(|label| {
        let values = pairs.iter().filter(|pair| pair.name == label.name);
        (label.name.clone(), values.map(|pair| pair.value.len() as u64 * pair.members).sum())
    });
    let body = json!({"status": "success", "data": {
        "headStats": {
            "numSeries": series,
            "numLabelPairs": labels.iter().map(|label| label.members).sum::<u64>(),
            "chunkCount": facts.of(HeadFact::Chunks).map_or(0, |chunks| chunks.sum),
            // As Prometheus has it of an empty head.
            "minTime": facts.of(HeadFact::MinTime).map_or(i64::MAX, |time| unordered(time.min)),
            "maxTime": facts.of(HeadFact::MaxTime).map_or(i64::MIN, |time| unordered(time.max)),
        },
        "seriesCountByMetricName": greatest(metrics, limit),
        "labelValueCountByLabelName": greatest(labels.iter().map(|label| (label.name.clone(), label.members)), limit),
        "memoryInBytesByLabelName": greatest(bytes, limit),
        "seriesCountByLabelValuePair": greatest(pairs.iter().map(|pair| (format!("{}={}", pair.name, pair.value), pair.members)), limit),
    }});
    Ok(body.to_string().into_bytes())
}

fn limit(params: &Params) -> Result<usize, PromError> {
    match params.get("limit") {
        "" => Ok(DEFAULT_LIMIT),
        text => match text.parse::<usize>() {
            Ok(limit) if limit > MAX_LIMIT => Err(PromError::bad_data(format!("limit must not exceed {MAX_LIMIT}"))),
            Ok(limit) if limit > 0 => Ok(limit),
            _ => Err(PromError::bad_data("limit must be a positive number")),
        },
    }
}

/// The greatest of some counts, as Prometheus lists them.
fn greatest(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Json {
    let mut counts: Vec<(String, u64)> = counts.collect();
    counts.sort_unstable_by(|one, other| (Reverse(one.1), &one.0).cmp(&(Reverse(other.1), &other.0)));
    counts.into_iter().take(limit).map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// What heads say of a tenant.
struct Facts(Vec<Count>);

impl Facts {
    fn of(&self, fact: HeadFact) -> Option<&Count> {
        self.0.iter().find(|count| count.name == fact.name())
    }

    /// The mean of what heads say.
    fn mean(&self, fact: HeadFact) -> f64 {
        self.of(fact).map_or(0.0, |count| count.sum as f64 / count.members.max(1) as f64)
    }
}

async fn facts(api: &Api, caller: &Caller, log: &mut QueryLog) -> Result<Facts, PromError> {
    counted(api, caller, Counted::Head, log).await.map(Facts)
}

async fn counted(api: &Api, caller: &Caller, what: Counted, log: &mut QueryLog) -> Result<Vec<Count>, PromError> {
    let query = CardinalityQuery { sets: Vec::new(), since: None, what };
    question(api, caller, query, log, |answer: Value| counts(answer)).await?
}
