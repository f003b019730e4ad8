use runtime::ManualClock;
use storage::bucket::Memory;

use super::*;
use crate::fixtures::member;
use crate::member::MemberState;

fn store() -> (BucketStore, Memory, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(0));
    let bucket = Memory::new(clock.clone());
    (BucketStore::new(Arc::new(bucket.clone()), clock.clone()), bucket, clock)
}

#[tokio::test]
async fn members_are_objects_of_their_own() {
    let (store, bucket, _) = store();
    assert_eq!(store.list().await.unwrap(), []);
    let (a, b) = (member("a", "z"), member("b", "z"));
    store.put(&b).await.unwrap();
    store.put(&a).await.unwrap();
    bucket.put("ring/notes.txt", Bytes::from_static(b"by hand")).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [a.clone(), b.clone()]);
    assert_eq!(store.get("a").await.unwrap(), Some(a));
    store.delete("a").await.unwrap();
    store.delete("a").await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.list().await.unwrap(), [b]);
}

#[tokio::test]
async fn a_change_within_the_same_second_is_seen() {
    let (store, _, clock) = store();
    let old = member("a", "z");
    let new = Member { counter: 2, ..old.clone() };
    store.put(&old).await.unwrap();
    assert_eq!(store.list().await.unwrap(), std::slice::from_ref(&old));
    store.put(&new).await.unwrap();
    assert_eq!(store.list().await.unwrap(), std::slice::from_ref(&new));
    clock.advance(2 * SETTLED_MS * 1_000_000);
    assert_eq!(store.list().await.unwrap(), std::slice::from_ref(&new));
    let later = new.with_state(MemberState::Leaving, 5);
    store.put(&later).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [later]);
}

#[tokio::test]
async fn what_is_not_a_member_is_an_error_and_not_an_absence() {
    let (store, bucket, _) = store();
    store.put(&member("a", "z")).await.unwrap();
    bucket.put("ring/b.json", Bytes::from_static(b"{")).await.unwrap();
    assert_eq!(store.list().await.unwrap_err().to_string(), "ring/b.json is not a member");
    let a = bucket.get("ring/a.json").await.unwrap();
    bucket.put("ring/b.json", a).await.unwrap();
    assert_eq!(store.list().await.unwrap_err().to_string(), "ring/b.json is not a member");
}

/// A member as the first version wrote it; every later one reads it. A new version has a file beside it.
#[tokio::test]
async fn a_member_of_each_version_is_read() {
    let (store, bucket, _) = store();
    for golden in [&include_bytes!("../testdata/member-v1.json")[..]] {
        bucket.put("ring/ingester-a-0.json", Bytes::from_static(golden)).await.unwrap();
        let member = Member {
            name: "ingester-a-0".to_owned(),
            role: "ingester".to_owned(),
            zone: "a".to_owned(),
            http: "10.0.0.7:8080".to_owned(),
            grpc: "10.0.0.7:9095".to_owned(),
            gossip: "10.0.0.7:7946".to_owned(),
            signals: vec!["metrics".to_owned()],
            state: MemberState::ReadOnly,
            since_ms: 1_767_225_600_000,
            counter: 42,
        };
        assert_eq!(store.list().await.unwrap(), std::slice::from_ref(&member));
        // What is written now is what the release before reads.
        store.put(&member).await.unwrap();
        assert_eq!(bucket.get("ring/ingester-a-0.json").await.unwrap(), golden);
    }
}
