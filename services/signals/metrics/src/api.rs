//! The HTTP API of Prometheus and Mimir: reading.
//!
//! The only part of the signal's read side that knows HTTP. Handlers check parameters, split a query into sub-queries, have them
//! answered, merge the parts and write the answer.

mod about;
mod answer;
mod cached;
mod caller;
mod cardinality;
mod deletes;
mod error;
mod evaluate;
mod guard;
mod json;
mod lists;
mod log;
mod params;
mod parse;
mod remote_read;
mod running;
mod runtime_info;
mod status;
mod times;
mod user_stats;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use runtime::config::ByteSize;
use runtime::http::not_built;
use signal::{QueryExecutor, Routes};
use tenancy::Budget;

use crate::Deps;
use crate::limits::MetricsLimits;
pub(crate) use error::status_code;
pub use times::TimeError;
pub(crate) use times::parse_time;

/// The most bytes of a form.
const MAX_FORM: ByteSize = ByteSize(10 << 20);

/// Why there is no configuration of rules.
const NO_RULER: &str = "there is no ruler: recording and alerting rules are not implemented";

/// Why there are no alerts.
const NO_ALERTMANAGER: &str = "there is no Alertmanager: its configuration and API are not implemented";

/// Why there are no targets.
const NO_SCRAPES: &str = "nothing is scraped here: agents write what they scrape";

/// What handlers are given.
#[derive(Clone)]
struct Api {
    deps: Arc<Deps>,
    exec: Arc<dyn QueryExecutor>,
    /// When this began to serve, ms since the Unix epoch.
    started_ms: i64,
    /// Memory for answers.
    memory: Budget,
    /// When queries that may not run often ran last.
    last_runs: guard::LastRuns,
    /// What queries took when they ran last.
    history: running::History,
}

/// Mounts the routes: below `/prometheus` on the main port, at the root on the alias port `prometheus`.
pub(crate) fn mount(deps: &Arc<Deps>, routes: &mut Routes, exec: Arc<dyn QueryExecutor>) {
    let memory = Budget::process("queries.metrics.max_answer_memory", Some(deps.query.max_answer_memory.0));
    let (last_runs, history) = (guard::LastRuns::default(), running::History::default());
    let api = Api { deps: deps.clone(), exec, started_ms: deps.clock.now_ms(), memory, last_runs, history };
    let queries = queries(api.clone());
    let limits = Router::new()
        .route("/api/v1/user_limits", get(status::user_limits))
        .route("/api/v1/user_stats", get(user_stats::user_stats))
        .with_state(api.clone());
    routes.tenant(Router::new().nest("/prometheus", queries.clone()).merge(limits).merge(not_built_of_tenants()));
    routes.open(not_built_of_roles());
    routes.alias_tenant("prometheus", queries);
    let build = Router::new().route("/api/v1/status/buildinfo", get(status::buildinfo));
    let about_itself = build.clone().route("/api/v1/status/config", get(status::empty)).route("/api/v1/status/flags", get(status::empty));
    let runtime_info = Router::new().route("/api/v1/status/runtimeinfo", get(runtime_info::runtime_info)).with_state(api);
    let about_itself = about_itself.merge(runtime_info).merge(not_built_of_prometheus());
    // At the main port's root every role answers for its settings itself.
    routes.open(Router::new().nest("/prometheus", about_itself.clone()).merge(build));
    routes.alias_open("prometheus", about_itself);
}

/// The API of Prometheus.
fn queries(api: Api) -> Router {
    Router::new()
        .route("/api/v1/query", get(evaluate::query).post(evaluate::query))
        .route("/api/v1/query_range", get(evaluate::query_range).post(evaluate::query_range))
        .route("/api/v1/labels", get(lists::labels).post(lists::labels))
        .route("/api/v1/label/{name}/values", get(lists::label_values))
        .route("/api/v1/series", get(lists::series).post(lists::series))
        .route("/api/v1/format_query", get(parse::format_query).post(parse::format_query))
        .route("/api/v1/parse_query", get(parse::parse_query).post(parse::parse_query))
        .route("/api/v1/metadata", get(about::metadata))
        .route("/api/v1/query_exemplars", get(about::query_exemplars).post(about::query_exemplars))
        .route("/api/v1/cardinality/label_names", get(cardinality::label_names).post(cardinality::label_names))
        .route("/api/v1/cardinality/label_values", get(cardinality::label_values).post(cardinality::label_values))
        .route("/api/v1/cardinality/active_series", get(cardinality::active_series).post(cardinality::active_series))
        .route(
            "/api/v1/cardinality/active_native_histogram_metrics",
            get(cardinality::active_native_histogram_metrics).post(cardinality::active_native_histogram_metrics),
        )
        .route("/api/v1/admin/tsdb/delete_series", post(deletes::delete_series).put(deletes::delete_series))
        .route("/api/v1/admin/tsdb/clean_tombstones", post(deletes::clean_tombstones).put(deletes::clean_tombstones))
        .route("/api/v1/user_stats", get(user_stats::user_stats))
        .route("/api/v1/status/tsdb", get(user_stats::tsdb))
        .route("/api/v1/rules", get(status::rules))
        .route("/api/v1/alerts", get(status::alerts))
        .route("/api/v1/read", post(remote_read::read))
        .with_state(api)
}

/// Mimir's APIs for rules and alerts of a tenant, which are answered with the reason why there are none.
fn not_built_of_tenants() -> Router {
    Router::new()
        .route("/prometheus/config/v1/rules", not_built(NO_RULER))
        .route("/prometheus/config/v1/rules/{*rest}", not_built(NO_RULER))
        .route("/api/v1/alerts", not_built(NO_ALERTMANAGER))
        .route("/alertmanager", not_built(NO_ALERTMANAGER))
        .route("/alertmanager/{*rest}", not_built(NO_ALERTMANAGER))
}

/// What a Prometheus answers because it scrapes, likewise.
fn not_built_of_prometheus() -> Router {
    Router::new()
        .route("/federate", not_built("nothing federates from here: /api/v1/query and /api/v1/read give series to who asks"))
        .route("/api/v1/targets", not_built(NO_SCRAPES))
        .route("/api/v1/targets/{*rest}", not_built(NO_SCRAPES))
        .route("/api/v1/scrape_pools", not_built(NO_SCRAPES))
        .route("/api/v1/alertmanagers", not_built(NO_RULER))
}

/// Pages of Mimir's roles that there are none of, likewise.
fn not_built_of_roles() -> Router {
    Router::new()
        .route("/ruler/{*rest}", not_built(NO_RULER))
        .route("/multitenant_alertmanager/{*rest}", not_built(NO_ALERTMANAGER))
        .route("/query-scheduler/ring", not_built("there is no query-scheduler: queriers take from query-frontends"))
        .route("/overrides-exporter/ring", not_built("there is no overrides-exporter: /runtime_config shows what is in force"))
}

/// The time, ms since the Unix epoch, before which samples are not looked at; less than any time where there is no such limit.
fn oldest(limits: &MetricsLimits, now_ms: i64) -> i64 {
    let limits = [limits.max_query_lookback, limits.retention_series.longest(limits.compactor_blocks_retention_period)];
    limits.iter().filter(|limit| !limit.is_zero()).map(|limit| now_ms.saturating_sub(limit.as_ms())).max().unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests;
