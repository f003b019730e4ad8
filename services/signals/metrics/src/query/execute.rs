//! Answers a sub-query in a querier.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use runtime::{Classify, ErrorKind};
use signal::{Leaves, PartialStream, QueryError, SubQuery, TimeRange};
use tokio::time::Instant;

use super::cardinality;
use super::engine::{
    Annotations, Cancel, EvalError, Evaluation, Options, Plan, QueryResult, RangeSeries, ResultValue, SelectorRequest, plan,
};
use super::gather::{Gathering, run};
use super::limit::LimitExceeded;
use super::lists;
use super::partial;
use super::promql::{Expr, parse};
use super::scope::Scope;
use super::shard;
use super::subquery::{Evaluate, Read, ShareOf, Task};
use crate::instruments::Slice;
use crate::limits::MetricsLimits;
use crate::merge::SeriesSamples;
use crate::wire::{Counted, LeafQuery};
use crate::{Deps, api};

/// How many selectors of a query are fetched at once.
const SELECTORS_AT_ONCE: usize = 8;
/// Bytes that the evaluation needs for a series and a step: a value, and a bit that says that it is there.
const BYTES_PER_STEP: u64 = 9;

/// Answers a sub-query.
pub(super) fn execute(deps: Arc<Deps>, query: SubQuery, leaves: Arc<dyn Leaves>) -> PartialStream {
    let timeout = query.timeout;
    let unreadable = |err| QueryError::new(ErrorKind::Internal, format!("a sub-query cannot be read: {err}"));
    let task = Task::decode(&query.payload).map_err(unreadable);
    let route = task.as_ref().map_or("notfound", |(task, _)| route(task));
    // Boxed: the state of a whole query is large.
    let work = match task {
        Ok((task, access)) => answer(deps.clone(), task, Scope::new(query.tenants, access), query.range, leaves).boxed(),
        Err(err) => std::future::ready(Err(err)).boxed(),
    };
    stream::once(async move {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(timed_out()));
        let status = outcome.as_ref().map_or_else(|err| api::status_code(err.kind()), |_| 200);
        deps.instruments.queries.answered(route, status, begun.elapsed());
        outcome.inspect_err(|err| deps.instruments.queries.failed(&err.reason))
    })
    .map_ok(|frames| stream::iter(frames.into_iter().map(Ok)))
    .try_flatten()
    .boxed()
}

/// The error of a query that took too long, as Prometheus words it.
pub(crate) fn timed_out() -> QueryError {
    QueryError::new(ErrorKind::Timeout, "query timed out in expression evaluation")
}

/// The route of the API that wants a task done, as the servers of query-frontends name it.
fn route(task: &Task) -> &'static str {
    match task {
        Task::Evaluate(task) | Task::Share(ShareOf { whole: task, .. }) => match task.evaluation {
            Evaluation::Instant { .. } => "prometheus_api_v1_query",
            Evaluation::Range { .. } => "prometheus_api_v1_query_range",
        },
        Task::Read(_) | Task::List(LeafQuery::Chunks { .. }) => "prometheus_api_v1_read",
        Task::List(LeafQuery::LabelNames { .. }) => "prometheus_api_v1_labels",
        Task::List(LeafQuery::LabelValues { .. }) => "prometheus_api_v1_label_name_values",
        Task::List(LeafQuery::Series { .. }) => "prometheus_api_v1_series",
        Task::List(LeafQuery::Exemplars { .. }) => "prometheus_api_v1_query_exemplars",
        Task::List(LeafQuery::Metadata { .. }) => "prometheus_api_v1_metadata",
        Task::List(LeafQuery::Cardinality(query)) => match query.what {
            Counted::Values => "prometheus_api_v1_cardinality_label_names",
            Counted::Series { .. } => "prometheus_api_v1_cardinality_label_values",
            Counted::Labels => "prometheus_api_v1_cardinality_active_series",
            Counted::Histograms => "prometheus_api_v1_cardinality_active_native_histogram_metrics",
            Counted::Head => "prometheus_api_v1_user_stats",
        },
    }
}

