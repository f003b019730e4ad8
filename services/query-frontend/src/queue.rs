//! The fair queue: tenants take turns, whatever the number of sub-queries each of them has waiting. Several tenants that ask
//! together count as one of their own.

use std::collections::{HashMap, VecDeque};

use tenancy::Tenants;

/// Items that wait, per tenant. Not synchronised.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// Waiting items of tenants that have any.
    waiting: HashMap<Tenants, VecDeque<T>>,
    /// The same tenants in the order of their turns.
    turns: VecDeque<Tenants>,
    max_per_tenant: usize,
}

/// A tenant has as many items waiting as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many outstanding requests")]
pub struct TooMany;

impl<T> FairQueue<T> {
    /// An empty queue that holds at most `max_per_tenant` items of each tenant.
    #[must_use]
    pub fn new(max_per_tenant: usize) -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new(), max_per_tenant }
    }

    /// Puts an item at the end of its tenant's line.
    pub fn push(&mut self, tenant: &Tenants, item: T) -> Result<(), TooMany> {
        let line = self.line(tenant);
        if line.len() >= self.max_per_tenant {
            self.leave_if_empty(tenant);
            return Err(TooMany);
        }
        self.line(tenant).push_back(item);
        Ok(())
    }

    /// Puts an item back to the front of its tenant's line: it was taken and could not be served. There is always room for it.
    pub fn put_back(&mut self, tenant: &Tenants, item: T) {
        self.line(tenant).push_front(item);
    }

    /// Takes the next item of the first tenant in turn of whose line `may` takes the first item. Others keep their turns.
    pub fn pop(&mut self, may: impl Fn(&Tenants, &T) -> bool) -> Option<T> {
        let first = |tenant: &Tenants| self.waiting.get(tenant).and_then(VecDeque::front);
        let at = self.turns.iter().position(|tenant| first(tenant).is_some_and(|item| may(tenant, item)))?;
        let tenant = self.turns.remove(at)?;
        let line = self.waiting.get_mut(&tenant)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        item
    }

    /// Takes out the items of a tenant that `unwanted` names.
    pub fn remove(&mut self, tenant: &Tenants, unwanted: impl Fn(&T) -> bool) {
        if let Some(line) = self.waiting.get_mut(tenant) {
            line.retain(|item| !unwanted(item));
        }
        self.leave_if_empty(tenant);
    }

    /// How many items of a tenant wait.
    #[must_use]
    pub fn len_of(&self, tenant: &Tenants) -> usize {
        self.waiting.get(tenant).map_or(0, VecDeque::len)
    }

    /// Takes out everything.
    pub fn drain(&mut self) -> Vec<T> {
        self.turns.clear();
        self.waiting.drain().flat_map(|(_, line)| line).collect()
    }

    fn line(&mut self, tenant: &Tenants) -> &mut VecDeque<T> {
        if !self.waiting.contains_key(tenant) {
            self.turns.push_back(tenant.clone());
        }
        self.waiting.entry(tenant.clone()).or_default()
    }

    fn leave_if_empty(&mut self, tenant: &Tenants) {
        if self.waiting.get(tenant).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(tenant);
            self.turns.retain(|turn| turn != tenant);
        }
    }
}

#[cfg(test)]
mod tests;
