//! How leaves are reached: a scan of one ingester's heads, or of some blocks at one store-gateway.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use proto::quartet as pb;
use proto::quartet::leaf_client::LeafClient;
use runtime::grpc::Channels;
use signal::{SignalName, TimeRange};
use tenancy::TenantId;
use tonic::Status;

/// The messages of one scan.
pub type Messages = BoxStream<'static, Result<pb::ScanResponse, Status>>;

/// The leaves behind their addresses. A trait, so that simulations and tests put their own in its place.
pub trait LeafClients: Send + Sync + fmt::Debug {
    /// Begins a scan at the leaf of `address`.
    fn scan(&self, address: &str, tenant: &TenantId, request: pb::ScanRequest) -> BoxFuture<'static, Result<Messages, Status>>;
}

/// Leaves over gRPC.
#[derive(Clone, Debug)]
pub struct Remote {
    channels: Channels,
    timeout: Duration,
}

impl Remote {
    /// Over the channels of the process; a leaf that says nothing for `timeout` has failed.
    #[must_use]
    pub fn new(channels: Channels, timeout: Duration) -> Self {
        Self { channels, timeout }
    }
}

impl LeafClients for Remote {
    fn scan(&self, address: &str, tenant: &TenantId, request: pb::ScanRequest) -> BoxFuture<'static, Result<Messages, Status>> {
        let (channel, size, timeout) = (self.channels.get(address), self.channels.max_message(), self.timeout);
        let request = signal::rpc::request(tenant, request);
        Box::pin(async move {
            let mut client = LeafClient::new(channel?).max_decoding_message_size(size).max_encoding_message_size(size);
            let silent = || Status::deadline_exceeded("the leaf did not answer in time");
            let stream = tokio::time::timeout(timeout, client.scan(request?)).await.map_err(|_| silent())??.into_inner();
            let messages = futures::stream::unfold(Some(stream), move |stream| async move {
                let mut stream = stream?;
                match tokio::time::timeout(timeout, stream.next()).await {
                    Ok(Some(Ok(message))) => Some((Ok(message), Some(stream))),
                    Ok(Some(Err(status))) => Some((Err(status), None)),
                    Ok(None) => None,
                    Err(_) => Some((Err(silent()), None)),
                }
            });
            Ok(messages.boxed())
        })
    }
}

/// The request for an ingester's heads, without the rows of `deletes`.
#[must_use]
pub fn heads_request(signal: SignalName, range: TimeRange, query: Bytes, deletes: Bytes) -> pb::ScanRequest {
    let (signal, start_ns, end_ns) = (signal.as_str().to_owned(), range.start, range.end);
    pb::ScanRequest { signal, query, start_ns, end_ns, blocks: Vec::new(), heads: true, deletes }
}

/// The request for blocks, without the rows of `deletes`.
#[must_use]
pub fn blocks_request(signal: SignalName, range: TimeRange, query: Bytes, deletes: Bytes, blocks: Vec<pb::BlockAsk>) -> pb::ScanRequest {
    pb::ScanRequest { blocks, heads: false, ..heads_request(signal, range, query, deletes) }
}
