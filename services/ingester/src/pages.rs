//! Pages for operators: which tenants have recent rows here, and how many.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use runtime::http::Table;
use tenancy::TenantId;

use crate::store::SignalStore;

type Stores = State<Arc<[Arc<SignalStore>]>>;

/// The pages of this role.
pub(crate) fn routes(stores: Arc<[Arc<SignalStore>]>) -> Router {
    Router::new().route("/ingester/tenants", get(tenants)).route("/ingester/tsdb/{tenant}", get(tenant)).with_state(stores)
}

async fn tenants(State(stores): Stores, headers: HeaderMap) -> Response {
    table(&stores, "Tenants with recent rows", |_| true).answer(&headers)
}

async fn tenant(State(stores): Stores, Path(tenant): Path<String>, headers: HeaderMap) -> Response {
    match TenantId::parse(&tenant) {
        Ok(tenant) => table(&stores, format!("Recent rows of {tenant}"), |known| *known == tenant).answer(&headers),
        Err(err) => (StatusCode::BAD_REQUEST, format!("{err}\n")).into_response(),
    }
}

/// The heads of some tenants.
fn table(stores: &[Arc<SignalStore>], title: impl Into<String>, wanted: impl Fn(&TenantId) -> bool) -> Table {
    let columns = ["Tenant", "Signal", "Series", "Rows not cut", "Rows cut", "Bytes", "From, ms", "To, ms"];
    let mut table = Table::new(title, columns);
    for store in stores {
        let mut heads = store.heads();
        heads.retain(|head| wanted(&head.tenant));
        heads.sort_unstable_by(|one, other| one.tenant.cmp(&other.tenant));
        for head in heads {
            let stats = head.head.stats();
            let at = |ns: Option<i64>| ns.map_or_else(String::new, |ns| (ns / 1_000_000).to_string());
            table.row([
                head.tenant.to_string(),
                store.plugin.name.as_str().to_owned(),
                stats.series.to_string(),
                stats.rows.to_string(),
                stats.cut_rows.to_string(),
                stats.bytes.to_string(),
                at(stats.range.map(|range| range.start)),
                at(stats.range.map(|range| range.end)),
            ]);
        }
    }
    table
}