async fn answer(deps: Arc<Deps>, task: Task, scope: Scope, range: TimeRange, leaves: Arc<dyn Leaves>) -> Result<Vec<Bytes>, QueryError> {
    match task {
        Task::Evaluate(task) => evaluate(&deps, scope, task, leaves).await,
        Task::Share(share) => evaluate_share(&deps, scope, share, leaves).await,
        Task::Read(read) => series(&deps, scope, read, leaves).await,
        Task::List(LeafQuery::Cardinality(query)) => cardinality::count(&deps, &scope, query, leaves).await,
        Task::List(asked) => lists::list(&deps, &scope, asked, range, leaves).await,
    }
}

/// Series as they are stored.
async fn series(deps: &Deps, scope: Scope, read: Read, leaves: Arc<dyn Leaves>) -> Result<Vec<Bytes>, QueryError> {
    let limits = MetricsLimits::of_all(&deps.limits, scope.tenants());
    let gathering = Gathering::new(leaves, deps.compute.clone(), limits, scope, None);
    let Read { matchers, start_ms, end_ms } = read;
    let found = gathering.clone().select(SelectorRequest { matchers, start_ms, end_ms }).await?;
    let fetched = gathering.fetched();
    run(&deps.compute, move || {
        // In order, so that a query-frontend can pass them on as they come.
        let mut found = found;
        found.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
        let series = found.into_iter().map(|SeriesSamples { labels, samples, histograms }| RangeSeries { labels, samples, histograms });
        let result = QueryResult { value: ResultValue::Matrix(series.collect()), annotations: Annotations::default() };
        partial::encode(&result, fetched, None)
    })
    .await
}

/// Stops the evaluation when nobody waits for it any more.
pub(crate) struct CancelOnDrop(pub(crate) Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn evaluate(deps: &Deps, scope: Scope, task: Evaluate, leaves: Arc<dyn Leaves>) -> Result<Vec<Bytes>, QueryError> {
    let limits = MetricsLimits::of_all(&deps.limits, scope.tenants());
    let (evaluation, stats) = (task.evaluation, task.stats);
    let expr = parsed(&task)?;
    let plan = planned(deps, &task, &expr, &limits)?;
    let gathering = Gathering::new(leaves, deps.compute.clone(), limits, scope, None);
    let series = gather(deps, &gathering, &plan, evaluation).await?;
    let fetched = gathering.fetched();
    let cancel = CancelOnDrop(Cancel::default());
    let flag = cancel.0.clone();
    compute(deps, move || {
        if stats {
            let (result, usage) = plan.evaluate_counting(&series, &flag).map_err(failed)?;
            return Ok(partial::encode(&result, fetched, Some(&usage)));
        }
        Ok(partial::encode(&plan.evaluate(&series, &flag).map_err(failed)?, fetched, None))
    })
    .await?
}

/// Evaluates a part of an expression over a share of the series.
async fn evaluate_share(deps: &Deps, scope: Scope, share: ShareOf, leaves: Arc<dyn Leaves>) -> Result<Vec<Bytes>, QueryError> {
    let limits = MetricsLimits::of_all(&deps.limits, scope.tenants());
    let ShareOf { whole, span, merging, shard } = share;
    let (evaluation, stats) = (whole.evaluation, whole.stats);
    let expr = parsed(&whole)?;
    let part = shard::at(&expr, span).ok_or_else(|| QueryError::new(ErrorKind::Internal, "a query has no such part"))?;
    let plan = planned(deps, &whole, part, &limits)?;
    let gathering = Gathering::new(leaves, deps.compute.clone(), limits, scope, shard);
    let series = gather(deps, &gathering, &plan, evaluation).await?;
    let fetched = gathering.fetched();
    let cancel = CancelOnDrop(Cancel::default());
    let flag = cancel.0.clone();
    compute(deps, move || {
        let share = plan.evaluate_share(merging, &series, &flag, stats).map_err(failed)?;
        Ok(share.map_or_else(|| partial::encode_whole_wanted(fetched), |share| partial::encode_share(&share, fetched, stats)))
    })
    .await?
}

fn failed(err: EvalError) -> QueryError {
    QueryError::new(err.kind(), err.to_string())
}

/// Evaluates on the pool, and tells how long that took.
async fn compute<T: Send + 'static>(deps: &Deps, work: impl FnOnce() -> T + Send + 'static) -> Result<T, QueryError> {
    let (durations, asked) = (deps.instruments.engine.clone(), Instant::now());
    run(&deps.compute, move || {
        durations.observe(Slice::QueueTime, asked.elapsed());
        let begun = Instant::now();
        let result = work();
        durations.observe(Slice::InnerEval, begun.elapsed());
        result
    })
    .await
}

