//! One line in the log for each query.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use axum::response::Response;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::answer::success;
use super::caller::Caller;
use super::error::PromError;
use crate::Deps;
use crate::instruments::{User, UserSharded};
use crate::query::partial::Fetched;

/// The most bytes of a query that the log shows.
const SHOWN: usize = 4 << 10;

/// What is known of a query; written and counted when it is dropped, so that a query whose client has gone leaves its line too.
pub(super) struct QueryLog {
    deps: Arc<Deps>,
    kind: &'static str,
    tenant: String,
    query: String,
    caller: String,
    origin: String,
    began: Instant,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    parts: usize,
    sharded: bool,
    fetched: Fetched,
    status: u16,
    error: String,
}

impl QueryLog {
    pub(super) fn begin(deps: &Arc<Deps>, kind: &'static str, caller: &Caller, query: &str) -> Self {
        let agent = caller.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            deps: deps.clone(),
            kind,
            tenant: caller.tenants.to_string(),
            query: query.get(..query.floor_char_boundary(SHOWN)).unwrap_or_default().to_owned(),
            caller: agent.unwrap_or_default(),
            origin: caller.origin(),
            began: Instant::now(),
            start_ms: 0,
            end_ms: 0,
            step_ms: 0,
            parts: 0,
            sharded: false,
            fetched: Fetched::default(),
            status: 499,
            error: String::new(),
        }
    }

    /// Of which times, ms since the Unix epoch.
    pub(super) const fn times(&mut self, start_ms: i64, end_ms: i64, step_ms: i64) {
        (self.start_ms, self.end_ms, self.step_ms) = (start_ms, end_ms, step_ms);
    }

    /// In how many parts it runs.
    pub(super) const fn parts(&mut self, parts: usize) {
        self.parts = parts;
    }

    /// Some of it is sharded.
    pub(super) const fn sharded(&mut self) {
        self.sharded = true;
    }

    /// What it read.
    pub(super) const fn fetched(&mut self, fetched: Fetched) {
        self.fetched = fetched;
    }

    /// The answer to the client: the body with what its making took, or the error.
    pub(super) fn answer(&mut self, outcome: Result<Vec<u8>, PromError>) -> Result<Response, PromError> {
        let body = self.outcome(outcome)?;
        let mut response = success(body);
        let Fetched { bytes, samples, .. } = self.fetched;
        let milliseconds = self.began.elapsed().as_secs_f64() * 1000.0;
        let timing = format!("response_time;dur={milliseconds:.3}, bytes_processed;val={bytes}, samples_processed;val={samples}");
        if let Ok(timing) = HeaderValue::from_str(&timing) {
            response.headers_mut().insert("server-timing", timing);
        }
        Ok(response)
    }

    /// How it ended.
    pub(super) fn outcome<T>(&mut self, outcome: Result<T, PromError>) -> Result<T, PromError> {
        match &outcome {
            Ok(_) => self.status = 200,
            Err(err) => {
                self.status = err.code();
                self.error = err.to_string();
                if err.is_internal() {
                    error!(tenant = self.tenant, error = self.error, "query failed");
                }
            }
        }
        outcome
    }
}

impl QueryLog {
    /// Counts a query that was asked of queriers: so names of tenants that only somebody made up are no labels.
    fn count(&self, seconds: f64) {
        if self.parts == 0 {
            return;
        }
        let all = &self.deps.instruments;
        let user = User { user: self.tenant.clone() };
        all.query_seconds
            .get_or_create(&UserSharded { sharded: if self.sharded { "true" } else { "false" }, user: self.tenant.clone() })
            .inc_by(seconds);
        all.fetched_series.get_or_create(&user).inc_by(self.fetched.series);
        all.fetched_chunks.get_or_create(&user).inc_by(self.fetched.chunks);
        all.fetched_chunk_bytes.get_or_create(&user).inc_by(self.fetched.bytes);
        if self.step_ms > 0 {
            all.split_queries.inc_by(self.parts as u64);
            all.queries.range_query(self.began.elapsed());
        }
    }
}

impl Drop for QueryLog {
    fn drop(&mut self) {
        let Fetched { series, chunks, bytes, samples } = self.fetched;
        let seconds = self.began.elapsed().as_secs_f64();
        self.count(seconds);
        let slow = self.deps.query.log_queries_longer_than.get();
        if !slow.is_zero() && seconds > slow.as_secs_f64() {
            warn!(tenant = self.tenant, query = self.query, seconds, caller = self.caller, origin = self.origin, "slow query");
        }
        info!(
            tenant = self.tenant,
            kind = self.kind,
            query = self.query,
            start_ms = self.start_ms,
            end_ms = self.end_ms,
            step_ms = self.step_ms,
            parts = self.parts,
            sharded = self.sharded,
            series,
            chunks,
            bytes,
            samples,
            seconds,
            status = self.status,
            caller = self.caller,
            origin = self.origin,
            error = self.error,
            "query"
        );
    }
}
