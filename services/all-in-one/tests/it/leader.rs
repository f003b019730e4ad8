//! Two compactors: when the one that leads goes, the other keeps the catalog.

use crate::client::Truth;
use crate::cluster::{Cluster, Town, now_ms};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_the_catalog_over() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 5, &[now - 2000]).await;
    cluster.flush().await;
    let standby = cluster.town.compactor("compactor-1").await;
    client.ready(standby.http).await;
    let Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor } = cluster;
    compactor.stop().await.expect("it stops in order");
    town.lose("compactor-0");
    let cluster = Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor: standby };
    truth.write(&client, cluster.distributor.http, 5, &[now - 1000]).await;
    // Ends only when the catalog has taken the blocks, and so somebody keeps it.
    cluster.flush().await;
    truth.check(&client, cluster.query_frontend.http, now, "the standby leads").await;
    assert_eq!(cluster.compactor.gauge(&client, "quartet_compactor_leader").await, Some(1.0));
    cluster.stop().await;
}
