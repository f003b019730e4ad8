//! The ports of OTLP, which all signals share: `/v1/metrics`, `/v1/logs` … on one, a gRPC service of each on the other.

use std::collections::BTreeMap;

use tenancy::http::{Door, TENANT_HEADER};
use tenancy::{TenantIdError, Tenants};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The name of the port of OTLP over gRPC.
pub const GRPC_PORT: &str = "otlp_grpc";

/// The name of the port of OTLP over HTTP.
pub const HTTP_PORT: &str = "otlp_http";

runtime::settings! {
    /// `otlp:` the ports of the OpenTelemetry protocol. They are opened where something is served on them: by distributors.
    pub struct OtlpConfig {
        /// The port of OTLP over gRPC; 0: off. One that is taken is named in the log and left out.
        pub grpc_port: u16 = 4317,
        /// The port of OTLP over HTTP; 0: off. One that is taken is named in the log and left out.
        pub http_port: u16 = 4318,
    }
}

impl OtlpConfig {
    /// The ports by name, as [`runtime::config::Tree::ports`] gives them.
    #[must_use]
    pub fn ports(&self) -> BTreeMap<&'static str, u16> {
        BTreeMap::from([(GRPC_PORT, self.grpc_port), (HTTP_PORT, self.http_port)])
    }
}

/// The door of calls: leaves a [`Tenants`] in their extensions, or refuses them as gRPC does.
#[derive(Clone, Debug)]
pub struct CallDoor(Door);

impl CallDoor {
    /// The same door as that of HTTP.
    #[must_use]
    pub const fn new(door: Door) -> Self {
        Self(door)
    }

    fn tenants(&self, request: &Request<()>) -> Result<Tenants, TenantIdError> {
        self.0.tenants(request.metadata().get(TENANT_HEADER).map(tonic::metadata::MetadataValue::as_bytes))
    }
}

impl Interceptor for CallDoor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let tenants = self.tenants(&request).map_err(|err| match err {
            TenantIdError::Missing => Status::unauthenticated(err.to_string()),
            _ => Status::invalid_argument(err.to_string()),
        })?;
        tracing::Span::current().record("tenant", tracing::field::display(&tenants));
        request.extensions_mut().insert(tenants);
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
