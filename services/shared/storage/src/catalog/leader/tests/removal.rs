//! Files of blocks that were taken out.

use super::*;

#[tokio::test(start_paused = true)]
async fn files_go_after_the_delay() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (one, two) = (world.upload("a").await, world.upload("a").await);
    leader.append(vec![add([&one]), replace(&[&one], &[&two])]).await.unwrap();
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::TENANTS).await.len(), 6);
    pass(&world.clock, Duration::from_secs(1700)).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::TENANTS).await.len(), 6);
    pass(&world.clock, Duration::from_secs(400)).await;
    leader.step().await.unwrap();
    let left = world.keys(layout::TENANTS).await;
    assert!(left.len() == 3 && left.iter().all(|key| key.contains(&two.id.to_string())), "{left:?}");
    // It is written down that they are gone, and they are gone once.
    assert!(world.reader().await.map().tombstones().all(|(.., gone)| gone.files_gone));
    let number = leader.number();
    pass(&world.clock, HOUR).await;
    leader.step().await.unwrap();
    assert_eq!(leader.number(), number);
}

#[tokio::test(start_paused = true)]
async fn a_packed_object_goes_with_its_last_block() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let blocks: Vec<_> = ["a", "b"].map(|owner| (tenant(owner), cut(BlockId::new(world.clock.now_ms())))).into();
    let entries = packed::upload(&world.memory, &metrics(), Ulid::from_parts(1, 1), &blocks).await.unwrap();
    let (own_a, own_b) = (world.upload("a").await, world.upload("b").await);
    world.announce(entries.iter().map(|entry| add([entry]))).await;
    assert_eq!(leader.step().await.unwrap(), 2);
    leader.append(vec![replace(&[&entries[0]], &[&own_a])]).await.unwrap();
    pass(&world.clock, HOUR).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::PACKED).await.len(), 1, "it holds a live block");
    leader.append(vec![replace(&[&entries[1]], &[&own_b])]).await.unwrap();
    pass(&world.clock, Duration::from_secs(600)).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::PACKED).await.len(), 1, "one was taken out a moment ago");
    pass(&world.clock, HOUR).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::PACKED).await.len(), 0);
    assert!(leader.map().tombstones().all(|(.., gone)| gone.files_gone));
}

#[tokio::test(start_paused = true)]
async fn the_object_of_a_deleted_tenant_is_condemned_until_it_is_gone() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let blocks: Vec<_> = ["a", "a", "b"].map(|owner| (tenant(owner), cut(BlockId::new(world.clock.now_ms())))).into();
    let entries = packed::upload(&world.memory, &metrics(), Ulid::from_parts(1, 1), &blocks).await.unwrap();
    let (merged, own_b) = (world.upload("a").await, world.upload("b").await);
    leader.append(vec![add([&entries[0], &entries[1]]), add([&entries[2]]), replace(&[&entries[0]], &[&merged])]).await.unwrap();
    assert!(leader.map().condemned().is_empty(), "a merge is no deletion");

    let delete = |what: &str, range| RowDelete { id: Ulid::new(), range, what: what.to_owned(), at_ms: 0, keep_until_ms: i64::MAX };
    let of_a = |change| Record { tenant: tenant("a"), signal: metrics(), change };
    let some = [delete("{job=\"x\"}", TimeRange::ALL), delete("", TimeRange::from_ms(0, 1))].map(|delete| of_a(Change::DeleteRows(delete)));
    leader.append(some.into()).await.unwrap();
    assert!(leader.map().condemned().is_empty(), "nor is a delete of some rows");
    leader.append(vec![of_a(Change::DeleteRows(delete("", TimeRange::ALL)))]).await.unwrap();
    assert_eq!(leader.map().condemned().len(), 1, "what was merged out of it is still in there");
    let rest = vec![entries[1].id, merged.id];
    leader.append(vec![of_a(Change::Remove { ids: rest })]).await.unwrap();
    assert_eq!(leader.map().condemned().into_iter().collect::<Vec<_>>(), [entries[2].data.object.as_str()]);
    assert_eq!(world.reader().await.map().condemned().len(), 1);

    leader.append(vec![replace(&[&entries[2]], &[&own_b])]).await.unwrap();
    pass(&world.clock, HOUR).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::PACKED).await.len(), 0);
    assert!(leader.map().condemned().is_empty());
}

/// The store's clock is that of the bucket; the leader's is another.
#[tokio::test(start_paused = true)]
async fn nothing_goes_while_the_clocks_differ() {
    let world = World::new();
    let entry = world.upload("a").await;
    let wrong = Arc::new(ManualClock::at(world.clock.now_ns() + 600_000_000_000));
    let catalog = Arc::new(Catalog::new(Arc::new(world.memory.clone()), &world.config, wrong.clone()));
    let mut leader = Leader::elected(catalog, "a", LeaderMetrics::default()).await.unwrap();
    leader.append(vec![add([&entry])]).await.unwrap();
    assert_eq!(leader.retire(&tenant("a"), &metrics(), i64::MAX).await.unwrap(), 0);
    assert_eq!(leader.metrics.skewed.get(), 1);
    leader.append(vec![Record { tenant: tenant("a"), signal: metrics(), change: Change::Remove { ids: vec![entry.id] } }]).await.unwrap();
    pass(&wrong, HOUR).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::TENANTS).await.len(), 3);
}
