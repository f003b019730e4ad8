use std::sync::Arc;

use super::*;
use crate::bucket::FlakyConfig;
use crate::flaky::{Fault, Flaky};
use crate::testing::{clock, memory};

const WAIT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_claimed_once() {
    let bucket = memory(&clock());
    let first = claim(&bucket, "a", WAIT).await.unwrap();
    assert_eq!(first, Marker { cluster_id: "a".to_owned(), format_version: 1 });
    assert_eq!(claim(&bucket, "a", WAIT).await.unwrap(), first);
    let err = claim(&bucket, "b", WAIT).await.unwrap_err();
    assert_eq!(err.to_string(), "the bucket belongs to cluster \"a\", and cluster.id is \"b\"");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_bucket_is_refused_after_the_wait() {
    let bucket = memory(&clock());
    bucket.put("holiday/photo.jpg", "x".into()).await.unwrap();
    let start = tokio::time::Instant::now();
    let err = claim(&bucket, "a", WAIT).await.unwrap_err();
    assert!(start.elapsed() >= WAIT);
    assert_eq!(
        err.to_string(),
        "the bucket holds objects, holiday/ among them, and no quartet.json: it is not Quartet's; set storage.prefix to a folder of its own"
    );
    assert_eq!(bucket.list("", None).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_comes_late_is_found() {
    let bucket = Arc::new(memory(&clock()));
    bucket.put("ring/a.json", "{}".into()).await.unwrap();
    let late = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        create(&*bucket, &Marker { cluster_id: "a".to_owned(), format_version: 1 }).await.unwrap();
    };
    let (found, ()) = tokio::join!(claim(&*bucket, "a", WAIT), late);
    assert_eq!(found.unwrap().cluster_id, "a");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_lose_the_bucket() {
    let flaky = Flaky::new(Arc::new(memory(&clock())), &FlakyConfig::default());
    flaky.order("create", "quartet.json", Fault::Lose);
    claim(&flaky, "a", WAIT).await.unwrap_err();
    claim(&flaky, "a", WAIT).await.unwrap();
}

#[test]
fn a_later_format_is_refused() {
    let ours = Marker { cluster_id: "a".to_owned(), format_version: 1 };
    let err = check(br#"{"cluster_id":"a","format_version":2}"#, &ours).unwrap_err();
    assert_eq!(err.to_string(), "the bucket has format version 2, this release reads 1");
    assert!(matches!(check(b"<html>", &ours), Err(ClaimError::Unreadable(_))));
}
