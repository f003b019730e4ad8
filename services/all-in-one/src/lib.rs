//! Every role in one process, on a local disk, without replicas: what a newcomer runs, and small clusters stay with.
//!
//! The roles are the same as in a cluster and speak to each other the same way, over this process's own gRPC port; only the ring is a
//! list that stands still. Knows no signal.

mod leaf;
mod scrape;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use distributor::DistributorConfig;
use futures::FutureExt;
use futures::future::BoxFuture;
use ingester::IngesterConfig;
use ingester::lifecycle::FixedMember;
use node::{Node, Settings};
use querier::QuerierConfig;
use query_frontend::CatalogDeletes;
use query_frontend::QueryFrontendConfig;
use ring::{Membership, roles};
use runtime::config::HumanDuration;
use runtime::{App, Role, StartError, StopError, Tasks};
use signal::Plugins;
use signal::otlp::OtlpConfig;
use storage::wal::WalConfig;
use store_gateway::StoreGatewayConfig;
use tenancy::http::{AuthConfig, Door, FederationConfig};

use compactor::CompactorConfig;
use leaf::BothLeaves;
use scrape::SelfScrape;

runtime::settings! {
    /// `self_scrape:` how the process watches itself.
    pub struct SelfScrapeConfig {
        /// How often the process stores its own metrics; `0s`: never.
        pub period: HumanDuration = HumanDuration::from_secs(15),
        /// The tenant that they belong to.
        pub tenant: String = tenancy::id::ANONYMOUS.to_owned(),
    }
}

/// The sections of the configuration of all roles.
#[derive(Clone, Copy, Debug)]
pub struct Roles<'a> {
    /// `auth:`.
    pub auth: &'a AuthConfig,
    /// `tenant_federation:`.
    pub tenant_federation: &'a FederationConfig,
    /// `wal:`.
    pub wal: &'a WalConfig,
    /// `distributor:`.
    pub distributor: &'a DistributorConfig,
    /// `ingester:`.
    pub ingester: &'a IngesterConfig,
    /// `querier:`.
    pub querier: &'a QuerierConfig,
    /// `query_frontend:`.
    pub query_frontend: &'a QueryFrontendConfig,
    /// `store_gateway:`.
    pub store_gateway: &'a StoreGatewayConfig,
    /// `compactor:`.
    pub compactor: &'a CompactorConfig,
    /// `otlp:`.
    pub otlp: &'a OtlpConfig,
    /// `self_scrape:`.
    pub self_scrape: &'a SelfScrapeConfig,
}

/// All roles, running.
pub struct AllInOne {
    /// In the order in which they stop.
    roles: Vec<Box<dyn Role>>,
    tasks: Tasks,
    /// The data directory is this process's as long as it holds this.
    _lock: storage::lock::Lock,
}

