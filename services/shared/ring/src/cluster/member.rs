//! What a stateful process does: it keeps its object, gossips, and speaks for those that follow it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::seq::IndexedRandom;
use runtime::Chain;
use tokio::net::{TcpListener, lookup_host};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, info, warn};

use super::{Cluster, ClusterError, Environment, Identity, START_PAUSE, Shared};
use crate::config::RingConfig;
use crate::gossip::{Gossip, GossipEnded, GossipSettings, GossipTls};
use crate::member::{Member, MemberState, Process};
use crate::store::StoreError;

/// Members that are greeted at once when they are silent.
const GREETINGS: usize = 3;

/// The part of a place that only members have.
#[derive(Debug)]
pub(super) struct MemberPart {
    own: tokio::sync::Mutex<Own>,
    gossip: Gossip,
    /// Processes that follow this member, by role and name, and by how many streams.
    followers: Mutex<BTreeMap<(String, String), (Process, usize)>>,
}

#[derive(Debug)]
struct Own {
    member: Member,
    left: bool,
}

/// Writes `joining`, and gossips. Returns the members with this one among them.
pub(super) async fn begin(
    identity: &Identity,
    config: &RingConfig,
    environment: &Environment,
    mut members: BTreeMap<String, Member>,
    tls: Option<GossipTls>,
) -> Result<(MemberPart, BTreeMap<String, Member>), ClusterError> {
    if let Some(other) = members.get(&identity.id).filter(|other| other.role != identity.role) {
        return Err(ClusterError::NameTaken { name: other.name.clone(), role: other.role.clone() });
    }
    let (listener, advertised) = listen(identity, config).await?;
    let now_ms = environment.clock.now_ms();
    let member = joining(identity, config, advertised, members.get(&identity.id), now_ms);
    put_patiently(config, environment, &member).await?;
    info!(member = member.name, zone = member.zone, gossip = member.gossip, since_ms = member.since_ms, "joining the ring");
    members.insert(member.name.clone(), member.clone());
    let settings = GossipSettings {
        cluster_id: environment.cluster_id.clone(),
        heartbeat: config.heartbeat.get(),
        missing_after: config.missing_after.get(),
        dead_grace: config.dead_grace.get(),
    };
    let (tasks, metrics) = (&environment.tasks, environment.metrics.gossip.clone());
    let gossip = Gossip::start(settings, (listener, advertised), &member, tls, tasks, metrics).await?;
    let own = tokio::sync::Mutex::new(Own { member, left: false });
    Ok((MemberPart { own, gossip, followers: Mutex::default() }, members))
}

/// Gossips until the process stops.
pub(super) fn run(cluster: &Cluster) {
    let Some(member) = cluster.member.clone() else { return };
    let shared = cluster.shared.clone();
    shared.clone().environment.tasks.spawn("gossip", async move {
        let ended = gossip(&shared, &member).await;
        member.gossip.stop();
        ended
    });
}

/// The port of gossip, and where others reach it.
async fn listen(identity: &Identity, config: &RingConfig) -> Result<(TcpListener, SocketAddr), ClusterError> {
    let failed = |source| ClusterError::Listen { address: config.bind.clone(), source };
    let listener = TcpListener::bind(&config.bind).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let host = match config.advertise.as_str() {
        "" if !bound.ip().is_unspecified() => return Ok((listener, bound)),
        "" => identity.host.trim_matches(['[', ']']),
        host => host,
    };
    let failed = |source| ClusterError::Advertise { host: host.to_owned(), source };
    let advertised = lookup_host((host, bound.port())).await.map_err(failed)?.next();
    advertised.map(|advertised| (listener, advertised)).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}

/// The object of a member that starts. The time since when it takes writes is kept if it took them before.
fn joining(identity: &Identity, config: &RingConfig, gossip: SocketAddr, before: Option<&Member>, now_ms: i64) -> Member {
    // A counter that begins with the time is above that of an earlier object which somebody removed.
    let first = u64::try_from(now_ms).unwrap_or(0);
    let (since_ms, counter) = match before {
        Some(before) if before.state.takes_writes() => (before.since_ms, first.max(before.counter + 1)),
        Some(before) => (now_ms, first.max(before.counter + 1)),
        None => (now_ms, first),
    };
    Member {
        name: identity.id.clone(),
        role: identity.role.clone(),
        zone: config.zone.clone(),
        http: identity.http.clone(),
        grpc: identity.grpc.clone(),
        gossip: gossip.to_string(),
        signals: identity.signals.clone(),
        state: MemberState::Joining,
        since_ms,
        counter,
    }
}

