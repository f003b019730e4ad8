//! What the API says about itself, and about what is not there.

use axum::extract::State;
use axum::response::Response;

use super::Api;
use super::answer::success;
use super::caller::Caller;
use super::error::PromError;

/// The version of Mimir whose API this is: Grafana asks servers that are older than 2.0 in slower ways. What was built, `cortex_build_info`
/// says.
const API_VERSION: &str = "3.0.0";

/// `GET /api/v1/status/buildinfo`. Clients take a server whose answer has `features` for Mimir, and use what they name.
pub(super) async fn buildinfo() -> Response {
    let body = serde_json::json!({
        "status": "success",
        "data": {
            "application": "Grafana Mimir",
            "version": API_VERSION,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
            "features": {
                "ruler_config_api": "false",
                "alertmanager_config_api": "false",
                "query_sharding": "false",
                "federated_rules": "false",
            },
        },
    });
    success(body.to_string().into_bytes())
}

/// `GET /api/v1/status/config` and `/api/v1/status/flags`: empty, as in Mimir, whose settings stand on pages of their own.
pub(super) async fn empty() -> Response {
    success(br#"{"status":"success","data":{}}"#.to_vec())
}

/// `GET /api/v1/user_limits`: what the tenant may do, by the names that Mimir gives it.
pub(super) async fn user_limits(State(api): State<Api>, caller: Caller) -> Result<Response, PromError> {
    let tenant = caller.tenants.single().map_err(PromError::bad_data)?;
    let limits = api.deps.limits.of(tenant);
    let body = serde_json::json!({
        "compactor_blocks_retention_period_seconds": limits.compactor_blocks_retention_period.get().as_secs(),
        "ingestion_rate": limits.ingestion_rate,
        "ingestion_burst_size": limits.ingestion_burst_size,
        "ingestion_burst_factor": limits.ingestion_burst_factor,
        "max_global_series_per_user": limits.max_global_series_per_user,
        "max_global_series_per_metric": limits.max_global_series_per_metric,
        "max_global_exemplars_per_user": limits.max_global_exemplars_per_user,
        "max_fetched_chunks_per_query": limits.max_fetched_chunks_per_query,
        "max_fetched_series_per_query": limits.max_fetched_series_per_query,
        "max_fetched_chunk_bytes_per_query": limits.max_fetched_chunk_bytes_per_query,
    });
    Ok(success(body.to_string().into_bytes()))
}

/// `GET /api/v1/rules`: there is no ruler, so there are none.
pub(super) async fn rules() -> Response {
    success(br#"{"status":"success","data":{"groups":[]}}"#.to_vec())
}

/// `GET /api/v1/alerts`: there is no ruler, so there are none.
pub(super) async fn alerts() -> Response {
    success(br#"{"status":"success","data":{"alerts":[]}}"#.to_vec())
}
