//! The ingester: recent data in heads behind a log, cut into blocks.
//!
//! A push goes through [`push`] into a [`store`]; a scan of heads through [`scan`]; [`cut`] takes rows into blocks; [`lifecycle`] says
//! what may be done when. Knows no signal: heads and blocks are what the plugins make them.

pub mod admin;
pub mod birth;
pub mod config;
pub mod cut;
pub mod deletes;
pub mod error;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
mod pages;
pub mod push;
pub mod read_back;
pub mod scan;
pub mod share;
pub mod store;
pub mod upload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ring::{MemberState, Membership};
use runtime::{App, Chain, Clock, Compute, Role, StartError, StopError, Tasks};
use signal::{Plugins, SeriesRoom};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog};
use storage::wal::{Replay, Wal, WalConfig, WalMetrics};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use config::IngesterConfig;
use cut::{Cutter, CutterContext};
use lifecycle::{Lifecycle, SelfMember, Start};
use limits::Limits;
use metrics::IngesterMetrics;
use push::PushService;
use read_back::ReadBack;
use scan::{LeafService, Lost};
use share::RingShare;
use store::{SignalStore, StoreContext};

/// What the role needs of the process.
#[derive(Debug)]
pub struct Deps {
    /// The signals to serve.
    pub plugins: Plugins,
    /// Who holds what.
    pub membership: Arc<dyn Membership>,
    /// This process in the ring.
    pub member: Arc<dyn SelfMember>,
    /// Where blocks go.
    pub bucket: Arc<dyn Bucket>,
    /// Where they are read back.
    pub catalog: Arc<Catalog>,
    /// Where they are announced.
    pub announcer: Announcer,
    /// How the log is written.
    pub wal: WalConfig,
    /// How long after its appearance in the ring a member takes no writes: `ring.join_grace`.
    pub join_grace: Duration,
}

/// A running ingester.
#[derive(Debug)]
pub struct Ingester {
    stores: Arc<[Arc<SignalStore>]>,
    cutter: Arc<Cutter>,
    lifecycle: Lifecycle,
    limits: Limits,
    tasks: Tasks,
    leave_grace: Duration,
    grace: Duration,
}

/// Its services, for who mounts them beside others of their kind.
#[derive(Debug)]
pub struct Services {
    /// The role.
    pub ingester: Ingester,
    /// Scans of heads.
    pub leaf: LeafService,
}

/// Starts the role with all its services.
pub fn start(app: &mut App, config: &IngesterConfig, deps: Deps) -> Result<Ingester, StartError> {
    let max_message = app.grpc_max_message();
    let Services { ingester, leaf } = start_without_leaf(app, config, deps)?;
    app.grpc.add(leaf.server(max_message));
    Ok(ingester)
}

/// Opens the logs and mounts everything but the scan of heads. The logs are read while the process serves already; pushes and scans
/// are refused until that is done.
pub fn start_without_leaf(app: &mut App, config: &IngesterConfig, deps: Deps) -> Result<Services, StartError> {
    let Deps { plugins, membership, member, bucket, catalog, announcer, wal, join_grace } = deps;
    let tasks = app.tasks.child();
    let lifecycle = Lifecycle::new(member.clone());
    let lost = Lost::find(app, config, &*member)?;
    let (stores, replays) = open(
        app,
        config,
        &plugins,
        &Shared { membership: &membership, member: &member.name(), wal: &wal, tasks: &tasks, catalog: &catalog },
    )?;
    let stores: Arc<[Arc<SignalStore>]> = stores.into();

    let metrics = IngesterMetrics::register(&mut app.registry);
    metrics.show_limits(config);
    let (clock, compute) = (app.clock.clone(), app.compute.clone());
    let context = CutterContext {
        bucket,
        catalog: catalog.clone(),
        announcer,
        clock: clock.clone(),
        compute: compute.clone(),
        tasks: tasks.clone(),
        metrics: metrics.clone(),
    };
    let cutter = Arc::new(Cutter::new(stores.clone(), config, context));
    let reading = Reading {
        stores: stores.clone(),
        catalog,
        lifecycle: lifecycle.clone(),
        compute,
        clock: clock.clone(),
        join_grace,
        stop: tasks.stopping(),
    };
    tasks.detach("replay", reading.run(replays, cutter.clone()));

    let max_message = app.grpc_max_message();
    let limits = Limits::new(config, clock.clone());
    app.grpc.add(PushService::new(stores.clone(), lifecycle.clone(), limits.clone(), metrics.clone()).server(max_message));
    let admin = admin::Admin::new(stores.clone(), cutter.clone(), lifecycle.clone(), tasks.clone(), app.shutdown());
    app.grpc.add(admin.clone().server());
    app.http.main(admin.routes());
    app.http.main(pages::routes(stores.clone()));
    let ready = lifecycle.clone();
    app.readiness.check("ingester", move || match ready.member().state() {
        _ if !ready.is_replayed() => Err("the log is being read".to_owned()),
        MemberState::Joining => Err("not active in the ring yet".to_owned()),
        _ => Ok(()),
    });
    let leaf = LeafService::new(stores.clone(), lifecycle.clone(), lost, limits.clone(), clock, metrics);
    let (leave_grace, grace) = (config.leave_grace.get(), app.server.shutdown_grace.get());
    Ok(Services { ingester: Ingester { stores, cutter, lifecycle, limits, tasks, leave_grace, grace }, leaf })
}

