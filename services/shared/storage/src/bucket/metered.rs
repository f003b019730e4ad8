//! Instruments of the store, with the names that dashboards read.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures::future::BoxFuture;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use runtime::Clock;
use tokio::time::Instant;

use super::{Bucket, Created, ObjectMeta};
use crate::block::Contents;
use crate::error::StoreError;

/// `operation` is one of Thanos' words: iter, get, get_range, upload, delete, attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    bucket: String,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BucketLabel {
    bucket: String,
}

/// Operations, failures, durations and bytes of one bucket. A missing object is no failure.
#[derive(Clone, Debug)]
pub struct BucketMetrics {
    bucket: String,
    operations: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    duration: Family<Labels, Histogram>,
    fetched_bytes: Family<Labels, Counter>,
    last_upload: Family<BucketLabel, Gauge<f64, AtomicU64>>,
}

const DURATION_BUCKETS: [f64; 14] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

impl BucketMetrics {
    /// Registers them; `bucket` is the value of the label of that name.
    pub fn register(registry: &mut Registry, bucket: &str) -> Self {
        let metrics = Self {
            bucket: bucket.to_owned(),
            operations: Family::default(),
            failures: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            fetched_bytes: Family::default(),
            last_upload: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("thanos_objstore_bucket");
        registry.register("operations", "Requests to the object store", metrics.operations.clone());
        registry.register("operation_failures", "Requests to the object store that failed", metrics.failures.clone());
        registry.register("operation_duration_seconds", "Time of one request to the object store", metrics.duration.clone());
        registry.register("operation_fetched_bytes", "Bytes read from the object store", metrics.fetched_bytes.clone());
        registry.register(
            "last_successful_upload_time",
            "When an object was last written, in seconds since the Unix epoch",
            metrics.last_upload.clone(),
        );
        metrics
    }

    fn labels(&self, operation: &'static str) -> Labels {
        Labels { bucket: self.bucket.clone(), operation }
    }
}

/// A bucket that counts.
#[derive(Clone, Debug)]
pub struct Metered {
    inner: Arc<dyn Bucket>,
    metrics: BucketMetrics,
    clock: Arc<dyn Clock>,
}

impl Metered {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Bucket>, metrics: BucketMetrics, clock: Arc<dyn Clock>) -> Self {
        Self { inner, metrics, clock }
    }

    async fn count<T>(&self, operation: &'static str, work: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        let labels = self.metrics.labels(operation);
        self.metrics.operations.get_or_create(&labels).inc();
        let start = Instant::now();
        let result = work.await;
        self.metrics.duration.get_or_create(&labels).observe(start.elapsed().as_secs_f64());
        if matches!(&result, Err(err) if !err.is_not_found()) {
            self.metrics.failures.get_or_create(&labels).inc();
        }
        result
    }

    async fn fetch(&self, operation: &'static str, work: BoxFuture<'_, Result<Bytes, StoreError>>) -> Result<Bytes, StoreError> {
        let bytes = self.count(operation, work).await?;
        self.metrics.fetched_bytes.get_or_create(&self.metrics.labels(operation)).inc_by(bytes.len() as u64);
        Ok(bytes)
    }

    async fn upload<T>(&self, work: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        let done = self.count("upload", work).await?;
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of our time are far below 2^53")]
        let seconds = self.clock.now_ms() as f64 / 1000.0;
        self.metrics.last_upload.get_or_create(&BucketLabel { bucket: self.metrics.bucket.clone() }).set(seconds);
        Ok(done)
    }
}

impl Bucket for Metered {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.fetch("get", self.inner.get(key)))
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(self.fetch("get_range", self.inner.get_range(key, range)))
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<ObjectMeta, StoreError>> {
        Box::pin(self.count("attributes", self.inner.head(key)))
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.upload(self.inner.put(key, bytes)))
    }

    fn put_contents<'a>(&'a self, key: &'a str, contents: Contents) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.upload(self.inner.put_contents(key, contents)))
    }

    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Created, StoreError>> {
        Box::pin(self.upload(self.inner.create(key, bytes)))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.count("delete", self.inner.delete(key)))
    }

    fn list<'a>(&'a self, prefix: &'a str, start_after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        Box::pin(self.count("iter", self.inner.list(prefix, start_after)))
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(self.count("iter", self.inner.folders(prefix)))
    }
}
