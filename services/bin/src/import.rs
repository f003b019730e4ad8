//! `quartet import prometheus | mimir`: takes over the blocks of another store.
//!
//! Every block is read batch by batch, written as Quartet's, uploaded, and announced to the catalog; the compactor of the cluster takes
//! the announcement when it runs. What was done is noted in the bucket block by block: begun again, the import goes on where it ended.
//! A block that was half done is done again, which is harmless: merging drops what stands twice.

mod source;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use indicatif::ProgressBar;
use metrics::import::{Checks, ImportError};
use prometheus_client::registry::Registry;
use runtime::{Clock, Compute, SystemClock};
use signal::{NewBlock, WriteOptions};
use storage::block::{BlockId, BlockUpload, SignalId};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog, CatalogError, Record};
use storage::error::StoreError;
use storage::imported::{self, Imported};
use storage::time::TimeRange;

use crate::command;
use crate::config::AllInOneConfig;
use source::{Source, SourceBlock, SourceError};

/// How to call it.
pub const USAGE: &str =
    "usage: quartet import prometheus DIRECTORY [--tenant NAME] | mimir URL[/TENANT] [--config FILE] [--section.key=value]";

/// How long the catalog is waited for after the last block.
const CATALOG: Duration = Duration::from_secs(60);

/// What is to be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A data directory of Prometheus, or one block of it, for a tenant.
    Prometheus {
        /// The directory.
        directory: String,
        /// Whose it becomes.
        tenant: String,
    },
    /// A bucket of Mimir, all tenants or one.
    Mimir {
        /// Its URL, as `storage.url` has it.
        url: String,
    },
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportFailed {
    /// The other store.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Quartet's bucket.
    #[error("open storage.url")]
    Open(#[from] storage::bucket::OpenError),
    /// Quartet's bucket.
    #[error("write to storage.url")]
    Store(#[from] StoreError),
    /// Quartet's catalog.
    #[error("read the catalog")]
    Catalog(#[from] CatalogError),
    /// A block cannot be taken over.
    #[error("block {block}")]
    Import {
        /// Which.
        block: String,
        /// Why.
        source: ImportError,
    },
}

/// Where blocks go.
struct Target {
    bucket: Arc<dyn Bucket>,
    catalog: Catalog,
    announcer: Announcer,
    clock: Arc<dyn Clock>,
    compute: Compute,
    window_ns: i64,
}

/// Figures of an import.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    done: usize,
    skipped: usize,
    samples: u64,
    blocks: usize,
}

impl Order {
    /// The order of `quartet import …`, and the arguments that are settings.
    #[must_use]
    pub fn parse(args: impl Iterator<Item = String>) -> Option<(Self, Vec<String>)> {
        let mut args = args.peekable();
        let (what, place) = (args.next()?, args.next()?);
        let (mut tenant, mut settings) = (None, Vec::new());
        while let Some(arg) = args.next() {
            match arg.strip_prefix("--tenant") {
                Some("") => tenant = Some(args.next()?),
                Some(value) if value.starts_with('=') => tenant = Some(value[1..].to_owned()),
                _ => settings.push(arg),
            }
        }
        let order = match (what.as_str(), tenant) {
            ("prometheus", tenant) => Self::Prometheus { directory: place, tenant: tenant.unwrap_or_else(|| "anonymous".to_owned()) },
            ("mimir", None) => Self::Mimir { url: place },
            _ => return None,
        };
        Some((order, settings))
    }
}

/// Carries out an order, into the bucket that the configuration names.
pub fn run(order: &Order, args: impl Iterator<Item = String>) -> ExitCode {
    command::run("import", args, async |config| carry_out(order, config).await.map(|()| ExitCode::SUCCESS))
}

async fn carry_out(order: &Order, config: &AllInOneConfig) -> Result<(), ImportFailed> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = Source::open(order, &config.0.storage, &clock)?;
    let blocks = source.blocks().await?;
    let bucket = storage::bucket::open(&config.0.storage, &clock, &mut Registry::default())?;
    let target = Target {
        catalog: Catalog::new(bucket.clone(), &config.0.catalog, clock.clone()),
        announcer: Announcer::new(bucket.clone(), clock.clone(), "import"),
        bucket,
        clock,
        compute: Compute::default(),
        window_ns: config.0.ingester.block_window.as_ns().max(1),
    };
    target.catalog.refresh().await?;
    let progress = command::progress(blocks.iter().map(|block| block.meta.stats.num_samples).sum());
    let mut total = Total::default();
    let mut last = None;
    for block in &blocks {
        progress.set_message(format!("{} of {}", block.meta.ulid, block.tenant));
        let (note, fresh) = target.take(&source, block, &progress).await?;
        total.samples += note.rows;
        total.blocks += note.blocks.len();
        if fresh {
            total.done += 1
        } else {
            total.skipped += 1
        }
        if fresh && !note.blocks.is_empty() {
            last = Some((block.tenant.clone(), note.blocks));
        }
    }
    progress.finish_and_clear();
    let Total { done, skipped, samples, blocks } = total;
    println!("{done} blocks taken over, {skipped} were so before: {samples} samples in {blocks} blocks of Quartet");
    if let Some((tenant, ids)) = last {
        if target.catalog.wait_for(&tenant, &ids, CATALOG).await {
            println!("the catalog has them: queries find them now");
        } else {
            println!(
                "they are announced: queries find them when the compactor has taken the announcement (start the cluster if it does not run)"
            );
        }
    }
    Ok(())
}

impl Target {
    /// Takes one block over, unless that was done. True: it was not.
    async fn take(&self, source: &Source, block: &SourceBlock, progress: &ProgressBar) -> Result<(Imported, bool), ImportFailed> {
        let id = block.meta.ulid;
        if let Some(note) = imported::read(&*self.bucket, &block.tenant, id).await? {
            progress.inc(block.meta.stats.num_samples);
            return Ok((note, false));
        }
        let failed = |source| ImportFailed::Import { block: id.to_string(), source };
        let options = WriteOptions { tenant: block.tenant.clone(), window_ns: self.window_ns };
        // What another store has served is taken as it is.
        let checks = Checks::default();
        let mut batches = metrics::import::convert(source.open_block(block).await?, checks, options, self.compute.clone(), 0);
        let mut note = Imported { blocks: Vec::new(), rows: 0 };
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(failed)?;
            note.rows += batch.samples;
            note.blocks.extend(self.add(block, batch.blocks).await?);
            progress.inc(batch.samples);
        }
        self.announcer.flush().await?;
        imported::write(&*self.bucket, &block.tenant, id, &note).await?;
        Ok((note, true))
    }

    /// Uploads and announces blocks. Returns their names.
    async fn add(&self, block: &SourceBlock, blocks: Vec<NewBlock>) -> Result<Vec<BlockId>, ImportFailed> {
        let signal = SignalId::parse(metrics::NAME.as_str()).expect("the name of a signal");
        let mut entries = Vec::new();
        for new in blocks {
            let now = self.clock.now_ns();
            let id = BlockId::new(self.clock.now_ms());
            let arrival = TimeRange { start: now, end: now };
            let upload = BlockUpload::cut(id, new.facts, new.data, new.index, arrival, self.catalog.number());
            entries.push(storage::block::upload(&*self.bucket, &block.tenant, &signal, upload).await?);
        }
        let ids = entries.iter().map(|entry| entry.id).collect();
        if let Some(record) = Record::add(entries) {
            self.announcer.announce(record);
            self.announcer.flush().await?;
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests;
