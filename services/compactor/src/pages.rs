//! Pages for operators: which tenants have blocks, and which merges are planned for each of them.

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

use crate::leader::Office;

/// What the pages tell of.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    /// Plans merges.
    pub(crate) office: Arc<Office>,
    /// Which blocks there are.
    pub(crate) catalog: Arc<Catalog>,
}

impl Pages {
    /// The pages of this role.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/compactor/tenants", get(tenants))
            .route("/compactor/tenant/{tenant}/planned_jobs", get(planned_jobs))
            .with_state(self)
    }
}

/// What is said of uploads where no signal takes any.
pub(crate) fn no_uploads() -> Router {
    Router::new().route("/api/v1/upload/block/{*rest}", not_built("no signal that is enabled here takes blocks of another system"))
}

async fn tenants(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let map = pages.catalog.map();
    let mut table = Table::new("Tenants with blocks", ["Tenant", "Blocks", "Bytes", "Planned jobs"]);
    for tenant in map.tenants() {
        let signals = map.signals(&tenant);
        let entries: Vec<Arc<Entry>> = signals.iter().flat_map(|signal| map.blocks(&tenant, signal.as_str(), TimeRange::ALL)).collect();
        let jobs: usize = pages.office.planned(&tenant).iter().map(|(_, groups)| groups.len()).sum();
        table.row([tenant.to_string(), entries.len().to_string(), bytes(&entries).to_string(), jobs.to_string()]);
    }
    table.answer(&headers)
}

async fn planned_jobs(State(pages): State<Pages>, Path(tenant): Path<String>, headers: HeaderMap) -> Response {
    let tenant = match TenantId::parse(&tenant) {
        Ok(tenant) => tenant,
        Err(err) => return (StatusCode::BAD_REQUEST, format!("{err}\n")).into_response(),
    };
    let columns = ["Signal", "From, ms", "To, ms", "Blocks", "Bytes", "Names"];
    let mut table = Table::new(format!("Planned jobs of {tenant}"), columns);
    for (signal, groups) in pages.office.planned(&tenant) {
        for group in groups {
            let start = group.iter().map(|entry| entry.facts.range.start).min().unwrap_or_default();
            let end = group.iter().map(|entry| entry.facts.range.end).max().unwrap_or_default();
            let names: Vec<String> = group.iter().map(|entry| entry.id.to_string()).collect();
            table.row([
                signal.as_str().to_owned(),
                (start / 1_000_000).to_string(),
                (end / 1_000_000).to_string(),
                group.len().to_string(),
                bytes(&group).to_string(),
                names.join(", "),
            ]);
        }
    }
    table.answer(&headers)
}

fn bytes(entries: &[Arc<Entry>]) -> u64 {
    entries.iter().map(|entry| entry.data.len + entry.index.as_ref().map_or(0, |index| index.len)).sum()
}
