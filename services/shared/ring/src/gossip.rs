//! Who is alive: chitchat among the members, and what each of them says of itself and of the processes that follow it.

mod liveness;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState, spawn_chitchat};
use parking_lot::Mutex;
use runtime::Tasks;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::member::{Member, Process};
use crate::metrics::GossipMetrics;
use liveness::Liveness;
pub use wire::GossipTls;
use wire::Wire;

/// The key of a member's own object.
const MEMBER: &str = "m";
/// The key that a member sets before it goes down on purpose.
const FAREWELL: &str = "bye";
/// Keys of the processes that follow a member: this, then role and name.
const PROCESS: &str = "p:";

/// How a member gossips.
#[derive(Clone, Debug)]
pub(crate) struct GossipSettings {
    pub(crate) cluster_id: String,
    pub(crate) heartbeat: Duration,
    pub(crate) missing_after: Duration,
    pub(crate) dead_grace: Duration,
}

/// One member's end of gossip.
pub(crate) struct Gossip {
    handle: ChitchatHandle,
    node: String,
    liveness: Mutex<Liveness>,
}

/// What gossip says of the other members, by name; and of the processes without state that somebody alive speaks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) members: BTreeMap<String, Life>,
    pub(crate) processes: Vec<Process>,
}

/// What is known of the life of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) alive: bool,
    /// Since when it is missing, if somebody else saw that.
    pub(crate) missing_since_ms: Option<i64>,
    /// What the member last said of itself.
    pub(crate) member: Arc<Member>,
}

/// Gossip ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("gossip ended: {0}")]
pub(crate) struct GossipEnded(String);

/// Gossip did not begin.
#[derive(Debug, thiserror::Error)]
#[error("begin to gossip: {0}")]
pub struct GossipError(String);

