use std::sync::Arc;

use prometheus_client::registry::Registry;
use runtime::{Clock, SystemClock};

use super::*;
use crate::block::Contents;
use crate::bucket::{Memory, OpenError, StorageConfig, open};

fn opened(url: String, prefix: &str) -> Arc<dyn Bucket> {
    let config = StorageConfig { url, prefix: prefix.to_owned(), ..StorageConfig::default() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open(&config, &clock, &mut Registry::default()).unwrap()
}

#[tokio::test]
async fn memory_keeps_the_rules() {
    let bucket = Memory::new(Arc::new(SystemClock));
    assert_eq!(check(&bucket, 100_000).await.unwrap(), []);
    assert_eq!(bucket.list("", None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_keeps_the_rules() {
    let root = tempfile::tempdir().unwrap();
    for prefix in ["", "some/folder/"] {
        let bucket = opened(format!("file://{}/new", root.path().display()), prefix);
        assert_eq!(check(&*bucket, 33 << 20).await.unwrap(), []);
        assert_eq!(bucket.list("", None).await.unwrap(), []);
    }
}

/// A block of a cut goes up like this, part by part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_up_as_bytes_do() {
    let root = tempfile::tempdir().unwrap();
    let bucket = opened(format!("file://{}/new", root.path().display()), "");
    let bytes: Vec<u8> = (0..33 << 20).map(|at: u32| u8::try_from(at % 251).unwrap()).collect();
    for len in [0, 1000, bytes.len()] {
        let path = root.path().join("contents");
        std::fs::write(&path, &bytes).unwrap();
        let file = Arc::new(std::fs::File::open(&path).unwrap());
        bucket.put_contents("file", Contents::File(file, len as u64)).await.unwrap();
        assert!(bucket.get("file").await.unwrap() == bytes[..len], "{len} bytes");
    }
}

/// Create that looks first and writes then.
#[derive(Debug)]
struct Careless(Memory);

impl Bucket for Careless {
    fn get<'a>(&'a self, key: &'a str) -> futures::future::BoxFuture<'a, Result<Bytes, StoreError>> {
        self.0.get(key)
    }

    fn get_range<'a>(&'a self, key: &'a str, range: std::ops::Range<u64>) -> futures::future::BoxFuture<'a, Result<Bytes, StoreError>> {
        self.0.get_range(key, range)
    }

    fn head<'a>(&'a self, key: &'a str) -> futures::future::BoxFuture<'a, Result<super::super::ObjectMeta, StoreError>> {
        self.0.head(key)
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> futures::future::BoxFuture<'a, Result<(), StoreError>> {
        self.0.put(key, bytes)
    }

    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> futures::future::BoxFuture<'a, Result<Created, StoreError>> {
        Box::pin(async move {
            if self.0.head(key).await.is_ok() {
                return Ok(Created::Exists);
            }
            tokio::task::yield_now().await;
            self.0.put(key, bytes).await.map(|()| Created::Created)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> futures::future::BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        start_after: Option<&'a str>,
    ) -> futures::future::BoxFuture<'a, Result<Vec<super::super::ObjectMeta>, StoreError>> {
        self.0.list(prefix, start_after)
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> futures::future::BoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.0.folders(prefix)
    }
}

#[tokio::test]
async fn a_create_that_is_not_atomic_is_seen() {
    let careless = Careless(Memory::new(Arc::new(SystemClock)));
    let broken = check(&careless, 10_000).await.unwrap();
    assert!(broken.iter().any(|broken| broken.rule == "one of concurrent creates wins"), "{broken:?}");
    let name = Ulid::from_parts(1, 1);
    assert!(!crate::catalog::create_is_atomic(&careless, name).await.unwrap());
    let good = Memory::new(Arc::new(SystemClock));
    assert!(crate::catalog::create_is_atomic(&good, name).await.unwrap());
    assert_eq!(good.list("", None).await.unwrap(), []);
}

#[test]
fn urls_that_name_no_bucket_are_refused() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for url in ["", "data", "s3://", "s3:///x", "http://x", "gs://a/b", "file://", "s3://a?b"] {
        let config = StorageConfig { url: url.to_owned(), ..StorageConfig::default() };
        let err = open(&config, &clock, &mut Registry::default()).unwrap_err();
        assert!(matches!(err, OpenError::Url { .. }), "{url}: {err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_patient_and_counts() {
    use crate::bucket::{BucketMetrics, FlakyConfig, Metered, RetryPolicy, Retrying};
    use crate::flaky::{Fault, Flaky};
    use std::time::Duration;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let flaky = Flaky::new(Arc::new(Memory::new(clock.clone())), &FlakyConfig::default());
    let metered = Metered::new(Arc::new(flaky.clone()), BucketMetrics::register(&mut registry, "test"), clock);
    let policy = RetryPolicy { total: Duration::from_secs(60), pause: Duration::from_millis(100), attempt: Duration::from_secs(5) };
    let bucket = Retrying::new(Arc::new(metered), policy);
    for fault in [Fault::Fail, Fault::Lose, Fault::Delay(Duration::from_secs(30))] {
        flaky.order("put", "key", fault);
    }
    bucket.put("key", "12345".into()).await.unwrap();
    assert_eq!(bucket.get("key").await.unwrap(), "12345");
    assert!(bucket.get("none").await.unwrap_err().is_not_found());
    // An answer that was lost shows as an object that is there.
    flaky.order("create", "other", Fault::Lose);
    assert_eq!(bucket.create("other", "1".into()).await.unwrap(), Created::Exists);
    // It ends.
    flaky.set(&FlakyConfig { fail: 1.0, ..FlakyConfig::default() });
    let start = tokio::time::Instant::now();
    bucket.get("key").await.unwrap_err();
    assert!((Duration::from_secs(30)..Duration::from_secs(61)).contains(&start.elapsed()));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "thanos_objstore_bucket_operation_fetched_bytes_total{bucket=\"test\",operation=\"get\"} 5",
        "thanos_objstore_bucket_operation_failures_total{bucket=\"test\",operation=\"upload\"} 3",
        "thanos_objstore_bucket_operations_total{bucket=\"test\",operation=\"upload\"} 6",
        "thanos_objstore_bucket_operation_duration_seconds_count{bucket=\"test\",operation=\"upload\"}",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
