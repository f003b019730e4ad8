//! What all heads of an ingester may hold together.

use signal::InstanceLimit;

use super::*;

#[test]
fn new_series_need_room_and_known_ones_do_not() {
    let world = crowded(MetricsLimits::default(), 2);
    world.good(&[("a", &[(1, 1.0)]), ("b", &[(1, 1.0)])]);
    let refusal = world.refused(&[("a", &[(2, 2.0)]), ("c", &[(2, 1.0), (3, 1.0)])]);
    assert_eq!(refusal.instance_limit(), Some(InstanceLimit::Series));
    assert_eq!(refusal, signal::Refusal::without_room(1, 2));
    assert_eq!(world.read(), rows(&[("a", &[(1, 1.0), (2, 2.0)]), ("b", &[(1, 1.0)])]));
    let discarded = world.shown().iter().any(|line| line.starts_with("cortex_discarded_samples_total{"));
    assert!(!discarded, "it is sent again");
}

#[test]
fn a_series_that_goes_makes_room() {
    let world = crowded(MetricsLimits::default(), 1);
    // Never committed: it leaves no trace.
    drop(world.head.prepare(&push(&[("a", &[(1, 1.0)])]), SEGMENT));
    world.good(&[("b", &[(1, 1.0)])]);
    assert_eq!(world.refused(&[("c", &[(1, 1.0)])]).kind, ErrorKind::Unavailable);
}

#[test]
fn what_the_log_brings_back_needs_no_room() {
    let records = world(MetricsLimits::default()).good(&[("a", &[(1, 1.0)]), ("b", &[(1, 1.0)])]);
    let world = crowded(MetricsLimits::default(), 1);
    world.head.replay(&records, SEGMENT).unwrap();
    assert_eq!(world.head.stats().series, 2);
    world.good(&[("b", &[(2, 1.0)])]);
    assert_eq!(world.refused(&[("c", &[(1, 1.0)])]).instance_limit(), Some(InstanceLimit::Series));
}