impl Gossip {
    /// Begins to gossip.
    ///
    /// * a listener, bound already so that the member's object could tell its port, and where others reach it.
    /// * `member`: what it says of itself; its counter grows with each start.
    pub(crate) async fn start(
        settings: GossipSettings,
        (listener, advertised): (TcpListener, SocketAddr),
        member: &Member,
        tls: Option<GossipTls>,
        tasks: &Tasks,
        metrics: GossipMetrics,
    ) -> Result<Self, GossipError> {
        let node = short_id(&member.name);
        let wire = Wire::new(listener, advertised, tls, tasks.clone(), metrics);
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(node.clone(), member.counter, advertised),
            cluster_id: settings.cluster_id,
            gossip_interval: settings.heartbeat,
            listen_addr: advertised,
            // Addresses come from the bucket and change: `Gossip::greet` introduces them.
            seed_nodes: Vec::new(),
            failure_detector_config: FailureDetectorConfig {
                initial_interval: settings.heartbeat,
                max_interval: settings.missing_after,
                dead_node_grace_period: settings.dead_grace,
                ..FailureDetectorConfig::default()
            },
            marked_for_deletion_grace_period: settings.dead_grace,
            catchup_callback: None,
            extra_liveness_predicate: None,
        };
        let first = vec![(MEMBER.to_owned(), json(member))];
        let handle = spawn_chitchat(config, first, &wire).await.map_err(|err| GossipError(format!("{err:#}")))?;
        let liveness = Mutex::new(Liveness::new(settings.missing_after, 3 * settings.heartbeat));
        Ok(Self { handle, node, liveness })
    }

    /// Resolves when gossip has ended by itself.
    pub(crate) async fn ended(&self) -> GossipEnded {
        match self.handle.termination_watcher().await {
            Ok(()) => GossipEnded("its loop returned".to_owned()),
            Err(err) => GossipEnded(format!("{err:#}")),
        }
    }

    /// Asks it to end.
    pub(crate) fn stop(&self) {
        // An error says that it has ended.
        let _ = self.handle.initiate_shutdown();
    }

    /// Introduces this member to an address, which need not answer.
    pub(crate) fn greet(&self, address: SocketAddr) {
        let _ = self.handle.gossip(address);
    }

    /// Tells what this member now says of itself.
    pub(crate) async fn tell(&self, member: &Member) {
        let json = json(member);
        self.handle.with_chitchat(|chitchat| chitchat.self_node_state().set(MEMBER, &json)).await;
    }

    /// Tells that this member goes down now: it is missing at once, until its next start.
    pub(crate) async fn farewell(&self) {
        self.handle.with_chitchat(|chitchat| chitchat.self_node_state().set(FAREWELL, "1")).await;
    }

    /// Looks at what has been heard, and speaks for the processes that follow this member: each is spoken for by one
    /// living member only, that with the smallest id, so that what is gossiped does not grow with the streams.
    pub(crate) async fn round(&self, followers: &BTreeMap<(String, String), Process>, now: Instant) -> Heard {
        self.handle.with_chitchat(|chitchat| self.look(chitchat, followers, now)).await
    }

    fn look(&self, chitchat: &mut Chitchat, followers: &BTreeMap<(String, String), Process>, now: Instant) -> Heard {
        let mut liveness = self.liveness.lock();
        let own = chitchat.self_chitchat_id().clone();
        liveness.see(chitchat.node_states().iter().map(|(id, state)| (id, u64::from(state.heartbeat()))), now);
        let mut heard = Heard::default();
        let mut spoken_for = BTreeMap::new();
        for (id, state) in chitchat.node_states().iter().filter(|(id, _)| **id != own && liveness.is_newest(id)) {
            let alive = liveness.alive(id, now) && !state.contains_key(FAREWELL);
            if let Some(member) = own_words(state) {
                let life = Life { alive, missing_since_ms: None, member: Arc::new(member) };
                heard.members.insert(life.member.name.clone(), life);
            }
            // A member that went missing is given as long again: somebody else speaks for its processes by then.
            if liveness.remembered(id, now) {
                for process in processes(state) {
                    if alive {
                        spoken_for.insert(key(&process), id.node_id.clone());
                    }
                    heard.processes.push(process);
                }
            }
        }
        liveness.forget_others(chitchat.node_states());
        drop(liveness);
        self.speak(chitchat.self_node_state(), followers, |key| spoken_for.get(key).is_some_and(|node| **node < *self.node));
        heard.processes.extend(followers.values().cloned());
        heard
    }

    /// Sets and removes this member's words about processes.
    fn speak(&self, state: &mut NodeState, followers: &BTreeMap<(String, String), Process>, by_another: impl Fn(&str) -> bool) {
        let wanted: BTreeMap<String, String> =
            followers.values().map(|process| (key(process), json(process))).filter(|(key, _)| !by_another(key)).collect();
        let said: Vec<String> = state.iter_prefix(PROCESS).map(|(key, _)| key.to_owned()).collect();
        for key in said.iter().filter(|key| !wanted.contains_key(*key)) {
            state.delete(key);
        }
        for (key, json) in wanted {
            // Setting the same again is no change.
            state.set(key, json);
        }
    }
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gossip").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The id of a member in digests, of which every message carries one for each member: eight characters.
fn short_id(name: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    xxh3_64(name.as_bytes()).to_be_bytes().map(|byte| char::from(DIGITS[usize::from(byte % 32)])).iter().collect()
}

fn key(process: &Process) -> String {
    format!("{PROCESS}{}/{}", process.role, process.id)
}

fn own_words(state: &NodeState) -> Option<Member> {
    let words = state.get(MEMBER)?;
    serde_json::from_str(words).inspect_err(|err| warn!(error = %err, words, "a member says what is not understood")).ok()
}

fn processes(state: &NodeState) -> impl Iterator<Item = Process> + '_ {
    state.iter_prefix(PROCESS).filter_map(|(_, words)| serde_json::from_str(&words.value).ok())
}

fn json<T: serde::Serialize>(words: &T) -> String {
    serde_json::to_string(words).expect("members and processes are plain JSON")
}

#[cfg(test)]
mod tests;
