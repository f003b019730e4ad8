//! Snapshots: parts first, their root last.

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;
use tracing::info;

use super::Leader;
use crate::bucket::{Bucket, Created};
use crate::catalog::error::CatalogError;
use crate::catalog::log::Root;
use crate::catalog::map::Map;
use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::layout;

/// Parts that are written at once.
const WRITES: usize = 16;

impl Leader {
    pub(super) async fn snapshot_if_due(&mut self) -> Result<(), CatalogError> {
        let config = &self.catalog.config;
        let behind = self.number.saturating_sub(self.snapshot);
        let old = self.due.snapshot.elapsed() >= config.snapshot_every.get();
        if behind >= config.snapshot_numbers.max(1) || (old && behind > 0) {
            self.snapshot().await?;
        } else if old {
            // Nothing new; what became old goes all the same.
            self.due.snapshot = Instant::now();
            self.tidy().await?;
        }
        Ok(())
    }

    /// Makes a snapshot of the map as it is, then removes what older snapshots made superfluous.
    pub async fn snapshot(&mut self) -> Result<(), CatalogError> {
        let map = self.catalog.map();
        if map.number() != self.number {
            // The next step says whose number that was.
            return Ok(());
        }
        let (created, stored) = write(&*self.catalog.bucket, &map, self.catalog.clock.now_ms()).await?;
        // A root of this number that was there already may name other parts.
        if created == Created::Created {
            self.catalog.mark_stored(map.number(), &stored).await;
        }
        self.snapshot = map.number();
        self.due.snapshot = Instant::now();
        self.metrics.snapshots.inc();
        info!(number = map.number(), "a snapshot of the catalog is made");
        self.tidy().await
    }

    /// What goes with time.
    async fn tidy(&mut self) -> Result<(), CatalogError> {
        if let Some(now_ms) = self.store_now_ms() {
            self.forget_history(now_ms).await?;
        }
        Ok(())
    }
}

/// Writes the parts that changed, then the root. Returns where the parts stand, and whether the root is ours.
pub(in crate::catalog) async fn write(bucket: &dyn Bucket, map: &Map, at_ms: i64) -> Result<(Created, Vec<Option<u64>>), StoreError> {
    let number = map.number();
    let stored: Vec<Option<u64>> = futures::stream::iter(0..=u8::MAX)
        .map(|index| async move {
            match map.part(index) {
                (stored, None) => Ok(stored),
                (_, Some(part)) if part.is_empty() => Ok(None),
                (_, Some(part)) => {
                    bucket.put(&layout::part(number, index), codec::encode(Kind::Part, &part)).await?;
                    Ok::<_, StoreError>(Some(number))
                }
            }
        })
        .buffered(WRITES)
        .try_collect()
        .await?;
    let root = Root { number, at_ms, forget_before_ms: map.forget_before_ms(), parts: stored.clone() };
    let created = bucket.create(&layout::root(number), codec::encode(Kind::Root, &root)).await?;
    Ok((created, stored))
}
