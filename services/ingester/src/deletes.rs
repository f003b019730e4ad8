//! Deletes of rows in heads (DESIGN 11.12).
//!
//! A head follows the catalog's deletes by their numbers: rows leave memory, and the log says so in the order of the pushes, so that a restart
//! drops the same rows and none that came later. What a cut has taken before is left to who reads its blocks: they carry the number up to
//! which deletes are done. Where that number would get lost with the records of a cut, the first push after it writes it down again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use runtime::Chain;
use signal::{RowDrop, SegmentId};
use storage::catalog::NumberedDelete;
use storage::wal::{Durable, Wal, WalError};
use tracing::{info, warn};

use crate::error::PushError;
use crate::store::{SignalStore, TenantHead};

impl SignalStore {
    /// Drops rows of a head that deletes name which it has not done: those of this process's catalog and those that a querier told.
    pub async fn delete(self: &Arc<Self>, head: &Arc<TenantHead>, told: &[NumberedDelete]) -> Result<(), PushError> {
        let map = self.catalog.map();
        let known = map.deletes(&head.tenant, self.plugin.name.as_str());
        let done = head.deletes_done.load(Ordering::SeqCst);
        let mut open: Vec<&NumberedDelete> = known.iter().chain(told).filter(|delete| delete.number > done).collect();
        if !open.is_empty() {
            open.sort_by_key(|delete| (delete.number, delete.delete.id));
            open.dedup_by_key(|delete| (delete.number, delete.delete.id));
            let _alone = head.alone().await;
            // Another one may have been faster.
            let done = head.deletes_done.load(Ordering::SeqCst);
            for same in open.chunk_by(|one, next| one.number == next.number).filter(|same| same[0].number > done) {
                let rows = same.iter().map(|delete| RowDrop { range: delete.delete.range, what: delete.delete.what.clone() }).collect();
                self.drop_rows(head, same[0].number, rows).await?;
            }
        }
        // All deletes up to there were done, or are of others.
        head.deletes_done.fetch_max(map.number(), Ordering::SeqCst);
        Ok(())
    }

    /// Does the deletes of one number, while nobody pushes.
    async fn drop_rows(self: &Arc<Self>, head: &Arc<TenantHead>, number: u64, rows: Vec<RowDrop>) -> Result<(), PushError> {
        let stats = head.head.stats();
        if stats.rows > 0 || stats.cut_rows > 0 {
            info!(tenant = %head.tenant, number, "rows are deleted");
            let (kept, store) = (head.clone(), self.clone());
            let write = move || kept.write_delete(&store.wal, number, &rows);
            let durable = self.compute.run(write).await.map_err(|_| PushError::Lost)??;
            durable.await?;
        }
        head.deletes_done.fetch_max(number, Ordering::SeqCst);
        Ok(())
    }

    /// Writes down which deletes are done, where records that said so may be gone and it will matter.
    pub(crate) fn say_deletes(&self, head: &TenantHead) -> Result<(), PushError> {
        let signal = self.plugin.name.as_str();
        if !head.deletes_unsaid.swap(false, Ordering::SeqCst) || self.catalog.map().deletes(&head.tenant, signal).is_empty() {
            return Ok(());
        }
        // Its durability is that of the push behind it.
        let said = head.write_delete(&self.wal, head.deletes_done.load(Ordering::SeqCst), &[]);
        if said.is_err() {
            head.deletes_unsaid.store(true, Ordering::SeqCst);
        }
        said.map(drop)
    }

    /// After a restart: deletes that were made meanwhile.
    pub async fn catch_up(self: &Arc<Self>) {
        for head in self.heads() {
            if let Err(err) = self.delete(&head, &[]).await {
                warn!(tenant = %head.tenant, error = %Chain(&err), "deletes of rows could not be done after the restart");
            }
        }
    }
}

impl TenantHead {
    /// Drops rows and puts that into the log, also when the segment closes meanwhile: dropping twice is dropping once.
    fn write_delete(&self, wal: &Wal, number: u64, rows: &[RowDrop]) -> Result<Durable, PushError> {
        let mut last = self.last.lock();
        loop {
            let segment = wal.segment();
            let record = self.head.delete(number, rows, SegmentId(segment.0));
            match wal.append(segment, &self.tenant, record) {
                Ok(appended) => {
                    *last = Some(appended.seq);
                    return Ok(appended.durable);
                }
                Err(WalError::SegmentClosed(_)) => {}
                Err(err) => return Err(err.into()),
            }
        }
    }
}
