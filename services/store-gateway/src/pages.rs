//! Pages for operators: which tenants there are, and which blocks each of them has. The catalog knows.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use runtime::http::{Table, not_built};
use storage::catalog::{Catalog, Entry};
use storage::time::TimeRange;
use tenancy::TenantId;

/// The pages of this role.
pub(crate) fn routes(catalog: Arc<Catalog>) -> Router {
    Router::new()
        .route("/store-gateway/tenants", get(tenants))
        .route("/store-gateway/tenant/{tenant}/blocks", get(blocks))
        .route(
            "/store-gateway/prepare-shutdown",
            not_built("there is nothing to prepare: a store-gateway leaves the ring when it stops, and others serve its blocks"),
        )
        .with_state(catalog)
}

async fn tenants(State(catalog): State<Arc<Catalog>>, headers: HeaderMap) -> Response {
    let map = catalog.map();
    let mut table = Table::new("Tenants with blocks", ["Tenant", "Signals", "Blocks", "Bytes"]);
    for tenant in map.tenants() {
        let signals = map.signals(&tenant);
        let entries: Vec<Arc<Entry>> = signals.iter().flat_map(|signal| map.blocks(&tenant, signal.as_str(), TimeRange::ALL)).collect();
        let bytes: u64 = entries.iter().map(|entry| bytes(entry)).sum();
        let signals: Vec<&str> = signals.iter().map(|signal| signal.as_str()).collect();
        table.row([tenant.to_string(), signals.join(", "), entries.len().to_string(), bytes.to_string()]);
    }
    table.answer(&headers)
}

async fn blocks(State(catalog): State<Arc<Catalog>>, Path(tenant): Path<String>, headers: HeaderMap) -> Response {
    let tenant = match TenantId::parse(&tenant) {
        Ok(tenant) => tenant,
        Err(err) => return (StatusCode::BAD_REQUEST, format!("{err}\n")).into_response(),
    };
    let map = catalog.map();
    let columns = ["Block", "Signal", "Level", "Shard", "From, ms", "To, ms", "Series", "Rows", "Bytes"];
    let mut table = Table::new(format!("Blocks of {tenant}"), columns);
    for signal in map.signals(&tenant) {
        let mut entries = map.blocks(&tenant, signal.as_str(), TimeRange::ALL);
        entries.sort_unstable_by_key(|entry| (entry.facts.range.start, entry.id));
        for entry in entries {
            let facts = &entry.facts;
            table.row([
                entry.id.to_string(),
                signal.as_str().to_owned(),
                entry.level.to_string(),
                format!("{} of {}", entry.shard.index, entry.shard.of),
                (facts.range.start / 1_000_000).to_string(),
                (facts.range.end / 1_000_000).to_string(),
                facts.series.to_string(),
                facts.rows.to_string(),
                bytes(&entry).to_string(),
            ]);
        }
    }
    table.answer(&headers)
}

fn bytes(entry: &Entry) -> u64 {
    entry.data.len + entry.index.as_ref().map_or(0, |index| index.len)
}
