//! Replication: a batch goes to the replicas of each of its items, and is answered when every item has a quorum.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use proto::quartet as pb;
use ring::roles::{DISTRIBUTOR, INGESTER};
use ring::{MemberId, Membership, NoQuorum, Shard};
use runtime::{ErrorKind, Tasks};
use signal::{InstanceLimit, Overloaded, Plugins, Refusal, WriteBatch, WriteError, WriteOutcome, WriteSink};
use tenancy::{Budget, Reservation};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use tracing::debug;

use crate::config::DistributorConfig;
use crate::ingesters::Ingesters;
use crate::metrics::DistributorMetrics;
use crate::quorum::{Answer, Fate, Tally};

/// Where the receivers of all signals put their batches. Clones share it.
#[derive(Clone)]
pub struct Replicator(Arc<Inner>);

struct Inner {
    membership: Arc<dyn Membership>,
    ingesters: Arc<dyn Ingesters>,
    plugins: Plugins,
    metrics: DistributorMetrics,
    tasks: Tasks,
    push_timeout: Duration,
    straggler_timeout: Duration,
    inflight: Budget,
}

/// What one ingester gets of a batch.
struct Parcel {
    name: String,
    address: String,
    /// Indexes of its items in the batch.
    items: Arc<[u32]>,
}

/// Why an ingester did not take something, for a reason of its own.
struct Failure {
    ingester: String,
    text: String,
    limit: Option<InstanceLimit>,
}

impl Replicator {
    /// Over these ingesters.
    #[must_use]
    pub fn new(
        config: &DistributorConfig,
        membership: Arc<dyn Membership>,
        ingesters: Arc<dyn Ingesters>,
        plugins: Plugins,
        metrics: DistributorMetrics,
        tasks: Tasks,
    ) -> Self {
        Self(Arc::new(Inner {
            membership,
            ingesters,
            plugins,
            metrics,
            tasks,
            push_timeout: config.push_timeout.get(),
            straggler_timeout: config.straggler_timeout.get(),
            inflight: Budget::process("distributor.max_inflight_bytes", Some(config.max_inflight_bytes.0)),
        }))
    }

    async fn replicate(&self, batch: WriteBatch) -> Result<WriteOutcome, WriteError> {
        if batch.items.is_empty() {
            return Ok(WriteOutcome::default());
        }
        let inner = &self.0;
        let room = Arc::new(inner.reserve(batch.bytes.len())?);
        let _inflight = Inflight::new(&inner.metrics);
        let view = inner.membership.view();
        view.writable(INGESTER).map_err(|err| unavailable(err.to_string()))?;
        let size = inner.plugins.get(batch.signal.as_str()).map_or(0, |plugin| plugin.policy.ingest_shard(&batch.tenant));
        let shard = view.ring(INGESTER).shard(batch.tenant.as_str(), batch.signal.as_str(), size);
        let (parcels, asked) = place(&shard, &batch).map_err(|err| unavailable(err.to_string()))?;
        let tally = Tally::new(shard.ring().replication_factor() / 2 + 1, asked);
        let answers = self.send(&batch, parcels, &room);
        self.gather(tally, answers).await
    }

    /// Sends every parcel, each in a task of its own that goes on after the batch is answered.
    fn send(
        &self,
        batch: &WriteBatch,
        parcels: Vec<Parcel>,
        room: &Arc<Reservation>,
    ) -> mpsc::Receiver<(Parcel, Result<pb::PushResponse, Status>)> {
        let inner = &self.0;
        let (answers, receiver) = mpsc::channel(parcels.len().max(1));
        let timeout = inner.push_timeout + inner.straggler_timeout;
        let mut requests: Vec<(Arc<[u32]>, pb::PushRequest)> = Vec::new();
        for parcel in parcels {
            // Replicas often get the same items: their requests share one payload.
            let request = match requests.iter().find(|(items, _)| *items == parcel.items) {
                Some((_, request)) => request.clone(),
                None => {
                    let request = encode(batch, &parcel.items);
                    requests.push((parcel.items.clone(), request.clone()));
                    request
                }
            };
            let push = inner.ingesters.push(&parcel.address, &batch.tenant, request, timeout);
            let answers = answers.clone();
            let failures = inner.metrics.failures.clone();
            let room = room.clone();
            inner.tasks.detach("push", async move {
                let answer = push.await;
                // The slowest replica's push holds its bytes, also after the batch was answered.
                drop(room);
                if let Err(status) = &answer {
                    failures.inc();
                    debug!(ingester = %parcel.name, code = ?status.code(), error = status.message(), "push to an ingester failed");
                }
                // The batch may be answered already.
                let _answered = answers.send((parcel, answer)).await;
            });
        }
        receiver
    }

    async fn gather(
        &self,
        mut tally: Tally,
        mut answers: mpsc::Receiver<(Parcel, Result<pb::PushResponse, Status>)>,
    ) -> Result<WriteOutcome, WriteError> {
        let deadline = Instant::now() + self.0.push_timeout;
        let mut failed: Option<Failure> = None;
        while !tally.is_decided() {
            match tokio::time::timeout_at(deadline, answers.recv()).await {
                Ok(Some((parcel, Ok(response)))) => failed = take(&mut tally, parcel, response).or(failed),
                Ok(Some((parcel, Err(status)))) => {
                    for &item in parcel.items.iter() {
                        tally.take(item as usize, Answer::Failed);
                    }
                    failed = Some(Failure::of(parcel.name, &status));
                }
                Ok(None) | Err(_) => break,
            }
        }
        let timed_out = !tally.is_decided();
        let mut outcome = WriteOutcome::default();
        for (index, fate) in (0u32..).zip(tally.close()) {
            match fate {
                Fate::Stored => {}
                Fate::Refused(refusal) => outcome.refused.push(Refusal { item: index, ..refusal }),
                Fate::Lost => return Err(lost(failed, timed_out)),
            }
        }
        Ok(outcome)
    }
}

