//! Notes about blocks of other systems that were taken over, so that none is taken over twice, whichever way it comes.

use serde::{Deserialize, Serialize};
use tenancy::TenantId;
use ulid::Ulid;

use crate::block::BlockId;
use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::layout;

/// What became of a block of another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The blocks that it became; merges may have replaced them since.
    pub blocks: Vec<BlockId>,
    /// Their rows.
    #[serde(alias = "samples")]
    pub rows: u64,
}

/// The note about a block; none: it was not taken over, or nobody can read what is noted.
pub async fn read(bucket: &dyn Bucket, tenant: &TenantId, id: Ulid) -> Result<Option<Imported>, StoreError> {
    match bucket.get(&layout::imported(tenant, id)).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(err) if err.is_not_found() => Ok(None),
        Err(err) => Err(err),
    }
}

/// Notes that a block was taken over.
pub async fn write(bucket: &dyn Bucket, tenant: &TenantId, id: Ulid, note: &Imported) -> Result<(), StoreError> {
    let text = serde_json::to_vec(note).expect("a note is plain JSON");
    bucket.put(&layout::imported(tenant, id), text.into()).await
}
