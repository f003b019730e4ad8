//! The query-frontend: a signal's query APIs in, sub-queries out to queriers, fairly per tenant.
//!
//! What a query means, how it is split and how its parts are merged is the signal's business; this role queues the parts
//! ([`queue`]), hands them to queriers that pull ([`service`]) and brings their answers back ([`dispatch`]).
//! Knows no signal.

pub mod config;
pub mod dispatch;
pub mod metrics;
pub mod queue;
pub mod service;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use runtime::{App, Role, StopError, Tasks};
use signal::{Plugins, Routes};
use tenancy::http::Door;

pub use config::QueryFrontendConfig;
use dispatch::{Dispatch, Executor};
use metrics::FrontendMetrics;
use service::QueueService;

/// What the role needs of the process.
pub struct Deps {
    /// The signals to serve.
    pub plugins: Plugins,
    /// Checks tenants.
    pub door: Door,
    /// The number of the catalog that this process has seen: a querier that is behind reads the log first.
    pub catalog_number: Arc<dyn Fn() -> u64 + Send + Sync>,
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
    let dispatch = Arc::new(Dispatch::new(config, metrics, deps.catalog_number, tasks.clone()));

    let mut routes = Routes::new(deps.door);
    for plugin in deps.plugins.iter() {
        plugin.queries.mount(&mut routes, Arc::new(Executor(dispatch.clone())));
    }
    let (http, grpc) = routes.into_parts();
    app.http.merge(http);
    app.grpc.merge(grpc);
    app.grpc.add(QueueService::new(dispatch.clone(), tasks.clone(), app.draining_calls(), config).server());

    let ready = dispatch.clone();
    app.readiness.check("query-frontend", move || if ready.workers() == 0 { Err("no querier is connected".to_owned()) } else { Ok(()) });
    QueryFrontend { dispatch, tasks, grace: app.server.shutdown_grace.get() }
}

impl Role for QueryFrontend {
    /// Queued work fails, streams to queriers end.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(async move {
            self.dispatch.close();
            self.tasks.stop(self.grace).await.map_err(StopError::Tasks)
        })
    }
}
