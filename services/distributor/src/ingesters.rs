//! How a push reaches an ingester.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use proto::quartet as pb;
use proto::quartet::ingest_client::IngestClient;
use proto::quartet::ingester_admin_client::IngesterAdminClient;
use runtime::grpc::Channels;
use tenancy::TenantId;
use tonic::{Response, Status};

/// The ingesters behind their addresses. A trait, so that simulations and tests put their own in its place.
pub trait Ingesters: Send + Sync + fmt::Debug {
    /// Sends one push to the ingester at `address`.
    fn push(
        &self,
        address: &str,
        tenant: &TenantId,
        request: pb::PushRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<pb::PushResponse, Status>>;

    /// Asks the ingester at `address` what every tenant has in its memory.
    fn statistics(&self, address: &str, timeout: Duration) -> BoxFuture<'static, Result<pb::StatisticsResponse, Status>>;
}

/// Ingesters over gRPC.
#[derive(Clone, Debug)]
pub struct Remote {
    channels: Channels,
}

impl Remote {
    /// Over the channels of the process.
    #[must_use]
    pub fn new(channels: Channels) -> Self {
        Self { channels }
    }
}

impl Ingesters for Remote {
    fn push(
        &self,
        address: &str,
        tenant: &TenantId,
        request: pb::PushRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<pb::PushResponse, Status>> {
        let (channel, size) = (self.channels.get(address), self.channels.max_message());
        let tenant = tenant.clone();
        Box::pin(async move {
            let mut request = signal::rpc::request(&tenant, request)?;
            request.set_timeout(timeout);
            let mut client = IngestClient::new(channel?).max_encoding_message_size(size).max_decoding_message_size(size);
            // The deadline travels with the request; a peer that is stopped does not see it.
            in_time(timeout, client.push(request)).await
        })
    }

    fn statistics(&self, address: &str, timeout: Duration) -> BoxFuture<'static, Result<pb::StatisticsResponse, Status>> {
        let (channel, size) = (self.channels.get(address), self.channels.max_message());
        Box::pin(async move {
            let mut client = IngesterAdminClient::new(channel?).max_decoding_message_size(size);
            in_time(timeout, client.statistics(pb::StatisticsRequest {})).await
        })
    }
}

/// What an ingester answers, unless it takes longer.
async fn in_time<T>(timeout: Duration, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(timeout, call).await;
    answer.map_err(|_| Status::deadline_exceeded("the ingester did not answer in time"))?.map(Response::into_inner)
}
