//! `/api/v1/query` and `/api/v1/query_range`.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use runtime::{Classify, ErrorKind};
use signal::{QueryError, SubQuery, TimeRange};
use tenancy::Tenants;

use super::answer::{Stats, ask};
use super::caller::Caller;
use super::error::PromError;
use super::guard::Guard;
use super::log::QueryLog;
use super::params::Params;
use super::{Api, answer, times};
use crate::query::access::Access;
use crate::query::engine::{EvalError, Evaluation, Options, plan};
use crate::query::plan::split;
use crate::query::promql::{Expr, parse};
use crate::query::subquery::{Evaluate, Task};
use crate::{NAME, query};

/// Longer expressions are parsed on the compute pool.
const INLINE_QUERY: usize = 16 << 10;

/// `GET` and `POST /api/v1/query`.
pub(super) async fn query(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let mut log = QueryLog::begin(&api.deps, "query", &caller, params.get("query"));
    let outcome = instant(&api, &caller, &params, &mut log).await;
    log.answer(outcome)
}

/// `GET` and `POST /api/v1/query_range`.
pub(super) async fn query_range(State(api): State<Api>, caller: Caller, params: Params) -> Result<Response, PromError> {
    let mut log = QueryLog::begin(&api.deps, "query_range", &caller, params.get("query"));
    let outcome = range(&api, &caller, &params, &mut log).await;
    log.answer(outcome)
}

async fn instant(api: &Api, caller: &Caller, params: &Params, log: &mut QueryLog) -> Result<Vec<u8>, PromError> {
    let limit = times::limit(params)?;
    let at_ms = times::instant(params, api.deps.clock.now_ms())?;
    let asked = Asked::of(api, caller, params)?;
    log.times(at_ms, at_ms, 0);
    asked.guard.check_blocked(&asked.task.query, Duration::ZERO, None)?;
    asked.check_frequency(api, caller)?;
    let expr = asked.parse(api).await?;
    let part = asked.part(&expr, Evaluation::Instant { at_ms })?;
    asked.run(api, vec![part], limit, (at_ms, 0), log).await
}

async fn range(api: &Api, caller: &Caller, params: &Params, log: &mut QueryLog) -> Result<Vec<u8>, PromError> {
    let mut range = times::range(params)?;
    let limit = times::limit(params)?;
    let asked = Asked::of(api, caller, params)?;
    log.times(range.start_ms, range.end_ms, range.step_ms);
    let length = Duration::from_millis((range.end_ms - range.start_ms).unsigned_abs());
    asked.guard.check_blocked(&asked.task.query, length, Some(Duration::from_millis(range.step_ms.unsigned_abs())))?;
    asked.check_frequency(api, caller)?;
    let expr = asked.parse(api).await?;
    if range.start_ms < asked.task.oldest_ms {
        // By whole steps: what is left has the times it was asked for.
        let missing = asked.task.oldest_ms.saturating_sub(range.start_ms);
        range.start_ms += missing.saturating_add(range.step_ms - 1) / range.step_ms * range.step_ms;
    }
    if range.start_ms > range.end_ms {
        return Ok(answer::nothing().write(&asked.task.query, limit, None));
    }
    asked.guard.check_length(range.start_ms, range.end_ms)?;
    let whole = Evaluation::Range { start_ms: range.start_ms, end_ms: range.end_ms, step_ms: range.step_ms };
    let parts = split(&expr, whole, api.deps.query.split_interval.as_ms());
    let parts = parts.into_iter().map(|part| asked.part(&expr, part)).collect::<Result<Vec<_>, _>>()?;
    asked.run(api, parts, limit, (range.start_ms, range.step_ms), log).await
}

/// What instant and range queries have in common.
struct Asked {
    tenants: Tenants,
    access: Access,
    guard: Guard,
    timeout: Duration,
    max_samples: usize,
    /// Whether `stats` tell each step.
    stats_per_step: bool,
    /// All but the times of the evaluation.
    task: Evaluate,
}