/// Starts every role.
///
/// * `plugins`: sets up the signals, when the bucket is open.
pub async fn start(
    app: &mut App,
    settings: Settings<'_>,
    roles: Roles<'_>,
    plugins: impl FnOnce(&mut App, &Node) -> Result<Plugins, StartError>,
) -> Result<AllInOne, StartError> {
    let directory = Path::new(&roles.ingester.data_dir);
    let lock = storage::lock::lock(directory).map_err(|err| StartError::new("take the data directory", err))?;
    let door = Door::new(roles.auth).map_err(|err| StartError::new("auth.default_tenant", err))?;
    let node = Node::open(app, settings).await?;
    let plugins = plugins(app, &node)?;
    let signals: Vec<String> = plugins.iter().map(|plugin| plugin.name.as_str().to_owned()).collect();
    let membership: Arc<dyn Membership> = ring::setup::alone(app, &roles::MEMBERS, &roles::PROCESSES, &signals);
    let announcer = node.announcer(app, settings);
    let open = node.blocks(settings)?;

    let ingester_deps = ingester::Deps {
        plugins: plugins.clone(),
        membership: membership.clone(),
        member: Arc::new(FixedMember(format!("{}-0", roles::INGESTER))),
        bucket: node.bucket.clone(),
        catalog: node.catalog.clone(),
        announcer: announcer.clone(),
        wal: roles.wal.clone(),
        join_grace: settings.ring.join_grace.get(),
    };
    let ingester::Services { ingester, leaf: heads } = ingester::start_without_leaf(app, roles.ingester, ingester_deps)?;
    let gateway_deps = store_gateway::Deps { plugins: plugins.clone(), open: open.clone(), catalog: node.catalog.clone() };
    let blocks = store_gateway::service(app, roles.store_gateway, gateway_deps);
    let max_message = app.grpc_max_message();
    app.grpc.add(BothLeaves { heads, blocks }.server(max_message));

    let compactor_deps = compactor::Deps {
        plugins: plugins.clone(),
        membership: membership.clone(),
        member: format!("{}-0", roles::COMPACTOR),
        bucket: node.bucket.clone(),
        open,
        catalog: node.catalog.clone(),
        announcer: announcer.clone(),
        channels: node.channels.clone(),
        members: None,
        max_bytes: settings.storage.max_bytes().0,
        door: door.clone(),
    };
    let compactor = compactor::start(app, roles.compactor, compactor_deps)?;
    let leaves = querier::leaf::Remote::new(node.channels.clone(), roles.querier.leaf_timeout.get());
    let querier_deps = querier::Deps {
        plugins: plugins.clone(),
        membership: membership.clone(),
        catalog: node.catalog.clone(),
        channels: node.channels.clone(),
        leaves: Arc::new(leaves),
        max_ring_age: settings.ring.join_grace.get(),
    };
    let querier = querier::start(app, roles.querier, querier_deps);
    let catalog = node.catalog.clone();
    let deletes = CatalogDeletes { catalog: catalog.clone(), announcer, clock: app.clock.clone(), plugins: plugins.clone() };
    let frontend_deps = query_frontend::Deps {
        plugins: plugins.clone(),
        deletes: Arc::new(deletes),
        door: door.clone().for_reads(roles.tenant_federation),
        catalog: node.catalog.clone(),
        results: node.results(&roles.query_frontend.results_cache.cache())?,
        cluster_id: settings.cluster.id.clone(),
    };
    let frontend = query_frontend::start(app, roles.query_frontend, frontend_deps);
    let ingesters = distributor::ingesters::Remote::new(node.channels.clone());
    let origins = roles.otlp.origins().map_err(|err| StartError::new("otlp", err))?;
    let distributor_deps = distributor::Deps { plugins, door, origins, membership, ingesters: Arc::new(ingesters) };
    let distributor = distributor::start(app, roles.distributor, distributor_deps);

    let tasks = app.tasks.child();
    watch_itself(app, roles.self_scrape, &tasks);
    let roles: Vec<Box<dyn Role>> =
        vec![Box::new(distributor), Box::new(frontend), Box::new(querier), Box::new(compactor), Box::new(ingester)];
    Ok(AllInOne { roles, tasks, _lock: lock })
}

fn watch_itself(app: &App, config: &SelfScrapeConfig, tasks: &Tasks) {
    if config.period.is_zero() {
        return;
    }
    let scrape =
        SelfScrape { address: app.http_addr(), period: config.period.get(), tenant: config.tenant.clone(), clock: app.clock.clone() };
    tasks.detach("self scrape", scrape.run(tasks.stopping()));
}

impl Role for AllInOne {
    fn leave(&mut self) -> BoxFuture<'_, ()> {
        async move {
            for role in &mut self.roles {
                role.leave().await;
            }
        }
        .boxed()
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        async move {
            let watched = self.tasks.stop(Duration::from_secs(5)).await.map_err(StopError::Tasks);
            let mut first = watched;
            for role in self.roles {
                let stopped = role.stop().await;
                first = first.and(stopped);
            }
            first
        }
        .boxed()
    }
}

impl std::fmt::Debug for AllInOne {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AllInOne").field("roles", &self.roles.len()).finish_non_exhaustive()
    }
}
