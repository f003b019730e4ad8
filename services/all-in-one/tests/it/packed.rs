//! Small blocks of many tenants: few objects, and the answers of each tenant as if it were alone.

use std::collections::BTreeSet;

use runtime::config::HumanDuration;
use storage::layout;
use storage::time::TimeRange;
use tenancy::TenantId;

use crate::blocks::forgotten;
use crate::client::{Client, Truth, until};
use crate::cluster::{Cluster, Started, Town, now_ms};
use crate::replicas::times;

const TENANTS: usize = 24;

/// Tenants of few series, with what each of them wrote.
struct Tenants(Vec<(Client, Truth)>);

fn name(number: usize) -> String {
    format!("tenant-{number:02}")
}

impl Tenants {
    fn new(cluster: &Cluster) -> Self {
        Self((0..TENANTS).map(|number| (cluster.town.client.of(&name(number)), Truth::default())).collect())
    }

    async fn write(&mut self, cluster: &Cluster, times_ms: &[i64]) {
        for (number, (client, truth)) in self.0.iter_mut().enumerate() {
            truth.write(client, cluster.distributor.http, 1 + number % 3, times_ms).await;
        }
    }

    async fn check(&self, cluster: &Cluster, now: i64, when: &str) {
        for (number, (client, truth)) in self.0.iter().enumerate() {
            truth.check(client, cluster.query_frontend.http, now, &format!("{when}: {}", name(number))).await;
        }
    }
}

/// Blocks that a process knows: those in packed objects, and those in objects of their own.
fn blocks(process: &Started) -> (usize, usize) {
    let map = process.catalog.map();
    let packed = map.entries().filter(|entry| entry.is_packed()).count();
    (packed, map.entries().count() - packed)
}

async fn keys(cluster: &Cluster, prefix: &str) -> Vec<String> {
    let listed = cluster.town.bucket.list(prefix, None).await.expect("memory can be listed");
    listed.into_iter().map(|object| object.key).collect()
}

/// Nothing is merged before it is asked for.
fn town() -> Town {
    let mut town = Town::new();
    town.compactor.settle = HumanDuration::from_secs(3600);
    town.catalog.removal_delay = HumanDuration::from_millis(100);
    town.catalog.remove_every = HumanDuration::from_millis(100);
    town
}

/// In the middle of a window, so that each flush makes one block of a tenant.
fn middle() -> i64 {
    now_ms() / 7_200_000 * 7_200_000 - 3_600_000
}

