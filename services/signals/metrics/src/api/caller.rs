//! Who asks: tenants, what of their data may be seen, and what the query's log line says of the client.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use tenancy::{LabelPolicies, Tenants};

use super::error::PromError;
use crate::query::access::Access;

/// The caller of a handler, as the door and the headers have it.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenants: Tenants,
    pub(super) access: Access,
    pub(super) headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = PromError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PromError> {
        // The door stands before every route of a tenant.
        let tenants = parts.extensions.get::<Tenants>().cloned().ok_or_else(|| PromError::bad_data("no org id"))?;
        let policies = parts.extensions.get::<LabelPolicies>().cloned().unwrap_or_default();
        let access = Access::of(&policies, &tenants).map_err(PromError::bad_data)?;
        Ok(Self { tenants, access, headers: parts.headers.clone() })
    }
}
