//! Whole processes, as far as the ring is concerned.

use std::sync::Arc;
use std::time::Duration;

use quartet_ring::{Cluster, Environment, Identity, MemberState, Membership, MemoryStore, RingConfig, RingMetrics, View};
use runtime::app::Running;
use runtime::config::HumanDuration;
use runtime::grpc::{Channels, ClientConfig};
use runtime::{App, SystemClock};

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

fn environment(app: &mut App, store: &MemoryStore) -> Environment {
    Environment {
        cluster_id: "test".to_owned(),
        store: Arc::new(store.clone()),
        clock: Arc::new(SystemClock),
        tasks: app.tasks.clone(),
        metrics: RingMetrics::register(&mut app.registry),
    }
}

/// A member that joins as `ingester-<zone>-0`.
pub(crate) async fn member(store: &MemoryStore, zone: &str) -> Process {
    let mut app = App::for_test("ingester").await.unwrap();
    let environment = environment(&mut app, store);
    let identity = Identity::of(&app, vec!["metrics".to_owned()]);
    let config = config(&format!("ingester-{zone}-0"), zone);
    let cluster = Cluster::join(identity, &config, environment, None).await.unwrap();
    app.grpc.add(cluster.service(app.draining()).unwrap());
    serve(app, cluster).await
}

/// A member that is active.
pub(crate) async fn active(store: &MemoryStore, zone: &str) -> Process {
    let process = member(store, zone).await;
    process.cluster.set_state(MemberState::Active).await.unwrap();
    process
}

/// A process without state.
pub(crate) async fn follower(store: &MemoryStore, role: &'static str) -> Process {
    let mut app = App::for_test(role).await.unwrap();
    let environment = environment(&mut app, store);
    let identity = Identity::of(&app, Vec::new());
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    let cluster = Cluster::follow(identity, &config("", ""), environment, channels).await.unwrap();
    serve(app, cluster).await
}

async fn serve(mut app: App, cluster: Cluster) -> Process {
    let pages =
        quartet_ring::pages::Pages { membership: Arc::new(cluster.clone()), cluster: Some(cluster.clone()), clock: Arc::new(SystemClock) };
    quartet_ring::pages::mount(&mut app.http, pages);
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