impl Lost {
    /// Looks whether this member lost its disk; before the logs are opened.
    fn find(app: &App, config: &IngesterConfig, member: &dyn SelfMember) -> Result<Option<Self>, StartError> {
        // One without history has lost nothing.
        let since_ms = member.since_ms().unwrap_or(i64::MAX);
        let lost = birth::lost_before(Path::new(&config.data_dir), since_ms, app.clock.now_ms())
            .map_err(|err| StartError::new("read the data directory", err))?;
        if lost.is_some() {
            warn!("the data directory is younger than this member: what it had acknowledged before is lost here");
        }
        Ok(lost.map(|before_ms| Self { until_ms: before_ms.saturating_add(config.refuse_after_loss.as_ms()) }))
    }
}

/// What the stores of all signals share.
struct Shared<'a> {
    membership: &'a Arc<dyn Membership>,
    member: &'a str,
    wal: &'a WalConfig,
    tasks: &'a Tasks,
    catalog: &'a Arc<Catalog>,
}

/// Opens the log of every signal.
fn open(
    app: &mut App,
    config: &IngesterConfig,
    plugins: &Plugins,
    shared: &Shared<'_>,
) -> Result<(Vec<Arc<SignalStore>>, Vec<Replay>), StartError> {
    let Shared { membership, member, wal, tasks, catalog } = *shared;
    let wal_metrics = WalMetrics::register(&mut app.registry);
    let directory = PathBuf::from(&config.data_dir);
    let scratch = directory.join("heads");
    // What heads keep beside memory is made anew from the log.
    match std::fs::remove_dir_all(&scratch) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(StartError::new("clear the heads' directory", err)),
        _ => {}
    }
    let (mut stores, mut replays) = (Vec::new(), Vec::new());
    for plugin in plugins.iter() {
        let name = plugin.name.as_str();
        let instruments = wal_metrics.of(name);
        let (log, replay) = Wal::open(directory.join("wal").join(name), wal.clone(), app.clock.clone(), instruments)
            .map_err(|err| StartError::new(format!("open the log of {name}"), err))?;
        let read_back = ReadBack::new(config.keep_after_upload.get() * 2);
        for mark in replay.read_back() {
            read_back.add(&mark.tenant, mark.ids.iter().copied(), mark.at_ns);
        }
        let share = RingShare::new(membership.clone(), plugin.policy.clone(), plugin.name, member.to_owned());
        let context = StoreContext {
            share: Arc::new(share),
            room: SeriesRoom::new(config.max_series),
            max_tenants: config.max_tenants,
            clock: app.clock.clone(),
            compute: app.compute.clone(),
            tasks: tasks.clone(),
            directory: scratch.join(name),
            catalog: catalog.clone(),
        };
        stores.push(Arc::new(SignalStore::new(plugin.clone(), log, read_back, context)));
        replays.push(replay);
    }
    Ok((stores, replays))
}

