use std::time::Duration;

use runtime::{Clock as _, ManualClock};

use super::*;
use crate::block::{self, packed};
use crate::bucket::{Bucket, FlakyConfig};
use crate::catalog::world::{DAY, HOUR, World, add, content, replace};
use crate::catalog::{Entry, RowDelete, Status};
use crate::flaky::Fault;
use crate::testing::{cut, metrics, pass, tenant};
use crate::time::TimeRange;

mod races;
mod removal;
mod snapshots;

#[tokio::test(start_paused = true)]
async fn what_is_announced_is_read_back() {
    let world = World::new();
    let reader = world.reader().await;
    assert_eq!((reader.number(), reader.age_of_last_success()), (0, Some(Duration::ZERO)));
    let mut leader = world.leader("a").await;
    let (one, two) = (world.upload("a").await, world.upload("b").await);
    world.announce([add([&one]), add([&two])]).await;
    assert_eq!(leader.step().await.unwrap(), 2);
    assert_eq!(world.keys(layout::INBOX).await, Vec::<String>::new());
    assert_eq!(world.keys("catalog/log/").await, [layout::log(1)]);
    assert!(reader.wait_for(&tenant("a"), &[one.id], Duration::from_secs(5)).await);
    let map = reader.map();
    assert_eq!(map.get(&tenant("b"), two.id).as_deref(), Some(&two));
    assert_eq!(map.blocks(&tenant("a"), "metrics", one.facts.range), [Arc::new(one.clone())]);
    assert_eq!((map.tenants(), map.status(&tenant("b"), one.id)), (vec![tenant("a"), tenant("b")], Status::Unknown));
    // Nothing new, no number.
    assert_eq!((leader.step().await.unwrap(), leader.number()), (0, 1));
    assert!(!reader.wait_for(&tenant("a"), &[BlockId::new(5)], Duration::from_secs(3)).await);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_hold_is_refused() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (good, mut short, mut foreign, mut strange) =
        (world.upload("a").await, world.upload("a").await, world.upload("a").await, world.upload("a").await);
    short.data.len -= 1;
    foreign.tenant = tenant("b");
    strange.data.object = "quartet.json".to_owned();
    let mut missing = good.clone();
    missing.id = BlockId::new(77);
    missing.data.object = layout::block(&missing.tenant, "metrics", missing.id, layout::BlockFile::Data);
    missing.index = None;
    let bad = [short, foreign, strange, missing];
    world.announce([add(&bad), add([&good]), replace(&[&good], &[&bad[0]])]).await;
    world.memory.put(&layout::inbox(Ulid::from_parts(1, 1)), "no announcement".into()).await.unwrap();
    leader.step().await.unwrap();
    assert_eq!(content(&leader.map()), (1, vec![good.id], vec![]));
    assert_eq!(leader.metrics.refused.get(), 5);
    // What cannot be read stays until it is old.
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::INBOX).await.len(), 1);
    pass(&world.clock, 4 * DAY).await;
    leader.step().await.unwrap();
    assert_eq!(world.keys(layout::INBOX).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_whole_or_nothing() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (one, two, three) = (world.upload("a").await, world.upload("a").await, world.upload("a").await);
    let (merged, late) = (world.upload("a").await, world.upload("a").await);
    leader.append(vec![add([&one, &two, &three])]).await.unwrap();
    world.announce([replace(&[&one, &two], &[&merged])]).await;
    leader.step().await.unwrap();
    let mut live = vec![three.id, merged.id];
    live.sort();
    let mut gone = vec![one.id, two.id];
    gone.sort();
    assert_eq!(content(&leader.map()), (2, live.clone(), gone.clone()));
    // One of its parents is no more.
    world.announce([replace(&[&two, &three], &[&late])]).await;
    assert_eq!(leader.step().await.unwrap(), 0);
    assert_eq!(content(&leader.map()), (2, live, gone));
    assert_eq!(leader.map().status(&tenant("a"), late.id), Status::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_never_comes_in_again() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (one, merged) = (world.upload("a").await, world.upload("a").await);
    leader.append(vec![add([&one]), replace(&[&one], &[&merged])]).await.unwrap();
    assert_eq!(leader.append(vec![add([&one])]).await.unwrap(), 0);
    assert_eq!(leader.append(vec![replace(&[&merged], &[&one])]).await.unwrap(), 0);
    pass(&world.clock, 6 * DAY).await;
    assert_eq!(leader.append(vec![add([&one])]).await.unwrap(), 0);
    assert_eq!(leader.map().status(&tenant("a"), one.id), Status::Tombstoned);
    assert_eq!(leader.append(vec![add([&merged, &one])]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn retention_goes_by_its_own_time() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let (old, new) = (world.upload("a").await, world.upload("a").await);
    let mut new = new;
    new.retention_ns += 1_000_000_000;
    leader.append(vec![add([&old, &new])]).await.unwrap();
    let before = old.retention_ns;
    assert_eq!(leader.retire(&tenant("a"), &metrics(), before).await.unwrap(), 0);
    assert_eq!(leader.retire(&tenant("b"), &metrics(), i64::MAX).await.unwrap(), 0);
    assert_eq!(leader.retire(&tenant("a"), &metrics(), before + 1).await.unwrap(), 1);
    assert_eq!(content(&leader.map()).1, [new.id]);
    assert_eq!(leader.remove_tenant(&tenant("a")).await.unwrap(), 1);
    assert_eq!(leader.map().tenants(), []);
}

#[tokio::test(start_paused = true)]
async fn deletes_and_shard_sizes_are_kept_once() {
    let world = World::new();
    let mut leader = world.leader("a").await;
    let now = world.clock.now_ms();
    let delete = crate::catalog::RowDelete {
        id: Ulid::from_parts(1, 1),
        range: crate::time::TimeRange::ALL,
        what: "{job=\"x\"}".to_owned(),
        at_ms: now,
        keep_until_ms: now + 86_400_000,
    };
    let record = |change| Record { tenant: tenant("a"), signal: metrics(), change };
    let records = || vec![record(Change::DeleteRows(delete.clone())), record(Change::ShardSize { size: 3, at_ms: now })];
    assert_eq!(leader.append(records()).await.unwrap(), 2);
    assert_eq!(leader.append(records()).await.unwrap(), 0);
    let map = world.reader().await.map();
    assert_eq!(map.deletes(&tenant("a"), "metrics"), [crate::catalog::NumberedDelete { number: 1, delete }]);
    assert_eq!(map.shard_sizes(&tenant("a"), "metrics"), [crate::catalog::ShardSize { size: 3, at_ms: now }]);
    assert_eq!(world.keys(layout::DELETES).await, [layout::deletes(1)]);
}
