use runtime::{Clock, ManualClock};

use super::{Rate, RateLimiter, SWEEP_AT_LEAST};
use crate::TenantId;

const SECOND: i64 = 1_000_000_000;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

#[test]
fn a_burst_then_the_rate() {
    let (limiter, clock, a) = (RateLimiter::default(), ManualClock::at(1_700_000_000 * SECOND), tenant("a"));
    let rate = Rate { per_second: 2.0, burst: 10 };
    let allow = |n| limiter.allow(&a, rate, clock.now_ns(), n);
    assert!(!allow(11), "more than the burst never passes");
    assert!(allow(10));
    assert!(!allow(1));
    clock.advance(SECOND / 2);
    assert!(allow(1));
    assert!(!allow(1));
    clock.advance(3600 * SECOND);
    assert!(allow(10) && !allow(1), "no more than the burst is saved up");
    clock.set(0);
    assert!(!allow(1), "a clock that is set back gives nothing");
}

#[test]
fn tenants_do_not_share() {
    let limiter = RateLimiter::default();
    let rate = Rate { per_second: 0.001, burst: 10 };
    assert!(limiter.allow(&tenant("a"), rate, 0, 10));
    assert!(!limiter.allow(&tenant("a"), rate, 0, 10));
    assert!(limiter.allow(&tenant("b"), rate, 0, 10));
}

#[test]
fn a_changed_rate_counts_at_once() {
    let (limiter, a) = (RateLimiter::default(), tenant("a"));
    assert!(limiter.allow(&a, Rate { per_second: 1.0, burst: 100 }, 0, 50));
    assert!(!limiter.allow(&a, Rate { per_second: 1.0, burst: 10 }, 0, 11));
    assert!(limiter.allow(&a, Rate { per_second: 1.0, burst: 10 }, 0, 10));
    assert!(limiter.allow(&a, Rate { per_second: f64::INFINITY, burst: 0 }, 0, u64::MAX));
}

#[test]
fn idle_tenants_are_dropped_and_busy_ones_are_not() {
    let limiter = RateLimiter::default();
    let rate = Rate { per_second: 1.0, burst: 10 };
    for n in 0..1000 {
        limiter.allow(&tenant(&format!("t{n}")), rate, 0, 10);
    }
    assert_eq!(limiter.len(), 1000);
    let busy = tenant("busy");
    // Ten seconds later the thousand are full again.
    for _ in 0..=1000 + SWEEP_AT_LEAST {
        limiter.allow(&busy, rate, 11 * SECOND, 10);
    }
    assert_eq!(limiter.len(), 1);
    assert!(!limiter.allow(&busy, rate, 11 * SECOND, 10));
}
