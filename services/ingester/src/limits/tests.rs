use runtime::ManualClock;
use runtime::config::ByteSize;

use super::*;

fn limits(config: &IngesterConfig) -> (Limits, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(0));
    (Limits::new(config, clock.clone()), clock)
}

#[test]
fn bytes_of_pushes_on_their_way_are_bounded() {
    let (limits, _) = limits(&IngesterConfig { max_inflight_push: ByteSize(10), ..IngesterConfig::default() });
    let alone = limits.push(100).unwrap();
    assert_eq!(limits.push(0).unwrap_err(), InstanceLimit::InflightPushBytes);
    drop(alone);
    let _first = limits.push(0).unwrap();
    assert_eq!(limits.bytes(), 1, "one without a payload is on its way too");
    assert!(limits.push(8).is_ok() && limits.push(9).is_err());
}

#[test]
fn pushes_and_scans_are_counted_until_they_end() {
    let config = IngesterConfig { max_inflight_push_requests: 2, max_inflight_reads: 1, ..IngesterConfig::default() };
    let (limits, _) = limits(&config);
    let (first, _second) = (limits.push(1).unwrap(), limits.push(1).unwrap());
    assert_eq!(limits.push(1).unwrap_err(), InstanceLimit::InflightPushes);
    drop(first);
    assert!(limits.push(1).is_ok());
    let scan = limits.clone().read().unwrap();
    assert_eq!(limits.read().unwrap_err(), InstanceLimit::InflightReads);
    drop(scan);
    assert!(limits.read().is_ok());
}

#[test]
fn zero_is_no_limit() {
    let config = IngesterConfig {
        max_inflight_push: ByteSize(0),
        max_inflight_push_requests: 0,
        max_inflight_reads: 0,
        max_ingestion_rate: 0.0,
        ..IngesterConfig::default()
    };
    let (limits, clock) = limits(&config);
    let all: Vec<_> = (0..100).map(|_| (limits.push(1 << 40), limits.read())).collect();
    assert!(all.iter().all(|(push, read)| push.is_ok() && read.is_ok()));
    limits.stored(u64::MAX);
    clock.set(2_000 * 1_000_000);
    assert!(limits.push(1).is_ok());
}

#[test]
fn pushes_wait_until_fewer_rows_come() {
    let (limits, clock) = limits(&IngesterConfig { max_ingestion_rate: 100.0, ..IngesterConfig::default() });
    limits.stored(150);
    assert!(limits.push(1).is_ok(), "a second counts when it has ended");
    clock.set(1_000 * 1_000_000);
    assert_eq!(limits.push(1).unwrap_err(), InstanceLimit::IngestionRate);
    // 150, 120, 96.
    clock.set(2_999 * 1_000_000);
    assert!(limits.push(1).is_err());
    clock.set(3_000 * 1_000_000);
    assert!(limits.push(1).is_ok());
}

#[test]
fn the_rate_is_a_moving_average() {
    let mut pace = Pace::default();
    assert!(pace.rate(10).abs() < 1e-9);
    for second in 0..100 {
        pace.add(second, 50);
    }
    assert!((pace.rate(100) - 50.0).abs() < 1e-9);
    pace.add(100, 100);
    assert!((pace.rate(101) - 60.0).abs() < 1e-9);
    // A clock that goes back.
    assert!((pace.rate(50) - 60.0).abs() < 1e-9);
    assert!((pace.rate(103) - 60.0 * 0.64).abs() < 1e-9);
    assert!(pace.rate(i64::MAX).abs() < 1e-9);
}
