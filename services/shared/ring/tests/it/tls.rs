use std::path::Path;
use std::sync::Arc;

use quartet_ring::{Cluster, Environment, GossipTls, Identity, MemberState, MemoryStore, RingMetrics};
use runtime::tls::{ClientTlsConfig, ServerTls, ServerTlsConfig};
use runtime::{SystemClock, Tasks};

use crate::support::{DEADLINE, config, wait, writable};

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/tls").join(name).to_str().unwrap().to_owned()
}

/// Members show certificates to each other, in both directions.
fn tls() -> GossipTls {
    let server = ServerTlsConfig {
        cert_file: file("server.pem"),
        key_file: file("server.key"),
        client_ca_file: file("ca.pem"),
        ..ServerTlsConfig::default()
    };
    let client = ClientTlsConfig {
        enabled: true,
        ca_file: file("ca.pem"),
        cert_file: file("client.pem"),
        key_file: file("client.key"),
        ..ClientTlsConfig::default()
    };
    let client = runtime::tls::client_config(&client).unwrap().unwrap();
    GossipTls::new(ServerTls::load(&server).unwrap().unwrap(), &client, None)
}

async fn join(store: &MemoryStore, tasks: &Tasks, zone: &str, tls: Option<GossipTls>) -> Cluster {
    let identity = Identity {
        role: "ingester".to_owned(),
        id: String::new(),
        host: "127.0.0.1".to_owned(),
        http: "127.0.0.1:1".to_owned(),
        grpc: "127.0.0.1:2".to_owned(),
        signals: vec!["metrics".to_owned()],
    };
    let environment = Environment {
        cluster_id: "test".to_owned(),
        store: Arc::new(store.clone()),
        clock: Arc::new(SystemClock),
        tasks: tasks.clone(),
        metrics: RingMetrics::default(),
    };
    let cluster = Cluster::join(identity, &config(&format!("ingester-{zone}-0"), zone), environment, tls).await.unwrap();
    cluster.set_state(MemberState::Active).await.unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_gossip_over_tls_and_hear_nobody_without() {
    let (store, tasks) = (MemoryStore::default(), Tasks::default());
    let (a, b) = (join(&store, &tasks, "a", Some(tls())).await, join(&store, &tasks, "b", Some(tls())).await);
    let plain = join(&store, &tasks, "c", None).await;
    for cluster in [&a, &b] {
        wait(cluster, "two members that hear each other", |view| writable(view) == 2 && view.ring("ingester").members().len() == 3).await;
    }
    wait(&plain, "three members, two of them unheard", |view| view.ring("ingester").members().len() == 3 && writable(view) == 1).await;
    tasks.stop(DEADLINE).await.unwrap();
}
