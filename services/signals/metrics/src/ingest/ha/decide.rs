//! What is to be done with a request of a replica, from what is known: no IO, no clock.

use super::Elected;
use crate::ingest::IngestConfig;

/// The times that decide, ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// After so long a silence the elected replica is taken only after a look.
    pub(super) update: i64,
    /// After so long a silence another one is elected.
    pub(super) failover: i64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is the elected one.
    Accept,
    /// Another one is.
    Refuse {
        /// Which.
        elected: String,
    },
    /// The tenant may have no more pairs.
    TooMany,
    /// What is known is too old or too little to decide.
    Look,
    /// It is to be elected, with the next term.
    Elect {
        /// Its number.
        term: u64,
    },
}

/// What else there is to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// The time, ms.
    pub(super) now: i64,
    /// Pairs that the tenant has, and may have; 0 is no limit.
    pub(super) pairs: u64,
    pub(super) limit: u64,
    /// Whether all of it was looked up for this request.
    pub(super) fresh: bool,
    /// Whether the last look is recent enough to rely on.
    pub(super) reliable: bool,
}

impl Timeouts {
    /// Of the configuration; the name of a distributor gives its part of the jitter.
    pub(super) fn new(config: &IngestConfig, name: &str) -> Self {
        let most = config.ha_tracker_update_timeout_jitter_max.as_ms();
        let hash = i64::try_from(xxhash_rust::xxh3::xxh3_64(name.as_bytes()) >> 1).unwrap_or_default();
        let jitter = if most > 0 { hash % (2 * most + 1) - most } else { 0 };
        Self { update: (config.ha_tracker_update_timeout.as_ms() + jitter).max(0), failover: config.ha_tracker_failover_timeout.as_ms() }
    }
}

/// Decides.
pub(super) fn decide(elected: Option<&Elected>, replica: &str, situation: Situation, timeouts: &Timeouts) -> Decision {
    let Situation { now, pairs, limit, fresh, reliable } = situation;
    let Some(elected) = elected else {
        return match fresh {
            false => Decision::Look,
            true if limit > 0 && pairs >= limit => Decision::TooMany,
            true => Decision::Elect { term: 1 },
        };
    };
    let silence = now.saturating_sub(elected.received_at);
    let known = fresh || reliable;
    if elected.replica == replica {
        return if fresh || (reliable && silence < timeouts.update) { Decision::Accept } else { Decision::Look };
    }
    match silence >= timeouts.failover {
        true if fresh => Decision::Elect { term: elected.term + 1 },
        false if known => Decision::Refuse { elected: elected.replica.clone() },
        _ => Decision::Look,
    }
}