/// The series of a plan's selectors, with memory for their evaluation.
async fn gather(
    deps: &Deps,
    gathering: &Arc<Gathering>,
    plan: &Plan,
    evaluation: Evaluation,
) -> Result<Vec<Vec<SeriesSamples>>, QueryError> {
    let begun = Instant::now();
    let selects: Vec<_> = plan.selectors.iter().cloned().map(|request| gathering.clone().select(request)).collect();
    let series: Vec<Vec<SeriesSamples>> = stream::iter(selects).buffered(SELECTORS_AT_ONCE).try_collect().await?;
    for (request, found) in plan.selectors.iter().zip(&series) {
        gathering.reserve(evaluation_bytes(evaluation, request, found))?;
    }
    deps.instruments.engine.observe(Slice::PrepareTime, begun.elapsed());
    Ok(series)
}

fn parsed(task: &Evaluate) -> Result<Expr, QueryError> {
    parse(&task.query).map_err(|err| QueryError::new(err.kind(), err.to_string()))
}

/// The plan of a task's expression or of a part of it; its selectors do not look further back than the task allows.
fn planned(deps: &Deps, task: &Evaluate, expr: &Expr, limits: &MetricsLimits) -> Result<Plan, QueryError> {
    let options = Options {
        lookback_ms: task.lookback_ms,
        subquery_step_ms: task.subquery_step_ms,
        max_samples: deps.query.max_samples,
        ..Options::default()
    };
    let mut plan = plan(expr, task.evaluation, &options).map_err(|err| QueryError::new(err.kind(), err.to_string()))?;
    let limit = limits.max_partial_query_length;
    for selector in &mut plan.selectors {
        selector.start_ms = selector.start_ms.max(task.oldest_ms);
        let length = std::time::Duration::from_millis(selector.end_ms.saturating_sub(selector.start_ms).max(0).unsigned_abs());
        if !limit.is_zero() && length > limit.get() {
            return Err(LimitExceeded::PartialLength { length, limit: limit.get() }.into());
        }
    }
    Ok(plan)
}

/// About how many bytes the evaluation of a selector takes: a value for each step at which a series can have one.
fn evaluation_bytes(evaluation: Evaluation, request: &SelectorRequest, found: &[SeriesSamples]) -> u64 {
    let Evaluation::Range { start_ms, end_ms, step_ms } = evaluation else { return found.len() as u64 * BYTES_PER_STEP };
    let range = end_ms.abs_diff(start_ms);
    // A sample counts for the steps of so much time.
    let window = request.end_ms.abs_diff(request.start_ms).saturating_sub(range);
    let step = step_ms.unsigned_abs().max(1);
    let steps = |series: &SeriesSamples| {
        let SeriesSamples { samples, histograms, .. } = series;
        let first = samples.first().map(|sample| sample.t).into_iter().chain(histograms.first().map(|sample| sample.t)).min();
        let last = samples.last().map(|sample| sample.t).into_iter().chain(histograms.last().map(|sample| sample.t)).max();
        let (Some(first), Some(last)) = (first, last) else { return 0 };
        (last.abs_diff(first).saturating_add(window).min(range) / step).saturating_add(1)
    };
    found.iter().map(steps).sum::<u64>().saturating_mul(BYTES_PER_STEP)
}

#[cfg(test)]
mod tests;