#[tokio::test(flavor = "multi_thread")]
async fn small_blocks_share_objects_until_they_are_merged() {
    let cluster = Cluster::start(town()).await;
    let (client, now, mut tenants) = (cluster.town.client.clone(), middle(), Tenants::new(&cluster));
    tenants.write(&cluster, &times(now)).await;
    cluster.flush().await;
    until("the querier knows the blocks", async || (blocks(&cluster.querier) == (3 * TENANTS, 0)).then_some(())).await;
    assert_eq!(keys(&cluster, layout::TENANTS).await, Vec::<String>::new());
    assert_eq!(keys(&cluster, layout::PACKED).await.len(), 3, "one of each ingester");
    for ingester in cluster.ingesters.iter().flatten() {
        forgotten(&client, ingester).await;
    }
    tenants.check(&cluster, now, "from packed blocks").await;
    let report = storage::catalog::verify(&cluster.querier.catalog).await.expect("the bucket can be read");
    assert!(report.is_good() && report.unknown.is_empty() && report.damaged.is_empty(), "{report:?}");

    let compacted = client.post(cluster.compactor.http, "/compactor/compact", None, Vec::new()).await;
    assert_eq!(compacted.status, 200, "{compacted:?}");
    until("the querier knows the merges", async || (blocks(&cluster.querier) == (0, TENANTS)).then_some(())).await;
    tenants.check(&cluster, now, "merged").await;
    until("packed objects are removed", async || keys(&cluster, layout::PACKED).await.is_empty().then_some(())).await;
    tenants.check(&cluster, now, "without them").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_block_that_no_merge_takes_gets_its_own_object() {
    let mut town = town();
    town.compactor.unpack_after = HumanDuration::from_secs(2);
    let cluster = Cluster::start(town).await;
    let (now, mut tenants) = (middle(), Tenants::new(&cluster));
    tenants.write(&cluster, &times(now)).await;
    cluster.flush().await;
    until("all are unpacked", async || (blocks(&cluster.querier) == (0, 3 * TENANTS)).then_some(())).await;
    until("packed objects are removed", async || keys(&cluster, layout::PACKED).await.is_empty().then_some(())).await;
    tenants.check(&cluster, now, "unpacked").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tenant_leaves_nothing_in_shared_objects() {
    let cluster = Cluster::start(town()).await;
    let (now, mut tenants) = (middle(), Tenants::new(&cluster));
    tenants.write(&cluster, &times(now)).await;
    cluster.flush().await;
    let shared: BTreeSet<String> = keys(&cluster, layout::PACKED).await.into_iter().collect();
    until("the compactor knows the blocks", async || (blocks(&cluster.compactor).0 == 3 * TENANTS).then_some(())).await;
    let (gone, _) = tenants.0.pop().expect("there are many");
    let (gone_name, at) = (name(TENANTS - 1), cluster.compactor.http);
    assert_eq!(gone.post(at, "/compactor/delete_tenant", Some(&gone_name), Vec::new()).await.status, 200);
    let status = async || gone.get(at, "/compactor/delete_tenant_status", Some(&gone_name)).await.body;
    until("no block is left", async || status().await.contains("true").then_some(())).await;

    let left = keys(&cluster, layout::PACKED).await;
    assert!(left.iter().all(|key| !shared.contains(key)), "the objects that held it are removed: {left:?}");
    let owner = TenantId::parse(&gone_name).expect("a good name");
    assert_eq!(keys(&cluster, &layout::blocks(&owner, "metrics")).await, Vec::<String>::new());
    let map = cluster.compactor.catalog.map();
    assert!(map.blocks(&owner, "metrics", TimeRange::ALL).is_empty() && map.tenants().len() == TENANTS - 1);
    tenants.check(&cluster, now, "the others").await;
    let rows = gone.rows(cluster.query_frontend.http, "m[2h]", now).await.expect("an answer");
    assert!(rows.is_empty(), "{rows:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_deleted_series_go_from_packed_blocks() {
    let cluster = Cluster::start(town()).await;
    let (now, mut tenants) = (middle(), Tenants::new(&cluster));
    tenants.write(&cluster, &times(now)).await;
    cluster.flush().await;
    let (read, whose) = (cluster.query_frontend.http, name(2));
    let path = r#"/prometheus/api/v1/admin/tsdb/delete_series?match[]=m{i="001"}"#;
    assert_eq!(cluster.town.client.post(read, path, Some(&whose), Vec::new()).await.status, 204);
    tenants.0[2].1.0.remove(r#"{"__name__":"m","i":"001"}"#).expect("it was written");
    tenants.check(&cluster, now, "deleted").await;
    until("its blocks are written again", async || (blocks(&cluster.querier) == (3 * TENANTS - 3, 3)).then_some(())).await;
    tenants.check(&cluster, now, "written again").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_and_never_announced_is_not_lost() {
    let cluster = Cluster::start(town()).await;
    let (client, now, mut tenants) = (cluster.town.client.clone(), middle(), Tenants::new(&cluster));
    tenants.write(&cluster, &times(now)).await;
    // Nobody reads what is announced.
    let Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor } = cluster;
    compactor.stop().await.expect("it stops in order");
    for ingester in ingesters.iter().flatten() {
        assert_eq!(client.post(ingester.http, "/ingester/flush", None, Vec::new()).await.status, 204);
    }
    let bucket = town.bucket.clone();
    let announced = async || bucket.list(layout::INBOX, None).await.expect("memory can be listed");
    until("all ingesters have uploaded", async || (announced().await.len() >= 3).then_some(())).await;
    for ingester in ingesters.into_iter().flatten() {
        ingester.stop().await.expect("it stops in order");
    }
    // As if they had ended before they could announce.
    for object in announced().await {
        bucket.delete(&object.key).await.expect("memory deletes");
    }
    let compactor = town.compactor("compactor-0").await;
    client.ready(compactor.http).await;
    let mut cluster = Cluster { town, ingesters: vec![None, None, None], distributor, query_frontend, querier, store_gateway, compactor };
    for zone in 0..3 {
        cluster.start_ingester(zone).await;
    }
    tenants.check(&cluster, now, "from the logs").await;
    cluster.flush().await;
    tenants.check(&cluster, now, "flushed again").await;
    let report = storage::catalog::verify(&cluster.querier.catalog).await.expect("the bucket can be read");
    assert!(report.is_good() && report.unknown.len() == 3 * TENANTS, "the first ones are left to the sweep: {report:?}");
    cluster.stop().await;
}
