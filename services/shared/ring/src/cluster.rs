//! The real membership: objects in the bucket, gossip among the members, streams to the processes without state.

mod follower;
pub(crate) mod knowledge;
mod member;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::quartet::ring_admin_server::RingAdminServer;
use runtime::grpc::Channels;
use runtime::{App, Chain, Classify, Clock, ErrorKind, Tasks};
use tokio::sync::{Notify, watch as channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{RingConfig, RingConfigError};
use crate::gossip::{GossipError, GossipTls, Heard};
use crate::member::{Member, MemberState, Process};
use crate::membership::{Changes, Membership};
use crate::metrics::RingMetrics;
use crate::store::{MemberStore, StoreError};
use crate::view::{Facts, RingSettings, View, ViewBuilder};
use knowledge::Knowledge;
use member::MemberPart;
pub use watch::WatchService;

/// Pause between two attempts to read the members while they cannot be read.
const START_PAUSE: Duration = Duration::from_millis(500);

/// Who this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its role.
    pub role: String,
    /// Its name among those of its role; a member's, unless `ring.member` says another.
    pub id: String,
    /// The host or address under which others reach it.
    pub host: String,
    /// Where it serves HTTP, `host:port`.
    pub http: String,
    /// Where it serves gRPC, `host:port`.
    pub grpc: String,
    /// The signals that it serves.
    pub signals: Vec<String>,
}

/// What a cluster stands on.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The id of the cluster: members of another one are not spoken to.
    pub cluster_id: String,
    /// The members' objects.
    pub store: Arc<dyn MemberStore>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What stops with the process.
    pub tasks: Tasks,
    /// Instruments.
    pub metrics: RingMetrics,
}

/// This process's place in the cluster. Clones are the same place.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
    /// Only a stateful process's.
    member: Option<Arc<MemberPart>>,
}

