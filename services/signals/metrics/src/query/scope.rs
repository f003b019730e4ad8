//! What a query asks of leaves: of which tenants, under which policies, and how series of several tenants are told apart.
//!
//! A query over several tenants gives each series the label `__tenant_id__`; a label of that name that a series has of its own is
//! `original___tenant_id__` in the answer, and in matchers.

use index::Matcher;
use runtime::ErrorKind;
use signal::QueryError;
use syntax::LabelMatcher;
use tenancy::{TenantId, Tenants};

use super::access::Access;
use crate::model::Labels;

/// The label that names the tenant of a series.
pub const TENANT_LABEL: &str = "__tenant_id__";
/// What a series' own label of that name becomes.
pub const ORIGINAL_TENANT_LABEL: &str = "original___tenant_id__";

/// Tenants and policies of one query.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    tenants: Tenants,
    access: Access,
}

/// One question to the leaves of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part<T> {
    /// Whose.
    pub tenant: TenantId,
    /// What is asked for.
    pub matchers: T,
}

impl Scope {
    pub(super) const fn new(tenants: Tenants, access: Access) -> Self {
        Self { tenants, access }
    }

    /// The tenants.
    pub(super) const fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// True when policies hide some of a tenant's series.
    pub(super) fn is_limited(&self, tenant: &TenantId) -> bool {
        !self.access.sets(tenant).is_empty()
    }

    /// True when series are told apart by their tenants.
    pub(super) fn federates(&self) -> bool {
        self.tenants.all().len() > 1
    }

    /// The series that meet all matchers and may be seen: parts of one tenant may find the same.
    pub(super) fn select(&self, matchers: &[LabelMatcher]) -> Result<Vec<Part<Vec<LabelMatcher>>>, QueryError> {
        let parts = self.sets(&[matchers.to_vec()])?.into_iter();
        Ok(parts
            .flat_map(|Part { tenant, matchers }| matchers.into_iter().map(move |set| Part { tenant: tenant.clone(), matchers: set }))
            .collect())
    }

    /// The series that meet all matchers of any set (none: all series) and may be seen, by tenant.
    pub(super) fn sets(&self, sets: &[Vec<LabelMatcher>]) -> Result<Vec<Part<Vec<Vec<LabelMatcher>>>>, QueryError> {
        let mut parts = Vec::new();
        for tenant in self.tenants.all() {
            let asked = if self.federates() { of_tenant(tenant, sets)? } else { Some(sets.to_vec()) };
            if let Some(asked) = asked {
                parts.push(Part { tenant: tenant.clone(), matchers: allowed(asked, self.access.sets(tenant)) });
            }
        }
        Ok(parts)
    }

    /// The labels of a tenant's series as the query sees them.
    pub(super) fn label(&self, tenant: &TenantId, labels: Labels) -> Labels {
        if !self.federates() {
            return labels;
        }
        let mut builder = labels.builder();
        if let Some(original) = labels.get(TENANT_LABEL) {
            builder.set(ORIGINAL_TENANT_LABEL, original);
        }
        builder.set(TENANT_LABEL, tenant.as_str());
        builder.build()
    }
}

/// Of matcher sets those that this tenant may meet, without what they say of the tenant; `None` where it meets none.
fn of_tenant(tenant: &TenantId, sets: &[Vec<LabelMatcher>]) -> Result<Option<Vec<Vec<LabelMatcher>>>, QueryError> {
    if sets.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut met = Vec::new();
    for set in sets {
        if let Some(set) = rest(tenant, set)? {
            met.push(set);
        }
    }
    Ok((!met.is_empty()).then_some(met))
}

/// The matchers of a set that are about a series' own labels, if the others hold for the tenant.
fn rest(tenant: &TenantId, set: &[LabelMatcher]) -> Result<Option<Vec<LabelMatcher>>, QueryError> {
    let mut rest = Vec::with_capacity(set.len());
    for matcher in set {
        match matcher.name.as_str() {
            TENANT_LABEL => {
                let matcher = Matcher::compile(matcher).map_err(|err| QueryError::new(ErrorKind::BadInput, err.to_string()))?;
                if !matcher.matches(tenant.as_str()) {
                    return Ok(None);
                }
            }
            ORIGINAL_TENANT_LABEL => rest.push(LabelMatcher::new(TENANT_LABEL, matcher.op, matcher.value.clone())),
            _ => rest.push(matcher.clone()),
        }
    }
    Ok(Some(rest))
}

/// Every set with every policy.
fn allowed(sets: Vec<Vec<LabelMatcher>>, policies: &[Vec<LabelMatcher>]) -> Vec<Vec<LabelMatcher>> {
    if policies.is_empty() {
        return sets;
    }
    if sets.is_empty() {
        return policies.to_vec();
    }
    let with = |set: &Vec<LabelMatcher>, policy: &Vec<LabelMatcher>| set.iter().chain(policy).cloned().collect();
    sets.iter().flat_map(|set| policies.iter().map(move |policy| with(set, policy))).collect()
}

#[cfg(test)]
mod tests;
