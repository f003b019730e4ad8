use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn id(name: &str, generation: u64) -> ChitchatId {
    ChitchatId::new(name, generation, ([127, 0, 0, 1], 1).into())
}

#[test]
fn silence_is_missing_after_the_configured_time() {
    let start = Instant::now();
    let mut liveness = Liveness::new(3 * SECOND, 10 * SECOND);
    let a = id("a", 1);
    liveness.see([(&a, 7)].into_iter(), start);
    assert!(!liveness.alive(&a, start), "hearsay is no sign of life");
    liveness.see([(&a, 8)].into_iter(), start + SECOND);
    assert!(liveness.alive(&a, start + SECOND * 3));
    liveness.see([(&a, 8)].into_iter(), start + SECOND * 4);
    assert!(!liveness.alive(&a, start + SECOND * 4));
    assert!(liveness.remembered(&a, start + SECOND * 4));
    assert!(!liveness.remembered(&a, start + SECOND * 7));
    liveness.see([(&a, 9)].into_iter(), start + SECOND * 8);
    assert!(liveness.alive(&a, start + SECOND * 8));
}

#[test]
fn a_pause_of_our_own_kills_nobody() {
    let start = Instant::now();
    let mut liveness = Liveness::new(3 * SECOND, SECOND);
    let a = id("a", 1);
    for n in 0..3 {
        liveness.see([(&a, n)].into_iter(), start + SECOND * u32::try_from(n).unwrap());
    }
    let woken = start + SECOND * 100;
    liveness.see([(&a, 2)].into_iter(), woken);
    assert!(liveness.alive(&a, woken));
    for n in 1..=3 {
        liveness.see([(&a, 2)].into_iter(), woken + SECOND * n);
    }
    assert!(!liveness.alive(&a, woken + SECOND * 3));
}

#[test]
fn only_the_latest_start_counts() {
    let start = Instant::now();
    let mut liveness = Liveness::new(3 * SECOND, 10 * SECOND);
    let (old, new) = (id("a", 1), id("a", 2));
    liveness.see([(&old, 1), (&new, 1)].into_iter(), start);
    assert!(!liveness.is_newest(&old));
    assert!(liveness.is_newest(&new));
}
