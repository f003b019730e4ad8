use super::*;
use crate::model::MetricType;

const NONE: MetadataLimits = MetadataLimits { metrics: u64::MAX, per_metric: u64::MAX };

fn metadata(help: &str) -> Metadata {
    Metadata { kind: MetricType::Counter, help: help.into(), unit: "".into() }
}

fn entry(t: i64, help: &str) -> MetadataEntry {
    MetadataEntry { t, metadata: metadata(help) }
}

fn all(known: &MetadataOfHead) -> Vec<(String, Vec<(i64, String)>)> {
    let entries = |one: MetricMetadata| one.entries.into_iter().map(|entry| (entry.t, entry.metadata.help.to_string())).collect();
    known.within(i64::MIN, i64::MAX, None, 0, 0).into_iter().map(|one| (one.metric.clone(), entries(one))).collect()
}

/// An entry that comes alone.
fn judge(known: &MetadataOfHead, metric: &str, metadata: &Metadata, now: i64, limits: MetadataLimits) -> Verdict {
    known.judge(metric, metadata, now, limits, &mut Awaited::default())
}

#[test]
fn each_entry_stands_once_with_its_latest_time() {
    let mut known = MetadataOfHead::default();
    for (t, help) in [(5, "one"), (9, "two"), (7, "one"), (6, "two")] {
        known.put("up", entry(t, help));
    }
    assert_eq!(all(&known), [("up".to_owned(), vec![(9, "two".to_owned()), (7, "one".to_owned())])]);
    assert_eq!(known.within(8, 9, Some("up"), 0, 0)[0].entries, [entry(9, "two")]);
    assert_eq!(known.within(0, 9, Some("up"), 0, 1)[0].entries, [entry(9, "two")]);
    assert_eq!(known.within(0, 9, Some("down"), 0, 0), []);
}

#[test]
fn limits_hold_for_what_is_new() {
    let limits = MetadataLimits { metrics: 1, per_metric: 2 };
    let mut known = MetadataOfHead::default();
    assert_eq!(judge(&known, "up", &metadata("one"), 0, limits), Verdict::New);
    known.put("up", entry(0, "one"));
    assert_eq!(judge(&known, "down", &metadata("one"), 0, limits), Verdict::TooManyMetrics);
    known.put("up", entry(0, "two"));
    assert_eq!(judge(&known, "up", &metadata("three"), 0, limits), Verdict::TooManyOfMetric);
    assert_eq!(judge(&known, "up", &metadata("two"), 0, limits), Verdict::Known);
    assert_eq!(judge(&known, "up", &metadata("two"), REFRESH_MS, limits), Verdict::New);
}

#[test]
fn what_a_cut_took_goes_unless_it_came_again() {
    let mut known = MetadataOfHead::default();
    known.put("up", entry(0, "one"));
    known.put("down", entry(0, "one"));
    assert_eq!(known.cut(CutId(1)).len(), 2);
    // The record of what a cut took may be gone: it is stored again at once.
    assert_eq!(judge(&known, "up", &metadata("one"), 1, NONE), Verdict::New);
    known.put("up", entry(1, "one"));
    known.forget(CutId(1));
    assert_eq!(all(&known), [("up".to_owned(), vec![(1, "one".to_owned())])]);
    assert_eq!(known.cut(CutId(2)), [MetricMetadata { metric: "up".to_owned(), entries: vec![entry(1, "one")] }]);
    known.forget(CutId(2));
    assert_eq!((all(&known), known.heap_bytes()), (vec![], 0));
}

#[test]
fn entries_of_one_push_count_together_and_once() {
    let limits = MetadataLimits { metrics: 2, per_metric: 2 };
    let mut known = MetadataOfHead::default();
    known.put("up", entry(0, "one"));
    let mut awaited = Awaited::default();
    let came = [
        ("down", "one", Verdict::New),
        ("down", "one", Verdict::Known),
        ("left", "one", Verdict::TooManyMetrics),
        // Known, and to be stored anew: no other entry.
        ("up", "one", Verdict::New),
        ("up", "two", Verdict::New),
        ("up", "three", Verdict::TooManyOfMetric),
        ("down", "two", Verdict::New),
        ("down", "three", Verdict::TooManyOfMetric),
    ];
    for (metric, help, expected) in came {
        assert_eq!(known.judge(metric, &metadata(help), REFRESH_MS, limits, &mut awaited), expected, "{metric} {help}");
    }
}
