//! Tenants: their names, limits and budgets. Knows no signal and no role.

pub mod id;

pub use id::{TenantId, TenantIdError, Tenants};
