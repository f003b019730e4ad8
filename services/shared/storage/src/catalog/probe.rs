//! What a store can do, tried out: whether create-if-absent is atomic, and what time it is there.

use bytes::Bytes;
use futures::future::join_all;
use runtime::Clock;
use ulid::Ulid;

use crate::bucket::{Bucket, Created};
use crate::error::StoreError;
use crate::layout;

/// Keys that are tried, and creates of each at the same time.
const ROUNDS: u64 = 4;
const AT_ONCE: u64 = 8;

/// Tries whether of concurrent creates of one key one at most wins; leaves nothing behind. Where this is false only a process
/// that is alone by other means may lead the catalog.
///
/// * `name`: of this process's life, as no other has it.
pub async fn create_is_atomic(bucket: &dyn Bucket, name: Ulid) -> Result<bool, StoreError> {
    let mut atomic = true;
    for round in 0..ROUNDS {
        let key = layout::probe(&format!("{name}-{round}"));
        let creates = (0..AT_ONCE).map(|number| bucket.create(&key, Bytes::from(number.to_string())));
        let results: Result<Vec<Created>, StoreError> = join_all(creates).await.into_iter().collect();
        bucket.delete(&key).await?;
        // None may have been told of its success: an answer that was lost is tried again and finds itself.
        atomic &= results?.into_iter().filter(|created| *created == Created::Created).count() <= 1;
    }
    Ok(atomic)
}

/// How far the store's clock is ahead of `clock`, in milliseconds; good to about a second.
pub(super) async fn clock(bucket: &dyn Bucket, clock: &dyn Clock, name: Ulid) -> Result<i64, StoreError> {
    let key = layout::probe(&format!("{name}-clock"));
    let before = clock.now_ms();
    bucket.put(&key, Bytes::from_static(b"clock")).await?;
    let after = clock.now_ms();
    let meta = bucket.head(&key).await;
    bucket.delete(&key).await?;
    let written = meta?.last_modified_ms;
    // Somewhere between the two; stores tell whole seconds.
    Ok(if written < before { written - before } else { written.saturating_sub(after).max(0) })
}
