//! Limits of the whole cluster.

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
