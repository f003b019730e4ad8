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

/// Headers in which Grafana says what a query is for, and what the log calls them.
const ORIGINS: [(&str, &str); 3] = [("x-dashboard-uid", "dashboard"), ("x-panel-id", "panel"), ("x-rule-uid", "rule")];

/// The most characters that the log shows of such a header.
const SHOWN: usize = 64;

impl Caller {
    /// What the query is for, as far as Grafana says it: `dashboard=cluster panel=7`.
    pub(super) fn origin(&self) -> String {
        let told = ORIGINS.iter().filter_map(|(header, name)| {
            let value = String::from_utf8_lossy(self.headers.get(*header)?.as_bytes()).chars().take(SHOWN).collect::<String>();
            Some(format!("{name}={value}"))
        });
        told.collect::<Vec<_>>().join(" ")
    }
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

#[cfg(test)]
mod tests;
