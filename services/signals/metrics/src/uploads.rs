//! Blocks of Prometheus and Mimir that clients upload file by file: Mimir's API for `mimirtool backfill`.
//!
//! The compactor keeps what comes and has it converted; here is the API ([`http`]), what a block must be ([`meta`]), and how one becomes
//! blocks of ours (the same way as with `quartet import`: [`crate::import`]).

mod error;
mod http;
mod meta;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use runtime::{Chain, Classify, Clock, Compute};
use signal::{Depot, Routes, SignalError, Step, StepStream, Uploaded, Uploads, WriteOptions};
use storage::block::Ranged;
use tenancy::{Overrides, TenantId};

use crate::Deps;
use crate::import::{self, BlockFiles, Checks, ImportError};
use crate::limits::MetricsLimits;
use meta::{Path, UploadMeta};

/// The least time after which an upload that nobody goes on with may be removed: a slow client is no lost one.
const LEAST_KEPT: Duration = Duration::from_secs(4 * 3600);

/// Uploads of metrics.
#[derive(Clone, Debug)]
pub struct MetricsUploads {
    limits: Overrides<MetricsLimits>,
    clock: Arc<dyn Clock>,
    compute: Compute,
}

impl MetricsUploads {
    /// Uploads with what the process gives.
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { limits: deps.limits.clone(), clock: deps.clock.clone(), compute: deps.compute.clone() }
    }
}

impl Uploads for MetricsUploads {
    fn mount(&self, routes: &mut Routes, depot: Arc<dyn Depot>) {
        let api = http::Api { limits: self.limits.clone(), clock: self.clock.clone(), depot };
        routes.tenant(api.routes());
    }

    fn convert(&self, upload: Uploaded, from: u64, window_ns: i64) -> StepStream {
        let limits = self.limits.of(&upload.upload.tenant);
        match prepare(&upload, &limits) {
            Ok((files, checks)) => {
                let options = WriteOptions { tenant: upload.upload.tenant, window_ns };
                let imported = import::convert(files, checks, options, self.compute.clone(), from);
                imported.map_ok(|one| Step { blocks: one.blocks, next: one.next }).map_err(|err| refused(&err)).boxed()
            }
            Err(err) => stream::iter([Err(err)]).boxed(),
        }
    }

    fn kept_for(&self, tenant: &TenantId) -> Option<Duration> {
        let delay = self.limits.of(tenant).compactor_partial_block_deletion_delay.get();
        (delay >= LEAST_KEPT).then_some(delay)
    }
}

/// Finds the files of a block among those that came, and compares them with what was said of it.
fn prepare(upload: &Uploaded, limits: &MetricsLimits) -> Result<(BlockFiles, Checks), SignalError> {
    let meta = UploadMeta::read(&upload.about).map_err(|err| SignalError::new(err.kind(), Chain(&err).to_string()))?;
    let validated = limits.compactor_block_upload_validation_enabled;
    if validated {
        meta.check_size(limits)
            .and_then(|()| meta.check_files(&upload.files))
            .map_err(|err| SignalError::new(err.kind(), err.to_string()))?;
    }
    let files = block_files(&upload.files).map_err(|err| refused(&err))?;
    let times = validated.then_some((meta.min_time, meta.max_time));
    Ok((files, Checks { times, samples: validated && limits.compactor_block_upload_verify_chunks }))
}

/// The files of a block by their names.
fn block_files(files: &BTreeMap<String, Arc<dyn Ranged>>) -> Result<BlockFiles, ImportError> {
    let (mut index, mut chunks) = (None, BTreeMap::new());
    for (name, file) in files {
        match Path::parse(name) {
            Some(Path::Index) => index = Some(file.clone()),
            // The index counts from 0; it can refer to nothing in a file with the number 0.
            Some(Path::Chunks(number @ 1..)) => drop(chunks.insert(number - 1, file.clone())),
            Some(Path::Chunks(0)) | None => {}
        }
    }
    let index = index.ok_or_else(|| ImportError::Missing { name: "index".to_owned() })?;
    Ok(BlockFiles { index, chunks, tombstones: None })
}

/// An error of the conversion, in Mimir's words for a block that does not pass.
fn refused(err: &ImportError) -> SignalError {
    SignalError::new(err.kind(), format!("error validating block: {}", Chain(err)))
}
