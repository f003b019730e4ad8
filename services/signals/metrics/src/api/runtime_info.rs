//! `GET /api/v1/status/runtimeinfo`: what Prometheus says of its process. Mimir has no such endpoint, but who runs a single Prometheus
//! looks there whether it is up, and its user interface shows it.
//!
//! The names are those of a Go process. What a process of Rust has in their place stands there, and what it has nothing of is what Go says
//! where nothing was set.

use axum::extract::State;
use axum::response::Response;
use runtime::config::HumanDuration;

use super::Api;
use super::answer::success;
use crate::Retention;
use crate::head::Rfc3339;

/// A limit of memory that there is none of.
const UNLIMITED: i64 = i64::MAX;

/// `GET /api/v1/status/runtimeinfo`.
pub(super) async fn runtime_info(State(api): State<Api>) -> Response {
    let directory = std::env::current_dir().unwrap_or_default();
    let reload = api.deps.limits.last_reload();
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let body = serde_json::json!({
        "status": "success",
        "data": {
            "startTime": Rfc3339(api.started_ms).to_string(),
            "CWD": directory.to_string_lossy(),
            "hostname": runtime::host_name().unwrap_or_default(),
            "serverTime": Rfc3339(api.deps.clock.now_ms()).to_string(),
            "reloadConfigSuccess": reload.is_none_or(|reload| reload.successful),
            "lastConfigTime": Rfc3339(reload.map_or(api.started_ms, |reload| reload.in_force_since_ms)).to_string(),
            // Of the log of samples, which ingesters have: a query-frontend has none.
            "corruptionCount": 0,
            "goroutineCount": tasks,
            "GOMAXPROCS": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "GOMEMLIMIT": UNLIMITED,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": retention(api.deps.limits.all().defaults.compactor_blocks_retention_period, api.deps.retention),
        },
    });
    success(body.to_string().into_bytes())
}

/// How long data stays that no tenant has another limit for, as Prometheus writes it: `15d or 20GiB`; nothing: for ever.
fn retention(limit: HumanDuration, default: Retention) -> String {
    let age = if limit.is_zero() { default.age } else { limit };
    let age = (!age.is_zero()).then(|| age.to_string());
    let bytes = (default.bytes.0 > 0).then(|| default.bytes.to_string());
    age.into_iter().chain(bytes).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests;
