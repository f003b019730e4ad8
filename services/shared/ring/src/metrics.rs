//! What the ring tells of itself. Names are those that dashboards know, but for the bytes of gossip.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::member::MemberState;
use crate::view::View;

/// Instruments of the members that this process sees.
#[derive(Clone, Debug, Default)]
pub struct RingMetrics {
    members: Family<StateLabels, Gauge>,
    tokens: Family<NameLabels, Gauge>,
    alive: Gauge,
    pub(crate) gossip: GossipMetrics,
}

/// Instruments of gossip.
#[derive(Clone, Debug, Default)]
pub(crate) struct GossipMetrics {
    digest: Gauge<i64, AtomicI64>,
    sent: Counter,
    received: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    name: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    name: String,
}

const STATES: [&str; 5] = ["JOINING", "ACTIVE", "READONLY", "LEAVING", "Unhealthy"];

impl RingMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { members, tokens, alive, gossip } = metrics.clone();
        let ring = registry.sub_registry_with_prefix("cortex_ring");
        ring.register("members", "Members of each ring by state; those that are missing are Unhealthy", members);
        ring.register("tokens_total", "Tokens of all members of each ring", tokens);
        registry.register("memberlist_client_cluster_members_count", "Live processes of the cluster, of all roles", alive);
        let own = registry.sub_registry_with_prefix("quartet_gossip");
        own.register_with_unit("digest", "Size of the last digest of all members that was gossiped", Unit::Bytes, gossip.digest);
        own.register_with_unit("sent", "Gossip handed to peers", Unit::Bytes, gossip.sent);
        own.register_with_unit("received", "Gossip received from peers", Unit::Bytes, gossip.received);
        metrics
    }

    /// Shows a view.
    pub fn show(&self, view: &View) {
        self.members.clear();
        self.tokens.clear();
        for ring in view.rings() {
            let name = ring.role().to_owned();
            for state in STATES {
                let count = ring.members().iter().filter(|seen| word(seen.alive, seen.member.state) == state).count();
                self.members.get_or_create(&StateLabels { name: name.clone(), state }).set(saturating(count));
            }
            self.tokens.get_or_create(&NameLabels { name }).set(saturating(ring.token_count()));
        }
        self.alive.set(saturating(view.all_processes().len()));
    }
}

const fn word(alive: bool, state: MemberState) -> &'static str {
    match (alive, state) {
        (false, _) => "Unhealthy",
        (_, MemberState::Joining) => "JOINING",
        (_, MemberState::Active) => "ACTIVE",
        (_, MemberState::ReadOnly) => "READONLY",
        (_, MemberState::Leaving) => "LEAVING",
    }
}

impl GossipMetrics {
    pub(crate) fn digest(&self, bytes: usize) {
        self.digest.set(saturating(bytes));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.inc_by(bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }
}

fn saturating(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