/// From the logs to a place in the ring.
struct Reading {
    stores: Arc<[Arc<SignalStore>]>,
    catalog: Arc<Catalog>,
    lifecycle: Lifecycle,
    compute: Compute,
    clock: Arc<dyn Clock>,
    join_grace: Duration,
    stop: CancellationToken,
}

impl Reading {
    /// Reads the logs, takes the member into the ring, and cuts what comes until the process stops.
    async fn run(self, replays: Vec<Replay>, cutter: Arc<Cutter>) {
        if !self.read(replays).await {
            self.lifecycle.started(Start::Failed);
            return;
        }
        self.lifecycle.started(Start::Replayed);
        if self.stop.run_until_cancelled(self.become_active()).await.is_some() {
            self.lifecycle.started(Start::Done);
            cutter.run().await;
        }
    }

    /// False: this ingester must not answer.
    async fn read(&self, replays: Vec<Replay>) -> bool {
        for (store, replay) in self.stores.iter().cloned().zip(replays) {
            let signal = store.plugin.name;
            let (map, stop) = (self.catalog.map(), self.stop.clone());
            match self.compute.run(move || store.replay(replay, |tenant, id| map.knows(tenant, *id), &stop)).await {
                Ok(rows) => info!(%signal, rows, "the log has been read"),
                Err(err) => {
                    // Heads that lack acknowledged rows must not answer.
                    error!(%signal, error = %Chain(&err), "the log could not be read: this ingester stays out of the ring");
                    return false;
                }
            }
        }
        let whole = !self.stop.is_cancelled();
        if whole {
            for store in self.stores.iter() {
                store.catch_up().await;
            }
        }
        whole
    }

    /// Takes the place in the ring, when all readers know of it. One that is to go meanwhile does not.
    async fn become_active(&self) {
        while self.is_new() && !self.lifecycle.is_to_go() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if self.lifecycle.is_to_go() {
            return;
        }
        while let Err(err) = self.lifecycle.member().set_state(MemberState::Active).await {
            warn!(error = %err, "the member could not become active");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Reading {
    /// True while a reader's view of the ring may be older than this member: it would not ask here for rows that are taken now.
    fn is_new(&self) -> bool {
        let grace = i64::try_from(self.join_grace.as_millis()).unwrap_or(i64::MAX);
        let since = self.lifecycle.member().since_ms();
        since.is_some_and(|since| self.clock.now_ms() < since.saturating_add(grace))
    }
}

impl Ingester {
    /// Hands everything over and leaves the ring (DESIGN 11.8). The process serves meanwhile.
    async fn go(&self) {
        info!("leaving the ring for good");
        // The start would make it active again; and what the log holds must be in heads before these are cut.
        if !self.lifecycle.start_is_over().await {
            error!("the log could not be read: this ingester keeps its place in the ring and its log");
            return;
        }
        let member = self.lifecycle.member();
        self.state(MemberState::ReadOnly).await;
        // What came in before is in the heads, and so in the blocks.
        while !push::none_on_its_way(&self.limits) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let blocks = self.cutter.flush(&[]).await;
        info!(blocks, "all rows are in blocks");
        self.state(MemberState::Leaving).await;
        tokio::time::sleep(self.leave_grace).await;
        while let Err(err) = member.leave().await {
            warn!(error = %err, "the member's object could not be removed");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn state(&self, state: MemberState) {
        while let Err(err) = self.lifecycle.member().set_state(state).await {
            warn!(%state, error = %err, "the member's state could not be written");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Role for Ingester {
    fn leave(&mut self) -> BoxFuture<'_, ()> {
        async move {
            if self.lifecycle.is_to_go() {
                self.go().await;
            }
        }
        .boxed()
    }

    /// A restart keeps the membership and the log; nothing is flushed.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        async move {
            self.lifecycle.stopping();
            self.tasks.stop(self.grace).await.map_err(StopError::Tasks)?;
            for store in self.stores.iter() {
                store.wal.close().await.map_err(|err| StopError::role("close the log", err))?;
            }
            Ok(())
        }
        .boxed()
    }
}
