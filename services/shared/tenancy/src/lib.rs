//! Tenants: their names, limits, rates and budgets of memory. Knows no signal and no role.

pub mod access;
pub mod budget;
pub mod http;
pub mod id;
pub mod overrides;
pub mod rate;

pub use access::{LabelPolicies, PolicyError};
pub use budget::{Budget, BudgetExceeded, Budgets, Reservation, Scope};
pub use id::{TenantId, TenantIdError, Tenants};
pub use overrides::{Overrides, OverridesConfig, OverridesError, Reload};
pub use rate::{Rate, RateLimiter};
