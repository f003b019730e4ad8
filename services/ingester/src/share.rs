//! What this ingester's part of a limit is that holds for the whole cluster (DESIGN 11.5).

use std::fmt;
use std::sync::Arc;

use ring::Membership;
use ring::roles::INGESTER;
use signal::head::Share;
use signal::{Policy, SignalName};
use tenancy::TenantId;

/// Divides by the tenant's shard, and multiplies by the replicas: each series stands at that many members.
pub struct RingShare {
    membership: Arc<dyn Membership>,
    policy: Arc<dyn Policy>,
    signal: SignalName,
    /// The name of this member.
    member: String,
}

impl RingShare {
    /// For the limits of one signal at this member.
    #[must_use]
    pub fn new(membership: Arc<dyn Membership>, policy: Arc<dyn Policy>, signal: SignalName, member: String) -> Self {
        Self { membership, policy, signal, member }
    }
}

impl Share for RingShare {
    fn of(&self, tenant: &TenantId, limit: u64) -> u64 {
        if limit == 0 {
            return 0;
        }
        let view = self.membership.view();
        let ring = view.ring(INGESTER);
        let shard = ring.shard(tenant.as_str(), self.signal.as_str(), self.policy.ingest_shard(tenant));
        // The share of the shard's keys that have a replica here: a member's part of the tokens times the replicas.
        let owned = ring.find(&self.member).map_or(0.0, |id| shard.owned_share(id));
        // A member that is not (yet) in the shard holds what it was sent while it was: the whole limit is right for it.
        if owned <= 0.0 { limit } else { scaled(limit, owned.min(1.0)) }
    }
}

/// Rounded up: a limit of 3 on 3 ingesters with all replicas each is 3, and never 0.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits are far below 2^52, the share is in 0..=1"
)]
fn scaled(limit: u64, share: f64) -> u64 {
    // A hair below: shares that add up to 1 in theory may not in floating point.
    ((limit as f64 * share - 1e-9).ceil() as u64).max(1)
}

impl fmt::Debug for RingShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingShare").field("signal", &self.signal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn a_limit_is_divided_and_never_nothing() {
        assert_eq!(scaled(3, 1.0), 3);
        assert_eq!(scaled(100, 0.5), 50);
        assert_eq!(scaled(1, 0.1), 1);
        assert_eq!(scaled(10, 0.333_333), 4);
    }
}
