//! Three replicas in three zones: one may be missing, two may not.

use crate::client::Truth;
use crate::cluster::{Cluster, Town, now_ms};

/// Five times before `now_ms`, a second apart.
pub(crate) fn times(now_ms: i64) -> Vec<i64> {
    (1..=5).rev().map(|seconds| now_ms - seconds * 1000).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_distributor_took_is_answered_through_the_query_frontend() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 20, &times(now)).await;
    truth.check(&client, cluster.query_frontend.http, now, "three replicas").await;
    let answer = client.query(cluster.query_frontend.http, "count(m)", now).await;
    assert!(answer.body.contains(r#""20"]"#), "{answer:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ingester_may_be_missing() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    let (write, read) = (cluster.distributor.http, cluster.query_frontend.http);
    truth.write(&client, write, 20, &[now - 3000]).await;
    cluster.stop_ingester(1).await;
    truth.write(&client, write, 20, &[now - 2000]).await;
    // Before gossip has noticed, and after it; whichever zones are asked first.
    for _ in 0..6 {
        truth.check(&client, read, now, "one stopped").await;
    }
    cluster.town.lose("ingester-b-0");
    truth.write(&client, write, 20, &[now - 1000]).await;
    for _ in 0..6 {
        truth.check(&client, read, now, "one missing").await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_two_ingesters_there_is_an_error_and_never_a_short_answer() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    let (write, read) = (cluster.distributor.http, cluster.query_frontend.http);
    truth.write(&client, write, 5, &[now - 3000]).await;
    cluster.stop_ingester(0).await;
    cluster.stop_ingester(2).await;
    for when in ["two stopped", "two missing"] {
        let pushed = client.push(write, vec![crate::client::series(&[("__name__", "refused")], &[(now - 1000, 1.0)])]).await;
        assert!(pushed.status >= 500, "{when}: {pushed:?}");
        for expression in ["m[2h]", "count(m)", "absent(nothing)"] {
            let answer = client.query(read, expression, now).await;
            assert!(answer.status >= 500 && answer.body.contains("\"status\":\"error\""), "{when}: {expression}: {answer:?}");
        }
        cluster.town.lose("ingester-a-0");
        cluster.town.lose("ingester-c-0");
    }
    cluster.start_ingester(0).await;
    truth.check(&client, read, now, "one came back").await;
    cluster.stop().await;
}
