//! Whole processes, as far as the ring is concerned.

use std::sync::Arc;
use std::time::Duration;

use quartet_ring::setup::{self, Setup};
use quartet_ring::{BucketStore, Cluster, Member, MemberState, MemberStore, Membership, RingConfig, View};
use runtime::app::Running;
use runtime::config::HumanDuration;
use runtime::grpc::{Channels, ClientConfig};
use runtime::{App, SystemClock};
use storage::bucket::Memory;

/// Within this time everything has happened, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const MISSING_AFTER: Duration = Duration::from_secs(1);
pub(crate) const ZONES: [&str; 3] = ["a", "b", "c"];

/// One process.
pub(crate) struct Process {
    pub(crate) cluster: Cluster,
    pub(crate) running: Running,
}

pub(crate) fn config(name: &str, zone: &str) -> RingConfig {
    RingConfig {
        member: name.to_owned(),
        zone: zone.to_owned(),
        zones: ZONES.map(str::to_owned).into(),
        bind: "127.0.0.1:0".to_owned(),
        heartbeat: HumanDuration::from_millis(100),
        missing_after: HumanDuration::from_millis(1000),
        read_period: HumanDuration::from_millis(500),
        start_timeout: HumanDuration::from_secs(5),
        ..RingConfig::default()
    }
}

pub(crate) fn setup<'a>(bucket: &Memory, config: &'a RingConfig, client: &'a ClientConfig) -> Setup<'a> {
    Setup { config, client, cluster_id: "test", bucket: Arc::new(bucket.clone()), signals: vec!["metrics".to_owned()] }
}

/// An empty bucket.
pub(crate) fn bucket() -> Memory {
    Memory::new(Arc::new(SystemClock))
}

/// A member's object.
pub(crate) async fn object(bucket: &Memory, name: &str) -> Option<Member> {
    BucketStore::new(Arc::new(bucket.clone()), Arc::new(SystemClock)).get(name).await.unwrap()
}

/// A member that joins as `ingester-<zone>-0`.
pub(crate) async fn member(bucket: &Memory, zone: &str) -> Process {
    member_as(bucket, zone, |config| config).await
}

async fn member_as(bucket: &Memory, zone: &str, change: impl FnOnce(RingConfig) -> RingConfig) -> Process {
    let mut app = App::for_test("ingester").await.unwrap();
    let (config, client) = (change(config(&format!("ingester-{zone}-0"), zone)), ClientConfig::default());
    let cluster = setup::member(&mut app, setup(bucket, &config, &client)).await.unwrap();
    Process { cluster, running: app.serve().await }
}

/// A member that is active.
pub(crate) async fn active(bucket: &Memory, zone: &str) -> Process {
    active_as(bucket, zone, |config| config).await
}

/// A member that is active, with another configuration.
pub(crate) async fn active_as(bucket: &Memory, zone: &str, change: impl FnOnce(RingConfig) -> RingConfig) -> Process {
    let process = member_as(bucket, zone, change).await;
    process.cluster.set_state(MemberState::Active).await.unwrap();
    process
}

/// A process without state.
pub(crate) async fn follower(bucket: &Memory, role: &'static str) -> Process {
    let mut app = App::for_test(role).await.unwrap();
    let (config, client) = (config("", ""), ClientConfig::default());
    let channels = Channels::new(&client).unwrap();
    let cluster = setup::process(&mut app, setup(bucket, &config, &client), &channels).await.unwrap();
    Process { cluster, running: app.serve().await }
}

/// Waits for a view that fits.
pub(crate) async fn wait(cluster: &Cluster, what: &str, fits: impl Fn(&View) -> bool) {
    let mut changes = cluster.changes();
    let waiting = async {
        while !fits(&cluster.view()) {
            changes.changed().await.expect("the cluster lives");
        }
    };
    if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
        panic!("{what} has not come to pass for {}: {:#?}", cluster.name(), cluster.view().facts());
    }
}

/// How many members are alive and active.
pub(crate) fn writable(view: &View) -> usize {
    view.ring("ingester").members().iter().filter(|seen| seen.writable()).count()
}
