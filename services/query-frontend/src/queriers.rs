//! Which queriers a tenant's sub-queries may go to: its shard of them.
//!
//! Queriers are ranked for a tenant by a hash of both (rendezvous hashing, Thaler and Ravishankar 1998), and the first are its shard. So
//! a querier that comes or goes changes at most one place of a shard, and all query-frontends choose the same without a word between them.

use std::collections::HashMap;
use std::time::Duration;

use tenancy::Tenants;
use tokio::time::Instant;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The queriers that are connected, and those that were lost a short while ago. Not synchronised.
#[derive(Debug)]
pub struct Queriers {
    known: HashMap<String, Querier>,
    forget_delay: Duration,
}

#[derive(Debug)]
struct Querier {
    /// Streams that it holds: more than one where it came back before the end of the first was noticed.
    streams: usize,
    /// When the last of them ended without a farewell.
    lost: Option<Instant>,
}

impl Queriers {
    /// Nobody yet. A querier that is lost keeps its places for `forget_delay`, so that a crash does not move tenants to other queriers.
    #[must_use]
    pub fn new(forget_delay: Duration) -> Self {
        Self { known: HashMap::new(), forget_delay }
    }

    /// A querier has a stream more.
    pub fn connected(&mut self, name: &str, now: Instant) {
        self.forget(now);
        let querier = self.known.entry(name.to_owned()).or_insert(Querier { streams: 0, lost: None });
        querier.streams += 1;
        querier.lost = None;
    }

    /// A stream of a querier has ended without a farewell.
    pub fn lost(&mut self, name: &str, now: Instant) {
        if let Some(querier) = self.known.get_mut(name) {
            querier.streams = querier.streams.saturating_sub(1);
            querier.lost = (querier.streams == 0).then_some(now);
        }
        self.forget(now);
    }

    /// A querier takes no more work on one of its streams, and comes back under this name later at best.
    pub fn departed(&mut self, name: &str) {
        if let Some(querier) = self.known.get_mut(name) {
            querier.streams = querier.streams.saturating_sub(1);
            if querier.streams == 0 {
                self.known.remove(name);
            }
        }
    }

    /// Whether a querier may work for a tenant whose shard has `size` queriers; 0 is all.
    ///
    /// Where all of a shard are lost, the next that is there works for the tenant: no sub-query waits for a querier to come back.
    #[must_use]
    pub fn may_serve(&self, name: &str, tenants: &Tenants, size: usize, now: Instant) -> bool {
        if size == 0 {
            return true;
        }
        let tenant = xxh3_64(tenants.to_string().as_bytes());
        let rank = |name: &str| xxh3_64_with_seed(name.as_bytes(), tenant);
        let own = (rank(name), name);
        let before = self.known.iter().filter(|(other, querier)| !self.is_over(querier, now) && (rank(other), other.as_str()) < own);
        let (mut before_all, mut before_there) = (0, 0);
        for (_, querier) in before {
            before_all += 1;
            before_there += usize::from(querier.streams > 0);
        }
        before_all < size || before_there == 0
    }

    fn forget(&mut self, now: Instant) {
        let delay = self.forget_delay;
        self.known.retain(|_, querier| !querier.is_over(delay, now));
    }

    fn is_over(&self, querier: &Querier, now: Instant) -> bool {
        querier.is_over(self.forget_delay, now)
    }
}

impl Querier {
    fn is_over(&self, delay: Duration, now: Instant) -> bool {
        self.lost.is_some_and(|lost| now.saturating_duration_since(lost) >= delay)
    }
}

#[cfg(test)]
mod tests;
