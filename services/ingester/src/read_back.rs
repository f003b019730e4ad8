//! Which blocks this ingester has read back from the catalog lately: a querier that has never seen one of them is behind (DESIGN 11.2).

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use storage::block::BlockId;
use tenancy::TenantId;

/// Blocks by tenant with the time at which they were read back.
#[derive(Debug)]
pub struct ReadBack {
    keep: Duration,
    blocks: Mutex<HashMap<TenantId, Vec<(BlockId, i64)>>>,
}

impl ReadBack {
    /// Names blocks for so long after they were read back: twice the grace for which rows stay in memory.
    #[must_use]
    pub fn new(keep: Duration) -> Self {
        Self { keep, blocks: Mutex::default() }
    }

    /// Blocks of a tenant were read back at `at_ns`.
    pub fn add(&self, tenant: &TenantId, ids: impl IntoIterator<Item = BlockId>, at_ns: i64) {
        let mut blocks = self.blocks.lock();
        blocks.entry(tenant.clone()).or_default().extend(ids.into_iter().map(|id| (id, at_ns)));
    }

    /// The blocks of a tenant that readers must know at `now_ns`.
    #[must_use]
    pub fn of(&self, tenant: &TenantId, now_ns: i64) -> Vec<BlockId> {
        let oldest = self.oldest(now_ns);
        let blocks = self.blocks.lock();
        blocks.get(tenant).into_iter().flatten().filter(|(_, at)| *at >= oldest).map(|(id, _)| *id).collect()
    }

    /// Forgets what is too old to be named.
    pub fn tidy(&self, now_ns: i64) {
        let oldest = self.oldest(now_ns);
        self.blocks.lock().retain(|_, ids| {
            ids.retain(|(_, at)| *at >= oldest);
            !ids.is_empty()
        });
    }

    fn oldest(&self, now_ns: i64) -> i64 {
        now_ns.saturating_sub(i64::try_from(self.keep.as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_named_for_their_time() {
        let read_back = ReadBack::new(Duration::from_nanos(10));
        let (tenant, id) = (TenantId::anonymous(), BlockId(ulid_of(1)));
        read_back.add(&tenant, [id], 100);
        assert_eq!(read_back.of(&tenant, 110), [id]);
        assert!(read_back.of(&tenant, 111).is_empty());
        assert!(read_back.of(&TenantId::parse("other").unwrap(), 100).is_empty());
        read_back.tidy(111);
        assert!(read_back.blocks.lock().is_empty());
    }

    fn ulid_of(number: u128) -> ulid::Ulid {
        ulid::Ulid::from(number)
    }
}
