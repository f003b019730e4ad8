//! Asking store-gateways: every block of the plan is answered, or the query fails.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use proto::quartet as pb;
use proto::quartet::scan_response::Message;
use ring::Ring;
use runtime::ErrorKind;
use signal::{LeafBatch, QueryError, SignalName, Source, TimeRange};
use storage::block::BlockId;
use storage::catalog::Entry;
use tenancy::TenantId;
use tokio::sync::mpsc;
use tonic::Status;
use tracing::debug;
use xxhash_rust::xxh3::xxh3_64;

use crate::leaf::{self, LeafClients};
use crate::metrics::{Gathered, QuerierMetrics};

/// How many blocks that were not answered an error names.
const NAMED: usize = 20;

/// One question to the blocks.
pub(crate) struct BlocksScan<'a> {
    pub(crate) clients: &'a dyn LeafClients,
    pub(crate) tenant: &'a TenantId,
    pub(crate) signal: SignalName,
    pub(crate) range: TimeRange,
    pub(crate) payload: bytes::Bytes,
    /// Rows that are left out, encoded.
    pub(crate) deletes: bytes::Bytes,
    pub(crate) replicas: usize,
    pub(crate) rows: &'a mpsc::Sender<LeafBatch>,
    pub(crate) metrics: &'a QuerierMetrics,
}

/// A block to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) entry: Arc<Entry>,
    /// No other source overlaps it: the leaf may aggregate.
    pub(crate) alone: bool,
}

/// What one store-gateway said about the blocks it was asked for.
#[derive(Debug, Default)]
struct Said {
    done: HashSet<BlockId>,
    gone: HashSet<BlockId>,
    error: Option<Status>,
}

/// Blocks of a plan that were no more.
#[derive(Debug, Default)]
pub(crate) struct Gone(pub(crate) HashSet<BlockId>);

impl BlocksScan<'_> {
    /// Asks for every block, of one owner after the other, until each is answered. Returns those whose object is gone.
    pub(crate) async fn run(&self, ring: &Ring, asks: Vec<Ask>) -> Result<Gone, QueryError> {
        let mut gone = Gone::default();
        let mut open = asks;
        let mut last: Option<Status> = None;
        if open.is_empty() {
            return Ok(gone);
        }
        let (mut asked, mut refetches) = (HashSet::new(), 0);
        for attempt in 0..self.replicas.max(1) {
            if open.is_empty() {
                break;
            }
            let by_owner = self.by_owner(ring, &open, attempt);
            refetches += usize::from(!asked.is_empty() && !by_owner.is_empty());
            let mut running = FuturesUnordered::new();
            for (address, asks) in by_owner {
                asked.insert(address.clone());
                running.push(self.one(address, asks));
            }
            while let Some(said) = running.next().await {
                open.retain(|ask| !said.done.contains(&ask.entry.id) && !said.gone.contains(&ask.entry.id));
                gone.0.extend(said.gone);
                last = said.error.or(last);
            }
        }
        self.metrics.blocks_asked(Gathered { gateways: asked.len(), refetches, whole: open.is_empty() });
        if open.is_empty() { Ok(gone) } else { Err(unanswered(&open, last)) }
    }

    /// The blocks by the address of the owner whose turn it is.
    fn by_owner(&self, ring: &Ring, open: &[Ask], attempt: usize) -> BTreeMap<String, Vec<Ask>> {
        let mut by_owner: BTreeMap<String, Vec<Ask>> = BTreeMap::new();
        for ask in open {
            let owners = ring.owners(self.signal.as_str(), place(ask.entry.id), self.replicas.max(1));
            if owners.is_empty() {
                continue;
            }
            let owner = ring.member(owners[attempt % owners.len()]);
            by_owner.entry(owner.member.grpc.clone()).or_default().push(ask.clone());
        }
        by_owner
    }

    async fn one(&self, address: String, asks: Vec<Ask>) -> Said {
        let mut said = Said::default();
        if let Err(status) = self.read(&address, &asks, &mut said).await {
            debug!(address, error = status.message(), "a store-gateway did not answer");
            said.error = Some(status);
        }
        said
    }

    async fn read(&self, address: &str, asks: &[Ask], said: &mut Said) -> Result<(), Status> {
        let encode = |ask: &Ask| {
            let entry = serde_json::to_vec(&*ask.entry).map_err(|err| Status::internal(err.to_string()))?;
            Ok(pb::BlockAsk { entry: entry.into(), alone: ask.alone })
        };
        let blocks = asks.iter().map(encode).collect::<Result<_, Status>>()?;
        let ids: HashMap<String, BlockId> = asks.iter().map(|ask| (ask.entry.id.to_string(), ask.entry.id)).collect();
        let request = leaf::blocks_request(self.signal, self.range, self.payload.clone(), self.deletes.clone(), blocks);
        let mut messages = self.clients.scan(address, self.tenant, request).await?;
        while let Some(message) = messages.next().await {
            match message?.message {
                Some(Message::Rows(rows)) if ids.contains_key(&rows.block) => {
                    let batch = LeafBatch { source: Source::Block(rows.block), payload: rows.payload };
                    self.rows.send(batch).await.map_err(|_| Status::cancelled("nobody waits for the rows"))?;
                }
                Some(Message::Done(done)) => match ids.get(&done.block) {
                    Some(id) => {
                        let set = if done.gone { &mut said.gone } else { &mut said.done };
                        set.insert(*id);
                    }
                    None => return Err(Status::internal("a store-gateway answered for a block it was not asked for")),
                },
                _ => return Err(Status::internal("a store-gateway's answer is out of order")),
            }
        }
        Ok(())
    }
}