async fn put_patiently(config: &RingConfig, environment: &Environment, member: &Member) -> Result<(), StoreError> {
    let end = Instant::now() + config.start_timeout.get();
    loop {
        match environment.store.put(member).await {
            Ok(()) => return Ok(()),
            Err(err) if Instant::now() < end => warn!(error = %Chain(&err), "the member's object cannot be written yet"),
            Err(err) => return Err(err),
        }
        tokio::time::sleep(START_PAUSE).await;
    }
}

async fn gossip(shared: &Shared, member: &MemberPart) -> Result<(), GossipEnded> {
    let stop = shared.environment.tasks.stopping();
    // Twice a heartbeat, so that a change is known within one.
    let mut tick = tokio::time::interval(shared.config.heartbeat.get() / 2);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            ended = member.gossip.ended() => return Err(ended),
            _ = tick.tick() => {}
        }
        let followers = member.followers.lock().iter().map(|(key, (process, _))| (key.clone(), process.clone())).collect();
        shared.hear(member.gossip.round(&followers, Instant::now()).await);
        member.greet_silent(shared);
    }
}

impl MemberPart {
    pub(super) async fn own(&self) -> Member {
        self.own.lock().await.member.clone()
    }

    pub(super) async fn set_state(&self, shared: &Shared, state: MemberState) -> Result<Member, StoreError> {
        let mut own = self.own.lock().await;
        let next = own.member.clone().with_state(state, shared.environment.clock.now_ms());
        shared.environment.store.put(&next).await?;
        self.gossip.tell(&next).await;
        own.member = next.clone();
        Ok(next)
    }

    pub(super) async fn farewell(&self) {
        self.gossip.farewell().await;
    }

    pub(super) async fn leave(&self, shared: &Shared) -> Result<(), StoreError> {
        let mut own = self.own.lock().await;
        own.left = true;
        shared.environment.store.delete(&own.member.name).await
    }

    /// Sees to it that this member is among those that were read: one that lives and finds its object gone writes it again.
    pub(super) async fn keep(&self, shared: &Shared, members: &mut BTreeMap<String, Member>) -> Result<(), StoreError> {
        let own = self.own.lock().await;
        if own.left {
            return Ok(());
        }
        match members.get(&own.member.name) {
            None => {
                warn!(member = own.member.name, "the object of this member is gone: it is written again");
                shared.environment.store.put(&own.member).await?;
            }
            Some(read) if read.counter > own.member.counter => {
                warn!(member = read.name, gossip = read.gossip, "another process writes the object of this member: do two have one name?");
            }
            Some(_) => {}
        }
        members.insert(own.member.name.clone(), own.member.clone());
        Ok(())
    }

    /// Introduces this member to some of those that gossip does not show.
    fn greet_silent(&self, shared: &Shared) {
        let view = shared.views.borrow().clone();
        let silent: Vec<SocketAddr> =
            view.facts().members.iter().filter(|seen| !seen.alive).filter_map(|seen| seen.member.gossip.parse().ok()).collect();
        for address in silent.choose_multiple(&mut rand::rng(), GREETINGS) {
            self.gossip.greet(*address);
        }
    }

    /// Introduces this member to configured names, which may not exist yet.
    pub(super) async fn greet_names(&self, names: &[String]) {
        for name in names {
            match lookup_host(name).await {
                Ok(addresses) => addresses.for_each(|address| self.gossip.greet(address)),
                Err(err) => debug!(error = %err, name, "a name of ring.join does not exist yet"),
            }
        }
    }

    /// A process begins to follow this member.
    pub(super) fn add_follower(&self, process: &Process) {
        let mut followers = self.followers.lock();
        let entry = followers.entry((process.role.clone(), process.id.clone())).or_insert_with(|| (process.clone(), 0));
        entry.0 = process.clone();
        entry.1 += 1;
    }

    /// A stream of a process that follows this member has ended.
    pub(super) fn remove_follower(&self, process: &Process) {
        let mut followers = self.followers.lock();
        let key = (process.role.clone(), process.id.clone());
        if let Some((_, streams)) = followers.get_mut(&key) {
            *streams -= 1;
            if *streams == 0 {
                followers.remove(&key);
            }
        }
    }
}

/// Keeps a process among the followers while its stream lives.
#[derive(Debug)]
pub(super) struct Following {
    member: Arc<MemberPart>,
    process: Process,
}

impl Following {
    pub(super) fn new(member: Arc<MemberPart>, process: Process) -> Self {
        member.add_follower(&process);
        Self { member, process }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.member.remove_follower(&self.process);
    }
}
