//! Turning an upload into blocks.

use std::time::Duration;

use futures::StreamExt;
use runtime::{Chain, Classify, ErrorKind};
use signal::{DepotError, NewBlock, SignalError, Step, Uploaded, Uploads};
use storage::block::{BlockId, BlockUpload, SignalId};
use storage::catalog::{Entry, Record};
use storage::error::StoreError;
use storage::imported::{self, Imported};
use storage::time::TimeRange;
use tracing::{info, warn};

use super::Slot;
use super::folder::{Folder, Logged, Progress};

/// Why an upload has not become blocks, or not yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConvertError {
    /// It cannot be one, or not yet.
    #[error("convert")]
    Signal(#[from] SignalError),
    /// The folder of the upload.
    #[error("keep what is done of it")]
    Depot(#[from] DepotError),
    /// A block could not be written.
    #[error("write a block")]
    Store(#[from] StoreError),
    /// The blocks are announced, and the catalog does not have them.
    #[error("the catalog has not taken the blocks")]
    NotTaken,
    /// The upload is not there any more.
    #[error("the upload is gone")]
    Gone,
    /// Its signal takes no uploads here.
    #[error("signal {0} takes no uploads")]
    Signalless(&'static str),
}

impl Slot {
    /// Works on the upload in the background until it is done, has failed, or the process stops; the leader goes on with what is left.
    pub(super) fn work(self) {
        let tasks = self.yard.context.tasks.clone();
        let stop = tasks.stopping();
        tasks.detach("upload", async move {
            let ended = stop.run_until_cancelled(self.run()).await;
            if let Some(Err(err)) = ended {
                warn!(upload = %self.upload, error = %Chain(&err), "an uploaded block could not be converted now");
            }
        });
    }

    async fn run(&self) -> Result<(), ConvertError> {
        let folder = self.yard.folder(&self.upload);
        let converted = tokio::select! {
            converted = self.convert(&folder) => converted,
            never = self.beat(&folder) => match never {},
        };
        match converted {
            Err(ConvertError::Signal(err)) if err.kind() == ErrorKind::BadInput => {
                warn!(upload = %self.upload, error = %Chain(&err), "an uploaded block cannot be converted");
                self.fail(&folder, err.text).await
            }
            converted => converted,
        }
    }

    /// Says now and then that this process works on it.
    async fn beat(&self, folder: &Folder) -> std::convert::Infallible {
        let pause = (self.yard.config.upload_takeover.get() / 4).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(pause).await;
            if let Err(err) = folder.set(&self.yard.mine()).await {
                warn!(upload = %self.upload, error = %Chain(&err), "it could not be said that an upload is worked on");
            }
        }
    }

    async fn convert(&self, folder: &Folder) -> Result<(), ConvertError> {
        let name = self.upload.signal.as_str();
        let uploads = self.yard.context.signals.get(&self.upload.signal).cloned().ok_or(ConvertError::Signalless(name))?;
        let about = folder.about().await?.ok_or(ConvertError::Gone)?;
        let whole = Uploaded { upload: self.upload.clone(), about, files: folder.files().await? };
        let entries = self.steps(&*uploads, folder, &whole).await?;
        if self.is_taken().await? {
            return Ok(folder.remove().await?);
        }
        // Whoever deletes a tenant removes its uploads.
        folder.about().await?.ok_or(ConvertError::Gone)?;
        self.take(&entries).await?;
        let note =
            Imported { blocks: entries.iter().map(|entry| entry.id).collect(), rows: entries.iter().map(|entry| entry.facts.rows).sum() };
        imported::write(&*self.yard.context.bucket, &self.upload.tenant, self.upload.id, &note).await?;
        let bytes = whole.files.values().map(|file| file.len()).sum();
        self.yard.context.metrics.done(&self.upload.tenant, whole.files.len() as u64, bytes);
        info!(upload = %self.upload, blocks = note.blocks.len(), rows = note.rows, "an uploaded block is taken over");
        Ok(folder.remove().await?)
    }

    /// Does all steps that are not done yet. Returns the blocks of all.
    async fn steps(&self, uploads: &dyn Uploads, folder: &Folder, whole: &Uploaded) -> Result<Vec<Entry>, ConvertError> {
        let (mut entries, mut from) = (Vec::new(), 0);
        while let Some(done) = folder.step(from).await? {
            from = done.next;
            entries.extend(done.entries);
        }
        'anew: loop {
            let mut steps = uploads.convert(whole.clone(), from, self.yard.context.window_ns);
            while let Some(step) = steps.next().await {
                let Step { blocks, next } = step?;
                let ours = Logged { next, entries: self.upload_blocks(blocks).await? };
                let kept = folder.log(from, ours.clone()).await?;
                let is_ours = kept.entries.iter().map(|entry| entry.id).eq(ours.entries.iter().map(|entry| entry.id));
                from = kept.next;
                entries.extend(kept.entries);
                if !is_ours {
                    // Another process has done this step: what is ours of it is one time too many.
                    self.remove_blocks(&ours.entries).await?;
                    continue 'anew;
                }
            }
            return Ok(entries);
        }
    }

    async fn upload_blocks(&self, blocks: Vec<NewBlock>) -> Result<Vec<Entry>, ConvertError> {
        let context = &self.yard.context;
        let name = self.upload.signal.as_str();
        let signal = SignalId::parse(name).ok_or(ConvertError::Signalless(name))?;
        let mut entries = Vec::with_capacity(blocks.len());
        for NewBlock { facts, data, index, shard } in blocks {
            let now = context.clock.now_ns();
            let (id, arrival) = (BlockId::new(context.clock.now_ms()), TimeRange { start: now, end: now });
            let block = BlockUpload { shard, ..BlockUpload::cut(id, facts, data, index, arrival, context.catalog.number()) };
            entries.push(storage::block::upload(&*context.bucket, &self.upload.tenant, &signal, block).await?);
        }
        Ok(entries)
    }

    async fn remove_blocks(&self, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            storage::block::remove(&*self.yard.context.bucket, &entry.tenant, &entry.signal, entry.id).await?;
        }
        Ok(())
    }

    /// Announces the blocks, all at once, and waits until the catalog has them. Done again, it changes nothing: a block of a known name is
    /// taken once.
    async fn take(&self, entries: &[Entry]) -> Result<(), ConvertError> {
        let context = &self.yard.context;
        let Some(record) = Record::add(entries.to_vec()) else { return Ok(()) };
        context.announcer.announce(record);
        context.announcer.flush().await?;
        let ids: Vec<BlockId> = entries.iter().map(|entry| entry.id).collect();
        let taken = context.catalog.wait_for(&self.upload.tenant, &ids, self.yard.config.job_timeout.get()).await;
        if taken { Ok(()) } else { Err(ConvertError::NotTaken) }
    }

    /// Says why it cannot become blocks, and removes its files. What blocks there are of it nobody knows, and the sweep of the catalog
    /// removes them; where another process has announced them meanwhile, they stay.
    async fn fail(&self, folder: &Folder, error: String) -> Result<(), ConvertError> {
        if self.is_taken().await? {
            return Ok(folder.remove().await?);
        }
        folder.set(&Progress::Failed { error }).await?;
        Ok(folder.remove_files().await?)
    }

    /// Whether another process has taken it over to the end.
    async fn is_taken(&self) -> Result<bool, ConvertError> {
        Ok(imported::read(&*self.yard.context.bucket, &self.upload.tenant, self.upload.id).await?.is_some())
    }
}
