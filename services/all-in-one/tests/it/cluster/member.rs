//! An ingester's own place in the list of members.

use std::sync::Arc;

use futures::future::BoxFuture;
use ingester::lifecycle::SelfMember;
use ring::{Fixed, MemberState, Membership};
use signal::SignalError;

/// Changes its own entry, as the real member does through its object.
#[derive(Debug)]
pub(super) struct TownMember {
    pub(super) ring: Arc<Fixed>,
    pub(super) name: String,
}

impl SelfMember for TownMember {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn since_ms(&self) -> Option<i64> {
        let view = self.ring.view();
        let own = view.facts().members.iter().find(|seen| seen.member.name == self.name);
        own.map(|seen| seen.member.since_ms)
    }

    fn state(&self) -> MemberState {
        let view = self.ring.view();
        let own = view.facts().members.iter().find(|seen| seen.member.name == self.name);
        own.map_or(MemberState::Leaving, |seen| seen.member.state)
    }

    fn set_state(&self, state: MemberState) -> BoxFuture<'_, Result<(), SignalError>> {
        self.ring.change(|facts| {
            for seen in facts.members.iter_mut().filter(|seen| seen.member.name == self.name) {
                seen.member = Arc::new(ring::Member { state, ..ring::Member::clone(&seen.member) });
            }
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), SignalError>> {
        self.ring.change(|facts| facts.members.retain(|seen| seen.member.name != self.name));
        Box::pin(std::future::ready(Ok(())))
    }
}
