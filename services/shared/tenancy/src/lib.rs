//! Tenants: their names, limits and budgets. Knows no signal and no role.

pub mod http;
pub mod id;
pub mod overrides;

pub use id::{TenantId, TenantIdError, Tenants};
pub use overrides::Overrides;