impl Asked {
    fn of(api: &Api, caller: &Caller, params: &Params) -> Result<Self, PromError> {
        let guard = Guard::of(&api.deps, caller);
        let config = &api.deps.query;
        let query = params.get("query").to_owned();
        guard.check_size(&query)?;
        let task = Evaluate {
            query,
            evaluation: Evaluation::Instant { at_ms: 0 },
            lookback_ms: times::lookback(params, config.lookback_delta.as_ms())?,
            subquery_step_ms: config.default_evaluation_interval.as_ms().max(1),
            oldest_ms: guard.oldest_ms,
            stats: !params.get("stats").is_empty(),
        };
        let timeout = times::timeout(params, config.timeout.get())?;
        let stats_per_step = params.get("stats") == "all";
        let (tenants, access) = (caller.tenants.clone(), caller.access.clone());
        Ok(Self { tenants, access, guard, timeout, max_samples: config.max_samples, stats_per_step, task })
    }

    async fn parse(&self, api: &Api) -> Result<Expr, PromError> {
        let query = self.task.query.clone();
        let parsed = if query.len() <= INLINE_QUERY { parse(&query) } else { query::run(&api.deps.compute, move || parse(&query)).await? };
        let expr = parsed.map_err(|err| PromError::parameter("query", err))?;
        Guard::check_experimental(&api.deps, &self.tenants, &expr)?;
        Ok(expr)
    }

    fn check_frequency(&self, api: &Api, caller: &Caller) -> Result<(), PromError> {
        self.guard.check_frequency(&self.task.query, caller, &api.last_runs, api.deps.clock.now_ms())
    }

    /// The sub-query that evaluates at some times.
    fn part(&self, expr: &Expr, evaluation: Evaluation) -> Result<SubQuery, PromError> {
        let task = Evaluate { evaluation, ..self.task.clone() };
        let options = Options {
            lookback_ms: task.lookback_ms,
            subquery_step_ms: task.subquery_step_ms,
            max_samples: self.max_samples,
            ..Options::default()
        };
        let plan = plan(expr, evaluation, &options).map_err(|err| refused(&err))?;
        let reads = plan.selectors.iter().map(|selector| TimeRange::from_ms(selector.start_ms, selector.end_ms));
        let (start, end) = bounds(evaluation);
        let range = reads.reduce(|one, other| one.union(&other)).unwrap_or(TimeRange::from_ms(start, end));
        let payload = Task::Evaluate(task).encode(&self.access);
        Ok(SubQuery { tenants: self.tenants.clone(), signal: NAME, payload, range, timeout: self.timeout })
    }

    /// Runs the parts of a query whose steps begin at `start_ms` and lie `step_ms` apart.
    async fn run(
        &self,
        api: &Api,
        parts: Vec<SubQuery>,
        limit: usize,
        (start_ms, step_ms): (i64, i64),
        log: &mut QueryLog,
    ) -> Result<Vec<u8>, PromError> {
        log.parts(parts.len());
        let width = usize::try_from(self.guard.limits.max_query_parallelism).unwrap_or(usize::MAX);
        let query = self.task.query.clone();
        let stats = self.task.stats.then_some(Stats { start_ms, step_ms, per_step: self.stats_per_step });
        let written = ask(api, parts, width, self.timeout, move |answer| (answer.fetched, answer.write(&query, limit, stats)));
        let (fetched, body) = written.await?;
        log.fetched(fetched);
        Ok(body)
    }
}

const fn bounds(evaluation: Evaluation) -> (i64, i64) {
    match evaluation {
        Evaluation::Instant { at_ms } => (at_ms, at_ms),
        Evaluation::Range { start_ms, end_ms, .. } => (start_ms, end_ms),
    }
}

/// The error for an expression that the engine does not take.
fn refused(err: &EvalError) -> PromError {
    match err.kind() {
        ErrorKind::BadInput => PromError::parameter("query", err),
        kind => QueryError::new(kind, err.to_string()).into(),
    }
}
