//! The querier: pulls sub-queries, scans the leaves, merges replicas once, streams the answer back.
//!
//! What a sub-query means is the signal's business ([`execute`]); this role knows where rows may be ([`leaves`]): in the heads of
//! ingesters ([`heads`]) and in the blocks of the catalog ([`blocks`]). Knows no signal.

pub(crate) mod blocks;
pub mod config;
pub mod execute;
pub(crate) mod heads;
pub mod leaf;
pub mod leaves;
pub mod metrics;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use ring::Membership;
use runtime::grpc::Channels;
use runtime::{App, Role, StopError, Tasks};
use signal::Plugins;
use storage::catalog::Catalog;
use tenancy::budget::Budget;
use tokio::sync::Semaphore;

pub use config::QuerierConfig;
use execute::Execute;
use leaf::LeafClients;
use leaves::LeafContext;
use metrics::QuerierMetrics;
use worker::Workers;

/// What the role needs of the process.
#[derive(Debug)]
pub struct Deps {
    /// The signals to serve.
    pub plugins: Plugins,
    /// Who holds what, and who has work.
    pub membership: Arc<dyn Membership>,
    /// Which blocks there are.
    pub catalog: Arc<Catalog>,
    /// How query-frontends are reached.
    pub channels: Channels,
    /// How leaves are reached.
    pub leaves: Arc<dyn LeafClients>,
    /// How old the view of the ring may be: `ring.join_grace`.
    pub max_ring_age: Duration,
}

/// A running querier.
#[derive(Debug)]
pub struct Querier {
    streams: Tasks,
    tasks: Tasks,
    grace: Duration,
}

/// Starts the role: it pulls work from every query-frontend that the cluster knows.
pub fn start(app: &mut App, config: &QuerierConfig, deps: Deps) -> Querier {
    let Deps { plugins, membership, catalog, channels, leaves, max_ring_age } = deps;
    let (streams, tasks) = (app.tasks.child(), app.tasks.child());
    let (metrics, most) = (QuerierMetrics::register(&mut app.registry), config.max_concurrent.max(1));
    metrics.show_most(most);
    let context = LeafContext {
        membership: membership.clone(),
        clients: leaves,
        catalog,
        clock: app.clock.clone(),
        ask_all_after: config.ask_all_after.get(),
        recent: config.recent.get(),
        block_replicas: config.block_replicas,
        max_ring_age,
        metrics: metrics.clone(),
    };
    let limit = |bytes: u64| (bytes > 0).then_some(bytes);
    let process = Budget::process("querier.max_query_memory", limit(config.max_query_memory.0));
    let execute = Execute::new(plugins, context, process, limit(config.max_memory_per_query.0), config.max_catalog_age.get());
    let execute = Arc::new(execute);
    let workers = Workers {
        name: app.id.clone(),
        membership,
        channels,
        execute: execute.clone(),
        threads: u32::try_from(app.compute.threads()).unwrap_or(u32::MAX),
        slots: Arc::new(Semaphore::new(most)),
        metrics,
        streams: streams.clone(),
        tasks: tasks.clone(),
        reconnect: config.reconnect.get(),
        heartbeat: config.heartbeat.get(),
    };
    streams.detach("workers", Arc::new(workers).run());
    app.readiness.check(
        "querier",
        move || {
            if execute.may_work() { Ok(()) } else { Err("the catalog has not been read lately".to_owned()) }
        },
    );
    Querier { streams, tasks, grace: app.server.shutdown_grace.get() }
}

impl Role for Querier {
    /// Asks for no more work and finishes what it has; what is left after the grace goes to other queriers.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(async move {
            let drained = self.streams.stop(self.grace).await.map_err(StopError::Tasks);
            self.tasks.stop(self.grace).await.map_err(StopError::Tasks).and(drained)
        })
    }
}
