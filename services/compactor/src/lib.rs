//! The compactor: its leader keeps the catalog and plans ([`leader`], [`plan`]), its workers merge ([`worker`]), and what clients upload is
//! kept and turned into blocks ([`uploads`]).
//!
//! At least two processes run; one of them leads. Without a leader nothing is lost: what writers announced waits, and ingesters serve
//! their rows until the catalog has taken the blocks. Knows no signal.

pub mod admin;
pub mod config;
pub mod jobs;
pub mod leader;
pub mod metrics;
mod pages;
pub mod plan;
pub mod tenants;
pub mod uploads;
pub mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ring::{MemberStore, Membership};
use runtime::config::{ConfigError, HumanDuration};
use runtime::grpc::Channels;
use runtime::{App, Chain, Compute, Role, StartError, StopError, Tasks};
use signal::{Plugins, Routes};
use storage::block::OpenBlock;
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog, LeaderMetrics};
use tenancy::http::Door;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use ulid::Ulid;

pub use config::CompactorConfig;
use leader::{Office, OfficeContext};
use metrics::{CompactorMetrics, UploadMetrics};
use tenants::TenantAdmin;
use uploads::{Yard, YardContext};
use worker::Worker;

/// The window of blocks that are made of uploads where merges have none.
const DEFAULT_WINDOW_NS: i64 = 7_200_000_000_000;

/// What the role needs of the process.
pub struct Deps {
    /// The signals whose blocks are merged.
    pub plugins: Plugins,
    /// Who else could lead.
    pub membership: Arc<dyn Membership>,
    /// The name of this member.
    pub member: String,
    /// Where blocks and the catalog are.
    pub bucket: Arc<dyn Bucket>,
    /// Opens blocks.
    pub open: OpenBlock,
    /// Where merges are read back.
    pub catalog: Arc<Catalog>,
    /// Where merges are announced.
    pub announcer: Announcer,
    /// How the leader is reached.
    pub channels: Channels,
    /// Where members that have gone for good are removed; none in a cluster that stands still.
    pub members: Option<Arc<dyn MemberStore>>,
    /// Bytes that all blocks may take; 0 is no limit.
    pub max_bytes: u64,
    /// Checks tenants.
    pub door: Door,
}

/// A running compactor.
#[derive(Debug)]
pub struct Compactor {
    tasks: Tasks,
    grace: Duration,
}

/// Reads `compactor.windows`: durations, each a multiple of the one before.
pub fn windows(config: &CompactorConfig) -> Result<Vec<i64>, ConfigError> {
    let mut windows: Vec<i64> = Vec::new();
    for text in &config.windows {
        let window: HumanDuration = text.parse().map_err(|err| ConfigError::invalid("compactor.windows", format!("{err}")))?;
        let ns = window.as_ns();
        let wrong = ns <= 0 || windows.last().is_some_and(|last| ns <= *last || ns % last != 0);
        if wrong {
            return Err(ConfigError::invalid("compactor.windows", format!("{text} is not a multiple of the window before it")));
        }
        windows.push(ns);
    }
    Ok(windows)
}

/// Starts the role.
pub fn start(app: &mut App, config: &CompactorConfig, deps: Deps) -> Result<Compactor, StartError> {
    let windows = windows(config).map_err(|err| StartError::new("read the compactor's windows", err))?;
    let Deps { plugins, membership, member, bucket, open, catalog, announcer, channels, members, max_bytes, door } = deps;
    let metrics = CompactorMetrics::register(&mut app.registry);
    let tasks = app.tasks.child();
    let context = OfficeContext {
        name: member.clone(),
        plugins: plugins.clone(),
        membership,
        catalog: catalog.clone(),
        clock: app.clock.clone(),
        metrics: metrics.clone(),
        leader_metrics: LeaderMetrics::register(&mut app.registry),
        members,
        max_bytes,
    };
    let window_ns = windows.first().copied().unwrap_or(DEFAULT_WINDOW_NS);
    let office = Arc::new(Office::new(config, windows, context));
    let fenced = Arc::new(AtomicBool::new(config.alone));
    tasks.detach("leader", lead(office.clone(), bucket.clone(), fenced.clone(), tasks.stopping()));
    app.readiness.check("compactor", move || {
        if fenced.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err("it is not known yet whether the store creates objects atomically".to_owned())
        }
    });
    tasks.detach("sweep", office.clone().sweep(tasks.stopping()));
    // Not the pool of the process: a merge keeps its thread while it waits for the store.
    let threads = Compute::new(config.concurrency);
    for number in 0..config.concurrency.max(1) {
        let worker = Worker {
            name: format!("{member}/{number}"),
            office: office.clone(),
            channels: channels.clone(),
            plugins: plugins.clone(),
            bucket: bucket.clone(),
            open: open.clone(),
            announcer: announcer.clone(),
            catalog: catalog.clone(),
            clock: app.clock.clone(),
            compute: threads.clone(),
            metrics: metrics.clone(),
            config: config.clone(),
        };
        tasks.detach("merge", Arc::new(worker).run(tasks.stopping()));
    }
    let context = YardContext {
        name: member,
        signals: plugins.iter().filter_map(|plugin| Some((plugin.name, plugin.uploads.clone()?))).collect(),
        bucket,
        announcer: announcer.clone(),
        catalog: catalog.clone(),
        clock: app.clock.clone(),
        metrics: UploadMetrics::register(&mut app.registry),
        tasks: tasks.clone(),
        window_ns,
    };
    let yard = Yard::new(config, context);
    tasks.detach("uploads", yard.clone().rounds(office.clone(), tasks.stopping()));
    let mut routes = Routes::new(door.clone());
    if !yard.mount(&mut routes) {
        routes.open(pages::no_uploads());
    }
    let (http, grpc) = routes.into_parts();
    app.http.merge(http);
    app.grpc.merge(grpc);
    let pages = pages::Pages { office: office.clone(), catalog: catalog.clone() };
    let admin = admin::Admin::new(office, metrics);
    let max_message = app.grpc_max_message();
    app.grpc.add(admin.clone().server(max_message));
    app.http.main(admin.routes());
    app.http.main(pages.routes());
    let tenants = TenantAdmin { plugins, catalog, announcer, clock: app.clock.clone(), yard };
    app.http.main(door.guard(tenants.routes()));
    Ok(Compactor { tasks, grace: app.server.shutdown_grace.get() })
}

/// Leads whenever it is this process's turn. Where the store does not create atomically, two leaders could not tell each other:
/// nobody leads then but one that is said to be alone.
async fn lead(office: Arc<Office>, bucket: Arc<dyn Bucket>, fenced: Arc<AtomicBool>, stop: CancellationToken) {
    while !fenced.load(Ordering::SeqCst) {
        match storage::catalog::create_is_atomic(&*bucket, Ulid::new()).await {
            Ok(true) => fenced.store(true, Ordering::SeqCst),
            Ok(false) => {
                error!("the store does not create objects atomically: no compactor leads but one with compactor.alone");
                return;
            }
            Err(err) => {
                warn!(error = %Chain(&err), "the store could not be probed");
                if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
                    return;
                }
            }
        }
    }
    office.run(stop).await;
}

impl Role for Compactor {
    /// A merge that is not finished is lost, and planned again by the leader.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        async move { self.tasks.stop(self.grace).await.map_err(StopError::Tasks) }.boxed()
    }
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("member", &self.member).finish_non_exhaustive()
    }
}
