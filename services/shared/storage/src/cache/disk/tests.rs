use std::time::Duration;

use super::*;
use crate::cache::tests::{bytes, instruments};

/// Waits until the writer has a value in its file.
async fn settle(cache: &Disk, key: &str) -> Bytes {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = cache.get(key).await {
            return found;
        }
        assert!(Instant::now() < deadline, "{key} was not written");
        tokio::task::yield_now().await;
    }
}

fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(directory).unwrap().map(|folder| folder.unwrap().path());
    folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path())).collect()
}

#[tokio::test]
async fn values_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Disk::open(directory.path().to_owned(), 1 << 20, &instruments()).unwrap();
    assert_eq!(cache.get("a").await, None);
    cache.put("a", bytes("one"));
    cache.put("empty", Bytes::new());
    assert_eq!((settle(&cache, "a").await, settle(&cache, "empty").await), (bytes("one"), Bytes::new()));
    let size = cache.bytes();
    drop(cache);
    fs::write(files(directory.path())[0].with_extension("partial"), "half").unwrap();
    let cache = Disk::open(directory.path().to_owned(), 1 << 20, &instruments()).unwrap();
    assert_eq!((cache.get("a").await, cache.get("b").await, cache.bytes()), (Some(bytes("one")), None, size));
    assert_eq!(files(directory.path()).len(), 2, "what was half-written is gone");
}

#[tokio::test]
async fn the_least_used_go_when_it_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Disk::open(directory.path().to_owned(), 3500, &instruments()).unwrap();
    for key in ["a", "b", "c"] {
        cache.put(key, Bytes::from(vec![0; 1000]));
        settle(&cache, key).await;
    }
    settle(&cache, "a").await;
    cache.put("d", Bytes::from(vec![0; 1000]));
    settle(&cache, "d").await;
    cache.put("larger than all of it", Bytes::from(vec![0; 4000]));
    // The writer takes values in order, and removes before it takes the next.
    cache.put("e", Bytes::from(vec![0; 10]));
    settle(&cache, "e").await;
    let mut found = Vec::new();
    for key in ["a", "b", "c", "d", "larger than all of it"] {
        found.push(cache.get(key).await.is_some());
    }
    assert_eq!(found, [true, false, true, true, false]);
    assert!(cache.bytes() <= 3500);
    drop(cache);
    let cache = Disk::open(directory.path().to_owned(), 1500, &instruments()).unwrap();
    assert!(cache.bytes() <= 1500 && files(directory.path()).len() <= 2, "a smaller bound holds from the start");
}

#[tokio::test]
async fn a_damaged_file_is_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Disk::open(directory.path().to_owned(), 1 << 20, &instruments()).unwrap();
    cache.put("a", bytes("one"));
    settle(&cache, "a").await;
    let file = files(directory.path()).remove(0);
    let mut content = fs::read(&file).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&file, content).unwrap();
    assert_eq!(cache.get("a").await, None);
    assert!(!file.exists());
    cache.put("a", bytes("two"));
    assert_eq!(settle(&cache, "a").await, bytes("two"));
    fs::remove_file(&file).unwrap();
    assert_eq!((cache.get("a").await, cache.bytes()), (None, 0));
}
