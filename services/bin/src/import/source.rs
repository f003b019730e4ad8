//! The other store: where its blocks are, and their files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use metrics::import::BlockFiles;
use metrics::tsdb::{BlockMeta, MetaError};
use prometheus_client::registry::Registry;
use runtime::Clock;
use storage::block::{ObjectRange, Ranged};
use storage::bucket::{Bucket, OpenError, StorageConfig};
use storage::catalog::FileRef;
use storage::error::StoreError;
use tenancy::TenantId;
use ulid::Ulid;

use super::Order;

/// The other store.
pub(super) struct Source {
    bucket: Arc<dyn Bucket>,
    layout: Layout,
}

/// How blocks stand in it.
enum Layout {
    /// Blocks one below the other, all of one tenant; or a block itself.
    Flat(TenantId),
    /// Tenants, and blocks in them; or, named by the last word of the URL, one tenant.
    Tenants {
        /// That word.
        last: String,
    },
}

/// A block of the other store.
#[derive(Clone, Debug)]
pub(super) struct SourceBlock {
    pub(super) tenant: TenantId,
    pub(super) meta: BlockMeta,
    /// Where its files are: empty, or ending in `/`.
    prefix: String,
}

/// Why the other store cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    #[error("open {url}")]
    Open {
        /// The URL.
        url: String,
        /// Why.
        source: OpenError,
    },
    /// The directory is not there.
    #[error("find {directory}")]
    Directory {
        /// Which.
        directory: String,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be read.
    #[error("read the blocks to import")]
    Store(#[from] StoreError),
    /// A block's description.
    #[error("{prefix}meta.json")]
    Meta {
        /// Where.
        prefix: String,
        /// Why.
        source: MetaError,
    },
    /// A block that says what it is, and has no index.
    #[error("{prefix}index is not there")]
    NoIndex {
        /// Where.
        prefix: String,
    },
    /// A name that no tenant can have.
    #[error("{name:?} cannot be the name of a tenant")]
    Tenant {
        /// The name.
        name: String,
        /// Why.
        source: tenancy::TenantIdError,
    },
    /// There is no block at all.
    #[error("there are no blocks in {url}")]
    Nothing {
        /// The URL.
        url: String,
    },
}

impl Source {
    /// Opens the other store; one in the cloud with the credentials of the configuration.
    pub(super) fn open(order: &Order, like: &StorageConfig, clock: &Arc<dyn Clock>) -> Result<Self, SourceError> {
        let (url, layout) = match order {
            Order::Prometheus { directory, tenant } => {
                let failed = |source| SourceError::Directory { directory: directory.clone(), source };
                let path = Path::new(directory).canonicalize().map_err(failed)?;
                (format!("file://{}", path.display()), Layout::Flat(parse(tenant)?))
            }
            Order::Mimir { url } => {
                let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
                (url.trim_end_matches('/').to_owned(), Layout::Tenants { last })
            }
        };
        let config = StorageConfig { url: url.clone(), ..like.clone() };
        let bucket = storage::bucket::open(&config, clock, &mut Registry::default()).map_err(|source| SourceError::Open { url, source })?;
        Ok(Self { bucket, layout })
    }

    /// Its blocks, the oldest data first; those that are marked for deletion are left out.
    pub(super) async fn blocks(&self) -> Result<Vec<SourceBlock>, SourceError> {
        let mut blocks = Vec::new();
        match &self.layout {
            Layout::Flat(tenant) => {
                if self.meta("").await?.is_some() {
                    self.add(tenant, String::new(), &mut blocks).await?;
                } else {
                    self.below("", tenant, &mut blocks).await?;
                }
            }
            Layout::Tenants { last } => {
                let folders = self.bucket.folders("").await?;
                if folders.iter().any(|name| is_block(name)) {
                    self.below("", &parse(last)?, &mut blocks).await?;
                } else {
                    // What is no tenant's folder has names that no tenant has.
                    for name in folders.iter().filter(|name| !name.starts_with("__")) {
                        self.below(&format!("{name}/"), &parse(name)?, &mut blocks).await?;
                    }
                }
            }
        }
        if blocks.is_empty() {
            return Err(SourceError::Nothing { url: format!("{:?}", self.bucket) });
        }
        blocks.sort_by_key(|block| (block.meta.min_time, block.meta.ulid));
        Ok(blocks)
    }

    async fn below(&self, prefix: &str, tenant: &TenantId, blocks: &mut Vec<SourceBlock>) -> Result<(), SourceError> {
        for name in self.bucket.folders(prefix).await?.into_iter().filter(|name| is_block(name)) {
            let marked = [format!("{prefix}{name}/deletion-mark.json"), format!("{prefix}markers/{name}-deletion-mark.json")];
            if self.optional(&marked[0]).await?.is_some() || self.optional(&marked[1]).await?.is_some() {
                continue;
            }
            self.add(tenant, format!("{prefix}{name}/"), blocks).await?;
        }
        Ok(())
    }

    /// Adds a block. One without a description is not whole: an upload that was broken off.
    async fn add(&self, tenant: &TenantId, prefix: String, blocks: &mut Vec<SourceBlock>) -> Result<(), SourceError> {
        if let Some(bytes) = self.meta(&prefix).await? {
            let meta = BlockMeta::read(&bytes).map_err(|source| SourceError::Meta { prefix: prefix.clone(), source })?;
            blocks.push(SourceBlock { tenant: tenant.clone(), meta, prefix });
        }
        Ok(())
    }

    async fn meta(&self, prefix: &str) -> Result<Option<Bytes>, SourceError> {
        self.optional(&format!("{prefix}meta.json")).await
    }

    async fn optional(&self, key: &str) -> Result<Option<Bytes>, SourceError> {
        match self.bucket.get(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(err) if err.is_not_found() => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    /// The files of a block.
    pub(super) async fn open_block(&self, block: &SourceBlock) -> Result<BlockFiles, SourceError> {
        let (mut index, mut tombstones, mut chunks) = (None, None, BTreeMap::new());
        for object in self.bucket.list(&block.prefix, None).await? {
            let name = object.key[block.prefix.len()..].to_owned();
            let file = FileRef { object: object.key, offset: 0, len: object.size };
            let file: Arc<dyn Ranged> = Arc::new(ObjectRange::new(self.bucket.clone(), &file));
            match name.as_str() {
                "index" => index = Some(file),
                "tombstones" => tombstones = Some(file),
                name => {
                    let number = name.strip_prefix("chunks/").and_then(|number| number.parse::<u64>().ok());
                    // Numbered from 1.
                    if let Some(place) = number.and_then(|number| number.checked_sub(1)) {
                        chunks.insert(place, file);
                    }
                }
            }
        }
        let index = index.ok_or_else(|| SourceError::NoIndex { prefix: block.prefix.clone() })?;
        Ok(BlockFiles { index, chunks, tombstones })
    }
}

fn parse(name: &str) -> Result<TenantId, SourceError> {
    TenantId::parse(name).map_err(|source| SourceError::Tenant { name: name.to_owned(), source })
}

fn is_block(name: &str) -> bool {
    name.len() == 26 && Ulid::from_string(name).is_ok()
}
