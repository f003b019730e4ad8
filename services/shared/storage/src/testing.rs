//! What the tests of this crate share.

use std::sync::Arc;

use bytes::Bytes;
use runtime::ManualClock;
use tenancy::TenantId;

use crate::block::{BlockFacts, BlockId, BlockUpload, SignalId};
use crate::bucket::Memory;
use crate::time::TimeRange;

/// 2026-01-01 in milliseconds.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START_MS * 1_000_000))
}

pub(crate) fn memory(clock: &Arc<ManualClock>) -> Memory {
    Memory::new(clock.clone())
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(crate) fn metrics() -> SignalId {
    SignalId::parse("metrics").unwrap()
}

pub(crate) fn facts(start_ms: i64, end_ms: i64) -> BlockFacts {
    BlockFacts {
        range: TimeRange::from_ms(start_ms, end_ms),
        rows: 10,
        series: 2,
        hash_range: (0, u32::MAX),
        footer_len: 3,
        schema_version: 1,
    }
}

/// A level-0 block of a few bytes.
pub(crate) fn cut(id: BlockId) -> BlockUpload {
    let at = id.given_ms();
    let range = TimeRange::from_ms(at - 1000, at);
    BlockUpload::cut(id, facts(at - 1000, at), Bytes::from(format!("data of {id}")).into(), Some(Bytes::from_static(b"index")), range, 0)
}

/// Lets time pass, by every clock.
pub(crate) async fn pass(clock: &ManualClock, time: std::time::Duration) {
    clock.advance(i64::try_from(time.as_nanos()).unwrap());
    tokio::time::advance(time).await;
}
