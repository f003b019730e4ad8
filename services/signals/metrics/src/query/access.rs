//! What of its tenants' data a query may see: label-based access control.

use std::collections::BTreeMap;

use index::Matcher;
use syntax::LabelMatcher;
use tenancy::{LabelPolicies, TenantId, Tenants};

use super::promql::parse_selector;
use crate::wire::codec::{Reader, put_bytes, put_len};
use crate::wire::{self, DecodeError};

/// The policies of a query: matcher sets by tenant. A series may be seen when it meets all matchers of any set of its tenant; those of a
/// tenant without a set may all be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access(BTreeMap<TenantId, Vec<Vec<LabelMatcher>>>);

/// A policy whose selector is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid label policy {selector:?}: {reason}")]
pub struct AccessError {
    /// What stands for a selector.
    pub selector: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Access {
    /// Reads the selectors of these tenants.
    pub fn of(policies: &LabelPolicies, tenants: &Tenants) -> Result<Self, AccessError> {
        let mut access = Self::default();
        for tenant in tenants.all().iter().filter(|tenant| !policies.of(tenant).is_empty()) {
            let sets = policies.of(tenant).iter().map(|selector| read(selector)).collect::<Result<_, _>>()?;
            access.0.insert(tenant.clone(), sets);
        }
        Ok(access)
    }

    /// The matcher sets of a tenant; none: everything may be seen.
    #[must_use]
    pub fn sets(&self, tenant: &TenantId) -> &[Vec<LabelMatcher>] {
        self.0.get(tenant).map_or(&[], Vec::as_slice)
    }

    /// True when everything may be seen.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends it to a message.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_len(out, self.0.len());
        for (tenant, sets) in &self.0 {
            put_bytes(out, tenant.as_str().as_bytes());
            wire::put_sets(out, sets, 0);
        }
    }

    /// Reads what [`Access::put`] wrote.
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut access = Self::default();
        for _ in 0..from.count(3)? {
            let tenant = TenantId::parse(from.text()?).map_err(|_| DecodeError::Number { what: "tenant" })?;
            let (sets, _) = wire::sets(from)?;
            if sets.is_empty() {
                // A tenant without a set may see everything: that is not written.
                return Err(DecodeError::Number { what: "label policy" });
            }
            access.0.insert(tenant, sets);
        }
        Ok(access)
    }
}

fn read(selector: &str) -> Result<Vec<LabelMatcher>, AccessError> {
    let failed = |reason: String| AccessError { selector: selector.to_owned(), reason };
    let matchers = parse_selector(selector).map_err(|err| failed(err.to_string()))?;
    Matcher::compile_all(&matchers).map_err(|err| failed(err.to_string()))?;
    Ok(matchers)
}

#[cfg(test)]
mod tests;
