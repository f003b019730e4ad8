//! From heads into blocks, and from blocks into fewer: the answer is the same at every moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use storage::time::TimeRange;
use tenancy::TenantId;
use tokio::task::JoinSet;

use crate::client::{Client, TENANT, Truth, until};
use crate::cluster::{Cluster, Started, Town, now_ms};
use crate::replicas::times;

/// Blocks of the tenant that a process knows.
fn blocks(process: &Started) -> usize {
    let tenant = TenantId::parse(TENANT).expect("a good name");
    process.catalog.map().blocks(&tenant, "metrics", TimeRange::ALL).len()
}

/// Waits until an ingester has forgotten what is in blocks.
pub(crate) async fn forgotten(client: &Client, ingester: &Started) {
    let tenants = async || ingester.gauge(client, "quartet_ingester_tenants").await;
    until("the heads are forgotten", async || tenants().await.filter(|tenants| *tenants == 0.0)).await;
}

/// Asks without a pause, and panics at the first answer that is not the truth.
struct Watch {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    task: JoinSet<()>,
}

impl Watch {
    fn start(client: Client, cluster: &Cluster, truth: Truth, now: i64) -> Self {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (at, stop, count) = (cluster.query_frontend.http, over.clone(), asked.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let number = count.fetch_add(1, Ordering::SeqCst);
                truth.check(&client, at, now, &format!("question {number}")).await;
            }
        });
        Self { over, asked, task }
    }

    async fn end(mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.task.join_next().await.expect("it runs").expect("every answer was the truth");
        assert!(self.asked.load(Ordering::SeqCst) > 3, "too few questions to see anything");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_is_invisible_to_queries_and_empties_the_heads() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 20, &times(now)).await;
    let watch = Watch::start(client.clone(), &cluster, truth.clone(), now);
    cluster.flush().await;
    assert!(blocks(&cluster.querier) > 0 || cluster.querier.catalog.refresh().await.is_ok_and(|_| blocks(&cluster.querier) > 0));
    // The grace is over half a second later.
    for ingester in cluster.ingesters.iter().flatten() {
        forgotten(&client, ingester).await;
    }
    watch.end().await;
    truth.check(&client, cluster.query_frontend.http, now, "from blocks alone").await;
    truth.write(&client, cluster.distributor.http, 20, &[now]).await;
    truth.check(&client, cluster.query_frontend.http, now, "from blocks and heads").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_of_replicas_is_invisible_to_queries() {
    let mut town = Town::new();
    // Nothing is merged before it is asked for.
    town.compactor.settle = runtime::config::HumanDuration::from_secs(3600);
    let cluster = Cluster::start(town).await;
    let (client, mut truth) = (cluster.town.client.clone(), Truth::default());
    // In the middle of a window, so that all of it is one block.
    let now = now_ms() / 7_200_000 * 7_200_000 - 3_600_000;
    truth.write(&client, cluster.distributor.http, 20, &times(now)).await;
    cluster.flush().await;
    until("every process knows the blocks", async || (blocks(&cluster.compactor) == 3).then_some(())).await;
    let watch = Watch::start(client.clone(), &cluster, truth.clone(), now);
    let compacted = client.post(cluster.compactor.http, "/compactor/compact", None, Vec::new()).await;
    assert_eq!(compacted.status, 200, "{compacted:?}");
    watch.end().await;
    assert_eq!(blocks(&cluster.compactor), 1, "three replicas have become one block");
    until("the querier knows it", async || (blocks(&cluster.querier) == 1).then_some(())).await;
    for ingester in cluster.ingesters.iter().flatten() {
        forgotten(&client, ingester).await;
    }
    truth.check(&client, cluster.query_frontend.http, now, "compacted").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_split_by_shard_is_invisible_to_queries() {
    const SHARDS: u32 = 4;
    let mut town = Town::new();
    town.limits.compactor_split_and_merge_shards = SHARDS.into();
    town.compactor.split_from_bytes = runtime::config::ByteSize(0);
    town.compactor.settle = runtime::config::HumanDuration::from_secs(3600);
    let cluster = Cluster::start(town).await;
    let (client, mut truth) = (cluster.town.client.clone(), Truth::default());
    // On both sides of yesterday's noon, where windows of two and of twelve hours end: only a merge of the day brings them together.
    let noon = now_ms() / 86_400_000 * 86_400_000 - 43_200_000;
    let (before, after) = (times(noon - 600_000), times(noon + 600_000));
    truth.write(&client, cluster.distributor.http, 20, &[before, after].concat()).await;
    cluster.flush().await;
    until("the compactor knows the blocks", async || (blocks(&cluster.compactor) == 6).then_some(())).await;
    let watch = Watch::start(client.clone(), &cluster, truth.clone(), noon + 600_000);
    let compacted = client.post(cluster.compactor.http, "/compactor/compact", None, Vec::new()).await;
    assert_eq!(compacted.status, 200, "{compacted:?}");
    watch.end().await;

    let tenant = TenantId::parse(TENANT).expect("a good name");
    let days = cluster.compactor.catalog.map().blocks(&tenant, "metrics", TimeRange::ALL);
    let mut shards: Vec<_> = days.iter().map(|entry| (entry.shard.index, entry.shard.of)).collect();
    shards.sort_unstable();
    assert_eq!(shards, (0..SHARDS).map(|index| (index, SHARDS)).collect::<Vec<_>>(), "a block for each shard");
    assert_eq!(days.iter().map(|entry| entry.facts.series).sum::<u64>(), 20, "no series is in two of them");
    let noon_ns = noon * 1_000_000;
    assert!(days.iter().all(|entry| entry.facts.range.start < noon_ns && noon_ns < entry.facts.range.end), "each holds the whole day");
    until("the querier knows them", async || (blocks(&cluster.querier) == days.len()).then_some(())).await;
    for ingester in cluster.ingesters.iter().flatten() {
        forgotten(&client, ingester).await;
    }
    truth.check(&client, cluster.query_frontend.http, noon + 600_000, "split").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_querier_that_is_behind_reads_the_log_first() {
    let mut town = Town::new();
    // Blocks are named for twice as long.
    town.ingester.keep_after_upload = runtime::config::HumanDuration::from_secs(3);
    let cluster = Cluster::start(town).await;
    let client = cluster.town.client.clone();
    // Only a slow querier and a slow query-frontend: neither looks at the catalog of its own accord.
    let Cluster { mut town, ingesters, distributor, query_frontend, querier, store_gateway, compactor } = cluster;
    querier.stop().await.expect("it stops in order");
    query_frontend.stop().await.expect("it stops in order");
    town.forget("query-frontend");
    town.catalog.follow_every = runtime::config::HumanDuration::from_secs(3600);
    let (query_frontend, querier) = (town.query_frontend().await, town.querier().await);
    client.ready(query_frontend.http).await;
    client.ready(querier.http).await;
    let cluster = Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor };
    let (now, mut truth) = (now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 5, &times(now)).await;
    cluster.flush().await;
    for ingester in cluster.ingesters.iter().flatten() {
        forgotten(&client, ingester).await;
    }
    assert_eq!(blocks(&cluster.querier), 0, "it has not looked");
    truth.check(&client, cluster.query_frontend.http, now, "behind").await;
    assert!(blocks(&cluster.querier) > 0, "it had to look");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_nobody_serves_fail_a_query_by_their_names() {
    let cluster = Cluster::start(Town::new()).await;
    let (client, now, mut truth) = (cluster.town.client.clone(), now_ms(), Truth::default());
    truth.write(&client, cluster.distributor.http, 5, &times(now)).await;
    cluster.flush().await;
    until("the querier knows the blocks", async || (blocks(&cluster.querier) > 0).then_some(())).await;
    let Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor } = cluster;
    store_gateway.stop().await.expect("it stops in order");
    let answer = client.query(query_frontend.http, "count({__name__=~'.+'})", now).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let text = "failed to fetch some blocks (err-mimir-store-consistency-check-failed). The failed blocks are: ";
    assert!(answer.body.contains(text) && answer.body.contains(r#""errorType":"internal""#), "{answer:?}");

    let store_gateway = town.store_gateway("store-gateway-0").await;
    client.ready(store_gateway.http).await;
    let cluster = Cluster { town, ingesters, distributor, query_frontend, querier, store_gateway, compactor };
    truth.check(&client, cluster.query_frontend.http, now, "served again").await;
    cluster.stop().await;
}
