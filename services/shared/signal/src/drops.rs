//! Rows that are no more: deletes that somebody asked for, and retention of some rows only. The signal says which rows are meant; roles
//! know only their times.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use storage::catalog::NumberedDelete;
use storage::time::TimeRange;
use tenancy::TenantId;

use crate::{QueryError, SignalName};

/// Rows of a range of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowDrop {
    /// Their times.
    pub range: TimeRange,
    /// Which of them, in the signal's own words; empty: all.
    pub what: String,
}

impl RowDrop {
    /// What deletes above this number drop.
    pub fn above(number: u64, deletes: &[NumberedDelete]) -> impl Iterator<Item = Self> {
        let later = deletes.iter().filter(move |known| known.number > number);
        later.map(|known| Self { range: known.delete.range, what: known.delete.what.clone() })
    }
}

/// Takes deletes of rows into the catalog: what a query-frontend gives its signals.
pub trait RowDeletes: Send + Sync {
    /// Deletes rows that have arrived so far. Answers when the delete is recorded and this process's catalog knows it: queries from now
    /// on do not see the rows.
    fn delete(&self, tenant: &TenantId, signal: SignalName, rows: RowDrop) -> BoxFuture<'static, Result<(), QueryError>>;

    /// Answers when no block holds rows of the deletes that are known now.
    fn settle(&self, tenant: &TenantId, signal: SignalName) -> BoxFuture<'static, Result<(), QueryError>>;
}
