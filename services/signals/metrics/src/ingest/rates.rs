//! Rates of tenants: token buckets that fill while nobody looks.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tenancy::TenantId;

/// Above this many buckets those that are full again are dropped: they are as good as new ones.
const MANY: usize = 10_000;

/// A rate and how much may come at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Tokens per second.
    pub(crate) per_second: f64,
    /// Most tokens that a bucket holds.
    pub(crate) burst: u64,
}

/// A bucket for each tenant, full at first.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: Mutex<FxHashMap<TenantId, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    /// When they were counted, ns since the Unix epoch.
    at: i64,
}

impl Rates {
    /// Takes `count` tokens of a tenant; false when there are fewer, and then none is taken.
    pub(crate) fn take(&self, tenant: &TenantId, count: u64, rate: Rate, now_ns: i64) -> bool {
        let mut buckets = self.buckets.lock();
        if buckets.len() > MANY && !buckets.contains_key(tenant) {
            buckets.retain(|_, bucket| bucket.filled(rate, now_ns) < as_f64(rate.burst));
        }
        let bucket = buckets.entry(tenant.clone()).or_insert(Bucket { tokens: as_f64(rate.burst), at: now_ns });
        bucket.tokens = bucket.filled(rate, now_ns);
        bucket.at = bucket.at.max(now_ns);
        let enough = bucket.tokens >= as_f64(count);
        if enough {
            bucket.tokens -= as_f64(count);
        }
        enough
    }
}

impl Bucket {
    fn filled(self, rate: Rate, now_ns: i64) -> f64 {
        // A clock that steps back adds nothing.
        let seconds = now_ns.saturating_sub(self.at).max(0) as f64 / 1e9;
        (self.tokens + seconds * rate.per_second).min(as_f64(rate.burst))
    }
}

/// Exact up to 2^53, which no burst reaches.
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
