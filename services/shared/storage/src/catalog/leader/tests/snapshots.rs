//! Snapshots, and what goes below them.

use super::*;

async fn fill(world: &World, leader: &mut Leader, numbers: u32) {
    for number in 0..numbers {
        let entry = world.upload(&format!("tenant-{}", number % 7)).await;
        leader.append(vec![add([&entry])]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_starts_from_a_snapshot_sees_the_same() {
    let world = World::new();
    let reader = world.reader().await;
    let mut leader = world.leader("a").await;
    fill(&world, &mut leader, 10).await;
    let first = world.reader().await;
    leader.snapshot().await.unwrap();
    let parts = world.keys(layout::PART).await.len();
    assert_eq!(parts, 7, "only parts of tenants are written");
    // Only the part that changed is written again.
    let entry = world.upload("tenant-1").await;
    leader.append(vec![add([&entry])]).await.unwrap();
    leader.snapshot().await.unwrap();
    assert_eq!(world.keys(layout::PART).await.len(), parts + 1);
    for key in world.keys("catalog/log/").await {
        world.memory.delete(&key).await.unwrap();
    }
    let expected = content(&leader.map());
    assert_eq!(content(&world.reader().await.map()), expected);
    // Readers that were behind find the snapshot within their minute.
    pass(&world.clock, Duration::from_secs(61)).await;
    for behind in [reader, first] {
        behind.refresh().await.unwrap();
        assert_eq!(content(&behind.map()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn snapshots_come_with_numbers_and_with_time() {
    let mut world = World::new();
    world.config.snapshot_numbers = 5;
    let mut leader = world.leader("a").await;
    fill(&world, &mut leader, 4).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::ROOT).await, Vec::<String>::new());
    fill(&world, &mut leader, 1).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::ROOT).await, [layout::root(5)]);
    fill(&world, &mut leader, 1).await;
    pass(&world.clock, Duration::from_secs(601)).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::ROOT).await, [layout::root(5), layout::root(6)]);
    pass(&world.clock, Duration::from_secs(601)).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::ROOT).await.len(), 2, "nothing new, no snapshot");
}

#[tokio::test(start_paused = true)]
async fn history_goes_after_two_days() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    fill(&world, &mut leader, 3).await;
    leader.snapshot().await.unwrap();
    pass(&world.clock, DAY).await;
    fill(&world, &mut leader, 9).await;
    leader.snapshot().await.unwrap();
    let before = content(&leader.map());
    assert_eq!(world.keys("catalog/log/").await.len(), 12);
    pass(&world.clock, DAY + HOUR).await;
    // The first snapshot is old enough: its numbers go, it stays, since nothing older than two days is above it.
    leader.step().await.unwrap();
    assert_eq!(world.keys("catalog/log/").await.len(), 9);
    assert_eq!(world.keys(layout::ROOT).await.len(), 2);
    pass(&world.clock, DAY).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys("catalog/log/").await.len(), 0);
    assert_eq!(world.keys(layout::ROOT).await, [layout::root(12)]);
    // All seven tenants changed, so the parts of the first snapshot are named by nobody.
    assert!(world.keys(layout::PART).await.iter().all(|key| key.starts_with(&format!("{}{:020}/", layout::PART, 12))));
    assert_eq!(content(&world.reader().await.map()), before);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_root_is_missing_is_none() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    fill(&world, &mut leader, 3).await;
    world.flaky.order("create", "catalog/root/", Fault::Fail);
    leader.snapshot().await.unwrap_err();
    assert_eq!(content(&world.reader().await.map()), content(&leader.map()));
    // A lost answer is no second snapshot.
    world.flaky.order("create", "catalog/root/", Fault::Lose);
    leader.snapshot().await.unwrap_err();
    leader.snapshot().await.unwrap();
    assert_eq!(content(&world.reader().await.map()), content(&leader.map()));
}

/// Another's number is read between the parts of a snapshot and the note of where they stand.
#[tokio::test(start_paused = true)]
async fn what_came_after_a_snapshot_is_in_the_next() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    fill(&world, &mut leader, 1).await;
    let (_, stored) = super::super::write_snapshot(&world.memory, &leader.map(), 0).await.unwrap();
    fill(&world, &mut leader, 1).await;
    leader.catalog.mark_stored(1, &stored).await;
    leader.snapshot().await.unwrap();
    assert_eq!(content(&world.reader().await.map()), content(&leader.map()));
    assert_eq!(leader.map().entries().count(), 2);
}
