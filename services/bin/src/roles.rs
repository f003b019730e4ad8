//! From the configuration to a running role: one function per role.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use ingester::lifecycle::RingMember;
use node::Node;
use query_frontend::CatalogDeletes;
use ring::{BucketStore, Cluster, MemberState, Membership};
use runtime::{App, Chain, Role, StartError, StopError};
use signal::Plugins;
use storage::bucket::Bucket;
use tenancy::http::Door;
use tracing::warn;

use crate::config::Config;

/// The signals of a process, with the limits of their tenants.
pub fn plugins(app: &mut App, config: &Config) -> Result<Plugins, StartError> {
    signals::enabled(app, config.sections(), None).map_err(|err| StartError::new("set up the signals", err))
}

/// The signals of a process that takes writes: with what such processes share in the bucket.
pub fn writing_plugins(app: &mut App, config: &Config, bucket: Arc<dyn Bucket>) -> Result<Plugins, StartError> {
    signals::enabled(app, config.sections(), Some(bucket)).map_err(|err| StartError::new("set up the signals", err))
}

fn names(plugins: &Plugins) -> Vec<String> {
    plugins.iter().map(|plugin| plugin.name.as_str().to_owned()).collect()
}

fn door(config: &Config) -> Result<Door, StartError> {
    Door::new(&config.auth).map_err(|err| StartError::new("auth.default_tenant", err))
}

/// Starts a distributor.
pub async fn distributor(app: &mut App, config: &Config) -> Result<distributor::Distributor, StartError> {
    let node = Node::open(app, config.node()).await?;
    let plugins = writing_plugins(app, config, node.bucket.clone())?;
    let cluster = node.follow(app, config.node(), names(&plugins)).await?;
    let ingesters = Arc::new(distributor::ingesters::Remote::new(node.channels));
    let origins = config.otlp.origins().map_err(|err| StartError::new("otlp", err))?;
    let deps = distributor::Deps { plugins, door: door(config)?, origins, membership: Arc::new(cluster), ingesters };
    Ok(distributor::start(app, &config.distributor, deps))
}

/// Starts an ingester.
pub async fn ingester(app: &mut App, config: &Config) -> Result<Restarting<ingester::Ingester>, StartError> {
    let plugins = plugins(app, config)?;
    let node = Node::open(app, config.node()).await?;
    let cluster = node.join(app, config.node(), names(&plugins)).await?;
    let announcer = node.announcer(app, config.node());
    let deps = ingester::Deps {
        plugins,
        membership: Arc::new(cluster.clone()),
        member: Arc::new(RingMember(cluster.clone())),
        bucket: node.bucket,
        catalog: node.catalog,
        announcer,
        wal: config.wal.clone(),
        join_grace: config.ring.join_grace.get(),
    };
    let role = ingester::start(app, &config.ingester, deps)?;
    Ok(Restarting { role, cluster })
}

/// Starts a query-frontend.
pub async fn query_frontend(app: &mut App, config: &Config) -> Result<query_frontend::QueryFrontend, StartError> {
    let plugins = plugins(app, config)?;
    let node = Node::open(app, config.node()).await?;
    node.follow(app, config.node(), names(&plugins)).await?;
    let announcer = node.announcer(app, config.node());
    let deletes = CatalogDeletes { catalog: node.catalog.clone(), announcer, clock: app.clock.clone(), plugins: plugins.clone() };
    let results = node.results(&config.query_frontend.results_cache.cache())?;
    let deps = query_frontend::Deps {
        plugins,
        deletes: Arc::new(deletes),
        door: door(config)?.for_reads(&config.tenant_federation),
        catalog: node.catalog,
        results,
        cluster_id: config.cluster.id.clone(),
    };
    Ok(query_frontend::start(app, &config.query_frontend, deps))
}

