use super::*;
use crate::histogram::{Buckets, Span};

const MINUTE_NS: i64 = 60_000_000_000;

#[test]
fn active_series_rate_and_limits_are_shown_as_of_the_last_look() {
    let world = world(MetricsLimits { max_global_series_per_user: 10, ..unordered(3600) });
    world.good(&[("a", &[(1000, 1.0), (2000, 2.0)]), ("b", &[(1000, 1.0)])]);
    let one = with_histograms(item("h", &[]), &[histogram(1000, 1)]);
    world.head.commit(world.head.prepare(&Push { format: FORMAT, items: vec![one] }, SEGMENT).pending);
    world.head.tidy();
    world.shows(&[
        r#"cortex_ingester_active_series{user="anonymous"} 3"#,
        r#"cortex_ingester_active_native_histogram_series{user="anonymous"} 1"#,
        r#"cortex_ingester_local_limits{limit="max_global_series_per_user",user="anonymous"} 5"#,
        // Four samples in a minute, to the thousandth.
        "cortex_ingester_ingestion_rate_samples_per_second 0.066",
    ]);
    world.clock.advance(21 * MINUTE_NS);
    world.good(&[("b", &[(3000, 1.0)])]);
    world.head.tidy();
    world.shows(&[
        r#"cortex_ingester_active_series{user="anonymous"} 1"#,
        r#"cortex_ingester_active_native_histogram_series{user="anonymous"} 0"#,
        "cortex_ingester_ingestion_rate_samples_per_second 0.016",
    ]);
    let World { head, instruments, registry, .. } = world;
    drop(head);
    assert_eq!(instruments.heads.rate().to_bits(), 0f64.to_bits());
    let mut left = String::new();
    prometheus_client::encoding::text::encode(&mut left, &registry).unwrap();
    assert!(!left.contains("active_series{") && !left.contains("local_limits{"), "{left}");
}

