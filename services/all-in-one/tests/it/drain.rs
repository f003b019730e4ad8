//! Processes that stop while they are at work, and one that leaves for good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Client, Truth, until};
use crate::cluster::{Cluster, Town, now_ms};
use crate::replicas::times;

/// Four clients that ask without a pause.
struct Questions {
    over: Arc<AtomicBool>,
    going: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Questions {
    fn start(client: &Client, at: SocketAddr, now: i64) -> Self {
        let (over, going) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (answered, mut clients) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        for _ in 0..4 {
            let (client, over, going, answered) = (client.clone(), over.clone(), going.clone(), answered.clone());
            clients.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let before = !going.load(Ordering::SeqCst);
                    let Some(answer) = client.try_query(at, SLOW, now).await else {
                        assert!(!before, "a question that came in time is answered");
                        return;
                    };
                    // Whole, or an error in order: never short.
                    let whole = answer.status == 200 && answer.body.contains(r#""100"]"#);
                    assert!(
                        whole || (going.load(Ordering::SeqCst) && answer.status == 503 && answer.body.contains("stopping")),
                        "{answer:?}"
                    );
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { over, going, answered, clients }
    }

    /// From now on the process that is asked may refuse in order, and then be gone.
    fn may_go(&self) {
        self.going.store(true, Ordering::SeqCst);
    }

    /// Waits for some more answers.
    async fn some(&self) {
        let wanted = self.answered.load(Ordering::SeqCst) + 8;
        until("questions are answered", async || (self.answered.load(Ordering::SeqCst) >= wanted).then_some(())).await;
    }

    async fn end(mut self) {
        self.over.store(true, Ordering::SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.expect("every answer was good");
        }
    }
}

/// A query of many steps: 50 series, twice.
const SLOW: &str = "count(count_over_time(m[10m:1s])) + count(count_over_time(m[10m:1s] offset 1s))";

#[tokio::test(flavor = "multi_thread")]
async fn queries_in_flight_are_answered_by_a_query_frontend_that_stops() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 50, &times(now)).await;
    let questions = Questions::start(&client, cluster.query_frontend.http, now);
    questions.some().await;
    let Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor } = cluster;
    let begun = Instant::now();
    questions.may_go();
    query_frontend.stop().await.expect("it leaves no work behind");
    assert!(begun.elapsed() < Duration::from_secs(9), "it waited for the whole grace");
    questions.end().await;
    town.forget("query-frontend");
    let query_frontend = town.query_frontend().await;
    client.ready(query_frontend.http).await;
    let cluster = Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor };
    truth.check(&client, cluster.query_frontend.http, now, "another query-frontend").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_querier_that_stops_fails_no_query() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 50, &times(now)).await;
    let questions = Questions::start(&client, cluster.query_frontend.http, now);
    questions.some().await;
    let Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor } = cluster;
    let other = town.querier().await;
    client.ready(other.http).await;
    querier.stop().await.expect("it leaves no work behind");
    questions.some().await;
    questions.end().await;
    let cluster = Cluster { town, ingesters, distributor, query_frontend, querier: other, store_gateway, compactor };
    truth.check(&client, cluster.query_frontend.http, now, "another querier").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingester_that_leaves_for_good_loses_no_row() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 20, &times(now)).await;
    for (zone, name) in [(0, "ingester-a-0"), (1, "ingester-b-0")] {
        let ingester = cluster.ingesters[zone].as_ref().expect("it runs");
        let answer = client.post(ingester.http, "/ingester/prepare-shutdown", None, Vec::new()).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        cluster.stop_ingester(zone).await;
        assert!(!cluster.town.knows(name), "the member is gone");
        std::fs::remove_dir_all(cluster.town.directory(name)).expect("the directory is there");
        // Another one takes its place, with nothing.
        cluster.start_ingester(zone).await;
        truth.check(&client, cluster.query_frontend.http, now, name).await;
    }
    cluster.stop().await;
}
