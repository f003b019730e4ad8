//! Orders to an ingester: over gRPC, and over HTTP as Mimir's operators know them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use proto::quartet as pb;
use proto::quartet::ingester_admin_server::{IngesterAdmin, IngesterAdminServer};
use runtime::Tasks;
use runtime::http::not_built;
use tenancy::TenantId;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::cut::Cutter;
use crate::lifecycle::Lifecycle;
use crate::store::SignalStore;

/// Why a member cannot be told whether it leaves the ring.
const STAYS: &str = "an ingester stays in the ring at shutdown, unless /ingester/prepare-shutdown has told it to leave";

/// Why a member does not become read-only before it is to stop.
const AT_SHUTDOWN: &str = "an ingester becomes read-only when it stops after /ingester/prepare-shutdown";

/// What the orders act upon. Clones share it.
#[derive(Clone, Debug)]
pub struct Admin {
    stores: Arc<[Arc<SignalStore>]>,
    cutter: Arc<Cutter>,
    lifecycle: Lifecycle,
    tasks: Tasks,
    shutdown: CancellationToken,
}

impl Admin {
    /// Orders to this process; `shutdown` ends it as SIGTERM does.
    #[must_use]
    pub fn new(
        stores: Arc<[Arc<SignalStore>]>,
        cutter: Arc<Cutter>,
        lifecycle: Lifecycle,
        tasks: Tasks,
        shutdown: CancellationToken,
    ) -> Self {
        Self { stores, cutter, lifecycle, tasks, shutdown }
    }

    /// The gRPC service.
    #[must_use]
    pub fn server(self) -> IngesterAdminServer<Self> {
        IngesterAdminServer::new(self)
    }

    /// The HTTP routes.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/ingester/flush", get(flush).post(flush))
            .route("/ingester/prepare-shutdown", get(is_to_go).post(to_go).delete(not_to_go))
            .route("/ingester/shutdown", post(shutdown))
            .route("/ingester/unregister-on-shutdown", not_built(STAYS))
            .route("/ingester/prepare-instance-ring-downscale", not_built(AT_SHUTDOWN))
            .route("/ingester/prepare-partition-downscale", not_built("there are no partitions: distributors write to ingesters"))
            .route("/ingester/tsdb_metrics", not_built("heads have no metrics of their own: /metrics has those of all tenants"))
            .with_state(self)
    }
}

/// `tenant=` (repeated) and `wait=true`.
fn parameters(query: Option<&str>) -> Result<(Vec<TenantId>, bool), String> {
    let (mut tenants, mut wait) = (Vec::new(), false);
    for (key, value) in query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('=')) {
        match key {
            "tenant" => tenants.push(TenantId::parse(value).map_err(|err| err.to_string())?),
            "wait" => wait = value == "true",
            _ => {}
        }
    }
    Ok((tenants, wait))
}

async fn flush(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let (tenants, wait) = match parameters(query.as_deref()) {
        Ok(parameters) => parameters,
        Err(text) => return (StatusCode::BAD_REQUEST, text + "\n").into_response(),
    };
    if !admin.lifecycle.is_replayed() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the log is being read\n").into_response();
    }
    let cutter = admin.cutter.clone();
    let (done, flushed) = tokio::sync::oneshot::channel::<usize>();
    admin.tasks.detach("flush", async move {
        let blocks = cutter.flush(&tenants).await;
        // Without `wait` nobody listens.
        let _nobody = done.send(blocks);
    });
    if wait && flushed.await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the process is stopping\n").into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn is_to_go(State(admin): State<Admin>) -> &'static str {
    if admin.lifecycle.is_to_go() { "set\n" } else { "unset\n" }
}

async fn to_go(State(admin): State<Admin>) -> StatusCode {
    admin.lifecycle.set_to_go(true);
    StatusCode::NO_CONTENT
}

async fn not_to_go(State(admin): State<Admin>) -> StatusCode {
    admin.lifecycle.set_to_go(false);
    StatusCode::NO_CONTENT
}

/// Leaves for good, now.
async fn shutdown(State(admin): State<Admin>) -> StatusCode {
    admin.lifecycle.set_to_go(true);
    admin.shutdown.cancel();
    StatusCode::NO_CONTENT
}

#[tonic::async_trait]
impl IngesterAdmin for Admin {
    async fn flush(&self, request: Request<pb::FlushRequest>) -> Result<tonic::Response<pb::FlushResponse>, Status> {
        if !self.lifecycle.is_replayed() {
            return Err(Status::unavailable("the log is being read"));
        }
        let parse = |name: &String| TenantId::parse(name).map_err(|err| Status::invalid_argument(err.to_string()));
        let tenants = request.get_ref().tenants.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let blocks = u32::try_from(self.cutter.flush(&tenants).await).unwrap_or(u32::MAX);
        Ok(tonic::Response::new(pb::FlushResponse { blocks }))
    }

    async fn prepare_shutdown(
        &self,
        request: Request<pb::PrepareShutdownRequest>,
    ) -> Result<tonic::Response<pb::PrepareShutdownResponse>, Status> {
        self.lifecycle.set_to_go(request.get_ref().set);
        Ok(tonic::Response::new(pb::PrepareShutdownResponse {}))
    }

    async fn statistics(&self, _: Request<pb::StatisticsRequest>) -> Result<tonic::Response<pb::StatisticsResponse>, Status> {
        if !self.lifecycle.is_replayed() {
            return Err(Status::unavailable("the log is being read"));
        }
        let tenants = self.stores.iter().flat_map(|store| {
            let of = |head: &crate::store::TenantHead, signal: &str| {
                let stats = head.head.stats();
                let (tenant, signal) = (head.tenant.to_string(), signal.to_owned());
                pb::TenantStatistics { tenant, signal, series: stats.series, milli_rows: stats.milli_rows }
            };
            store.heads().into_iter().map(move |head| of(&head, store.plugin.name.as_str()))
        });
        Ok(tonic::Response::new(pb::StatisticsResponse { tenants: tenants.collect() }))
    }
}