#[test]
fn active_series_are_counted_by_selectors() {
    let limits = |json: &str| MetricsLimits { active_series_custom_trackers: serde_json::from_str(json).unwrap(), ..unordered(3600) };
    let world = world(limits(r#"{"some": "{i=~\"a|h\"}", "none": "{job=\"x\"}", "rest": "{i!=\"a\"}"}"#));
    let tracked = |kind: &str, name: &str| {
        let line = format!("cortex_ingester_active_{kind}_custom_tracker{{name=\"{name}\",user=\"anonymous\"}} ");
        world.shown().iter().find_map(|shown| Some(shown.strip_prefix(&line)?.parse::<u64>().unwrap()))
    };
    world.good(&[("a", &[(1000, 1.0)]), ("b", &[(1000, 1.0)])]);
    let positive = Buckets { spans: vec![Span { offset: 0, length: 2 }], counts: vec![1.0, 2.0] };
    let of_three = Histogram { count: 3.0, positive, integer: true, ..Histogram::default() };
    let one = with_histograms(item("h", &[]), &[HistogramSample { t: 1000, h: Arc::new(of_three) }]);
    world.head.commit(world.head.prepare(&Push { format: FORMAT, items: vec![one] }, SEGMENT).pending);
    world.head.tidy();
    assert_eq!(["some", "rest", "none"].map(|name| tracked("series", name)), [Some(2), Some(2), None]);
    assert_eq!(["some", "rest", "none"].map(|name| tracked("native_histogram_series", name)), [Some(1), Some(1), None]);
    assert_eq!(tracked("native_histogram_buckets", "some"), Some(2));
    world.shows(&[r#"cortex_ingester_active_native_histogram_buckets{user="anonymous"} 2"#]);
    // What comes later is counted too; what is idle is not, and nothing is not shown.
    world.clock.advance(21 * MINUTE_NS);
    world.good(&[("b", &[(2000, 1.0)]), ("c", &[(2000, 1.0)])]);
    world.head.tidy();
    assert_eq!(["some", "rest", "none"].map(|name| tracked("series", name)), [None, Some(2), None]);
    // Other selectors hold from the next look on.
    let others = Arc::new(limits(r#"{"c": "{i=\"c\"}"}"#));
    world.head.shared.deps.limits.replace(tenancy::overrides::Limits { defaults: others, tenants: Default::default() });
    world.head.tidy();
    assert_eq!(["rest", "c"].map(|name| tracked("series", name)), [None, Some(1)]);
    let World { head, registry, .. } = world;
    drop(head);
    let mut left = String::new();
    prometheus_client::encoding::text::encode(&mut left, &registry).unwrap();
    assert!(!left.contains("custom_tracker{"), "{left}");
}

#[test]
fn series_above_the_limit_of_active_ones_are_refused_until_others_fall_idle() {
    // Half of it is the share of this ingester.
    let world = world(MetricsLimits { max_active_series_per_user: 4, ..unordered(3600) });
    world.good(&[("a", &[(1000, 1.0)])]);
    let waiting = world.head.prepare(&push(&[("b", &[(1000, 1.0)])]), SEGMENT);
    let refused = world.refused(&[("a", &[(2000, 1.0)]), ("c", &[(1000, 1.0), (2000, 1.0)])]);
    assert_eq!((refused.item, refused.rows, refused.kind), (1, 2, ErrorKind::RateLimited));
    assert_eq!(refused.reason, "per_user_active_series_limit");
    // A look at all series finds the one that waits too.
    world.head.tidy();
    world.refused(&[("c", &[(3000, 1.0)])]);
    // One that was never committed gives its place back.
    drop(waiting);
    world.good(&[("c", &[(3000, 1.0)])]);
    // Idle ones are known still, and no longer active; they may become active when there is room.
    world.clock.advance(21 * MINUTE_NS);
    world.head.tidy();
    world.good(&[("c", &[(4000, 1.0)]), ("d", &[(4000, 1.0)])]);
    let refused = world.refused(&[("a", &[(4000, 1.0)])]);
    assert_eq!(refused.reason, "per_user_active_series_limit");
    world.good(&[("d", &[(5000, 1.0)])]);
    world.clock.advance(21 * MINUTE_NS);
    world.head.tidy();
    world.good(&[("a", &[(6000, 1.0)]), ("b", &[(6000, 1.0)])]);
}

#[test]
fn pushes_and_scans_are_counted() {
    let world = world(unordered(3600));
    world.good(&[("a", &[(1000, 1.0), (2000, 2.0)]), ("b", &[(1000, 1.0)])]);
    drop(world.head.prepare(&push(&[("c", &[(1000, 1.0)])]), SEGMENT));
    assert_eq!(world.read().len(), 2);
    world.shows(&[
        "cortex_ingester_tsdb_appender_add_duration_seconds_count 2",
        "cortex_ingester_tsdb_appender_commit_duration_seconds_count 1",
        "cortex_ingester_queried_series_sum 2.0",
        "cortex_ingester_queried_series_count 1",
        "cortex_ingester_queried_samples_sum 3.0",
        "cortex_ingester_queried_samples_count 1",
        "cortex_ingester_queried_exemplars_count 0",
    ]);
}

#[test]
fn a_large_head_is_counted_in_parts() {
    let world = world(unordered(3600));
    world.good(&[("a", &[(1000, 1.0)]), ("b", &[(1000, 1.0)]), ("c", &[(1000, 1.0)])]);
    let mut figures = super::super::figures::Figures::default();
    let mut count = |part| (world.head.shared.count_active(&mut figures, part), figures.active);
    assert_eq!([count(2), count(2)], [(false, 2), (true, 3)]);
    figures.active = 0;
    assert!(world.head.shared.count_active(&mut figures, 3));
    assert_eq!(figures.active, 3);
}

#[test]
fn what_stores_nothing_makes_no_series_active() {
    let world = world(MetricsLimits { max_active_series_per_user: 4, ..unordered(3600) });
    let prepared = |samples: &[(i64, f64)]| world.head.prepare(&push(&[("a", samples)]), SEGMENT);
    world.good(&[("a", &[(1000, 1.0)])]);
    world.clock.advance(21 * MINUTE_NS);
    world.head.tidy();
    for _ in 0..5 {
        // Known already, another value for the same time, and a push that is never committed.
        world.head.commit(prepared(&[(1000, 1.0)]).pending);
        world.head.commit(prepared(&[(1000, 2.0)]).pending);
        drop(prepared(&[(2000, 1.0)]));
    }
    world.good(&[("b", &[(2000, 1.0)]), ("c", &[(2000, 1.0)])]);
    assert_eq!(world.refused(&[("d", &[(2000, 1.0)])]).reason, "per_user_active_series_limit");
}

#[test]
fn what_the_log_has_of_long_ago_is_not_active() {
    let writer = world(unordered(3600));
    let record = writer.head.prepare(&push(&[("old", &[(1000, 1.0)]), ("new", &[(1_500_000, 1.0)])]), SEGMENT).record;
    let reader = world(unordered(3600));
    reader.clock.advance(25 * MINUTE_NS);
    reader.head.replay(&record, SEGMENT).unwrap();
    reader.head.tidy();
    reader.shows(&[r#"cortex_ingester_active_series{user="anonymous"} 1"#]);
}
