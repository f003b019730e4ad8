use std::time::Duration;

use super::*;
use crate::block::BlockId;
use crate::catalog::world::{World, add, content};
use crate::flaky::Fault;
use crate::testing::{pass, tenant};

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_an_empty_catalog() {
    let world = World::new();
    let catalog = world.catalog();
    assert_eq!(catalog.age_of_last_success(), None);
    world.flaky.order("list", "catalog/root/", Fault::Fail);
    catalog.refresh().await.unwrap_err();
    assert_eq!(catalog.age_of_last_success(), None);
    assert_eq!(catalog.refresh().await.unwrap(), 0);
    pass(&world.clock, Duration::from_secs(5)).await;
    assert_eq!(catalog.age_of_last_success(), Some(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_number_that_another_knows_is_read_first() {
    let world = World::new();
    let reader = world.reader().await;
    let mut leader = world.leader("a").await;
    let entry = world.upload("a").await;
    leader.append(vec![add([&entry])]).await.unwrap();
    assert_eq!(reader.number(), 0);
    reader.refresh_to(1).await.unwrap();
    assert!(reader.map().knows(&tenant("a"), entry.id));
    let err = reader.refresh_to(2).await.unwrap_err();
    assert_eq!(err.to_string(), "the catalog is at number 1, and 2 is needed");
    // Its number is gone, and a snapshot is above it.
    let behind = world.catalog();
    behind.refresh().await.unwrap();
    let entry = world.upload("a").await;
    leader.append(vec![add([&entry])]).await.unwrap();
    leader.snapshot().await.unwrap();
    world.memory.delete(&layout::log(2)).await.unwrap();
    behind.refresh_to(2).await.unwrap();
    assert_eq!(content(&behind.map()), content(&leader.map()));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_number_stops_the_reader_where_it_is() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    for _ in 0..2 {
        let entry = world.upload("a").await;
        leader.append(vec![add([&entry])]).await.unwrap();
    }
    let whole = world.memory.get(&layout::log(2)).await.unwrap();
    world.memory.put(&layout::log(2), whole.slice(..whole.len() - 1)).await.unwrap();
    let reader = world.catalog();
    let err = reader.refresh().await.unwrap_err();
    assert_eq!(Chain(&err).to_string(), "catalog/log/00000000000000000002 is damaged: its checksum does not fit");
    assert_eq!((reader.number(), reader.age_of_last_success()), (1, None));
    let one = world.memory.get(&layout::log(1)).await.unwrap();
    world.memory.put(&layout::log(2), one).await.unwrap();
    assert_eq!(reader.refresh().await.unwrap_err().to_string(), "catalog/log/00000000000000000002 says that it is number 1");
    world.memory.put(&layout::log(2), whole).await.unwrap();
    assert_eq!(reader.refresh().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn looks_that_wait_are_one() {
    let world = World::new();
    let reader = world.reader().await;
    world.flaky.order("get", "catalog/log/", Fault::Delay(Duration::from_secs(1)));
    // The first is slow; those behind it share the second, which begins after they asked.
    let looks = (0..20).map(|_| reader.refresh());
    world.flaky.order("get", "catalog/log/", Fault::None);
    for _ in 0..18 {
        world.flaky.order("get", "catalog/log/", Fault::Fail);
    }
    let results = futures::future::join_all(looks).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_follows_until_it_stops() {
    let world = World::new();
    let tasks = Tasks::default();
    let mut registry = Registry::default();
    let catalog = Catalog::follow(Arc::new(world.flaky.clone()), &world.config, world.clock.clone(), &tasks, &mut registry);
    let mut leader = world.leader("a").await;
    let entry = world.upload("a").await;
    world.flaky.order("get", "catalog/log/", Fault::Fail);
    leader.append(vec![add([&entry])]).await.unwrap_or_default();
    leader.append(vec![add([&entry])]).await.unwrap_or_default();
    assert!(catalog.wait_for(&tenant("a"), &[entry.id], Duration::from_secs(10)).await);
    assert!(!catalog.wait_for(&tenant("a"), &[entry.id, BlockId::new(1)], Duration::from_secs(2)).await);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("quartet_catalog_number 1"), "{text}");
    tasks.stop(Duration::from_secs(5)).await.unwrap();
}
