//! `quartet.v1.Leaf` over blocks: each block that is named is scanned, whether or not this process has heard of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use proto::quartet as pb;
use proto::quartet::leaf_server::{Leaf, LeafServer};
use runtime::{Chain, Clock, Compute, Tasks};
use signal::{Plugin, Plugins, RowDrop, ScanAccount, ScanError, ScanQuery, ScanStream, TimeRange};
use storage::block::OpenBlock;
use storage::catalog::{Entry, NumberedDelete};
use tenancy::TenantId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::warn;

use crate::metrics::{GatewayMetrics, Waits};

/// The service.
#[derive(Clone)]
pub struct LeafService {
    plugins: Plugins,
    open: OpenBlock,
    metrics: GatewayMetrics,
    scans: Scans,
    concurrency: usize,
    clock: Arc<dyn Clock>,
}

/// Where blocks are scanned: a scan decodes between its reads, which threads that wait for sockets must not do.
#[derive(Clone, Debug)]
pub struct Scans {
    /// Threads of their own, one per request that is being answered. Not the pool of the process: a scan keeps its thread while it waits
    /// for the store.
    pub threads: Compute,
    /// Who owns the scans.
    pub tasks: Tasks,
}

/// How many messages of an answer may wait for the network.
const MESSAGES_AHEAD: usize = 16;

type Answers = Pin<Box<dyn Stream<Item = Result<pb::ScanResponse, Status>> + Send>>;

/// One block to scan.
struct Ask {
    entry: Entry,
    alone: bool,
}

impl LeafService {
    /// The service; each request scans `concurrency` blocks at once.
    #[must_use]
    pub fn new(
        plugins: Plugins,
        open: OpenBlock,
        metrics: GatewayMetrics,
        scans: Scans,
        concurrency: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { plugins, open, metrics, scans, concurrency: concurrency.max(1), clock }
    }

    /// As tonic mounts it.
    #[must_use]
    pub fn server(self, max_message: usize) -> LeafServer<Self> {
        LeafServer::new(self).max_decoding_message_size(max_message).max_encoding_message_size(max_message)
    }

    fn answer(&self, tenant: TenantId, request: pb::ScanRequest) -> Result<Answers, Status> {
        if request.heads {
            return Err(Status::invalid_argument("a store-gateway has no heads"));
        }
        let plugin = self
            .plugins
            .get(&request.signal)
            .ok_or_else(|| Status::unimplemented(format!("signal {:?} is not enabled", request.signal)))?
            .clone();
        let asks = asks(&tenant, &plugin, &request.blocks)?;
        self.metrics.asked(asks.iter().map(|ask| ask.entry.level));
        let range = TimeRange { start: request.start_ns, end: request.end_ns };
        let deletes = signal::rpc::decode_deletes(&request.deletes)?;
        let over = plugin.policy.drops(&tenant, self.clock.now_ns());
        let account = Arc::new(ScanAccount::default());
        let scan = Scan {
            plugin,
            open: self.open.clone(),
            metrics: self.metrics.clone(),
            tenant,
            range,
            payload: request.query,
            deletes,
            over,
            account: account.clone(),
        };
        let blocks = stream::iter(asks).map(move |ask| scan.block(ask)).flatten_unordered(self.concurrency);
        let metrics = self.metrics.clone();
        Ok(self.scans.run(blocks.boxed(), move |waits| metrics.answered(&account, waits)))
    }
}

impl Scans {
    /// Drives an answer on a thread of its own, until it is read or dropped; then tells how long it waited.
    fn run(&self, blocks: Answers, over: impl FnOnce(Waits) + Send + 'static) -> Answers {
        let (messages, answers) = mpsc::channel(MESSAGES_AHEAD);
        let asked = Instant::now();
        let (threads, io) = (self.threads.clone(), Handle::current());
        self.tasks.detach("scan", async move {
            let nobody = messages.clone();
            tokio::select! {
                biased;
                // Whom nobody waits for takes no turn.
                () = nobody.closed() => {}
                scanned = threads.run(move || {
                    let turn = asked.elapsed();
                    let sent = io.block_on(drive(blocks, messages));
                    over(Waits { turn, sent });
                }) => if let Err(err) = scanned {
                    // The blocks that were not said to be done are asked of another store-gateway.
                    warn!(error = %Chain(&err), "a scan did not end");
                }
            }
        });
        ReceiverStream::new(answers).boxed()
    }
}

