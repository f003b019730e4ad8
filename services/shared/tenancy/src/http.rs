//! The door: the tenants of a request, and what of their data it may see, are checked once, here.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::access::POLICY_HEADER;
use crate::{LabelPolicies, TenantId, TenantIdError, Tenants};

/// The header that names the tenant.
pub const TENANT_HEADER: &str = "x-scope-orgid";

runtime::settings! {
    /// `auth:` how tenants are told apart.
    pub struct AuthConfig {
        /// Whether requests name their tenant in X-Scope-OrgID; off: every request belongs to the tenant `anonymous`.
        pub enabled: bool = true,
        /// The tenant of requests without the header; empty: they are refused with 401.
        pub default_tenant: String = String::new(),
        /// Whether reads obey X-Prom-Label-Policy. Clients must not be able to set that header themselves: it is for a gateway.
        pub label_access_control_enabled: bool = false,
    }
}

runtime::settings! {
    /// `tenant_federation:` reads that span several tenants, `X-Scope-OrgID: a|b`.
    pub struct FederationConfig {
        /// Whether there are any.
        pub enabled: bool = false,
        /// The most tenants of one request; 0 is no limit.
        pub max_tenants: usize = 0,
    }
}

/// Checks the tenant of requests and leaves a [`Tenants`] and the [`LabelPolicies`] in their extensions.
#[derive(Clone, Debug)]
pub struct Door {
    enabled: bool,
    default: Option<TenantId>,
    obeys_policies: bool,
    /// What only reads have.
    reads: Option<Reads>,
}

/// How a door lets reads through.
#[derive(Clone, Copy, Debug)]
struct Reads {
    /// The most tenants of one request.
    max_tenants: usize,
}

/// Why a request does not pass. The texts are Mimir's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its tenant is missing or malformed.
    #[error(transparent)]
    Tenant(#[from] TenantIdError),
    /// More tenants than a read may have.
    #[error("too many tenant IDs present. max: {max} actual: {actual}")]
    TooManyTenants {
        /// `tenant_federation.max_tenants`; 1 where reads do not federate.
        max: usize,
        /// How many the request names.
        actual: usize,
    },
    /// Its label policy cannot be read.
    #[error(transparent)]
    Policy(#[from] crate::PolicyError),
}

impl Door {
    /// A door by its settings. Errors: `auth.default_tenant` is not the name of a tenant.
    pub fn new(config: &AuthConfig) -> Result<Self, TenantIdError> {
        let default = match config.default_tenant.as_str() {
            "" => None,
            text => Some(TenantId::parse(text)?),
        };
        let obeys_policies = config.label_access_control_enabled;
        Ok(Self { enabled: config.enabled, default, obeys_policies, reads: None })
    }

    /// The same door for reads: it limits how many tenants a request names, and leaves [`LabelPolicies`] beside the [`Tenants`]. Writes
    /// have one tenant; their handlers say so.
    #[must_use]
    pub fn for_reads(self, config: &FederationConfig) -> Self {
        let max_tenants = match (config.enabled, config.max_tenants) {
            (false, _) => 1,
            (true, 0) => usize::MAX,
            (true, max) => max,
        };
        Self { reads: Some(Reads { max_tenants }), ..self }
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
        match self.check(request.headers()) {
            Ok((tenants, policies)) => {
                tracing::Span::current().record("tenant", tracing::field::display(&tenants));
                request.extensions_mut().insert(tenants);
                request.extensions_mut().insert(policies);
                next.run(request).await
            }
            Err(err) => refuse(&err),
        }
    }

    fn check(&self, headers: &http::HeaderMap) -> Result<(Tenants, LabelPolicies), Refused> {
        let tenants = self.tenants(headers.get(TENANT_HEADER).map(http::HeaderValue::as_bytes))?;
        let Some(Reads { max_tenants }) = self.reads else { return Ok((tenants, LabelPolicies::default())) };
        let actual = tenants.all().len();
        if actual > max_tenants {
            return Err(Refused::TooManyTenants { max: max_tenants, actual });
        }
        let headers = headers.get_all(POLICY_HEADER).iter().map(http::HeaderValue::as_bytes);
        let policies = if self.obeys_policies { LabelPolicies::parse(headers)? } else { LabelPolicies::default() };
        Ok((tenants, policies))
    }
}

/// The answer to a request that does not pass: plain text, as Mimir has it.
fn refuse(err: &Refused) -> Response {
    let status = match err {
        Refused::Tenant(TenantIdError::Missing) => StatusCode::UNAUTHORIZED,
        // Where reads do not federate at all, to name several tenants is a mistake of the client, as on writes.
        Refused::TooManyTenants { max, .. } if *max > 1 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, format!("{err}\n")).into_response()
}

#[cfg(test)]
mod tests;
