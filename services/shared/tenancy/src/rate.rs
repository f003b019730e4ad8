//! Rates per tenant: a token bucket for each, without a timer.

use std::collections::HashMap;
use std::fmt;

use parking_lot::Mutex;

use crate::TenantId;

/// What a tenant may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tokens that come back in a second; infinite: no limit at all.
    pub per_second: f64,
    /// Tokens that there are at most: what may be taken at once.
    pub burst: u64,
}

/// Token buckets of all tenants. A bucket is full when its tenant is first seen, so one that is full again is dropped.
#[derive(Default)]
pub struct RateLimiter {
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    by_tenant: HashMap<TenantId, Bucket>,
    /// Calls until full buckets are looked for: as many as there are buckets, so that a call costs the same on average.
    until_sweep: usize,
}

struct Bucket {
    tokens: f64,
    at_ns: i64,
    rate: Rate,
}

/// Fewer buckets than this are not worth a look.
const SWEEP_AT_LEAST: usize = 64;

impl RateLimiter {
    /// Takes `n` tokens, or none and returns false if there are fewer, as there always are if `n` is above the burst.
    ///
    /// * `rate` may change from call to call: limits are reloaded, and divided by the processes that are alive.
    /// * `now_ns`: nanoseconds of [`runtime::Clock`]. A clock that is set back gives no tokens and takes none.
    pub fn allow(&self, tenant: &TenantId, rate: Rate, now_ns: i64, n: u64) -> bool {
        if rate.per_second == f64::INFINITY {
            return true;
        }
        let mut buckets = self.buckets.lock();
        buckets.sweep(now_ns);
        if let Some(bucket) = buckets.by_tenant.get_mut(tenant) {
            return bucket.take(rate, now_ns, n);
        }
        let mut bucket = Bucket { tokens: tokens(rate.burst), at_ns: now_ns, rate };
        let allowed = bucket.take(rate, now_ns, n);
        buckets.by_tenant.insert(tenant.clone(), bucket);
        allowed
    }

    /// Tenants that have a bucket.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.lock().by_tenant.len()
    }

    /// True when no tenant has a bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Buckets {
    fn sweep(&mut self, now_ns: i64) {
        if let Some(left) = self.until_sweep.checked_sub(1) {
            self.until_sweep = left;
            return;
        }
        self.by_tenant.retain(|_, bucket| {
            bucket.fill(bucket.rate, now_ns);
            bucket.tokens < tokens(bucket.rate.burst)
        });
        self.until_sweep = self.by_tenant.len().max(SWEEP_AT_LEAST);
    }
}

impl Bucket {
    fn take(&mut self, rate: Rate, now_ns: i64, n: u64) -> bool {
        self.fill(rate, now_ns);
        let wanted = tokens(n);
        let enough = self.tokens >= wanted;
        if enough {
            self.tokens -= wanted;
        }
        enough
    }

    fn fill(&mut self, rate: Rate, now_ns: i64) {
        let passed = now_ns.saturating_sub(self.at_ns).max(0);
        self.tokens = (self.tokens + seconds(passed) * rate.per_second).min(tokens(rate.burst));
        self.at_ns = now_ns;
        self.rate = rate;
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts above 2^53 need no exact limit")]
fn tokens(n: u64) -> f64 {
    n as f64
}

#[allow(clippy::cast_precision_loss, reason = "a hundred days of nanoseconds are exact")]
fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("tenants", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests;