/// Brings an answer to who waits for it; ends at once when nobody does. Returns how long it waited for its reader.
async fn drive(mut blocks: Answers, messages: mpsc::Sender<Result<pb::ScanResponse, Status>>) -> Duration {
    let mut sent = Duration::ZERO;
    let bring = async {
        while let Some(message) = blocks.next().await {
            let last = message.is_err();
            let begun = Instant::now();
            let taken = messages.send(message).await;
            sent += begun.elapsed();
            if taken.is_err() || last {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = messages.closed() => {}
        () = bring => {}
    }
    sent
}

/// Reads the entries of a request. A leaf serves what it is asked for, but never another tenant's data.
fn asks(tenant: &TenantId, plugin: &Plugin, blocks: &[pb::BlockAsk]) -> Result<Vec<Ask>, Status> {
    let read = |block: &pb::BlockAsk| {
        let entry: Entry =
            serde_json::from_slice(&block.entry).map_err(|err| Status::invalid_argument(format!("a block's entry: {err}")))?;
        if entry.tenant != *tenant || entry.signal.as_str() != plugin.name.as_str() {
            return Err(Status::permission_denied(format!("block {} belongs to another tenant or signal", entry.id)));
        }
        Ok(Ask { entry, alone: block.alone })
    };
    blocks.iter().map(read).collect()
}

/// What the scans of one request have in common.
struct Scan {
    plugin: Plugin,
    open: OpenBlock,
    metrics: GatewayMetrics,
    tenant: TenantId,
    range: TimeRange,
    payload: Bytes,
    deletes: Vec<NumberedDelete>,
    /// Rows whose retention is over.
    over: Vec<RowDrop>,
    account: Arc<ScanAccount>,
}

impl Scan {
    /// The rows of one block, then the word that it is done; a failure ends the whole answer.
    fn block(&self, ask: Ask) -> ScanBlock {
        let block = ask.entry.id.to_string();
        let deleted = RowDrop::above(ask.entry.delete_number, &self.deletes);
        let here = |dropped: &RowDrop| dropped.range.overlaps(&ask.entry.facts.range);
        let drops = deleted.chain(self.over.iter().cloned()).filter(here).collect();
        let query = ScanQuery { tenant: self.tenant.clone(), range: self.range, payload: self.payload.clone(), alone: ask.alone, drops };
        let rows = self.plugin.blocks.scan((self.open)(&ask.entry), &query, &self.account);
        self.metrics.blocks.inc();
        ScanBlock { block, rows: Some(rows), metrics: self.metrics.clone() }
    }
}

/// The answer about one block.
struct ScanBlock {
    block: String,
    /// None: the last message went out.
    rows: Option<ScanStream>,
    metrics: GatewayMetrics,
}

impl Stream for ScanBlock {
    type Item = Result<pb::ScanResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        let Some(rows) = &mut self.rows else { return std::task::Poll::Ready(None) };
        let item = std::task::ready!(rows.poll_next_unpin(context));
        std::task::Poll::Ready(Some(match item {
            Some(Ok(payload)) => {
                self.metrics.bytes.inc_by(payload.len() as u64);
                Ok(pb::ScanResponse::block_rows(self.block.clone(), payload))
            }
            Some(Err(ScanError::Gone { .. })) => {
                self.metrics.gone.inc();
                self.done(true)
            }
            Some(Err(err)) => {
                self.metrics.failed.inc();
                self.rows = None;
                Err(runtime::grpc::status(&err))
            }
            None => self.done(false),
        }))
    }
}

impl ScanBlock {
    fn done(&mut self, gone: bool) -> Result<pb::ScanResponse, Status> {
        self.rows = None;
        Ok(pb::ScanResponse::block_done(self.block.clone(), gone))
    }
}

#[tonic::async_trait]
impl Leaf for LeafService {
    type ScanStream = Answers;

    async fn scan(&self, request: Request<pb::ScanRequest>) -> Result<Response<Answers>, Status> {
        let tenant = signal::rpc::tenant(request.metadata())?;
        self.answer(tenant, request.into_inner()).map(Response::new)
    }
}

impl fmt::Debug for LeafService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafService").field("plugins", &self.plugins).finish_non_exhaustive()
    }
}
