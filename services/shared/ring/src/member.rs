//! One member of the ring, as its object in the bucket says it, and one process of a role without state.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stateful process: an ingester, a store-gateway, a compactor. Its object in the bucket is `ring/<name>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name, unique in the cluster; `<release>-<zone>-<ordinal>` for one of a StatefulSet.
    pub name: String,
    /// The role: `ingester`, `store-gateway`, `compactor`.
    pub role: String,
    /// The zone; empty where the cluster has none.
    #[serde(default)]
    pub zone: String,
    /// Where it serves HTTP, `host:port`.
    pub http: String,
    /// Where it serves gRPC, `host:port`.
    pub grpc: String,
    /// Where it gossips, `ip:port`.
    pub gossip: String,
    /// The signals that it serves.
    pub signals: Vec<String>,
    /// What it may be asked.
    pub state: MemberState,
    /// When it last began or ceased to take writes, in milliseconds since the epoch: its first appearance, or the change to
    /// `read-only` or back. A restart keeps it.
    pub since_ms: i64,
    /// Grows with each change of the object; of two versions the one with the greater counter is true.
    pub counter: u64,
}

/// What a member may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// Has its place, and counts as missing until its log is replayed.
    Joining,
    /// Takes writes and reads.
    Active,
    /// Reads only: it empties itself.
    ReadOnly,
    /// Empty, read until the grace ends.
    Leaving,
}

/// A process that announced itself: any role, seen by name and address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// The role.
    pub role: String,
    /// Its name among those of its role.
    pub id: String,
    /// Where it serves HTTP, `host:port`.
    pub http: String,
    /// Where it serves gRPC, `host:port`.
    pub grpc: String,
}

impl Member {
    /// True when it serves the signal.
    #[must_use]
    pub fn serves(&self, signal: &str) -> bool {
        self.signals.iter().any(|known| known == signal)
    }

    /// The member as one process among others.
    #[must_use]
    pub fn process(&self) -> Process {
        Process { role: self.role.clone(), id: self.name.clone(), http: self.http.clone(), grpc: self.grpc.clone() }
    }

    /// The member in another state, as its object says it next: the counter grows, and `since_ms` moves when it begins or
    /// ceases to take writes.
    #[must_use]
    pub fn with_state(mut self, state: MemberState, now_ms: i64) -> Self {
        if self.state.takes_writes() != state.takes_writes() {
            self.since_ms = now_ms;
        }
        self.state = state;
        self.counter += 1;
        self
    }
}

impl MemberState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Joining, Self::Active, Self::ReadOnly, Self::Leaving];

    /// The word in objects and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Active => "active",
            Self::ReadOnly => "read-only",
            Self::Leaving => "leaving",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// True for those that have a place among the replicas of new writes. One that is joining has its place, and is
    /// replaced like one that is missing.
    #[must_use]
    pub const fn takes_writes(self) -> bool {
        matches!(self, Self::Joining | Self::Active)
    }

    /// True for those that answer a read.
    #[must_use]
    pub const fn answers_reads(self) -> bool {
        !matches!(self, Self::Joining)
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
