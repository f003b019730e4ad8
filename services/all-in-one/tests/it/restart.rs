//! An ingester that comes back: with its log, and without.

use crate::client::Truth;
use crate::cluster::{Cluster, Town, now_ms};
use crate::replicas::times;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_after_a_restart_of_every_ingester() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 20, &times(now)).await;
    // All of them: what is answered afterwards comes out of the logs.
    for zone in 0..3 {
        cluster.stop_ingester(zone).await;
    }
    for zone in 0..3 {
        cluster.start_ingester(zone).await;
    }
    truth.check(&client, cluster.query_frontend.http, now, "restarted").await;
    // What comes now goes on where the log ended.
    truth.write(&client, cluster.distributor.http, 20, &[now]).await;
    truth.check(&client, cluster.query_frontend.http, now, "written to again").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_a_flush_brings_nothing_twice() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 20, &[now - 2000]).await;
    cluster.flush().await;
    truth.write(&client, cluster.distributor.http, 20, &[now - 1000]).await;
    for zone in 0..3 {
        cluster.stop_ingester(zone).await;
        cluster.start_ingester(zone).await;
        truth.check(&client, cluster.query_frontend.http, now, "one after the other").await;
    }
    let answer = client.query(cluster.query_frontend.http, "sum(count_over_time(m[2h]))", now).await;
    assert!(answer.body.contains(r#""40"]"#), "{answer:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingester_that_lost_its_directory_is_carried_by_the_others() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 20, &times(now)).await;
    // What is written now has two replicas, the one that will be lost among them.
    cluster.stop_ingester(0).await;
    truth.write(&client, cluster.distributor.http, 20, &[now - 500]).await;
    cluster.start_ingester(0).await;
    cluster.stop_ingester(2).await;
    std::fs::remove_dir_all(cluster.town.directory("ingester-c-0")).expect("the directory is there");
    cluster.start_ingester(2).await;
    // Whichever zones are asked first.
    for _ in 0..6 {
        truth.check(&client, cluster.query_frontend.http, now, "one is empty").await;
    }
    cluster.flush().await;
    truth.check(&client, cluster.query_frontend.http, now, "flushed").await;
    cluster.stop().await;
}
