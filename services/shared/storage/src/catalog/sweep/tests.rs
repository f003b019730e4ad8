use runtime::Clock as _;

use super::*;
use crate::block::{BlockId, packed};
use crate::bucket::Bucket as _;
use crate::catalog::world::{DAY, HOUR, World, add, replace};
use crate::layout;
use crate::testing::{cut, metrics, pass, tenant};

fn sweeper(world: &World) -> Sweeper {
    Sweeper::new(world.catalog(), LeaderMetrics::default())
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_nothing_goes_when_it_is_old() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (live, taken_out, merged, lost) =
        (world.upload("a").await, world.upload("b").await, world.upload("b").await, world.upload("c").await);
    leader.append(vec![add([&live]), add([&taken_out]), replace(&[&taken_out], &[&merged])]).await.unwrap();
    let foreign = ["tenants/a/metrics/notes.txt", "tenants/a/metrics/01ARZ3NDEKTSV4RRFFQ69G5FAV/chunk", "elsewhere/x"];
    for key in foreign {
        world.memory.put(key, "x".into()).await.unwrap();
    }
    let before = world.keys("").await;
    let mut sweeper = sweeper(&world);
    assert_eq!(sweeper.sweep().await.unwrap(), Swept { objects: 12, orphans: 0, removed: 0, halted: None });
    pass(&world.clock, 6 * DAY).await;
    assert_eq!(sweeper.sweep().await.unwrap().removed, 0);
    assert_eq!(world.keys("").await, before);
    pass(&world.clock, DAY + HOUR).await;
    assert_eq!(sweeper.sweep().await.unwrap(), Swept { objects: 12, orphans: 3, removed: 3, halted: None });
    let gone: Vec<String> = before.into_iter().filter(|key| key.contains(&lost.id.to_string())).collect();
    let left = world.keys("").await;
    assert!(gone.len() == 3 && gone.iter().all(|key| !left.contains(key)), "{left:?}");
    assert!(foreign.iter().all(|key| left.iter().any(|left| left == key)));
}

#[tokio::test(start_paused = true)]
async fn a_packed_object_goes_only_when_none_of_its_blocks_is_known() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let mut packed = Vec::new();
    for number in 1..=2 {
        let blocks: Vec<_> = ["a", "b"].map(|owner| (tenant(owner), cut(BlockId::new(world.clock.now_ms())))).into();
        packed.push(packed::upload(&world.memory, &metrics(), Ulid::from_parts(1, number), &blocks).await.unwrap());
    }
    let mut sweeper = sweeper(&world);
    leader.append(vec![add([&packed[0][0]])]).await.unwrap();
    pass(&world.clock, 6 * DAY).await;
    assert_eq!(sweeper.sweep().await.unwrap().orphans, 0, "it may still be announced");
    pass(&world.clock, 2 * DAY).await;
    assert_eq!(sweeper.sweep().await.unwrap(), Swept { objects: 2, orphans: 1, removed: 1, halted: None });
    assert_eq!(world.keys(layout::PACKED).await, [packed[0][0].data.object.clone()]);
}

#[tokio::test(start_paused = true)]
async fn many_orphans_are_the_catalogs_fault() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let mut sweeper = sweeper(&world);
    let live = world.upload("a").await;
    leader.append(vec![add([&live])]).await.unwrap();
    for _ in 0..34 {
        world.upload("a").await;
    }
    pass(&world.clock, 8 * DAY).await;
    let swept = sweeper.sweep().await.unwrap();
    assert_eq!(swept, Swept { objects: 105, orphans: 102, removed: 0, halted: Some(Halt::Orphans) });
    assert_eq!(sweeper.metrics.halted.get(), 1);
    assert_eq!(world.keys(layout::TENANTS).await.len(), 105);
}

#[tokio::test(start_paused = true)]
async fn without_a_catalog_nothing_goes() {
    let world = World::new();
    world.upload("a").await;
    pass(&world.clock, 8 * DAY).await;
    assert_eq!(sweeper(&world).sweep().await.unwrap().halted, Some(Halt::NoCatalog));
    assert_eq!(world.keys(layout::TENANTS).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_map_that_shrinks_by_itself_is_not_believed() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let mut entries = Vec::new();
    for _ in 0..10 {
        entries.push(world.upload("a").await);
    }
    leader.append(vec![add(&entries)]).await.unwrap();
    let mut sweeper = sweeper(&world);
    assert_eq!(sweeper.sweep().await.unwrap().halted, None);
    // Taken out by somebody: fine.
    pass(&world.clock, HOUR).await;
    let signal = entries[0].signal.clone();
    leader.retire(&entries[0].tenant, &signal, i64::MAX).await.unwrap();
    assert_eq!(sweeper.sweep().await.unwrap().halted, None);
    // There were ten at a later look than any removal.
    sweeper.last = Some(Last { live: 10, at_ms: i64::MAX });
    assert_eq!(sweeper.sweep().await.unwrap().halted, Some(Halt::Shrunk));
}

/// A block that is announced while the sweep lists is not an orphan: the map is read after the list, and it is young.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_removes_nothing() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let live = world.upload("a").await;
    leader.append(vec![add([&live])]).await.unwrap();
    world.upload("a").await;
    let ahead =
        std::sync::Arc::new(runtime::ManualClock::at(runtime::Clock::now_ns(&*world.clock) + i64::try_from((9 * DAY).as_nanos()).unwrap()));
    let catalog = Arc::new(Catalog::new(Arc::new(world.memory.clone()), &world.config, ahead));
    let swept = Sweeper::new(catalog, LeaderMetrics::default()).sweep().await.unwrap();
    // By the store's clock nothing is old, whatever ours says.
    assert_eq!((swept.orphans, swept.removed, swept.halted), (0, 0, Some(Halt::Clock)));
}

#[tokio::test(start_paused = true)]
async fn blocks_that_are_not_whole_are_counted() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (live, lost) = (world.upload("a").await, world.upload("b").await);
    leader.append(vec![add([&live])]).await.unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    let mut sweeper = Sweeper::new(world.catalog(), LeaderMetrics::register(&mut registry));
    let shown = |registry: &_| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text.lines().filter(|line| line.starts_with("cortex_bucket_blocks_partials_count{")).map(str::to_owned).collect::<Vec<_>>()
    };
    sweeper.sweep().await.unwrap();
    assert!(shown(&registry).is_empty(), "all are whole, announced or not");
    for block in [&live, &lost] {
        let prefix = format!("tenants/{}/metrics/{}/meta.json", block.tenant, block.id);
        world.memory.delete(&prefix).await.unwrap();
    }
    sweeper.sweep().await.unwrap();
    assert_eq!(shown(&registry), ["cortex_bucket_blocks_partials_count{user=\"b\"} 1"], "the catalog knows the other one");
}