/// Finds the replicas of each item, and packs what each ingester gets.
fn place(shard: &Shard, batch: &WriteBatch) -> Result<(Vec<Parcel>, Vec<usize>), NoQuorum> {
    let ring = shard.ring();
    let mut by_member: Vec<Vec<u32>> = vec![Vec::new(); ring.members().len()];
    let mut asked = Vec::with_capacity(batch.items.len());
    for (index, item) in (0u32..).zip(&batch.items) {
        let set = shard.replicas(item.key)?;
        asked.push(set.members().len());
        for id in set.members() {
            by_member[MemberId::index(*id)].push(index);
        }
    }
    let filled = ring.members().iter().zip(by_member).filter(|(_, items)| !items.is_empty());
    let parcels = filled
        .map(|(seen, items)| Parcel { name: seen.member.name.clone(), address: seen.member.grpc.clone(), items: items.into() })
        .collect();
    Ok((parcels, asked))
}

fn encode(batch: &WriteBatch, items: &[u32]) -> pb::PushRequest {
    let chosen = || items.iter().map(|index| &batch.items[*index as usize]);
    let mut payload = BytesMut::with_capacity(chosen().map(|item| (item.end - item.start) as usize).sum());
    for item in chosen() {
        payload.extend_from_slice(&batch.bytes[item.start as usize..item.end as usize]);
    }
    pb::PushRequest {
        signal: batch.signal.as_str().to_owned(),
        format: u32::from(batch.format),
        keys: chosen().map(|item| item.key).collect(),
        lengths: chosen().map(|item| item.end - item.start).collect(),
        payload: Bytes::from(payload),
    }
}

/// Takes the answer of one ingester: items that it does not name are stored. Gives the reason of an item that it could not store.
fn take(tally: &mut Tally, parcel: Parcel, response: pb::PushResponse) -> Option<Failure> {
    let mut refused: Vec<Option<Refusal>> = vec![None; parcel.items.len()];
    for refusal in response.refused {
        if let Some(slot) = refused.get_mut(refusal.item as usize) {
            slot.get_or_insert(Refusal {
                item: refusal.item,
                kind: ErrorKind::from_number(refusal.kind),
                reason: refusal.reason,
                text: refusal.text,
                rows: refusal.rows,
            });
        }
    }
    let mut failed = None;
    for (item, refusal) in parcel.items.iter().zip(refused) {
        let answer = match refusal {
            None => Answer::Stored,
            // A replica that cannot store the item for a reason of its own has failed, whatever it calls it.
            Some(refusal) if refusal.kind.is_client() => Answer::Refused(refusal),
            Some(refusal) => {
                failed = Some(refusal);
                Answer::Failed
            }
        };
        tally.take(*item as usize, answer);
    }
    failed.map(|refusal| Failure { ingester: parcel.name, limit: refusal.instance_limit(), text: refusal.text })
}

impl Failure {
    fn of(ingester: String, status: &Status) -> Self {
        Self { ingester, text: status.message().to_owned(), limit: signal::rpc::limit(status) }
    }
}

fn lost(failed: Option<Failure>, timed_out: bool) -> WriteError {
    match failed {
        Some(Failure { ingester, text, limit }) => {
            let text = format!("failed pushing to ingester {ingester}: {text}");
            WriteError { overloaded: limit.map(|limit| Overloaded { ingester, limit }), ..unavailable(text) }
        }
        None if timed_out => WriteError::new(ErrorKind::Timeout, "exceeded configured distributor remote timeout"),
        None => unavailable("too few replicas of an item took it".to_owned()),
    }
}

fn unavailable(text: String) -> WriteError {
    WriteError::new(ErrorKind::Unavailable, text)
}

impl Inner {
    /// Bytes of a batch that is on its way. One that is alone always fits: else it could never be sent.
    fn reserve(&self, bytes: usize) -> Result<Reservation, WriteError> {
        self.inflight.reserve_or_alone(bytes as u64).map_err(|err| {
            self.metrics.rejected.inc();
            unavailable(format!("the distributor is at its limit of {} bytes in flight", err.limit))
        })
    }
}

struct Inflight<'a> {
    metrics: &'a DistributorMetrics,
    begun: Instant,
}

impl<'a> Inflight<'a> {
    fn new(metrics: &'a DistributorMetrics) -> Self {
        metrics.inflight.inc();
        Self { metrics, begun: Instant::now() }
    }
}

impl Drop for Inflight<'_> {
    fn drop(&mut self) {
        self.metrics.inflight.dec();
        self.metrics.duration.observe(self.begun.elapsed().as_secs_f64());
    }
}

impl WriteSink for Replicator {
    fn write(&self, batch: WriteBatch) -> BoxFuture<'static, Result<WriteOutcome, WriteError>> {
        let replicator = self.clone();
        Box::pin(async move { replicator.replicate(batch).await })
    }

    fn live_writers(&self) -> usize {
        self.0.membership.view().processes(DISTRIBUTOR).len().max(1)
    }
}

impl fmt::Debug for Replicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicator").field("ingesters", &self.0.ingesters).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
