//! Clusters for unit tests.

use std::sync::Arc;

use crate::member::{Member, MemberState};
use crate::rings::{Ring, Seen};
use crate::view::{Facts, RingSettings, View, ViewBuilder};

pub(crate) const SIGNAL: &str = "metrics";
pub(crate) const ROLE: &str = "ingester";
pub(crate) const ABC: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

pub(crate) fn settings(replication_factor: usize, zones: &[&str]) -> RingSettings {
    RingSettings { replication_factor, zones: zones.iter().map(|&zone| zone.to_owned()).collect() }
}

/// An active member that has been there for ever.
pub(crate) fn member(name: &str, zone: &str) -> Member {
    Member {
        name: name.to_owned(),
        role: ROLE.to_owned(),
        zone: zone.to_owned(),
        http: format!("{name}:8080"),
        grpc: format!("{name}:9095"),
        gossip: "127.0.0.1:7946".to_owned(),
        signals: vec![SIGNAL.to_owned()],
        state: MemberState::Active,
        since_ms: 0,
        counter: 1,
    }
}

/// `ingester-zone-a-0` …, as many in each zone; without zones `ingester-0` ….
pub(crate) fn stateful_set(per_zone: usize, zones: &[&str]) -> Vec<Member> {
    if zones.is_empty() {
        return (0..per_zone).map(|n| member(&format!("ingester-{n}"), "")).collect();
    }
    zones.iter().flat_map(|zone| (0..per_zone).map(move |n| member(&format!("ingester-{zone}-{n}"), zone))).collect()
}

pub(crate) fn view(settings: RingSettings, members: Vec<Member>, missing: &[&str]) -> View {
    let seen = |member: Member| Seen { alive: !missing.contains(&member.name.as_str()), member: Arc::new(member), missing_since_ms: None };
    ViewBuilder::new(settings).build(Facts { members: members.into_iter().map(seen).collect(), processes: Vec::new() })
}

pub(crate) fn ring(settings: RingSettings, members: Vec<Member>, missing: &[&str]) -> Arc<Ring> {
    view(settings, members, missing).ring(ROLE)
}

/// Keys all round the ring.
pub(crate) fn keys(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|n| n.wrapping_mul(0x9e37_79b9))
}

pub(crate) fn names(ring: &Ring, ids: &[crate::MemberId]) -> Vec<String> {
    ids.iter().map(|&id| ring.member(id).member.name.clone()).collect()
}
