use super::*;

const SECOND: i64 = 1_000_000_000;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

#[test]
fn a_bucket_fills_at_its_rate_up_to_the_burst() {
    let rates = Rates::default();
    let rate = Rate { per_second: 2.0, burst: 10 };
    assert!(rates.take(&tenant("a"), 10, rate, 0));
    assert!(!rates.take(&tenant("a"), 1, rate, 0));
    assert!(rates.take(&tenant("b"), 10, rate, 0), "each tenant has its own");
    assert!(!rates.take(&tenant("a"), 3, rate, SECOND));
    assert!(rates.take(&tenant("a"), 2, rate, SECOND), "a refusal takes nothing");
    assert!(!rates.take(&tenant("a"), 11, rate, 1000 * SECOND), "never above the burst");
    assert!(rates.take(&tenant("a"), 10, rate, 1000 * SECOND));
}

#[test]
fn a_clock_that_steps_back_gives_nothing() {
    let rates = Rates::default();
    let rate = Rate { per_second: 1.0, burst: 1 };
    assert!(rates.take(&tenant("a"), 1, rate, 100 * SECOND));
    assert!(!rates.take(&tenant("a"), 1, rate, 0));
    assert!(!rates.take(&tenant("a"), 1, rate, 100 * SECOND));
    assert!(rates.take(&tenant("a"), 1, rate, 101 * SECOND));
}
