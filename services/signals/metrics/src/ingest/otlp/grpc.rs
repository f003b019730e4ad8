//! `opentelemetry.proto.collector.metrics.v1.MetricsService` on OTLP's own port.

use std::sync::Arc;

use prost::Message;
use proto::opentelemetry::proto::collector::metrics::v1::metrics_service_server::{MetricsService, MetricsServiceServer};
use proto::opentelemetry::proto::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use runtime::server::Peer;
use tenancy::{Reservation, TenantIdError, Tenants};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

use super::{OtlpError, receive};
use crate::ingest::caller::Caller;
use crate::ingest::error::PushError;
use crate::ingest::http::retry_attempt;
use crate::ingest::intake::Intake;

/// Takes pushes by OTLP over gRPC.
#[derive(Debug)]
pub(crate) struct GrpcReceiver {
    intake: Arc<Intake>,
}

impl GrpcReceiver {
    pub(crate) const fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }

    /// The service, with the limit of requests as everywhere.
    pub(crate) fn service(self) -> MetricsServiceServer<Self> {
        let limit = self.intake.max_otlp();
        MetricsServiceServer::new(self)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(limit)
    }

    async fn receive(
        &self,
        headers: MetadataMap,
        extensions: &Extensions,
        message: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, OtlpError> {
        let tenants = extensions.get::<Tenants>().ok_or(TenantIdError::Missing).map_err(PushError::from)?;
        let caller = Caller::new(extensions.get::<Peer>().map(|peer| peer.0), &headers.into_headers());
        let mut admission = self.intake.admit_as(tenants, caller)?;
        // It is decoded already: what came and what it became.
        admission.reserve(message.encoded_len().saturating_mul(4))?;
        receive(&self.intake, admission, move |_: &mut Reservation| Ok(message)).await
    }
}

#[tonic::async_trait]
impl MetricsService for GrpcReceiver {
    async fn export(&self, request: Request<ExportMetricsServiceRequest>) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (headers, extensions, message) = request.into_parts();
        let attempt = retry_attempt(headers.as_ref());
        match self.receive(headers, &extensions, message).await {
            Ok(done) => Ok(Response::new(done)),
            Err(err) => Err(err.refusal(attempt, self.intake.jitter()).grpc()),
        }
    }
}
