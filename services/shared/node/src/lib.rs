//! What every process of a cluster opens before its role starts: the bucket and its marker, the catalog, channels to other
//! processes, the ring. Knows no signal and no role.

use std::borrow::Cow;
use std::sync::Arc;

use ring::{Cluster, RingConfig};
use runtime::grpc::{Channels, ClientConfig};
use runtime::{App, StartError};
use storage::block::OpenBlock;
use storage::bucket::{Bucket, StorageConfig};
use storage::cache::{Cache, CacheConfig, CacheMetrics, CachedBlocks};
use storage::catalog::{Announcer, Catalog, CatalogConfig, Entry};

runtime::settings! {
    /// `cluster:` in the YAML.
    pub struct ClusterConfig {
        /// The name of the cluster: a bucket belongs to one, and processes of others are not spoken to.
        pub id: String = "quartet".to_owned(),
    }
}

/// The sections of the configuration that every process has.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// `cluster:`.
    pub cluster: &'a ClusterConfig,
    /// `storage:`.
    pub storage: &'a StorageConfig,
    /// `catalog:`.
    pub catalog: &'a CatalogConfig,
    /// `cache:`.
    pub cache: &'a CacheConfig,
    /// `client:`.
    pub client: &'a ClientConfig,
    /// `ring:`.
    pub ring: &'a RingConfig,
}

/// What a process has opened.
#[derive(Clone, Debug)]
pub struct Node {
    /// The objects of the cluster.
    pub bucket: Arc<dyn Bucket>,
    /// Which blocks there are; it follows the log as long as the process runs.
    pub catalog: Arc<Catalog>,
    /// Channels to other processes.
    pub channels: Channels,
    cache_metrics: CacheMetrics,
}

impl Node {
    /// Opens the bucket, which must be this cluster's, and begins to follow its catalog.
    pub async fn open(app: &mut App, settings: Settings<'_>) -> Result<Self, StartError> {
        let failed = |what: &'static str| move |err: Box<dyn std::error::Error + Send + Sync>| StartError::new(what, err);
        // Dashboards tell who asks the store by this label.
        let registry = app.registry.sub_registry_with_label((Cow::Borrowed("component"), Cow::Borrowed(app.role)));
        let bucket =
            storage::bucket::open(settings.storage, &app.clock, registry).map_err(|err| failed("open the object store")(err.into()))?;
        storage::marker::claim(&*bucket, &settings.cluster.id, settings.storage.marker_wait.get())
            .await
            .map_err(|err| failed("claim the bucket for this cluster")(err.into()))?;
        let catalog = Catalog::follow(bucket.clone(), settings.catalog, app.clock.clone(), &app.tasks, &mut app.registry);
        let channels = Channels::new(settings.client).map_err(|err| failed("set up TLS of clients")(err.into()))?;
        let cache_metrics = CacheMetrics::register(&mut app.registry);
        Ok(Self { bucket, catalog, channels, cache_metrics })
    }

    /// Joins the ring as a member with an object of its own below `ring/`; gossip opens with it.
    pub async fn join(&self, app: &mut App, settings: Settings<'_>, signals: Vec<String>) -> Result<Cluster, StartError> {
        ring::setup::member(app, self.setup(settings, signals)).await
    }

    /// Follows the ring as a process without state.
    pub async fn follow(&self, app: &mut App, settings: Settings<'_>, signals: Vec<String>) -> Result<Cluster, StartError> {
        ring::setup::process(app, self.setup(settings, signals), &self.channels).await
    }

    fn setup<'a>(&self, settings: Settings<'a>, signals: Vec<String>) -> ring::setup::Setup<'a> {
        let (config, client, cluster_id) = (settings.ring, settings.client, settings.cluster.id.as_str());
        ring::setup::Setup { config, client, cluster_id, bucket: self.bucket.clone(), signals }
    }

    /// Announces what this process uploads.
    #[must_use]
    pub fn announcer(&self, app: &App, settings: Settings<'_>) -> Announcer {
        Announcer::start(self.bucket.clone(), settings.catalog, app.clock.clone(), &app.id, &app.tasks)
    }

    /// Opens the cache of results.
    pub fn results(&self, config: &CacheConfig) -> Result<Arc<dyn Cache>, StartError> {
        storage::cache::open("frontend-cache", config, &self.cache_metrics).map_err(|err| StartError::new("open the cache of results", err))
    }

    /// Opens blocks through the caches of this process.
    pub fn blocks(&self, settings: Settings<'_>) -> Result<OpenBlock, StartError> {
        let cache = storage::cache::open("chunks-cache", settings.cache, &self.cache_metrics)
            .map_err(|err| StartError::new("open the cache of blocks", err))?;
        let cached = CachedBlocks::new(cache, settings.cache.page_bytes.0);
        let bucket = self.bucket.clone();
        Ok(Arc::new(move |entry: &Entry| cached.reader(storage::block::open(&bucket, entry))))
    }
}
