//! Deletes of rows into the catalog (DESIGN 11.12): announced as blocks are, and answered when this process has read them back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime::{Chain, Clock, ErrorKind};
use signal::{Plugins, QueryError, RowDeletes, RowDrop, SignalName};
use storage::block::{BlockId, SignalId};
use storage::catalog::{Announcer, Catalog, Change, DELETES_KEPT_MS, NumberedDelete, Record, RowDelete};
use storage::time::TimeRange;
use tenancy::TenantId;
use tokio::time::Instant;

/// How long the leader may take to record a delete.
const RECORD_WITHIN: Duration = Duration::from_secs(30);

/// How long compactors may take to write blocks again.
const SETTLE_WITHIN: Duration = Duration::from_secs(600);

/// Records deletes in the catalog.
#[derive(Clone)]
pub struct CatalogDeletes {
    /// Where they are read back.
    pub catalog: Arc<Catalog>,
    /// Where they are announced.
    pub announcer: Announcer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whose policies say how long rows are kept.
    pub plugins: Plugins,
}

impl CatalogDeletes {
    async fn record(self, tenant: TenantId, signal: SignalName, rows: RowDrop) -> Result<(), QueryError> {
        let name = signal_id(signal)?;
        let now_ms = self.clock.now_ms();
        let kept = self.plugins.get(signal.as_str()).and_then(|plugin| plugin.policy.retention(&tenant));
        let kept_ms = kept.map_or(DELETES_KEPT_MS, |kept| i64::try_from(kept.as_millis()).unwrap_or(i64::MAX).max(DELETES_KEPT_MS));
        let id = BlockId::new(now_ms).0;
        let RowDrop { range, what } = rows;
        let delete = RowDelete { id, range, what, at_ms: now_ms, keep_until_ms: now_ms.saturating_add(kept_ms) };
        self.announcer.announce(Record { tenant: tenant.clone(), signal: name, change: Change::DeleteRows(delete) });
        let failed = |err: storage::error::StoreError| unavailable(format!("the delete could not be announced: {}", Chain(&err)));
        self.announcer.flush().await.map_err(failed)?;
        let known = |deletes: &[NumberedDelete]| deletes.iter().any(|known| known.delete.id == id);
        self.until(RECORD_WITHIN, || known(self.catalog.map().deletes(&tenant, signal.as_str())), "the delete has not been recorded yet")
            .await
    }

    async fn settled(self, tenant: TenantId, signal: SignalName) -> Result<(), QueryError> {
        let newest = self.catalog.map().deletes(&tenant, signal.as_str()).last().map_or(0, |delete| delete.number);
        let settled = || {
            let map = self.catalog.map();
            let deletes = map.deletes(&tenant, signal.as_str());
            let open = |delete: &&NumberedDelete| {
                map.blocks(&tenant, signal.as_str(), TimeRange::ALL).iter().any(|entry| delete.is_open_in(entry))
            };
            !deletes.iter().filter(|delete| delete.number <= newest).any(|delete| open(&delete))
        };
        self.until(SETTLE_WITHIN, settled, "blocks still hold deleted rows, which no query sees: compactors write them again").await
    }

    /// Waits until something holds of the catalog as it comes.
    async fn until(&self, within: Duration, holds: impl Fn() -> bool, else_text: &str) -> Result<(), QueryError> {
        let end = Instant::now() + within;
        let pause = self.catalog.config().follow_every.get().clamp(Duration::from_millis(1), Duration::from_secs(1));
        while !holds() {
            if Instant::now() >= end {
                return Err(unavailable(else_text));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }
}

fn signal_id(signal: SignalName) -> Result<SignalId, QueryError> {
    SignalId::parse(signal.as_str()).ok_or_else(|| QueryError::new(ErrorKind::Internal, "a signal's name is none of a key"))
}

fn unavailable(text: impl Into<String>) -> QueryError {
    QueryError::new(ErrorKind::Unavailable, text)
}

impl RowDeletes for CatalogDeletes {
    fn delete(&self, tenant: &TenantId, signal: SignalName, rows: RowDrop) -> BoxFuture<'static, Result<(), QueryError>> {
        self.clone().record(tenant.clone(), signal, rows).boxed()
    }

    fn settle(&self, tenant: &TenantId, signal: SignalName) -> BoxFuture<'static, Result<(), QueryError>> {
        self.clone().settled(tenant.clone(), signal).boxed()
    }
}

impl fmt::Debug for CatalogDeletes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogDeletes").field("announcer", &self.announcer).finish_non_exhaustive()
    }
}