/// The error of blocks that nobody has answered.
fn unanswered(open: &[Ask], last: Option<Status>) -> QueryError {
    let named: Vec<String> = open.iter().take(NAMED).map(|ask| ask.entry.id.to_string()).collect();
    let more = if open.len() > NAMED { format!(" and {} more", open.len() - NAMED) } else { String::new() };
    let why = last.map_or_else(|| "no store-gateway is there".to_owned(), |status| status.message().to_owned());
    let text = format!("The failed blocks are: {}{more} ({why})", named.join(" "));
    QueryError::new(ErrorKind::Unavailable, text).with_reason(QueryError::BLOCKS_UNANSWERED)
}

/// The place of a block on the ring of store-gateways.
fn place(id: BlockId) -> u32 {
    u32::try_from(xxh3_64(&id.0.to_bytes()) >> 32).expect("32 bits are left")
}

/// Says for each block whether no other source overlaps it in time and hash range.
pub(crate) fn plan(entries: Vec<Arc<Entry>>, heads: &[TimeRange]) -> Vec<Ask> {
    let overlap = |a: &Entry, b: &Entry| {
        let ((a_from, a_to), (b_from, b_to)) = (a.facts.hash_range, b.facts.hash_range);
        a.facts.range.overlaps(&b.facts.range) && a_from <= b_to && b_from <= a_to
    };
    let free = |entry: &Arc<Entry>| !heads.iter().any(|head| head.overlaps(&entry.facts.range));
    let mut asks: Vec<Ask> = entries.into_iter().map(|entry| Ask { alone: free(&entry), entry }).collect();
    asks.sort_by_key(|ask| (ask.entry.facts.range.start, ask.entry.id));
    // Those before the present one that may still overlap it.
    let mut open: Vec<usize> = Vec::new();
    for next in 0..asks.len() {
        let start = asks[next].entry.facts.range.start;
        open.retain(|before| asks[*before].entry.facts.range.end >= start);
        for before in &open {
            if overlap(&asks[*before].entry, &asks[next].entry) {
                asks[*before].alone = false;
                asks[next].alone = false;
            }
        }
        open.push(next);
    }
    asks
}
