//! The store-gateway: scans blocks where they lie, through caches of its own.
//!
//! Queriers name the blocks that they want; the ring only decides whom they ask first, so that each block is cached by few.
//! Knows no signal. The list of blocks serves its pages alone.

pub mod config;
pub mod metrics;
mod pages;
pub mod scan;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use runtime::{App, Compute, Role, StopError, Tasks};
use signal::Plugins;

pub use config::StoreGatewayConfig;
use metrics::{GatewayMetrics, Known};
use scan::{LeafService, Scans};
use storage::block::OpenBlock;
use storage::catalog::Catalog;

/// What the role needs of the process.
pub struct Deps {
    /// The signals to serve.
    pub plugins: Plugins,
    /// Opens blocks.
    pub open: OpenBlock,
    /// Which blocks there are: for pages alone.
    pub catalog: Arc<Catalog>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}

/// A running store-gateway.
#[derive(Debug)]
pub struct StoreGateway {
    tasks: Tasks,
    grace: Duration,
}

/// Makes the service that scans blocks; the all-in-one mounts it beside the ingester's.
#[must_use]
pub fn service(app: &mut App, config: &StoreGatewayConfig, deps: Deps) -> LeafService {
    let known = Known { catalog: deps.catalog.clone(), clock: app.clock.clone() };
    known.register(&mut app.registry);
    app.http.main(pages::routes(deps.catalog));
    let metrics = GatewayMetrics::register(&mut app.registry);
    let scans = Scans { threads: Compute::new(config.max_scans), tasks: app.tasks.clone() };
    LeafService::new(deps.plugins, deps.open, metrics, scans, config.scan_concurrency, app.clock.clone())
}

/// Starts the role.
pub fn start(app: &mut App, config: &StoreGatewayConfig, deps: Deps) -> StoreGateway {
    let max_message = app.grpc_max_message();
    let service = service(app, config, deps);
    app.grpc.add(service.server(max_message));
    StoreGateway { tasks: app.tasks.child(), grace: app.server.shutdown_grace.get() }
}

impl Role for StoreGateway {
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(async move { self.tasks.stop(self.grace).await.map_err(StopError::Tasks) })
    }
}
