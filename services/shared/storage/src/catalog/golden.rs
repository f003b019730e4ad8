//! A catalog as each release wrote it must open for ever.
//!
//! `testdata/<version>` holds its objects by their keys: a root, its parts, a log after it, deletes. A new version of the
//! format: add its name to [`VERSIONS`] and run this test once, which writes what is not there yet. Never change one that
//! a release wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenancy::TenantId;
use ulid::Ulid;

use super::world::{World, add, replace};
use super::{Change, Entry, Leader, Map, NumberedDelete, Record, RowDelete, ShardSize, Tombstone};
use crate::block::{self, BlockId, SignalId, packed};
use crate::bucket::Bucket as _;
use crate::layout;
use crate::testing::{START_MS, cut, metrics, tenant};
use crate::time::TimeRange;

/// Every version that a release has written, the newest last.
const VERSIONS: [&str; 1] = ["v1"];

#[tokio::test(start_paused = true)]
async fn a_catalog_of_each_version_opens() {
    let [.., newest] = VERSIONS;
    if !directory(newest).exists() {
        bless(&directory(newest)).await;
    }
    let told = content(&told(&World::new()).await.map());
    for version in VERSIONS {
        let world = World::new();
        for (key, bytes) in objects(&directory(version)) {
            world.memory.put(&key, bytes.into()).await.unwrap();
        }
        assert!(!world.keys(layout::ROOT).await.is_empty() && world.keys(layout::PART).await.len() > 1, "{version} has a snapshot");
        assert_eq!(world.keys("catalog/log/").await, [layout::log(4)], "{version}: the rest is in the snapshot");
        assert_eq!(content(&world.reader().await.map()), told, "{version}");
        assert_eq!(world.leader("next").await.number(), 4, "{version} can be led on");
    }
}

/// The story that the objects tell, told to an empty catalog. Changes only by what is added for a new version.
async fn told(world: &World) -> Leader {
    let mut leader = world.leader("leader").await;
    let [a, b] = ["a", "b"].map(tenant);
    let (one, two, three) = (upload(world, &a, 1, 0).await, upload(world, &a, 2, 0).await, upload(world, &b, 3, 0).await);
    leader.append(vec![add([&one, &two]), add([&three])]).await.unwrap();
    let merged = upload(world, &a, 4, 1).await;
    let delete = RowDelete {
        id: Ulid::from_parts(1, 1),
        range: TimeRange::from_ms(0, START_MS),
        what: "{job=\"x\"}".to_owned(),
        at_ms: START_MS,
        keep_until_ms: START_MS + 86_400_000,
    };
    let record = |change| Record { tenant: b.clone(), signal: metrics(), change };
    let shards = [1, 2].map(|at| record(Change::ShardSize { size: u32::try_from(3 * at).unwrap(), at_ms: START_MS + at }));
    leader.append(vec![replace(&[&one, &two], &[&merged]), record(Change::DeleteRows(delete))]).await.unwrap();
    leader.append(shards.into()).await.unwrap();
    leader.snapshot().await.unwrap();
    let small = [(b.clone(), cut(id(5))), (tenant("c"), cut(id(6)))];
    let small = packed::upload(&world.memory, &metrics(), Ulid::from_parts(1, 7), &small).await.unwrap();
    let out = Record { tenant: b, signal: metrics(), change: Change::Remove { ids: vec![three.id] } };
    leader.append(small.iter().map(|entry| add([entry])).chain([out]).collect()).await.unwrap();
    leader
}

async fn upload(world: &World, owner: &TenantId, name: u128, level: u8) -> Entry {
    let mut upload = cut(id(name));
    if level > 0 {
        upload.level = level;
        upload.parents = vec![id(1), id(2)];
    }
    block::upload(&world.memory, owner, &metrics(), upload).await.unwrap()
}

fn id(name: u128) -> BlockId {
    BlockId(Ulid::from_parts(u64::try_from(START_MS).unwrap(), name))
}

/// Everything that a map says.
#[derive(Debug, PartialEq)]
struct Content {
    number: u64,
    live: Vec<Arc<Entry>>,
    gone: Vec<(TenantId, SignalId, Tombstone)>,
    deletes: Vec<NumberedDelete>,
    shard_sizes: Vec<ShardSize>,
}

fn content(map: &Map) -> Content {
    let mut live: Vec<_> = map.entries().cloned().collect();
    live.sort_by_key(|entry| entry.id);
    let mut gone: Vec<_> = map.tombstones().map(|(owner, signal, gone)| (owner.clone(), signal.clone(), gone.clone())).collect();
    gone.sort_by_key(|(.., gone)| gone.id);
    let (deletes, shard_sizes) = (map.deletes(&tenant("b"), "metrics").to_vec(), map.shard_sizes(&tenant("b"), "metrics").to_vec());
    assert!(live.len() == 3 && gone.len() == 3 && deletes.len() == 1 && shard_sizes.len() == 2, "something of everything: {live:?}");
    Content { number: map.number(), live, gone, deletes, shard_sizes }
}

async fn bless(directory: &Path) {
    let world = World::new();
    told(&world).await;
    for number in 1..=3 {
        world.memory.delete(&layout::log(number)).await.unwrap();
    }
    for key in world.keys("catalog/").await {
        let file = directory.join(&key);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, world.memory.get(&key).await.unwrap()).unwrap();
    }
}

fn directory(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/testdata").join(version)
}

/// The files below a directory by their keys.
fn objects(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut open, mut objects) = (vec![directory.to_owned()], Vec::new());
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                objects.push((path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    objects
}
