//! Asking ingesters: whom, in which order, and when their answers are enough (DESIGN 11.4).

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use proto::quartet as pb;
use proto::quartet::scan_response::Message;
use ring::{Completeness, MemberId, MemberSet, ReadSets};
use runtime::ErrorKind;
use signal::{LeafBatch, QueryError, SignalName, Source, TimeRange};
use tenancy::TenantId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use tracing::debug;

use crate::leaf::{self, LeafClients};
use crate::metrics::QuerierMetrics;

/// One question to the heads.
pub(crate) struct HeadsScan<'a> {
    pub(crate) clients: &'a dyn LeafClients,
    pub(crate) tenant: &'a TenantId,
    pub(crate) signal: SignalName,
    pub(crate) range: TimeRange,
    pub(crate) payload: bytes::Bytes,
    /// Rows that are left out, encoded.
    pub(crate) deletes: bytes::Bytes,
    /// After this long the zones that were not asked at first are asked too.
    pub(crate) ask_all_after: Duration,
    /// Decides which zone is spared: another one each time.
    pub(crate) turn: u64,
    pub(crate) rows: &'a mpsc::Sender<LeafBatch>,
    pub(crate) metrics: &'a QuerierMetrics,
}

/// What ingesters said beside their rows.
#[derive(Debug, Default)]
pub(crate) struct HeadsAnswer {
    /// Blocks that this process must know of.
    pub(crate) read_back: Vec<String>,
    /// The times that heads hold.
    pub(crate) ranges: Vec<TimeRange>,
}

impl HeadsScan<'_> {
    /// Asks until the answers are enough. Rows go out as they come: the same one may come from several, and from one that
    /// fails afterwards.
    pub(crate) async fn run(&self, sets: &ReadSets) -> Result<HeadsAnswer, QueryError> {
        let begun = Instant::now();
        let answer = self.gather(sets).await;
        self.metrics.heads_asked(begun.elapsed(), answer.is_ok());
        answer
    }

    async fn gather(&self, sets: &ReadSets) -> Result<HeadsAnswer, QueryError> {
        let mut answer = HeadsAnswer::default();
        let (mut answered, mut failed) = (MemberSet::default(), sets.missing());
        let mut waiting = self.order(sets, &failed);
        let mut running = FuturesUnordered::new();
        for _ in 0..sets.zones_needed() {
            self.ask(sets, waiting.pop_front(), &mut running);
        }
        let mut last: Option<(String, Status)> = None;
        let hedge = tokio::time::sleep(self.ask_all_after);
        tokio::pin!(hedge);
        loop {
            match sets.complete(&answered, &failed) {
                Completeness::Complete => return Ok(answer),
                Completeness::Impossible => return Err(too_few(last)),
                Completeness::Incomplete if running.is_empty() && waiting.is_empty() => return Err(too_few(last)),
                Completeness::Incomplete => {}
            }
            let more = tokio::select! {
                biased;
                Some((id, said)) = running.next() => match said {
                    Ok(header) => {
                        answered.insert(id);
                        answer.take(header);
                        running.is_empty()
                    }
                    Err(status) => {
                        debug!(ingester = name(sets, id), error = status.message(), "an ingester did not answer");
                        failed.insert(id);
                        last = Some((name(sets, id), status));
                        true
                    }
                },
                () = &mut hedge, if !waiting.is_empty() => true,
                else => true,
            };
            while more && !waiting.is_empty() {
                self.ask(sets, waiting.pop_front(), &mut running);
            }
        }
    }

    /// The members to ask by zone, whole zones first, without those that cannot be asked.
    fn order(&self, sets: &ReadSets, failed: &MemberSet) -> VecDeque<Vec<MemberId>> {
        let mut zones = sets.zones();
        let first = usize::try_from(self.turn % zones.len().max(1) as u64).unwrap_or(0);
        zones.rotate_left(first);
        zones.sort_by_key(|zone| zone.iter().filter(|&&id| failed.contains(id)).count());
        zones.into_iter().map(|zone| zone.into_iter().filter(|&id| !failed.contains(id)).collect()).collect()
    }

    fn ask<'s>(
        &'s self,
        sets: &ReadSets,
        zone: Option<Vec<MemberId>>,
        running: &mut FuturesUnordered<BoxFuture<'s, (MemberId, Result<pb::LeafHeader, Status>)>>,
    ) {
        for id in zone.into_iter().flatten() {
            let member = &sets.ring().member(id).member;
            let (name, address) = (member.name.clone(), member.grpc.clone());
            running.push(async move { (id, self.one(name, &address).await) }.boxed());
        }
    }

    /// Reads all that one ingester has to say.
    async fn one(&self, name: String, address: &str) -> Result<pb::LeafHeader, Status> {
        let request = leaf::heads_request(self.signal, self.range, self.payload.clone(), self.deletes.clone());
        let mut messages = self.clients.scan(address, self.tenant, request).await?;
        let mut header = None;
        while let Some(message) = messages.next().await {
            match message?.message {
                Some(Message::Header(first)) if header.is_none() => header = Some(first),
                Some(Message::Rows(rows)) if header.is_some() => {
                    let batch = LeafBatch { source: Source::Head(name.clone()), payload: rows.payload };
                    self.rows.send(batch).await.map_err(|_| Status::cancelled("nobody waits for the rows"))?;
                }
                _ => return Err(Status::internal("an ingester's answer is out of order")),
            }
        }
        header.ok_or_else(|| Status::internal("an ingester's answer has no header"))
    }
}

impl HeadsAnswer {
    fn take(&mut self, header: pb::LeafHeader) {
        self.read_back.extend(header.read_back);
        self.ranges.extend(header.heads.iter().map(|span| TimeRange { start: span.start_ns, end: span.end_ns }));
    }
}

fn name(sets: &ReadSets, id: MemberId) -> String {
    sets.ring().member(id).member.name.clone()
}

fn too_few(last: Option<(String, Status)>) -> QueryError {
    let limit = last.as_ref().and_then(|(_, status)| signal::rpc::limit(status));
    let why = last.map_or_else(String::new, |(name, status)| format!(": {name}: {}", status.message()));
    let err = QueryError::new(ErrorKind::Unavailable, format!("too few ingesters answered to know all recent data{why}"));
    match limit {
        Some(limit) => err.with_reason(limit.word()),
        None => err,
    }
}
