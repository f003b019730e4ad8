//! Limits of the whole cluster, and of single ingesters.

use crate::client::series;
use crate::cluster::{Cluster, Town, now_ms};

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_three_series_holds_on_three_ingesters() {
    let mut town = Town::new();
    town.limits.max_global_series_per_user = 3;
    let cluster = Cluster::start(town).await;
    let (client, now) = (cluster.town.client.clone(), now_ms());
    let (write, read) = (cluster.distributor.http, cluster.query_frontend.http);
    for (number, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let answer = client.push(write, vec![series(&[("__name__", "m"), ("i", name)], &[(now, 1.0)])]).await;
        if number < 3 {
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
        } else {
            assert_eq!(answer.status, 400, "{name}: {answer:?}");
            assert!(answer.body.contains("per-user series limit of 3 exceeded"), "{answer:?}");
            assert!(answer.body.contains("err-mimir-max-series-per-user"), "{answer:?}");
        }
    }
    // Series that are there already are not refused, beside one that is.
    let known = series(&[("__name__", "m"), ("i", "a")], &[(now + 1, 2.0)]);
    let answer = client.push(write, vec![series(&[("__name__", "m"), ("i", "f")], &[(now, 1.0)]), known]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = client.query(read, "count(m)", now + 1).await;
    assert!(answer.body.contains(r#""3"]"#), "{answer:?}");
    let answer = client.query(read, "m{i='a'}", now + 1).await;
    assert!(answer.body.contains(r#""2"]"#), "{answer:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingester_at_a_limit_of_its_own_is_passed_over_and_two_fail_the_write() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now) = (cluster.town.client.clone(), now_ms());
    let (write, read) = (cluster.distributor.http, cluster.query_frontend.http);
    let one = |name: &str, t: i64| vec![series(&[("__name__", "m"), ("i", name)], &[(t, 1.0)])];
    assert_eq!(client.push(write, one("a", now)).await.status, 200);

    cluster.town.ingester.max_series = 1;
    cluster.stop_ingester(0).await;
    cluster.start_ingester(0).await;
    let answer = client.push(write, one("b", now)).await;
    assert_eq!(answer.status, 200, "two replicas have room: {answer:?}");

    cluster.stop_ingester(1).await;
    cluster.start_ingester(1).await;
    let answer = client.push(write, one("c", now)).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.starts_with("failed pushing to ingester ingester-"), "{answer:?}");
    assert!(answer.body.contains("the allowed number of in-memory series (err-mimir-ingester-max-series). To adjust"), "{answer:?}");
    assert_eq!(client.push(write, one("a", now + 1)).await.status, 200, "series that are there need no room");
    let answer = client.query(read, "count(m{i=~'a|b'})", now + 1).await;
    assert!(answer.body.contains(r#""2"]"#), "{answer:?}");

    let crowded = cluster.ingesters[1].as_ref().expect("it runs");
    assert!(crowded.gauge(&client, "cortex_ingester_instance_rejected_requests_total").await >= Some(1.0));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_too_many_is_sent_away() {
    let mut town = Town::new();
    town.ingester.max_tenants = 1;
    let cluster = Cluster::start(town).await;
    let (client, now, write) = (cluster.town.client.clone(), now_ms(), cluster.distributor.http);
    let body = || vec![series(&[("__name__", "m")], &[(now, 1.0)])];
    assert_eq!(client.push(write, body()).await.status, 200);
    let answer = client.of("another").push(write, body()).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("the allowed number of tenants (err-mimir-ingester-max-tenants)"), "{answer:?}");
    cluster.stop().await;
}
