use super::*;

fn config(factor: usize, zones: &[&str], zone: &str) -> RingConfig {
    let zones = zones.iter().map(|&zone| zone.to_owned()).collect();
    RingConfig { replication_factor: factor, zones, zone: zone.to_owned(), ..RingConfig::default() }
}

fn refusal(config: &RingConfig) -> String {
    config.check(true).unwrap_err().to_string()
}

#[test]
fn zones_hold_all_replicas() {
    assert!(config(3, &["a", "b", "c"], "a").check(true).is_ok());
    assert!(config(3, &[], "").check(true).is_ok());
    assert!(config(3, &["a", "b", "c"], "").check(false).is_ok());
    assert_eq!(refusal(&config(3, &["a", "b"], "a")), "ring.zones: 2 zones cannot hold 3 replicas in distinct zones");
    assert_eq!(refusal(&config(3, &["a", "b", "a"], "a")), "ring.zones: \"a\" is named twice");
    assert_eq!(refusal(&config(3, &["a", "b", "c"], "d")), "ring.zone: \"d\" is none of ring.zones");
    assert_eq!(refusal(&config(0, &[], "")), "ring.replication_factor: 0 is not between 1 and 8");
    assert_eq!(refusal(&config(9, &[], "")), "ring.replication_factor: 9 is not between 1 and 8");
}

#[test]
fn periods_leave_room_for_heartbeats() {
    let zero = RingConfig { read_period: HumanDuration::default(), ..config(1, &[], "") };
    assert_eq!(refusal(&zero), "ring.read_period: must not be 0");
    let soon = RingConfig { missing_after: HumanDuration::from_millis(1500), ..config(1, &[], "") };
    assert_eq!(refusal(&soon), "ring.missing_after: 1s500ms is less than twice ring.heartbeat, 1s");
}
