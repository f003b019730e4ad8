//! Refusals in the log: enough of them to find the sender of what is refused, never so many that they are the load.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;
use tenancy::TenantId;
use tracing::warn;

use super::caller::Caller;

/// How long one reason is silent after a line, ns.
const PERIOD_NS: i64 = 1_000_000_000;

/// Writes one line a second for each reason.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    /// By reason; there are as many as the code knows.
    reasons: Mutex<HashMap<String, Silence>>,
}

#[derive(Debug)]
struct Silence {
    until_ns: i64,
    suppressed: u64,
}

/// Something that was refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) caller: &'a Caller,
    pub(super) reason: &'a str,
    /// What the client is told.
    pub(super) text: &'a str,
}

impl RefusalLog {
    /// Logs a refusal, or counts it for the next line of its reason.
    pub(super) fn log(&self, now_ns: i64, refused: Refused<'_>) {
        let Refused { tenant, caller, reason, text } = refused;
        if let Some(suppressed) = self.turn(now_ns, reason) {
            warn!(%tenant, reason, sender = %caller, error = text, suppressed, "samples refused");
        }
    }

    /// How many were suppressed since the last line, if it is time for one.
    fn turn(&self, now_ns: i64, reason: &str) -> Option<u64> {
        let mut reasons = self.reasons.lock();
        match reasons.entry(reason.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(Silence { until_ns: now_ns.saturating_add(PERIOD_NS), suppressed: 0 });
                Some(0)
            }
            Entry::Occupied(mut entry) => {
                let silence = entry.get_mut();
                // A clock that was set back does not silence for longer.
                if now_ns < silence.until_ns && silence.until_ns - now_ns <= PERIOD_NS {
                    silence.suppressed += 1;
                    return None;
                }
                silence.until_ns = now_ns.saturating_add(PERIOD_NS);
                Some(std::mem::take(&mut silence.suppressed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_and_reason() {
        let log = RefusalLog::default();
        let second = PERIOD_NS;
        assert_eq!(log.turn(0, "a"), Some(0));
        assert_eq!(log.turn(second / 2, "a"), None);
        assert_eq!(log.turn(second / 2, "b"), Some(0), "another reason has a line of its own");
        assert_eq!(log.turn(second - 1, "a"), None);
        assert_eq!(log.turn(second, "a"), Some(2));
        assert_eq!(log.turn(second + 1, "a"), None);
        assert_eq!(log.turn(-10 * second, "a"), Some(1), "the clock was set back");
    }
}
