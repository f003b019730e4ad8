//! Uploads: blocks of another system that clients bring file by file (the `Depot` of the crate `signal`), kept in the bucket until they
//! have become blocks of ours.
//!
//! Nothing of an upload is in the memory of one process: any compactor goes on with what another one has begun. The leader looks through
//! the folder now and then ([`Yard::rounds`]): it takes over what a compactor has let lie, and removes what nobody goes on with.

mod convert;
mod folder;
mod parts;
mod rounds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use runtime::config::HumanDuration;
use runtime::{Clock, Tasks};
use signal::{Depot, DepotError, Routes, SignalName, UploadId, UploadState, Uploads};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog};
use storage::{imported, layout};
use tenancy::TenantId;
use ulid::Ulid;

use crate::config::CompactorConfig;
use crate::metrics::UploadMetrics;
use folder::{Folder, Progress};

/// What uploads are worked on with.
pub struct YardContext {
    /// The name of this member.
    pub name: String,
    /// The signals that take uploads.
    pub signals: BTreeMap<SignalName, Arc<dyn Uploads>>,
    /// Where uploads are kept and blocks go.
    pub bucket: Arc<dyn Bucket>,
    /// Where blocks are announced.
    pub announcer: Announcer,
    /// Where they are read back.
    pub catalog: Arc<Catalog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: UploadMetrics,
    /// Owns the work that goes on when a request has ended.
    pub tasks: Tasks,
    /// Blocks do not cross multiples of this many nanoseconds of data time.
    pub window_ns: i64,
}

/// The uploads of this process, and what it knows of those of others.
pub struct Yard {
    context: YardContext,
    config: CompactorConfig,
    /// What this process turns into blocks now.
    running: Mutex<BTreeSet<UploadId>>,
}

/// The right to work on an upload, as long as it is held.
struct Slot {
    yard: Arc<Yard>,
    upload: UploadId,
}

impl Yard {
    /// Without work.
    #[must_use]
    pub fn new(config: &CompactorConfig, context: YardContext) -> Arc<Self> {
        Arc::new(Self { context, config: config.clone(), running: Mutex::default() })
    }

    /// Mounts the routes of all signals that take uploads. True: there is such a signal.
    pub fn mount(self: &Arc<Self>, routes: &mut Routes) -> bool {
        for uploads in self.context.signals.values() {
            uploads.mount(routes, Arc::new(Shared(self.clone())));
        }
        !self.context.signals.is_empty()
    }

    fn folder(&self, upload: &UploadId) -> Folder {
        Folder::of(&self.context.bucket, upload)
    }

    async fn state(&self, upload: &UploadId) -> Result<UploadState, DepotError> {
        if imported::read(&*self.context.bucket, &upload.tenant, upload.id).await?.is_some() {
            return Ok(UploadState::Done);
        }
        let folder = self.folder(upload);
        let Some(about) = folder.about().await? else { return Ok(UploadState::Unknown) };
        Ok(match folder.progress().await? {
            None => UploadState::Open { about },
            Some(Progress::Converting { .. }) => UploadState::Converting,
            Some(Progress::Failed { error }) => UploadState::Failed { error },
        })
    }

    async fn finish(self: Arc<Self>, upload: UploadId) -> Result<(), DepotError> {
        let limit = self.config.upload_concurrency;
        let slot = self.slot(&upload).ok_or(DepotError::Busy { limit })?;
        let (folder, mine) = (self.folder(&upload), self.mine());
        // Where the answer to a claim was lost and it was made again, it is there already.
        if folder.claim(&mine).await? || folder.progress().await?.as_ref() == Some(&mine) {
            slot.work();
            Ok(())
        } else {
            Err(DepotError::Finished)
        }
    }

    /// Says that this process works on an upload.
    fn mine(&self) -> Progress {
        Progress::Converting { by: self.context.name.clone(), beat_ms: self.context.clock.now_ms() }
    }

    /// The right to work on an upload; none while this process works on it, or on as many as it does at once.
    fn slot(self: &Arc<Self>, upload: &UploadId) -> Option<Slot> {
        let limit = self.config.upload_concurrency;
        let mut running = self.running.lock();
        if (limit > 0 && running.len() >= limit) || !running.insert(upload.clone()) {
            return None;
        }
        self.context.metrics.converting.set(i64::try_from(running.len()).unwrap_or(i64::MAX));
        Some(Slot { yard: self.clone(), upload: upload.clone() })
    }

    /// Forgets all uploads of a tenant, and what was taken over for it.
    pub async fn forget(&self, tenant: &TenantId) -> Result<(), DepotError> {
        for folder in [layout::UPLOADS, layout::IMPORTED] {
            for object in self.context.bucket.list(&format!("{folder}{tenant}/"), None).await? {
                self.context.bucket.delete(&object.key).await?;
            }
        }
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.yard.running.lock();
        running.remove(&self.upload);
        self.yard.context.metrics.converting.set(i64::try_from(running.len()).unwrap_or(i64::MAX));
    }
}

/// The yard as signals hold it.
struct Shared(Arc<Yard>);

impl Depot for Shared {
    fn state(&self, upload: UploadId) -> BoxFuture<'static, Result<UploadState, DepotError>> {
        let yard = self.0.clone();
        async move { yard.state(&upload).await }.boxed()
    }

    fn begin(&self, upload: UploadId, about: Bytes) -> BoxFuture<'static, Result<(), DepotError>> {
        let folder = self.0.folder(&upload);
        async move { folder.begin(about).await }.boxed()
    }

    fn store(&self, upload: UploadId, name: String, len: u64, body: Body) -> BoxFuture<'static, Result<(), DepotError>> {
        let folder = self.0.folder(&upload);
        let now_ms = u64::try_from(self.0.context.clock.now_ms()).unwrap_or(0);
        async move { folder.store(&name, len, Ulid::from_parts(now_ms, rand::random()), body).await }.boxed()
    }

    fn default_retention(&self) -> Option<Duration> {
        Some(self.0.config.default_retention).filter(|keep| !keep.is_zero()).map(HumanDuration::get)
    }

    fn finish(&self, upload: UploadId) -> BoxFuture<'static, Result<(), DepotError>> {
        self.0.clone().finish(upload).boxed()
    }
}

impl fmt::Debug for Yard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yard").field("context", &self.context).field("running", &self.running).finish_non_exhaustive()
    }
}

impl fmt::Debug for YardContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YardContext").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
