//! `quartet.v1.Ingest`: pushes from distributors.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use proto::quartet as pb;
use proto::quartet::ingest_server::{Ingest, IngestServer};
use signal::{Push, PushItem};
use tenancy::TenantId;
use tonic::{Request, Response, Status};

use crate::error::PushError;
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::metrics::IngesterMetrics;
use crate::store::SignalStore;

/// The service.
#[derive(Clone)]
pub struct PushService {
    stores: Arc<[Arc<SignalStore>]>,
    lifecycle: Lifecycle,
    limits: Limits,
    metrics: IngesterMetrics,
}

impl PushService {
    /// The service over the stores of all signals.
    #[must_use]
    pub fn new(stores: Arc<[Arc<SignalStore>]>, lifecycle: Lifecycle, limits: Limits, metrics: IngesterMetrics) -> Self {
        Self { stores, lifecycle, limits, metrics }
    }

    /// As tonic mounts it.
    #[must_use]
    pub fn server(self, max_message: usize) -> IngestServer<Self> {
        IngestServer::new(self).max_decoding_message_size(max_message).max_encoding_message_size(max_message)
    }

    async fn store(&self, tenant: &TenantId, request: pb::PushRequest) -> Result<pb::PushResponse, PushError> {
        // In this order, by the fence here and the one of `none_on_its_way`: who sees no push on its way after the state forbids them will see
        // none.
        let room = self.limits.push(request.payload.len() as u64)?;
        fence(Ordering::SeqCst);
        self.lifecycle.writable()?;
        let store = find(&self.stores, &request.signal)?;
        let appended = store.push(tenant, unpack(request)?, room).await?;
        self.limits.stored(appended.rows);
        if let Some(limit) = appended.refused.iter().find_map(signal::Refusal::instance_limit) {
            self.metrics.reject(limit);
        }
        Ok(pb::PushResponse { refused: appended.refused.into_iter().map(refusal).collect() })
    }
}

/// True when no push is on its way into the heads. Asked after the state has forbidden pushes, it stays true.
pub(crate) fn none_on_its_way(limits: &Limits) -> bool {
    fence(Ordering::SeqCst);
    limits.bytes() == 0
}

/// The store of a signal.
pub(crate) fn find<'a>(stores: &'a [Arc<SignalStore>], signal: &str) -> Result<&'a Arc<SignalStore>, PushError> {
    let found = stores.iter().find(|store| store.plugin.name.as_str() == signal);
    found.ok_or_else(|| PushError::Signal { signal: signal.to_owned() })
}

/// Slices the payload into items; nothing is copied.
fn unpack(request: pb::PushRequest) -> Result<Push, PushError> {
    let malformed = |what: &str| PushError::Malformed { what: what.to_owned() };
    let format = u8::try_from(request.format).map_err(|_| malformed("the format of the items is no byte"))?;
    if request.keys.len() != request.lengths.len() {
        return Err(malformed("a push has other numbers of keys and lengths"));
    }
    let mut rest = request.payload;
    let mut items = Vec::with_capacity(request.keys.len());
    for (key, length) in request.keys.into_iter().zip(request.lengths) {
        let length = length as usize;
        if length > rest.len() {
            return Err(malformed("the items of a push are longer than its payload"));
        }
        items.push(PushItem { key, bytes: rest.split_to(length) });
    }
    if rest.is_empty() { Ok(Push { format, items }) } else { Err(malformed("the payload of a push is longer than its items")) }
}

fn refusal(refusal: signal::Refusal) -> pb::Refusal {
    pb::Refusal { item: refusal.item, kind: refusal.kind.number(), reason: refusal.reason, text: refusal.text, rows: refusal.rows }
}

#[tonic::async_trait]
impl Ingest for PushService {
    async fn push(&self, request: Request<pb::PushRequest>) -> Result<Response<pb::PushResponse>, Status> {
        let tenant = signal::rpc::tenant(request.metadata())?;
        let _on_its_way = self.metrics.push();
        match self.store(&tenant, request.into_inner()).await {
            Ok(response) => Ok(Response::new(response)),
            Err(err) => {
                if let PushError::AtLimit(limit) = err {
                    self.metrics.reject(limit);
                }
                Err(err.status())
            }
        }
    }
}

impl fmt::Debug for PushService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushService").field("stores", &self.stores).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(lengths: &[u32], payload: &'static str) -> pb::PushRequest {
        pb::PushRequest {
            signal: "test".to_owned(),
            format: 1,
            keys: vec![0; lengths.len()],
            lengths: lengths.to_vec(),
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    #[test]
    fn items_are_slices_of_the_payload() {
        let push = unpack(request(&[1, 0, 2], "abc")).unwrap();
        let items: Vec<&[u8]> = push.items.iter().map(|item| item.bytes.as_ref()).collect();
        assert_eq!(items, [&b"a"[..], b"", b"bc"]);
    }

    #[test]
    fn a_message_that_does_not_hold_together_is_refused() {
        for (lengths, payload) in [(&[2][..], "a"), (&[1], "ab"), (&[u32::MAX, 1], "ab")] {
            assert!(matches!(unpack(request(lengths, payload)), Err(PushError::Malformed { .. })), "{lengths:?}");
        }
        let uneven = pb::PushRequest { keys: vec![], ..request(&[1], "a") };
        assert!(matches!(unpack(uneven), Err(PushError::Malformed { .. })));
    }
}
