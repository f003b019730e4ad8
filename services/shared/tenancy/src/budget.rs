//! Budgets of memory: process, signal, tenant and query, each within the one above it. Bytes are reserved before they are
//! allocated, without locks.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use runtime::{Classify, ErrorKind};

use crate::TenantId;

/// Bytes that may be held at once, as part of those of a larger budget. Clones share them.
#[derive(Clone)]
pub struct Budget(Arc<Node>);

struct Node {
    name: &'static str,
    scope: Scope,
    limit: u64,
    used: AtomicU64,
    parent: Option<Budget>,
}

/// Whose limit it is: what a refusal means to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of the process or a signal's share of it: the same request may pass later, or elsewhere.
    Process,
    /// Of a tenant or a query: the tenant asks for too much.
    Tenant,
}

/// A budget has too little left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} more bytes would exceed the limit {name} of {limit} bytes")]
pub struct BudgetExceeded {
    /// The name of the limit, as its setting has it.
    pub name: &'static str,
    /// Bytes that it allows.
    pub limit: u64,
    /// Bytes that were asked for.
    pub wanted: u64,
    /// Whose limit it is.
    pub scope: Scope,
}

impl Classify for BudgetExceeded {
    fn kind(&self) -> ErrorKind {
        match self.scope {
            Scope::Process => ErrorKind::Unavailable,
            Scope::Tenant => ErrorKind::LimitExceeded,
        }
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
#[must_use = "dropping a reservation gives its bytes back"]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    /// The budget above all others. `name` is the setting that its refusals name; `None` is no limit.
    #[must_use]
    pub fn process(name: &'static str, limit: Option<u64>) -> Self {
        Self::new(name, limit, Scope::Process, None)
    }

    /// A budget within this one.
    #[must_use]
    pub fn within(&self, name: &'static str, limit: Option<u64>, scope: Scope) -> Self {
        Self::new(name, limit, scope, Some(self.clone()))
    }

    fn new(name: &'static str, limit: Option<u64>, scope: Scope, parent: Option<Self>) -> Self {
        Self(Arc::new(Node { name, scope, limit: limit.unwrap_or(u64::MAX), used: AtomicU64::new(0), parent }))
    }

    /// Reserves `bytes` here and in every budget above, or nothing at all. The error names the innermost that refused.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, BudgetExceeded> {
        self.take(bytes)?;
        Ok(Reservation { budget: self.clone(), bytes })
    }

    /// As [`reserve`](Self::reserve), but where nothing is reserved here any number of bytes fits: what is larger than the limit would
    /// else never pass. The budgets above have no such rule.
    pub fn reserve_or_alone(&self, bytes: u64) -> Result<Reservation, BudgetExceeded> {
        self.take_if(bytes, |used, sum| used == 0 || sum <= self.0.limit)?;
        Ok(Reservation { budget: self.clone(), bytes })
    }

    /// Bytes that are reserved now. Who sees that some were given back sees what was done with them.
    ///
    /// Nothing else is ordered by a budget: who forbids reservations by a flag and waits for 0, while others look at the flag once they have
    /// reserved, needs a fence between both steps, on both sides.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Acquire)
    }

    /// Bytes that may be reserved at once; `None` is no limit.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.0.limit != u64::MAX).then_some(self.0.limit)
    }

    fn take(&self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.take_if(bytes, |_, sum| sum <= self.0.limit)
    }

    /// Takes `bytes` if `fits` says so of those in use before and afterwards, and the budgets above have room.
    fn take_if(&self, bytes: u64, fits: impl Fn(u64, u64) -> bool) -> Result<(), BudgetExceeded> {
        let Node { name, scope, limit, used, parent } = &*self.0;
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| fits(used, *sum));
        if used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return Err(BudgetExceeded { name, limit: *limit, wanted: bytes, scope: *scope });
        }
        let above = parent.as_ref().map_or(Ok(()), |parent| parent.take(bytes));
        if above.is_err() {
            used.fetch_sub(bytes, Ordering::Relaxed);
        }
        above
    }

    fn give_back(&self, bytes: u64) {
        let mut budget = Some(self);
        while let Some(Self(node)) = budget {
            let before = node.used.fetch_sub(bytes, Ordering::Release);
            debug_assert!(before >= bytes, "more was given back than taken");
            budget = node.parent.as_ref();
        }
    }
}

impl Reservation {
    /// Bytes that are held.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds `more` bytes too, or only those from before.
    pub fn grow(&mut self, more: u64) -> Result<(), BudgetExceeded> {
        self.budget.take(more)?;
        self.bytes += more;
        Ok(())
    }

    /// Gives back all but `bytes`: what was reserved by a bound turned out smaller. Never grows.
    pub fn shrink_to(&mut self, bytes: u64) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.budget.give_back(spare);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// The budgets of tenants within one of a signal. A tenant has one as long as somebody holds a clone or a reservation of it.
pub struct Budgets {
    parent: Budget,
    name: &'static str,
    tenants: Mutex<HashMap<TenantId, Weak<Node>>>,
}

impl Budgets {
    /// No tenant yet. `name` is the setting that their refusals name.
    #[must_use]
    pub fn new(parent: Budget, name: &'static str) -> Self {
        Self { parent, name, tenants: Mutex::default() }
    }

    /// The budget of a tenant. A limit other than that of a budget in use counts from the next use on.
    #[must_use]
    pub fn of(&self, tenant: &TenantId, limit: Option<u64>) -> Budget {
        let mut tenants = self.tenants.lock();
        if let Some(known) = tenants.get(tenant).and_then(Weak::upgrade) {
            return Budget(known);
        }
        // Doubling is rare: a good moment to look for those that are gone.
        if tenants.len() == tenants.capacity() {
            tenants.retain(|_, node| node.strong_count() > 0);
        }
        let budget = self.parent.within(self.name, limit, Scope::Tenant);
        tenants.insert(tenant.clone(), Arc::downgrade(&budget.0));
        budget
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("name", &self.0.name)
            .field("limit", &self.limit())
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").field("parent", &self.parent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
