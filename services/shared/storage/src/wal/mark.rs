//! Marks: what says that rows of a tenant are in blocks.

use tenancy::TenantId;
use ulid::Ulid;

use super::Seq;
use crate::block::BlockId;

/// Says that the rows of `tenant` above `after` and up to `upto` went into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose rows.
    pub tenant: TenantId,
    /// The rows above this record …
    pub after: Seq,
    /// … up to this one, itself included.
    pub upto: Seq,
    /// All blocks that hold them.
    pub ids: Vec<BlockId>,
    /// When the mark was written, in nanoseconds since the Unix epoch.
    pub at_ns: i64,
}

const FIXED: usize = 8 + 8 + 8 + 4;
const ID: usize = 16;

/// The payload of a mark's record: after, upto, time (little-endian), number of ids, ids (16 bytes each, as ULIDs sort).
pub(super) fn encode(mark: &Mark) -> Vec<u8> {
    let mut out = Vec::with_capacity(FIXED + mark.ids.len() * ID);
    out.extend_from_slice(&mark.after.0.to_le_bytes());
    out.extend_from_slice(&mark.upto.0.to_le_bytes());
    out.extend_from_slice(&mark.at_ns.to_le_bytes());
    let count = u32::try_from(mark.ids.len()).expect("a cut makes far fewer than 2^32 blocks");
    out.extend_from_slice(&count.to_le_bytes());
    for id in &mark.ids {
        out.extend_from_slice(&id.0.to_bytes());
    }
    out
}

/// Reads what [`encode`] wrote; `None` when the payload is something else.
pub(super) fn decode(tenant: &TenantId, payload: &[u8]) -> Option<Mark> {
    let (after, rest) = payload.split_first_chunk::<8>()?;
    let (upto, rest) = rest.split_first_chunk::<8>()?;
    let (at_ns, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    if Some(rest.len()) != count.checked_mul(ID) {
        return None;
    }
    let (ids, _) = rest.as_chunks::<ID>();
    Some(Mark {
        tenant: tenant.clone(),
        after: Seq(u64::from_le_bytes(*after)),
        upto: Seq(u64::from_le_bytes(*upto)),
        ids: ids.iter().map(|id| BlockId(Ulid::from_bytes(*id))).collect(),
        at_ns: i64::from_le_bytes(*at_ns),
    })
}
