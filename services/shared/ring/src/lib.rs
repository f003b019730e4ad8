//! The ring: who is a member, who is alive, and who holds what.
//!
//! Members write one small object each below `ring/` in the bucket ([`Member`]); gossip says who is alive; both together
//! are a [`View`], from which everything else is computed: tokens ([`tokens`]), a tenant's shard ([`Shard`]), the replicas
//! of a key ([`ReplicaSet`]), what a read must have heard ([`ReadSets`]), who owns a block ([`Ring::owners`]).
//! Roles see a [`Membership`]: the real [`Cluster`], a list that stands still ([`Fixed`]), or a model for simulations
//! ([`sim`]). Knows no signal and no role: both are names, those of roles in [`roles`].

pub mod cluster;
pub mod config;
#[cfg(test)]
mod fixtures;
mod gossip;
mod layout;
pub mod member;
pub mod membership;
pub mod metrics;
pub mod pages;
pub mod reads;
pub mod replicas;
mod rings;
pub mod roles;
pub mod setup;
pub mod shard;
pub mod sim;
pub mod store;
pub mod tokens;
pub mod view;

pub use cluster::{Cluster, ClusterError, Environment, Identity};
pub use config::{RingConfig, RingConfigError};
pub use gossip::{GossipError, GossipTls};
pub use member::{Member, MemberState, Process};
pub use membership::{Changes, Fixed, Membership};
pub use metrics::RingMetrics;
pub use reads::{Completeness, MemberSet, ReadSets};
pub use replicas::{FewMembers, MAX_REPLICATION_FACTOR, NoQuorum, ReplicaSet};
pub use rings::{MemberId, Owners, Ring, Seen};
pub use shard::Shard;
pub use store::{BucketStore, MemberStore, MemoryStore, StoreError};
pub use view::{Facts, NotWritable, RingSettings, View, ViewBuilder};