/// Starts a querier.
pub async fn querier(app: &mut App, config: &Config) -> Result<querier::Querier, StartError> {
    let plugins = plugins(app, config)?;
    let node = Node::open(app, config.node()).await?;
    let cluster = node.follow(app, config.node(), names(&plugins)).await?;
    let leaves = Arc::new(querier::leaf::Remote::new(node.channels.clone(), config.querier.leaf_timeout.get()));
    let deps = querier::Deps {
        plugins,
        membership: Arc::new(cluster),
        catalog: node.catalog,
        channels: node.channels,
        leaves,
        max_ring_age: config.ring.join_grace.get(),
    };
    Ok(querier::start(app, &config.querier, deps))
}

/// Starts a store-gateway.
pub async fn store_gateway(app: &mut App, config: &Config) -> Result<Member<store_gateway::StoreGateway>, StartError> {
    let plugins = plugins(app, config)?;
    let node = Node::open(app, config.node()).await?;
    let cluster = node.join(app, config.node(), names(&plugins)).await?;
    let open = node.blocks(config.node())?;
    let role = store_gateway::start(app, &config.store_gateway, store_gateway::Deps { plugins, open, catalog: node.catalog });
    Ok(Member::active(app, role, cluster, ring::roles::STORE_GATEWAY))
}

/// Starts a compactor.
pub async fn compactor(app: &mut App, config: &Config) -> Result<Member<compactor::Compactor>, StartError> {
    let plugins = plugins(app, config)?;
    let node = Node::open(app, config.node()).await?;
    let cluster = node.join(app, config.node(), names(&plugins)).await?;
    let open = node.blocks(config.node())?;
    let announcer = node.announcer(app, config.node());
    let deps = compactor::Deps {
        plugins,
        membership: Arc::new(cluster.clone()),
        member: cluster.name().to_owned(),
        members: Some(Arc::new(BucketStore::new(node.bucket.clone(), app.clock.clone()))),
        bucket: node.bucket,
        open,
        catalog: node.catalog,
        announcer,
        channels: node.channels,
        max_bytes: config.storage.max_bytes().0,
        door: door(config)?,
    };
    let role = compactor::start(app, &config.compactor, deps)?;
    Ok(Member::active(app, role, cluster, ring::roles::COMPACTOR))
}

/// A role that keeps its place in the ring when it stops: it comes back.
#[derive(Debug)]
pub struct Restarting<R> {
    role: R,
    cluster: Cluster,
}

impl<R: Role> Role for Restarting<R> {
    fn leave(&mut self) -> BoxFuture<'_, ()> {
        self.role.leave()
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        async move {
            self.cluster.farewell().await;
            Box::new(self.role).stop().await
        }
        .boxed()
    }
}

/// A role that holds nothing of its own: it leaves the ring when it stops.
#[derive(Debug)]
pub struct Member<R> {
    role: R,
    cluster: Cluster,
}

impl<R: Role> Member<R> {
    /// Makes the member active as soon as the process serves.
    fn active(app: &mut App, role: R, cluster: Cluster, ring: &'static str) -> Self {
        let (own, stop) = (cluster.clone(), app.tasks.stopping());
        app.tasks.detach("become active", async move {
            while let Err(err) = own.set_state(MemberState::Active).await {
                warn!(error = %Chain(&err), "the member could not become active");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
                }
            }
        });
        let own = cluster.clone();
        app.readiness.check("ring", move || {
            let ring = own.view().ring(ring);
            let active = ring.find(own.name()).is_some_and(|id| ring.member(id).member.state == MemberState::Active);
            if active { Ok(()) } else { Err("not active in the ring yet".to_owned()) }
        });
        Self { role, cluster }
    }
}

impl<R: Role> Role for Member<R> {
    fn leave(&mut self) -> BoxFuture<'_, ()> {
        self.role.leave()
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        async move {
            let left = self.cluster.leave().await.map_err(|err| StopError::role("leave the ring", err));
            Box::new(self.role).stop().await.and(left)
        }
        .boxed()
    }
}
