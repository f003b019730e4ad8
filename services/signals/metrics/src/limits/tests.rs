use super::*;

#[test]
fn defaults_are_mimirs() {
    let limits = MetricsLimits::default();
    assert_eq!(limits.max_label_names_per_series, 30);
    assert_eq!(limits.max_global_series_per_user, 150_000);
    assert_eq!(limits.ingestion_burst_size, 200_000);
    assert_eq!(limits.creation_grace_period.get().as_secs(), 600);
}
