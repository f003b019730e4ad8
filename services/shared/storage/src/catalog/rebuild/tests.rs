use std::time::Duration;

use tenancy::TenantId;
use ulid::Ulid;

use super::*;
use crate::block::{self, BlockId, packed};
use crate::catalog::world::{DAY, World, add, content, replace};
use crate::catalog::{Leader, RowDelete};
use crate::testing::{cut, metrics, pass, tenant};
use crate::time::TimeRange;

/// A catalog with everything in it: plain blocks, packed ones, merged ones, deletes, a snapshot in between.
async fn full(world: &World) -> Leader {
    let mut leader = world.leader("a").await;
    let mut cuts = Vec::new();
    for owner in ["a", "b", "c"] {
        for _ in 0..4 {
            cuts.push(world.upload(owner).await);
        }
    }
    world.announce(cuts.iter().map(|entry| add([entry]))).await;
    leader.step().await.unwrap();
    let blocks: Vec<(TenantId, _)> = ["c", "d"].map(|owner| (tenant(owner), cut(BlockId::new(world.clock.now_ms())))).into();
    let small = packed::upload(&world.memory, &metrics(), Ulid::from_parts(1, 1), &blocks).await.unwrap();
    leader.append(small.iter().map(|entry| add([entry])).collect()).await.unwrap();
    leader.snapshot().await.unwrap();
    let mut merge = cut(BlockId::new(world.clock.now_ms()));
    merge.parents = vec![cuts[0].id, cuts[1].id];
    merge.level = 1;
    let merged = block::upload(&world.memory, &tenant("a"), &metrics(), merge).await.unwrap();
    let delete = RowDelete {
        id: Ulid::from_parts(1, 1),
        range: TimeRange::ALL,
        what: "{}".to_owned(),
        at_ms: world.clock.now_ms(),
        keep_until_ms: i64::MAX,
    };
    let delete = Record { tenant: tenant("b"), signal: metrics(), change: Change::DeleteRows(delete) };
    leader.append(vec![replace(&[&cuts[0], &cuts[1]], &[&merged]), delete]).await.unwrap();
    leader
}

#[tokio::test(start_paused = true)]
async fn a_catalog_is_rebuilt_from_the_blocks_alone() {
    let world = World::new();
    let leader = full(&world).await;
    let (old, before) = (leader.number(), leader.map());
    // Everything below catalog/ goes, but the deletes.
    for key in world.keys("catalog/").await {
        if !key.starts_with(layout::DELETES) {
            world.memory.delete(&key).await.unwrap();
        }
    }
    let rebuilt = rebuild(&world.memory, &world.config, &*world.clock).await.unwrap();
    let number = u64::try_from(world.clock.now_ms()).unwrap();
    assert_eq!(rebuilt, Rebuilt { number, live: 13, superseded: 2, deletes: 1, damaged: vec![] });
    assert!(number > old);
    let after = world.reader().await.map();
    assert_eq!(content(&after), (number, content(&before).1, content(&before).2));
    for entry in before.entries() {
        assert_eq!(after.get(&entry.tenant, entry.id).as_ref(), Some(entry));
    }
    assert_eq!(after.deletes(&tenant("b"), "metrics"), before.deletes(&tenant("b"), "metrics"));
    // It is lead as any other.
    let mut leader = world.leader("b").await;
    let entry = world.upload("e").await;
    leader.append(vec![add([&entry])]).await.unwrap();
    assert_eq!(leader.number(), number + 1);
    assert!(world.reader().await.map().knows(&tenant("e"), entry.id));
}

#[tokio::test(start_paused = true)]
async fn a_rebuilt_catalog_stands_above_the_old_one() {
    let world = World::new();
    let mut leader = full(&world).await;
    let behind = world.reader().await;
    let expected = content(&leader.map());
    rebuild(&world.memory, &world.config, &*world.clock).await.unwrap();
    // The leader of before does not go on, though nobody took its next number.
    pass(&world.clock, Duration::from_secs(30)).await;
    assert!(matches!(leader.step().await, Err(CatalogError::LostOffice { .. })));
    pass(&world.clock, Duration::from_secs(61)).await;
    behind.refresh().await.unwrap();
    assert_eq!((content(&behind.map()).1, content(&behind.map()).2), (expected.1, expected.2));
    // Again, in the same millisecond as far as anybody knows.
    let again = rebuild(&world.memory, &world.config, &*world.clock).await.unwrap();
    assert!(again.number > behind.number());
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_damaged_is_named() {
    let world = World::new();
    let mut leader = full(&world).await;
    assert!(leader.step().await.is_ok());
    let reader = world.reader().await;
    let report = verify(&reader).await.unwrap();
    assert_eq!(report, Report { number: leader.number(), live: 13, objects: 40, ..Report::default() });
    let unknown = world.upload("a").await;
    let victims = reader.map().blocks(&tenant("b"), "metrics", TimeRange::ALL);
    world.memory.delete(&victims[0].data.object).await.unwrap();
    world.memory.put(&victims[1].index.as_ref().unwrap().object, "i".into()).await.unwrap();
    world.memory.put(&layout::block(&tenant("b"), "metrics", victims[2].id, layout::BlockFile::Meta), "{".into()).await.unwrap();
    let report = verify(&reader).await.unwrap();
    assert!(!report.is_good());
    let mut missing: Vec<BlockId> = report.missing.iter().map(|entry| entry.id).collect();
    missing.sort();
    assert_eq!(missing, [victims[0].id, victims[1].id]);
    assert_eq!(report.unknown, [unknown]);
    assert_eq!(report.damaged.len(), 3);
    // A block that cannot be read is not in the catalog that is made.
    pass(&world.clock, DAY).await;
    let rebuilt = rebuild(&world.memory, &world.config, &*world.clock).await.unwrap();
    assert_eq!((rebuilt.live, rebuilt.damaged.len()), (11, 3));
}
