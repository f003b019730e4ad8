//! Deletes of rows and of tenants: gone at once, gone after a restart and a compaction; what comes afterwards is there.

use std::net::SocketAddr;

use storage::time::TimeRange;
use tenancy::TenantId;

use crate::client::{Client, TENANT, Truth, until};
use crate::cluster::{Cluster, Started, Town, now_ms};
use crate::replicas::times;

async fn delete(client: &Client, at: SocketAddr, selector: &str, times: &str) {
    let path = format!("/prometheus/api/v1/admin/tsdb/delete_series?match[]={selector}{times}");
    let answer = client.post(at, &path, Some(TENANT), Vec::new()).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
}

async fn restart(cluster: &mut Cluster) {
    for zone in 0..3 {
        cluster.stop_ingester(zone).await;
    }
    for zone in 0..3 {
        cluster.start_ingester(zone).await;
    }
}

/// Deletes that are done in all blocks of the tenant that a process knows, and how many blocks there are.
fn done(process: &Started) -> (Option<u64>, usize) {
    let tenant = TenantId::parse(TENANT).expect("a good name");
    let blocks = process.catalog.map().blocks(&tenant, "metrics", TimeRange::ALL);
    (blocks.iter().map(|entry| entry.delete_number).min(), blocks.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_are_gone_from_heads_and_blocks_and_stay_so() {
    let mut cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    let (write, read) = (cluster.distributor.http, cluster.query_frontend.http);
    let at = times(now);
    truth.write(&client, write, 10, &at[..2]).await;
    cluster.flush().await;
    truth.write(&client, write, 10, &at[2..]).await;

    delete(&client, read, r#"m{i="003"}"#, "").await;
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    delete(&client, read, r#"m{i=~"00[45]"}"#, &format!("&start={}&end={}", seconds(at[1]), seconds(at[3]))).await;
    truth.0.remove(r#"{"__name__":"m","i":"003"}"#).expect("it was written");
    for name in ["004", "005"] {
        let rows = truth.0.get_mut(&format!(r#"{{"__name__":"m","i":"{name}"}}"#)).expect("it was written");
        rows.retain(|(time, _)| !(at[1]..=at[3]).contains(time));
        assert_eq!(rows.len(), 2);
    }
    for _ in 0..4 {
        truth.check(&client, read, now, "at once").await;
    }
    let names = client.get(read, "/prometheus/api/v1/label/i/values", Some(TENANT)).await;
    assert!(names.body.contains("002") && !names.body.contains("003"), "{names:?}");

    truth.write(&client, write, 10, &[now]).await;
    truth.check(&client, read, now, "written afterwards").await;
    restart(&mut cluster).await;
    truth.check(&client, read, now, "from the logs").await;
    cluster.flush().await;
    truth.check(&client, read, now, "from blocks").await;
    // Their marks say what is in blocks: the logs bring nothing back.
    restart(&mut cluster).await;
    truth.check(&client, read, now, "flushed and restarted").await;

    let cleaned = client.post(read, "/prometheus/api/v1/admin/tsdb/clean_tombstones", Some(TENANT), Vec::new()).await;
    assert_eq!(cleaned.status, 204, "{cleaned:?}");
    let deletes = cluster.compactor.catalog.map().deletes(&TenantId::parse(TENANT).expect("a good name"), "metrics").to_vec();
    let newest = deletes.last().expect("there were two").number;
    assert_eq!(deletes.len(), 2);
    until("all blocks are written again", async || done(&cluster.compactor).0.filter(|done| *done >= newest)).await;
    truth.check(&client, read, now, "compacted").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_deleted_and_may_come_back() {
    let mut town = Town::new();
    town.catalog.removal_delay = runtime::config::HumanDuration::from_millis(100);
    town.catalog.remove_every = runtime::config::HumanDuration::from_millis(100);
    let cluster = Cluster::start(town).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    let (write, read, compactor) = (cluster.distributor.http, cluster.query_frontend.http, cluster.compactor.http);
    truth.write(&client, write, 5, &times(now)).await;
    cluster.flush().await;
    truth.write(&client, write, 5, &[now]).await;
    let status = async || client.get(compactor, "/compactor/delete_tenant_status", Some(TENANT)).await.body;
    until("blocks are known", async || (done(&cluster.compactor).1 > 0).then_some(())).await;
    assert_eq!(status().await, r#"{"tenant_id":"tenant","blocks_deleted":false}"#);
    let nobody = client.post(compactor, "/compactor/delete_tenant", None, Vec::new()).await;
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert_eq!(client.post(compactor, "/compactor/delete_tenant", Some(TENANT), Vec::new()).await.status, 200);
    until("nothing is left", async || client.rows(read, "m[2h]", now).await.ok().filter(|rows| rows.is_empty())).await;
    until("no block is left", async || status().await.contains("true").then_some(())).await;

    let mut truth = Truth::default();
    truth.write(&client, write, 5, &[now + 1]).await;
    truth.check(&client, read, now + 1, "it came back").await;
    cluster.flush().await;
    truth.check(&client, read, now + 1, "it came back, from blocks").await;
    cluster.stop().await;
}
