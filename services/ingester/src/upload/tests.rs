use std::collections::BTreeSet;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use runtime::ManualClock;
use runtime::config::{ByteSize, HumanDuration};
use storage::block::BlockFacts;
use storage::bucket::{FlakyConfig, Memory};
use storage::catalog::{Catalog, CatalogConfig, Leader, LeaderMetrics};
use storage::flaky::{Fault, Flaky};
use storage::layout;
use storage::time::TimeRange;

use super::*;

/// A bucket, and an uploader that packs blocks below 100 bytes into objects of ten.
struct World {
    clock: Arc<ManualClock>,
    memory: Memory,
    flaky: Flaky,
    announcer: Announcer,
    uploader: Uploader,
    metrics: IngesterMetrics,
}

impl World {
    fn new(change: impl FnOnce(&mut IngesterConfig)) -> Self {
        let clock = Arc::new(ManualClock::at(1_767_225_600_000_000_000));
        let memory = Memory::new(clock.clone());
        let flaky = Flaky::new(Arc::new(memory.clone()), &FlakyConfig::default());
        let bucket: Arc<dyn Bucket> = Arc::new(flaky.clone());
        let announcer = Announcer::new(bucket.clone(), clock.clone(), "ingester");
        let metrics = IngesterMetrics::register(&mut Registry::default());
        let mut config = IngesterConfig {
            packed_block_size: ByteSize(100),
            packed_object_size: ByteSize(64 << 10),
            packed_blocks: 10,
            upload_retry: HumanDuration::from_millis(10),
            ..IngesterConfig::default()
        };
        change(&mut config);
        let uploader = Uploader::new(bucket, announcer.clone(), clock.clone(), Tasks::default(), metrics.clone(), &config);
        Self { clock, memory, flaky, announcer, uploader, metrics }
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        self.memory.list(prefix, None).await.unwrap().into_iter().map(|object| object.key).collect()
    }

    /// Brings a block of each owner, ends the round, and waits for all of them.
    async fn bring(&self, owners: impl IntoIterator<Item = u32>) {
        let round = self.uploader.round(&metrics());
        let mut brought = Vec::new();
        for (number, owner) in (0..).zip(owners) {
            let room = self.uploader.room(50).await.unwrap();
            brought.push(round.bring(tenant(owner), block(number), room));
        }
        drop(round);
        for announced in brought {
            announced.await.unwrap();
        }
    }

    /// What the leader takes of all that was announced.
    async fn live(&self) -> BTreeSet<(TenantId, BlockId)> {
        self.announcer.flush().await.unwrap();
        let bucket = Arc::new(self.memory.clone());
        let catalog = Arc::new(Catalog::new(bucket, &CatalogConfig::default(), self.clock.clone()));
        let mut leader = Leader::elected(catalog, "leader", LeaderMetrics::default()).await.unwrap();
        leader.step().await.unwrap();
        leader.map().entries().map(|entry| (entry.tenant.clone(), entry.id)).collect()
    }
}

fn metrics() -> SignalId {
    SignalId::parse("metrics").unwrap()
}

fn tenant(number: u32) -> TenantId {
    TenantId::parse(&format!("tenant-{number}")).unwrap()
}

fn block(number: i64) -> BlockUpload {
    let range = TimeRange::from_ms(0, 1000);
    let facts = BlockFacts { range, rows: 1, series: 1, hash_range: (0, 1), footer_len: 1, schema_version: 1 };
    BlockUpload::cut(BlockId::new(number + 1), facts, Bytes::from(vec![7; 40]).into(), Some(Bytes::from_static(b"0123456789")), range, 0)
}

fn named(owners: impl IntoIterator<Item = u32>) -> BTreeSet<(TenantId, u64)> {
    (1..).zip(owners).map(|(number, owner)| (tenant(owner), number)).collect()
}

fn by_number(live: &BTreeSet<(TenantId, BlockId)>) -> BTreeSet<(TenantId, u64)> {
    live.iter().map(|(tenant, id)| (tenant.clone(), id.0.timestamp_ms())).collect()
}

#[tokio::test(start_paused = true)]
async fn small_blocks_of_a_round_go_up_together_and_are_announced_at_once() {
    let world = World::new(|_| ());
    world.bring(0..25).await;
    // Ten are enough for an object, and the end of the round for the rest.
    assert_eq!(world.keys(layout::PACKED).await.len(), 3);
    assert_eq!(world.keys(layout::TENANTS).await.len(), 0);
    assert_eq!(by_number(&world.live().await), named(0..25));
    assert_eq!((world.metrics.packed_objects.get(), world.metrics.packed_blocks.get()), (3, 25));
    assert_eq!(world.uploader.room.available_permits(), 128 << 10, "nothing is in memory any more");
}

#[tokio::test(start_paused = true)]
async fn blocks_of_one_tenant_keep_objects_of_their_own() {
    for owners in [vec![1], vec![1, 1, 1]] {
        let world = World::new(|_| ());
        world.bring(owners.clone()).await;
        assert_eq!(world.keys(layout::PACKED).await.len(), 0);
        assert_eq!(world.keys(layout::TENANTS).await.len(), 3 * owners.len());
        assert_eq!(by_number(&world.live().await), named(owners));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_answer_was_lost_is_written_again_under_its_name() {
    let world = World::new(|_| ());
    world.flaky.order("put", layout::PACKED, Fault::Lose);
    world.flaky.order("put", layout::PACKED, Fault::Fail);
    world.bring(0..5).await;
    assert_eq!(world.metrics.upload_failures.get(), 2);
    assert_eq!(world.keys(layout::PACKED).await.len(), 1);
    assert_eq!(by_number(&world.live().await), named(0..5));
}

#[tokio::test(start_paused = true)]
async fn a_block_does_not_wait_long_for_a_cut_that_cannot_be_written() {
    let world = World::new(|_| ());
    let round = world.uploader.round(&metrics());
    let mut brought = Vec::new();
    for number in 0..2 {
        let room = world.uploader.room(50).await.unwrap();
        brought.push(round.bring(tenant(number), block(number.into()), room));
    }
    let begun = Instant::now();
    for announced in brought {
        announced.await.unwrap();
    }
    assert!(begun.elapsed() <= Duration::from_secs(11), "the round goes on, and they went up");
    drop(round);
    assert_eq!(world.keys(layout::PACKED).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_room_for_small_blocks_is_bounded() {
    let world = World::new(|config| config.packed_block_size = ByteSize(60 << 10));
    assert!(world.uploader.room(40 << 10).await.is_none(), "larger than half of an object is not small");
    assert!(World::new(|config| config.packed_block_size = ByteSize(0)).uploader.room(0).await.is_none(), "nothing is packed");
    let mut held = Vec::new();
    while let Some(room) = world.uploader.room_now(10 << 10) {
        held.push(room);
    }
    assert_eq!(held.len(), 12, "two objects of 64 KiB");
    assert!(tokio::time::timeout(Duration::from_secs(60), world.uploader.room(10 << 10)).await.is_err(), "it waits");
    held.pop();
    assert!(world.uploader.room(10 << 10).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_block_is_given_up_when_the_process_stops() {
    let world = World::new(|_| ());
    let round = world.uploader.round(&metrics());
    let room = world.uploader.room(50).await.unwrap();
    let announced = round.bring(tenant(1), block(1), room);
    world.uploader.tasks.stop(Duration::from_secs(1)).await.unwrap();
    announced.await.unwrap_err();
    // One that comes later as well.
    let room = world.uploader.room(50).await.unwrap();
    round.bring(tenant(1), block(2), room).await.unwrap_err();
}
