//! The door: the tenant of a request is checked once, here.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::{TenantId, TenantIdError, Tenants};

/// The header that names the tenant.
pub const TENANT_HEADER: &str = "x-scope-orgid";

runtime::settings! {
    /// `auth:` how tenants are told apart.
    pub struct AuthConfig {
        /// Whether requests name their tenant in X-Scope-OrgID; off: every request belongs to the tenant `anonymous`.
        pub enabled: bool = true,
        /// The tenant of requests without the header; empty: they are refused with 401.
        pub default_tenant: String = String::new(),
    }
}

/// Checks the tenant of requests and leaves a [`Tenants`] in their extensions.
#[derive(Clone, Debug)]
pub struct Door {
    enabled: bool,
    default: Option<TenantId>,
}

impl Door {
    /// A door by its settings. Errors: `auth.default_tenant` is not the name of a tenant.
    pub fn new(config: &AuthConfig) -> Result<Self, TenantIdError> {
        let default = match config.default_tenant.as_str() {
            "" => None,
            text => Some(TenantId::parse(text)?),
        };
        Ok(Self { enabled: config.enabled, default })
    }

    /// The tenants of a request with this header.
    pub fn tenants(&self, header: Option<&[u8]>) -> Result<Tenants, TenantIdError> {
        if !self.enabled {
            return Ok(TenantId::anonymous().into());
        }
        match header {
            None | Some(b"") => self.default.clone().map(Tenants::from).ok_or(TenantIdError::Missing),
            Some(bytes) => Tenants::parse(&String::from_utf8_lossy(bytes)),
        }
    }

    /// The routes behind this door.
    pub fn guard(&self, routes: Router) -> Router {
        // A layer of routes, where there are none, is a mistake to axum.
        if !routes.has_routes() {
            return routes;
        }
        let door = self.clone();
        routes.route_layer(middleware::from_fn(move |request: Request, next: Next| {
            let door = door.clone();
            async move { door.pass(request, next).await }
        }))
    }

    async fn pass(&self, mut request: Request, next: Next) -> Response {
        match self.tenants(request.headers().get(TENANT_HEADER).map(http::HeaderValue::as_bytes)) {
            Ok(tenants) => {
                tracing::Span::current().record("tenant", tracing::field::display(&tenants));
                request.extensions_mut().insert(tenants);
                next.run(request).await
            }
            Err(err) => refuse(&err),
        }
    }
}

/// The answer to a request whose tenant is missing or malformed: plain text, as Mimir has it.
fn refuse(err: &TenantIdError) -> Response {
    let status = match err {
        TenantIdError::Missing => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, format!("{err}\n")).into_response()
}

#[cfg(test)]
mod tests;
