//! Label-based access control: which of a tenant's data a request may see.
//!
//! A gateway in front sets the header; what it says of labels is text here, since selectors are a signal's language.

use std::collections::BTreeMap;

use crate::{TenantId, TenantIdError};

/// The header. It may stand several times, or hold several policies with commas between them.
pub const POLICY_HEADER: &str = "x-prom-label-policy";

/// The policies of a request: selectors by tenant. A row may be seen when any selector of its tenant selects it; rows of a tenant without
/// one may all be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelPolicies(BTreeMap<TenantId, Vec<String>>);

/// Why the header cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not `tenant:selector`.
    #[error("invalid label policy {policy:?}: it must be a tenant, a colon and a URL-encoded selector")]
    Shape {
        /// The policy.
        policy: String,
    },
    /// A selector that is not URL-encoded UTF-8.
    #[error("invalid label policy {policy:?}: the selector is not URL-encoded")]
    Encoding {
        /// The policy.
        policy: String,
    },
    /// What stands before the colon is no tenant.
    #[error("invalid label policy: {0}")]
    Tenant(TenantIdError),
}

impl LabelPolicies {
    /// Reads all values of the header: `tenant1:%7Benv%3D%22dev%22%7D,tenant2:…`. Whether a selector is one is not looked at.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, PolicyError> {
        let mut policies = Self::default();
        for value in values {
            let value = String::from_utf8_lossy(value);
            for policy in value.split(',') {
                policies.add(policy.trim())?;
            }
        }
        Ok(policies)
    }

    fn add(&mut self, policy: &str) -> Result<(), PolicyError> {
        let shape = || PolicyError::Shape { policy: policy.to_owned() };
        let (tenant, selector) = policy.split_once(':').ok_or_else(shape)?;
        if selector.is_empty() {
            return Err(shape());
        }
        let selector = decode(selector).ok_or_else(|| PolicyError::Encoding { policy: policy.to_owned() })?;
        self.0.entry(TenantId::parse(tenant.trim()).map_err(PolicyError::Tenant)?).or_default().push(selector);
        Ok(())
    }

    /// The selectors for a tenant; none: everything may be seen.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> &[String] {
        self.0.get(tenant).map_or(&[], Vec::as_slice)
    }

    /// True when no tenant has a policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Resolves `%7B`, and `+` as a space, as forms have it.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