/// Why a process has no place in the cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A setting cannot be.
    #[error("configure the ring")]
    Config(#[from] RingConfigError),
    /// The members could not be read, or this one not written.
    #[error("reach the members in the bucket")]
    Store(#[from] StoreError),
    /// The port of gossip.
    #[error("listen on ring.bind {address}")]
    Listen {
        /// `ring.bind`.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Others could not reach this process.
    #[error("resolve {host}, the address of this process for gossip")]
    Advertise {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Gossip did not begin.
    #[error("join the others")]
    Gossip(#[from] GossipError),
    /// Another role's member has the name.
    #[error("{name} is the name of a member with the role {role}: ring.member must be unique in the cluster")]
    NameTaken {
        /// The name.
        name: String,
        /// The role of the other.
        role: String,
    },
    /// Only members can do this.
    #[error("a process without state is not a member of the ring")]
    NotAMember,
}

impl Classify for ClusterError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(err) => err.kind(),
            Self::Store(err) => err.kind(),
            Self::NameTaken { .. } => ErrorKind::Conflict,
            Self::Listen { .. } | Self::Advertise { .. } | Self::Gossip(_) => ErrorKind::Unavailable,
            Self::NotAMember => ErrorKind::Unsupported,
        }
    }
}

/// What all tasks of one process's place share.
#[derive(Debug)]
struct Shared {
    identity: Identity,
    config: RingConfig,
    environment: Environment,
    knowledge: Mutex<(Knowledge, ViewBuilder)>,
    views: channel::Sender<Arc<View>>,
    /// When the last successful reading of the members began.
    read_at: Mutex<Instant>,
    /// Somebody unknown is alive: the bucket is to be read.
    reread: Notify,
}

/// The members as they were at the start.
struct FirstRead {
    members: BTreeMap<String, Member>,
    began: Instant,
}

impl Identity {
    /// The identity of a process.
    #[must_use]
    pub fn of(app: &App, signals: Vec<String>) -> Self {
        let (host, http, grpc) = (app.host().to_owned(), app.http_addr(), app.grpc_addr());
        Self { role: app.role.to_owned(), id: app.id.clone(), host, http, grpc, signals }
    }

    fn process(&self) -> Process {
        Process { role: self.role.clone(), id: self.id.clone(), http: self.http.clone(), grpc: self.grpc.clone() }
    }
}

impl Cluster {
    /// Joins as a stateful member: reads the members, writes `joining` into its own object, whatever stood there, and
    /// gossips. The process opens its ports afterwards, and serves [`Cluster::service`] and its metrics.
    ///
    /// Errors: settings that cannot be; a bucket that could not be read within `ring.start_timeout`; a port that is taken.
    pub async fn join(
        identity: Identity,
        config: &RingConfig,
        environment: Environment,
        tls: Option<GossipTls>,
    ) -> Result<Self, ClusterError> {
        let settings = config.check(true)?;
        let identity = Identity { id: if config.member.is_empty() { identity.id } else { config.member.clone() }, ..identity };
        let mut first = first_read(config, &environment).await?;
        let (part, members) = member::begin(&identity, config, &environment, first.members, tls).await?;
        first.members = members;
        let shared = Shared::new(identity, config, environment, settings, first, true);
        let cluster = Self { shared: Arc::new(shared), member: Some(Arc::new(part)) };
        member::run(&cluster);
        cluster.spawn_reader();
        Ok(cluster)
    }

    /// Follows the ring as a process without state: reads the members, then follows the streams of two of them, and is known
    /// through them to all others. Nobody needs to be there yet.
    ///
    /// Errors: settings that cannot be; a bucket that could not be read within `ring.start_timeout`.
    pub async fn follow(
        identity: Identity,
        config: &RingConfig,
        environment: Environment,
        channels: Channels,
    ) -> Result<Self, ClusterError> {
        let settings = config.check(false)?;
        let first = first_read(config, &environment).await?;
        let shared = Shared::new(identity, config, environment, settings, first, false);
        let cluster = Self { shared: Arc::new(shared), member: None };
        follower::run(&cluster.shared, &channels);
        cluster.spawn_reader();
        Ok(cluster)
    }

    /// The gRPC service of a member that the others follow; none for a process without state.
    ///
    /// * `draining`: ends the streams, so that the process can stop.
    #[must_use]
    pub fn service(&self, draining: CancellationToken) -> Option<RingAdminServer<WatchService>> {
        let member = self.member.clone()?;
        Some(RingAdminServer::new(WatchService::new(self.shared.clone(), member, draining)))
    }

    /// The name of this process in the ring, or among those of its role.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.identity.id
    }

    /// What this member says of itself; none for a process without state.
    pub async fn own(&self) -> Option<Member> {
        Some(self.member.as_ref()?.own().await)
    }

    /// Changes the state of this member: in the bucket, then by gossip. When this returns, nobody who starts reads the old state.
    pub async fn set_state(&self, state: MemberState) -> Result<(), ClusterError> {
        let member = self.member.as_ref().ok_or(ClusterError::NotAMember)?;
        let own = member.set_state(&self.shared, state).await?;
        info!(member = own.name, %state, "the member has a new state");
        self.shared.learn(|knowledge| knowledge.set_own(own));
        Ok(())
    }

    /// Tells the others that this member goes down and will be back: it is missing at once, not only when it has been
    /// silent for a while. To be called before the tasks of the process are stopped; takes two heartbeats. A process without
    /// state has nothing to tell: its streams end.
    pub async fn farewell(&self) {
        if let Some(member) = &self.member {
            member.farewell().await;
            tokio::time::sleep(2 * self.shared.config.heartbeat.get()).await;
        }
    }

    /// Leaves the ring: the member's object goes and is not written again. For an ingester only after it has given
    /// everything away.
    pub async fn leave(&self) -> Result<(), ClusterError> {
        let member = self.member.as_ref().ok_or(ClusterError::NotAMember)?;
        member.leave(&self.shared).await?;
        info!(member = self.name(), "the member has left the ring");
        Ok(())
    }

    /// Removes a member's object, for one that will never come back. One that lives writes its object again.
    pub async fn forget(&self, name: &str) -> Result<(), StoreError> {
        self.shared.environment.store.delete(name).await?;
        info!(member = name, "the member is forgotten");
        self.shared.reread.notify_one();
        Ok(())
    }

    fn spawn_reader(&self) {
        let cluster = self.clone();
        self.shared.environment.tasks.spawn("read members", async move {
            cluster.read_members().await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Reads the members again and again, and sees to it that this one is among them.
    async fn read_members(&self) {
        let Shared { config, environment, reread, .. } = &*self.shared;
        let stop = environment.tasks.stopping();
        let mut tick = tokio::time::interval_at(Instant::now() + config.read_period.get(), config.read_period.get());
        let mut failing = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
                () = tokio::time::sleep(START_PAUSE), if failing => {}
                () = reread.notified() => {
                    // Many changes at once are one reading; and somebody alive may have no object here at all.
                    let pause = config.heartbeat.get().max(config.read_period.get() / 10);
                    let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
            }
            match self.read_once().await {
                Ok(()) => failing = false,
                Err(err) if failing => tracing::debug!(error = %Chain(&err), "the members still cannot be read"),
                Err(err) => {
                    failing = true;
                    warn!(error = %Chain(&err), "the members cannot be read: the last that were read stay");
                }
            }
        }
    }

    async fn read_once(&self) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut members = by_name(self.shared.environment.store.list().await?);
        if let Some(own) = &self.member {
            own.keep(&self.shared, &mut members).await?;
            own.greet_names(&self.shared.config.join).await;
        }
        self.shared.learn(|knowledge| knowledge.read(members));
        *self.shared.read_at.lock() = began;
        Ok(())
    }
}

impl Membership for Cluster {
    fn view(&self) -> Arc<View> {
        self.shared.views.borrow().clone()
    }

    fn changes(&self) -> Changes {
        Changes::new(self.shared.views.subscribe())
    }

    fn age(&self) -> Duration {
        self.shared.read_at.lock().elapsed()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("identity", &self.shared.identity).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(
        identity: Identity,
        config: &RingConfig,
        environment: Environment,
        settings: RingSettings,
        first: FirstRead,
        stateful: bool,
    ) -> Self {
        let own = if stateful { knowledge::Own::Member(identity.id.clone()) } else { knowledge::Own::Process(identity.process()) };
        let mut knowledge = Knowledge::new(own, first.members);
        let mut builder = ViewBuilder::new(settings);
        let view = builder.build(knowledge.facts(environment.clock.now_ms()));
        environment.metrics.show(&view);
        let views = channel::Sender::new(Arc::new(view));
        let knowledge = Mutex::new((knowledge, builder));
        let read_at = Mutex::new(first.began);
        Self { identity, config: config.clone(), environment, knowledge, views, read_at, reread: Notify::new() }
    }

    /// Takes news, and makes a new view if they change anything.
    fn learn(&self, news: impl FnOnce(&mut Knowledge)) {
        let mut knowledge = self.knowledge.lock();
        let (knowledge, builder) = &mut *knowledge;
        news(knowledge);
        let facts: Facts = knowledge.facts(self.environment.clock.now_ms());
        if knowledge.meets_strangers() {
            self.reread.notify_one();
        }
        if *self.views.borrow().facts() != facts {
            let view = builder.build(facts);
            self.environment.metrics.show(&view);
            self.views.send_replace(Arc::new(view));
        }
    }

    fn hear(&self, heard: Heard) {
        self.learn(|knowledge| knowledge.hear(heard));
    }
}

/// Reads the members for the first time: nobody computes anything before that.
async fn first_read(config: &RingConfig, environment: &Environment) -> Result<FirstRead, StoreError> {
    let end = Instant::now() + config.start_timeout.get();
    loop {
        let began = Instant::now();
        match environment.store.list().await {
            Ok(members) => return Ok(FirstRead { members: by_name(members), began }),
            Err(err) if Instant::now() < end => warn!(error = %Chain(&err), "the members cannot be read yet"),
            Err(err) => return Err(err),
        }
        tokio::time::sleep(START_PAUSE).await;
    }
}

fn by_name(members: Vec<Member>) -> BTreeMap<String, Member> {
    members.into_iter().map(|member| (member.name.clone(), member)).collect()
}
