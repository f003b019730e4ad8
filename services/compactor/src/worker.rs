//! Merging: a job from the leader, its blocks, and what becomes of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use proto::quartet as pb;
use proto::quartet::compactor_admin_client::CompactorAdminClient;
use runtime::grpc::Channels;
use runtime::{Chain, Clock, Compute};
use signal::{MergeInput, MergeOptions, Plugins, RowDrop, SignalError};
use storage::block::{BlockId, BlockUpload, OpenBlock};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog, Entry, Map, Record, RulesApplied};
use storage::time::TimeRange;
use tenancy::TenantId;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{debug, info, warn};

use crate::config::CompactorConfig;
use crate::leader::Office;
use crate::metrics::CompactorMetrics;
use crate::plan::{Job, rules_hash};

/// One worker of this process.
pub struct Worker {
    /// Its name.
    pub name: String,
    /// The leader, if it is this process, and where it is else.
    pub office: Arc<Office>,
    /// How the leader is reached.
    pub channels: Channels,
    /// The signals whose blocks are merged.
    pub plugins: Plugins,
    /// Where blocks go.
    pub bucket: Arc<dyn Bucket>,
    /// Opens blocks.
    pub open: OpenBlock,
    /// Where what was made is announced.
    pub announcer: Announcer,
    /// Where it is read back.
    pub catalog: Arc<Catalog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where merges are computed.
    pub compute: Compute,
    /// The role's instruments.
    pub metrics: CompactorMetrics,
    /// `compactor:` of the configuration.
    pub config: CompactorConfig,
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Its signal is not enabled here.
    #[error("signal {0:?} is not enabled")]
    Signal(String),
    /// The job holds no block.
    #[error("the job is empty")]
    Empty,
    /// The signal could not merge the blocks.
    #[error("merge")]
    Merge(#[from] SignalError),
    /// What was made could not be uploaded.
    #[error("upload")]
    Upload(#[from] storage::error::StoreError),
    /// The catalog has not taken what was made.
    #[error("the catalog has not taken the merge")]
    NotTaken,
    /// A block of the job is not in the catalog any more.
    #[error("a block of the merge is out of the catalog by now")]
    Superseded,
    /// The process stops.
    #[error("the process is stopping")]
    Stopped,
    /// A computation was lost.
    #[error("compute")]
    Lost(#[from] runtime::compute::Lost),
}

impl Worker {
    /// Works on the leader's jobs until `stop` fires.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let busy = tokio::select! {
                () = stop.cancelled() => return,
                busy = self.turn() => busy,
            };
            if !busy {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(self.config.poll.get().max(Duration::from_millis(10))) => {}
                }
            }
        }
    }

    /// Does one job, if there is one.
    async fn turn(&self) -> bool {
        let job = match self.take().await {
            Ok(Some(job)) => job,
            Ok(None) => return false,
            Err(status) => {
                debug!(error = status.message(), "no job from the leader");
                return false;
            }
        };
        let begun = tokio::time::Instant::now();
        let done = self.merge(&job).await;
        self.metrics.duration.observe(begun.elapsed().as_secs_f64());
        let error = match &done {
            Ok(blocks) => {
                self.metrics.merged.inc();
                self.metrics.blocks_in.inc_by(job.inputs.len() as u64);
                self.metrics.blocks_out.inc_by(*blocks as u64);
                info!(job = %job.id, inputs = job.inputs.len(), outputs = blocks, "merged");
                String::new()
            }
            Err(err) => {
                self.metrics.merge_failed(err);
                warn!(job = %job.id, error = %Chain(err), "a merge failed");
                Chain(err).to_string()
            }
        };
        if let Err(status) = self.finish(&job, error).await {
            debug!(job = %job.id, error = status.message(), "the leader was not told of a job's end");
        }
        done.is_ok()
    }

    async fn take(&self) -> Result<Option<Job>, Status> {
        if let Some(job) = self.office.take(&self.name) {
            return Ok(job);
        }
        let Some(mut leader) = self.leader()? else { return Ok(None) };
        let answer = leader.take_job(pb::TakeJobRequest { worker: self.name.clone() }).await?.into_inner();
        if answer.job.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&answer.job).map(Some).map_err(|err| Status::internal(err.to_string()))
    }

    async fn finish(&self, job: &Job, error: String) -> Result<(), Status> {
        if self.office.finish(job.id) {
            return Ok(());
        }
        let Some(mut leader) = self.leader()? else { return Ok(()) };
        leader.finish_job(pb::FinishJobRequest { worker: self.name.clone(), job: job.id.to_string(), error }).await.map(drop)
    }

    fn leader(&self) -> Result<Option<CompactorAdminClient<tonic::transport::Channel>>, Status> {
        let Some((_, address)) = self.office.elected() else { return Ok(None) };
        let channel = self.channels.get(&address)?;
        let size = self.channels.max_message();
        Ok(Some(CompactorAdminClient::new(channel).max_decoding_message_size(size).max_encoding_message_size(size)))
    }

    /// Merges the blocks of a job and waits until the catalog has the result in their place. Returns the number of new blocks.
    async fn merge(&self, job: &Job) -> Result<usize, JobError> {
        let first = job.inputs.first().ok_or(JobError::Empty)?;
        let (tenant, signal) = (first.tenant.clone(), first.signal.clone());
        let plugin = self.plugins.get(signal.as_str()).ok_or_else(|| JobError::Signal(signal.to_string()))?;
        let now = self.clock.now_ns();
        let over = plugin.policy.drops(&tenant, now);
        let rules = (!over.is_empty()).then(|| RulesApplied { at_ns: now, hash: rules_hash(&over, now) });
        let inputs = job.inputs.iter().map(|entry| {
            let drops = RowDrop::above(entry.delete_number, &job.deletes).chain(over.iter().cloned());
            MergeInput { block: (self.open)(entry), drops: drops.filter(|drop| drop.range.overlaps(&entry.facts.range)).collect() }
        });
        let (window_ns, shards) = (job.window_ns.max(1), job.shards);
        let options = MergeOptions { tenant: tenant.clone(), window_ns, target_bytes: job.target_bytes, shards };
        let merging = plugin.blocks.merge(inputs.collect(), options);
        let made = self.on_a_thread(merging).await??;

        let parents: Vec<BlockId> = job.inputs.iter().map(|entry| entry.id).collect();
        let arrival = job.inputs.iter().map(|entry| entry.arrival).reduce(|a, b| a.union(&b)).unwrap_or(TimeRange::ALL);
        let level = job.inputs.iter().map(|entry| entry.level).max().unwrap_or(0).saturating_add(1);
        let least = job.inputs.iter().map(|entry| entry.delete_number).min().unwrap_or(0);
        let delete_number = least.max(job.delete_number);
        let mut entries = Vec::with_capacity(made.len());
        for block in made {
            let upload = BlockUpload {
                id: BlockId::new(self.clock.now_ms()),
                retention_ns: Some(block.facts.range.end),
                facts: block.facts,
                data: block.data,
                index: block.index,
                arrival,
                level,
                shard: block.shard,
                parents: parents.clone(),
                delete_number,
                rules,
            };
            entries.push(storage::block::upload(&*self.bucket, &tenant, &signal, upload).await?);
        }
        let ids: Vec<BlockId> = entries.iter().map(|entry| entry.id).collect();
        self.announcer.announce(Record::replace(tenant.clone(), signal, parents, entries));
        self.taken(&tenant, &ids, &job.inputs).await.map(|()| ids.len())
    }

    /// Waits until the catalog has the blocks that were made. It never will when a block that they replace is out of it already:
    /// another worker's merge, or retention, was faster.
    async fn taken(&self, tenant: &TenantId, ids: &[BlockId], inputs: &[Entry]) -> Result<(), JobError> {
        let end = tokio::time::Instant::now() + self.config.job_timeout.get();
        let pause = self.catalog.config().follow_every.get().max(Duration::from_millis(1));
        loop {
            let map = self.catalog.map();
            if ids.iter().all(|id| map.knows(tenant, *id)) {
                return Ok(());
            }
            if inputs.iter().any(|input| is_superseded(&map, input)) {
                return Err(JobError::Superseded);
            }
            if tokio::time::Instant::now() >= end {
                return Err(JobError::NotTaken);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Polls work that computes between its reads on a thread apart from those that wait for sockets; given up, it ends there too.
    async fn on_a_thread<T: Send + 'static>(&self, work: BoxFuture<'static, T>) -> Result<T, JobError> {
        let (io, given_up) = (tokio::runtime::Handle::current(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        self.compute.run(move || io.block_on(given_up.run_until_cancelled_owned(work))).await?.ok_or(JobError::Stopped)
    }
}

/// True when a map that knows a block does not show it any more.
fn is_superseded(map: &Map, input: &Entry) -> bool {
    map.knows(&input.tenant, input.id) && map.get(&input.tenant, input.id).is_none()
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).finish_non_exhaustive()
    }
}
