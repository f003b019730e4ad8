//! `/api/v1/query` and `/api/v1/query_range`.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use runtime::{Classify, ErrorKind};
use signal::QueryError;
use tenancy::Tenants;

use super::answer::{Stats, finish};
use super::caller::Caller;
use super::error::PromError;
use super::guard::Guard;
use super::log::QueryLog;
use super::params::Params;
use super::running::Running;
use super::{Api, answer, times};
use crate::limits::Stepping;
use crate::query;
use crate::query::access::Access;
use crate::query::engine::{EvalError, Evaluation};
use crate::query::plan::split;
use crate::query::promql::{Expr, parse};
use crate::query::subquery::Evaluate;

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
    let mut asked = Asked::of(api, caller, params)?;
    asked.task.evaluation = Evaluation::Instant { at_ms };
    log.times(at_ms, at_ms, 0);
    asked.guard.check_blocked(&asked.task.query, Duration::ZERO, None)?;
    asked.check_frequency(api, caller)?;
    let expr = asked.parse(api).await?;
    asked.run(api, &expr, vec![Evaluation::Instant { at_ms }], limit, (at_ms, 0), log).await
}

async fn range(api: &Api, caller: &Caller, params: &Params, log: &mut QueryLog) -> Result<Vec<u8>, PromError> {
    let limit = times::limit(params)?;
    let mut range = times::range(params)?;
    let mut asked = Asked::of(api, caller, params)?;
    if asked.guard.limits.align_queries_with_step {
        range.start_ms -= range.start_ms.rem_euclid(range.step_ms);
        range.end_ms -= range.end_ms.rem_euclid(range.step_ms);
    }
    log.times(range.start_ms, range.end_ms, range.step_ms);
    let length = Duration::from_millis((range.end_ms - range.start_ms).unsigned_abs());
    let aligned = [range.start_ms, range.end_ms].iter().all(|time| time % range.step_ms == 0);
    let stepping = Stepping { step: Duration::from_millis(range.step_ms.unsigned_abs()), aligned };
    asked.guard.check_blocked(&asked.task.query, length, Some(stepping))?;
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
    asked.task.evaluation = whole;
    let parts = split(&expr, whole, api.deps.query.split_interval.as_ms());
    asked.run(api, &expr, parts, limit, (range.start_ms, range.step_ms), log).await
}

/// What instant and range queries have in common.
pub(super) struct Asked {
    pub(super) tenants: Tenants,
    pub(super) access: Access,
    pub(super) guard: Guard,
    pub(super) timeout: Duration,
    /// Why the answer is not to be cached, if so.
    pub(super) uncached: Option<&'static str>,
    /// Whether `stats` tell each step.
    stats_per_step: bool,
    /// The whole query, not split.
    pub(super) task: Evaluate,
}

impl Asked {
    fn of(api: &Api, caller: &Caller, params: &Params) -> Result<Self, PromError> {
        let guard = Guard::of(&api.deps, caller);
        let config = &api.deps.query;
        let query = params.get("query").to_owned();
        guard.check_size(&query)?;
        let timeout = times::timeout(params, config.timeout.get())?;
        let task = Evaluate {
            query,
            evaluation: Evaluation::Instant { at_ms: 0 },
            lookback_ms: times::lookback(params, config.lookback_delta.as_ms())?,
            subquery_step_ms: config.default_evaluation_interval.as_ms().max(1),
            oldest_ms: guard.oldest_ms,
            stats: !params.get("stats").is_empty(),
        };
        let stats_per_step = params.get("stats") == "all";
        let (tenants, access) = (caller.tenants.clone(), caller.access.clone());
        let uncached = if no_store(&caller.headers) {
            Some("no-store")
        } else {
            // What was looked at is not what a cached answer would look at.
            task.stats.then_some("stats")
        };
        Ok(Self { tenants, access, guard, timeout, uncached, stats_per_step, task })
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

    /// Answers a query, split at these times, whose steps begin at `start_ms` and lie `step_ms` apart.
    async fn run(
        &self,
        api: &Api,
        expr: &Expr,
        times: Vec<Evaluation>,
        limit: usize,
        (start_ms, step_ms): (i64, i64),
        log: &mut QueryLog,
    ) -> Result<Vec<u8>, PromError> {
        let running = Running::new(api, self, expr, times.len());
        // What cannot be planned is refused before anybody is asked.
        times.iter().try_for_each(|time| running.plan(*time).map(drop))?;
        log.parts(times.len());
        if running.is_sharded() {
            log.sharded();
        }
        let parts = tokio::time::timeout(self.timeout, running.parts(times)).await.map_err(|_| query::timed_out())??;
        let query = self.task.query.clone();
        let stats = self.task.stats.then_some(Stats { start_ms, step_ms, per_step: self.stats_per_step });
        let (fetched, body) = finish(api, parts, move |answer| (answer.fetched, answer.write(&query, limit, stats))).await?;
        running.took(fetched);
        log.fetched(fetched);
        Ok(body)
    }
}

/// True when a client asks that its answer be not cached.
fn no_store(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|directive| directive.trim().eq_ignore_ascii_case("no-store"))
}

pub(super) const fn bounds(evaluation: Evaluation) -> (i64, i64) {
    match evaluation {
        Evaluation::Instant { at_ms } => (at_ms, at_ms),
        Evaluation::Range { start_ms, end_ms, .. } => (start_ms, end_ms),
    }
}

/// The error for an expression that the engine does not take.
pub(super) fn refused(err: &EvalError) -> PromError {
    match err.kind() {
        ErrorKind::BadInput => PromError::parameter("query", err),
        kind => QueryError::new(kind, err.to_string()).into(),
    }
}
