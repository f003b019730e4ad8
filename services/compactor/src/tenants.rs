//! Deletion of tenants: `POST /compactor/delete_tenant` and `GET /compactor/delete_tenant_status`.
//!
//! A tenant is deleted like rows are: everything that has arrived by now, of every signal. Queries see none of it as soon as they know,
//! the leader takes its blocks out, and their files follow. What the tenant sends afterwards is stored.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use runtime::{Chain, Clock};
use serde::Serialize;
use signal::Plugins;
use storage::block::{BlockId, SignalId};
use storage::catalog::{Announcer, Catalog, Change, DELETES_KEPT_MS, Record, RowDelete};
use storage::time::TimeRange;
use tenancy::{TenantId, Tenants};
use tracing::info;

use crate::uploads::Yard;

/// What the handlers work with.
#[derive(Clone)]
pub struct TenantAdmin {
    /// Signals whose rows a tenant may have, also where none is in a block yet.
    pub plugins: Plugins,
    /// Which blocks there are.
    pub catalog: Arc<Catalog>,
    /// Where deletes are announced.
    pub announcer: Announcer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What was uploaded and has not become blocks.
    pub yard: Arc<Yard>,
}

/// How far a deletion is.
#[derive(Debug, Serialize)]
struct DeletionStatus {
    tenant_id: String,
    /// True when no block of the tenant is left in the bucket.
    blocks_deleted: bool,
}

impl TenantAdmin {
    /// The routes; the door has to stand before them.
    pub fn routes(self) -> Router {
        Router::new().route("/compactor/delete_tenant", post(delete)).route("/compactor/delete_tenant_status", get(status)).with_state(self)
    }

    fn delete_all(&self, tenant: &TenantId) {
        let now_ms = self.clock.now_ms();
        let enabled = self.plugins.iter().filter_map(|plugin| SignalId::parse(plugin.name.as_str()));
        let signals: BTreeSet<SignalId> = enabled.chain(self.catalog.map().signals(tenant)).collect();
        for signal in signals {
            let delete = RowDelete {
                id: BlockId::new(now_ms).0,
                range: TimeRange::ALL,
                what: String::new(),
                at_ms: now_ms,
                keep_until_ms: now_ms.saturating_add(DELETES_KEPT_MS),
            };
            self.announcer.announce(Record { tenant: tenant.clone(), signal, change: Change::DeleteRows(delete) });
        }
    }

    fn is_gone(&self, tenant: &TenantId) -> bool {
        let map = self.catalog.map();
        map.signals(tenant).is_empty() && map.tombstones().all(|(whose, _, gone)| whose != tenant || gone.files_gone)
    }
}

/// The one tenant of a request.
fn only(tenants: &Tenants) -> Option<&TenantId> {
    match tenants.all() {
        [tenant] => Some(tenant),
        _ => None,
    }
}

fn several() -> Response {
    (StatusCode::BAD_REQUEST, "multiple org IDs present\n").into_response()
}

async fn delete(State(admin): State<TenantAdmin>, Extension(tenants): Extension<Tenants>) -> Response {
    let Some(tenant) = only(&tenants) else { return several() };
    admin.delete_all(tenant);
    let failed = |err: &(dyn std::error::Error + 'static)| (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", Chain(err))).into_response();
    if let Err(err) = admin.announcer.flush().await {
        return failed(&err);
    }
    if let Err(err) = admin.yard.forget(tenant).await {
        return failed(&err);
    }
    info!(%tenant, "the tenant is deleted");
    StatusCode::OK.into_response()
}

async fn status(State(admin): State<TenantAdmin>, Extension(tenants): Extension<Tenants>) -> Response {
    let Some(tenant) = only(&tenants) else { return several() };
    Json(DeletionStatus { tenant_id: tenant.to_string(), blocks_deleted: admin.is_gone(tenant) }).into_response()
}

impl fmt::Debug for TenantAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAdmin").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}
