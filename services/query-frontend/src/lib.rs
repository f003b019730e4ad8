//! The query-frontend: a signal's query APIs in, sub-queries out to queriers, fairly per tenant.
//!
//! What a query means, how it is split and how its parts are merged is the signal's business; this role queues the parts
//! ([`queue`]), hands them to queriers that pull ([`service`]) and brings their answers back ([`dispatch`]).
//! Knows no signal.

pub mod config;
pub mod deletes;
pub mod dispatch;
pub mod executor;
pub mod metrics;
pub mod queriers;
pub mod queue;
pub mod service;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use runtime::{App, Role, StopError, Tasks};
use signal::{Plugins, Routes, RowDeletes};
use storage::cache::Cache;
use storage::catalog::Catalog;
use tenancy::http::Door;
use tokio_util::sync::CancellationToken;

pub use config::QueryFrontendConfig;
pub use deletes::CatalogDeletes;
use dispatch::Dispatch;
use executor::Executor;
use metrics::FrontendMetrics;
use service::QueueService;

/// What the role needs of the process.
pub struct Deps {
    /// The signals to serve.
    pub plugins: Plugins,
    /// Checks tenants.
    pub door: Door,
    /// The catalog as this process has seen it: a querier that is behind reads the log first.
    pub catalog: Arc<Catalog>,
    /// Keeps results.
    pub results: Arc<dyn Cache>,
    /// The name of the cluster.
    pub cluster_id: String,
    /// Records deletes of rows.
    pub deletes: Arc<dyn RowDeletes>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}

/// A running query-frontend.
#[derive(Debug)]
pub struct QueryFrontend {
    dispatch: Arc<Dispatch>,
    tasks: Tasks,
    grace: Duration,
}

/// Starts the role: mounts the signals' query routes and the queue that queriers pull from.
pub fn start(app: &mut App, config: &QueryFrontendConfig, deps: Deps) -> QueryFrontend {
    let metrics = FrontendMetrics::register(&mut app.registry);
    let tasks = app.tasks.child();
    let catalog = deps.catalog.clone();
    let dispatch = Arc::new(Dispatch::new(config, metrics, Arc::new(move || catalog.number())));
    let Deps { plugins, door, results, catalog, cluster_id, deletes } = deps;
    let executor = Executor { plugins: plugins.clone(), dispatch: dispatch.clone(), results, catalog, cluster_id, deletes };

    let mut routes = Routes::new(door);
    for plugin in plugins.iter() {
        plugin.queries.mount(&mut routes, Arc::new(executor.clone()));
    }
    let (http, grpc) = routes.into_parts();
    app.http.merge(http);
    app.grpc.merge(grpc);
    app.grpc.add(QueueService::new(dispatch.clone(), tasks.clone(), app.draining_calls(), config).server());
    tasks.detach("drain", drain(dispatch.clone(), app.draining_calls(), tasks.stopping()));

    let ready = dispatch.clone();
    app.readiness.check("query-frontend", move || if ready.workers() == 0 { Err("no querier is connected".to_owned()) } else { Ok(()) });
    QueryFrontend { dispatch, tasks, grace: app.server.shutdown_grace.get() }
}

/// How long after that moment the answer to a job that was given out just before it may begin.
const BEGIN_WITHIN: Duration = Duration::from_secs(1);

/// From the moment gRPC is accepted no more, no querier can begin to answer: what waits is told so at once.
async fn drain(dispatch: Arc<Dispatch>, draining: CancellationToken, stop: CancellationToken) {
    if stop.run_until_cancelled(draining.cancelled()).await.is_some() {
        dispatch.drain();
        if stop.run_until_cancelled(tokio::time::sleep(BEGIN_WITHIN)).await.is_some() {
            dispatch.fail_unbegun();
        }
    }
}

impl Role for QueryFrontend {
    /// What still runs fails.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(async move {
            self.dispatch.close();
            self.tasks.stop(self.grace).await.map_err(StopError::Tasks)
        })
    }
}
