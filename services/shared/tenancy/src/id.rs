//! The name of a tenant, checked once, at the door.

use std::fmt;
use std::sync::Arc;

/// Longest name of a tenant, in bytes.
pub const MAX_LEN: usize = 150;

/// Tenant of requests when authentication is off.
pub const ANONYMOUS: &str = "anonymous";

/// The name of a tenant: 1 to 150 characters out of letters, digits and `! _ . * ' ( ) -`;
/// not `.`, `..` or `__mimir_cluster`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// Why a text is not the name of a tenant. The texts are Mimir's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantIdError {
    /// No name at all.
    #[error("no org id")]
    Missing,
    /// A character that no name may hold.
    #[error("tenant ID '{tenant}' contains unsupported character '{character}'")]
    Character {
        /// The text.
        tenant: String,
        /// The first bad character.
        character: char,
    },
    /// More than [`MAX_LEN`] bytes.
    #[error("tenant ID is too long: max {MAX_LEN} characters")]
    TooLong,
    /// `.` or `..`: they would leave the tenant's directory.
    #[error("tenant ID is '.' or '..'")]
    Dots,
    /// A name that the system keeps for itself.
    #[error("tenant ID '{0}' is not allowed")]
    Reserved(String),
    /// Several tenants where one is needed.
    #[error("multiple org IDs present")]
    Multiple,
}

impl TenantId {
    /// Checks `text` and takes a copy of it.
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        if text.is_empty() {
            return Err(TenantIdError::Missing);
        }
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            return Err(TenantIdError::Character { tenant: text.to_owned(), character });
        }
        if text.len() > MAX_LEN {
            return Err(TenantIdError::TooLong);
        }
        match text {
            "." | ".." => Err(TenantIdError::Dots),
            "__mimir_cluster" => Err(TenantIdError::Reserved(text.to_owned())),
            _ => Ok(Self(text.into())),
        }
    }

    /// The tenant of requests without a name when authentication is off.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(ANONYMOUS.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!-_.*'()".contains(character)
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One tenant, or several of a federated read: sorted, each once, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenants(Vec<TenantId>);

impl Tenants {
    /// Parses `a` or `a|b|c`.
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        let mut tenants = text.split('|').map(TenantId::parse).collect::<Result<Vec<_>, _>>()?;
        tenants.sort();
        tenants.dedup();
        Ok(Self(tenants))
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> &TenantId {
        self.0.first().expect("there is always one")
    }

    /// The tenants, sorted.
    #[must_use]
    pub fn all(&self) -> &[TenantId] {
        &self.0
    }

    /// The only tenant, for writes and everything else that does not federate.
    pub fn single(&self) -> Result<&TenantId, TenantIdError> {
        match self.0.as_slice() {
            [one] => Ok(one),
            _ => Err(TenantIdError::Multiple),
        }
    }
}

impl fmt::Display for Tenants {
    /// `a|b`, as the header has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, tenant) in self.0.iter().enumerate() {
            write!(f, "{}{tenant}", if n == 0 { "" } else { "|" })?;
        }
        Ok(())
    }
}

impl From<TenantId> for Tenants {
    fn from(tenant: TenantId) -> Self {
        Self(vec![tenant])
    }
}
