//! The distributor: receive, validate, shard, replicate.
//!
//! A signal's receivers decode and validate what clients send and hand over batches of items with a shard key each; this role
//! finds the replicas of each key ([`replicate`]), sends, and answers when every item has a quorum ([`quorum`]).
//! Knows no signal: it sees keys and bytes.

pub mod config;
pub mod ingesters;
pub mod metrics;
mod pages;
pub mod quorum;
pub mod replicate;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use ring::Membership;
use ring::roles::INGESTER;
use runtime::{App, Role, StopError, Tasks};
use signal::otlp::Origins;
use signal::{Plugins, Routes};
use tenancy::http::Door;

pub use config::DistributorConfig;
use ingesters::Ingesters;
use metrics::DistributorMetrics;
use replicate::Replicator;

/// What the role needs of the process.
#[derive(Debug)]
pub struct Deps {
    /// The signals to serve.
    pub plugins: Plugins,
    /// Checks tenants.
    pub door: Door,
    /// Pages in browsers that may push by OTLP.
    pub origins: Origins,
    /// Who holds what.
    pub membership: Arc<dyn Membership>,
    /// How ingesters are reached.
    pub ingesters: Arc<dyn Ingesters>,
}

/// A running distributor.
#[derive(Debug)]
pub struct Distributor {
    tasks: Tasks,
    grace: Duration,
}

/// Starts the role: mounts the receivers of all signals.
pub fn start(app: &mut App, config: &DistributorConfig, deps: Deps) -> Distributor {
    let Deps { plugins, door, origins, membership, ingesters } = deps;
    let metrics = DistributorMetrics::register(&mut app.registry, membership.view().settings().replication_factor);
    let tasks = app.tasks.child();
    let pages = pages::Pages { membership: membership.clone(), ingesters: ingesters.clone(), timeout: config.push_timeout.get() };
    let sink = Arc::new(Replicator::new(config, membership.clone(), ingesters, plugins.clone(), metrics, tasks.clone()));
    let mut routes = Routes::new(door).with_origins(origins);
    for plugin in plugins.iter() {
        plugin.receivers.mount(&mut routes, sink.clone());
    }
    let (http, grpc) = routes.into_parts();
    app.http.merge(http.uncompressed());
    app.http.main(pages.routes());
    app.grpc.merge(grpc);
    app.readiness.check("distributor", move || membership.view().writable(INGESTER).map_err(|err| err.to_string()));
    Distributor { tasks, grace: config.straggler_timeout.get() }
}

impl Role for Distributor {
    /// Pushes to slow replicas are given their time to end.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(async move { self.tasks.stop(self.grace).await.map_err(StopError::Tasks) })
    }
}
