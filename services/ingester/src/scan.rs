//! `quartet.v1.Leaf` over heads: the recent rows that match.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{Stream, StreamExt, stream};
use proto::quartet as pb;
use proto::quartet::leaf_server::{Leaf, LeafServer};
use runtime::{Chain, Clock};
use signal::{RowDrop, ScanQuery, TimeRange};
use tenancy::TenantId;
use tonic::{Request, Response, Status};
use tracing::warn;

use crate::error::PushError;
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::metrics::IngesterMetrics;
use crate::push;
use crate::store::{SignalStore, TenantHead};

/// The service.
#[derive(Clone)]
pub struct LeafService {
    stores: Arc<[Arc<SignalStore>]>,
    lifecycle: Lifecycle,
    lost: Option<Lost>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    metrics: IngesterMetrics,
}

/// This member lost rows that it had acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Until then some of them may be in no block: this member counts as missing for reads, ms since the Unix epoch.
    pub until_ms: i64,
}

type Answers = Pin<Box<dyn Stream<Item = Result<pb::ScanResponse, Status>> + Send>>;

impl LeafService {
    /// The service over the stores of all signals.
    #[must_use]
    pub fn new(
        stores: Arc<[Arc<SignalStore>]>,
        lifecycle: Lifecycle,
        lost: Option<Lost>,
        limits: Limits,
        clock: Arc<dyn Clock>,
        metrics: IngesterMetrics,
    ) -> Self {
        Self { stores, lifecycle, lost, limits, clock, metrics }
    }

    /// As tonic mounts it.
    #[must_use]
    pub fn server(self, max_message: usize) -> LeafServer<Self> {
        LeafServer::new(self).max_decoding_message_size(max_message).max_encoding_message_size(max_message)
    }

    async fn answer(&self, tenant: TenantId, request: &pb::ScanRequest) -> Result<Answers, Status> {
        if !self.lifecycle.is_replayed() {
            return Err(Status::unavailable("not ready: the ingester is reading its log"));
        }
        // An empty answer would count as one: with a replica that missed some rows, and this one that lost them, the third would not be asked.
        if self.lost.is_some_and(|lost| self.clock.now_ms() < lost.until_ms) {
            return Err(Status::unavailable("this ingester lost its data directory: what it had acknowledged is not all in blocks yet"));
        }
        if !request.blocks.is_empty() {
            return Err(Status::invalid_argument("an ingester serves no blocks"));
        }
        let store = push::find(&self.stores, &request.signal).map_err(|err| runtime::grpc::status(&err))?;
        let range = TimeRange { start: request.start_ns, end: request.end_ns };
        let head = store.get(&tenant);
        let drops = self.drops(store, head.as_ref(), &tenant, request).await?;
        // The rows first, then the names: what a head forgets in between is among the names.
        let held = head.as_ref().and_then(|head| head.head.stats().range);
        let rows = head.map(|head| {
            let query = ScanQuery { tenant: tenant.clone(), range, payload: request.query.clone(), alone: false, drops };
            head.head.scan(&query)
        });
        let read_back = store.read_back.of(&tenant, self.clock.now_ns());
        let header = pb::LeafHeader {
            read_back: read_back.iter().map(ToString::to_string).collect(),
            heads: held.into_iter().map(|range| pb::TimeSpan { start_ns: range.start, end_ns: range.end }).collect(),
        };
        let first = stream::once(async move { Ok(pb::ScanResponse::header(header)) });
        Ok(match rows {
            None => first.boxed(),
            Some(rows) => {
                first.chain(rows.map(|row| row.map(pb::ScanResponse::head_rows).map_err(|err| runtime::grpc::status(&err)))).boxed()
            }
        })
    }
}

impl LeafService {
    /// Does the deletes that the asker knows; what could not be done is left out of the answer, as are rows whose own retention is over.
    async fn drops(
        &self,
        store: &Arc<SignalStore>,
        head: Option<&Arc<TenantHead>>,
        tenant: &TenantId,
        request: &pb::ScanRequest,
    ) -> Result<Arc<[RowDrop]>, Status> {
        let mut drops = store.plugin.policy.drops(tenant, self.clock.now_ns());
        let told = signal::rpc::decode_deletes(&request.deletes)?;
        if let Some(head) = head
            && let Err(err) = store.delete(head, &told).await
        {
            warn!(%tenant, error = %Chain(&err), "deletes of rows could not be done");
            drops.extend(RowDrop::above(head.deletes_done.load(Ordering::SeqCst), &told));
        }
        Ok(drops.into())
    }
}

#[tonic::async_trait]
impl Leaf for LeafService {
    type ScanStream = Answers;

    async fn scan(&self, request: Request<pb::ScanRequest>) -> Result<Response<Answers>, Status> {
        let tenant = signal::rpc::tenant(request.metadata())?;
        self.metrics.queries.inc();
        let reading = self.limits.read().map_err(|limit| {
            self.metrics.reject(limit);
            PushError::AtLimit(limit).status()
        })?;
        let answer = self.answer(tenant, request.get_ref()).await?;
        // A scan runs until its last row has gone, or until nobody wants it.
        let answer = answer.inspect(move |_| {
            let _runs = &reading;
        });
        Ok(Response::new(answer.boxed()))
    }
}

impl fmt::Debug for LeafService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafService").field("stores", &self.stores).finish_non_exhaustive()
    }
}
