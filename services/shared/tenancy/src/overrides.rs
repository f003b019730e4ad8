//! Limits per tenant: defaults, and what an overrides file says of single tenants. Re-read without a restart.

pub mod file;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::TenantId;
pub use file::OverridesError;
pub use watch::{OverridesConfig, Source, load, start};

/// The limits of all tenants for one signal. Clones share them, and see what a reload brings.
pub struct Overrides<T> {
    current: Arc<ArcSwap<Limits<T>>>,
    reload: Arc<ArcSwapOption<Reload>>,
}

/// How the file behind limits was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether the last look at it was successful: else what was in force before still is.
    pub successful: bool,
    /// When what is in force was read, ms since the Unix epoch.
    pub in_force_since_ms: i64,
}

/// What is in force.
#[derive(Clone, Debug)]
pub struct Limits<T> {
    /// Of tenants that the file does not name.
    pub defaults: Arc<T>,
    /// Of tenants that the file names: the defaults with what it says.
    pub tenants: HashMap<TenantId, Arc<T>>,
}

impl<T> Overrides<T> {
    /// The same limits for every tenant.
    #[must_use]
    pub fn fixed(defaults: T) -> Self {
        Self::new(Limits { defaults: Arc::new(defaults), tenants: HashMap::new() })
    }

    /// Limits that [`Overrides::replace`] may change.
    #[must_use]
    pub fn new(limits: Limits<T>) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(limits)), reload: Arc::default() }
    }

    /// The limits of a tenant.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Arc<T> {
        let current = self.current.load();
        current.tenants.get(tenant).unwrap_or(&current.defaults).clone()
    }

    /// Everything that is in force now.
    #[must_use]
    pub fn all(&self) -> Arc<Limits<T>> {
        self.current.load_full()
    }

    /// How the file behind them was read last; `None` where there is no file.
    #[must_use]
    pub fn last_reload(&self) -> Option<Reload> {
        self.reload.load().as_deref().copied()
    }

    /// Puts other limits in force.
    pub fn replace(&self, limits: Limits<T>) {
        self.current.store(Arc::new(limits));
    }
}

impl<T> Clone for Overrides<T> {
    fn clone(&self) -> Self {
        Self { current: self.current.clone(), reload: self.reload.clone() }
    }
}

impl<T> fmt::Debug for Overrides<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overrides").field("tenants", &self.current.load().tenants.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
