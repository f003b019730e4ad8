//! The ports of OTLP, which all signals share: `/v1/metrics`, `/v1/logs` … on one, a gRPC service of each on the other.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use http::{HeaderValue, Method};
use runtime::config::ConfigError;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

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
        /// Pages in browsers that may push by OTLP over HTTP, by their origin (`https://shop.example.com`); `*`: all pages.
        pub cors_allowed_origins: Vec<String> = Vec::new(),
    }
}

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Which pages in browsers may push by OTLP over HTTP: those of other origins than the port's own need to be told so.
#[derive(Clone, Debug, Default)]
pub struct Origins(Option<CorsLayer>);

impl Origins {
    /// Routes that tell browsers what they may send. With no origin allowed they stay as they are.
    pub fn allow(&self, routes: Router) -> Router {
        // A layer of routes, where there are none, is a mistake to axum.
        match &self.0 {
            Some(layer) if routes.has_routes() => routes.route_layer(layer.clone()),
            _ => routes,
        }
    }
}

impl OtlpConfig {
    /// The pages in browsers that may push. Errors: an origin that no header could hold.
    pub fn origins(&self) -> Result<Origins, ConfigError> {
        let origins = match self.cors_allowed_origins.as_slice() {
            [] => return Ok(Origins::default()),
            all if all.iter().any(|origin| origin == "*") => AllowOrigin::any(),
            some => AllowOrigin::list(some.iter().map(|origin| origin_of(origin)).collect::<Result<Vec<_>, _>>()?),
        };
        // What a page sends beside its body, the tenant or a trace for example, it may send.
        let layer = CorsLayer::new().allow_origin(origins).allow_methods([Method::POST]).allow_headers(AllowHeaders::mirror_request());
        Ok(Origins(Some(layer.max_age(REMEMBERED))))
    }

    /// The ports by name, as [`runtime::config::Tree::ports`] gives them.
    #[must_use]
    pub fn ports(&self) -> BTreeMap<&'static str, u16> {
        BTreeMap::from([(GRPC_PORT, self.grpc_port), (HTTP_PORT, self.http_port)])
    }
}

fn origin_of(text: &str) -> Result<HeaderValue, ConfigError> {
    let known = text.starts_with("http://") || text.starts_with("https://");
    let value = HeaderValue::from_str(text).ok().filter(|_| known && !text.ends_with('/'));
    value.ok_or_else(|| ConfigError::invalid("otlp.cors_allowed_origins", format!("{text:?} is no origin (https://host) and not *")))
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
