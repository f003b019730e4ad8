use super::*;

fn blocked(entry: &str) -> BlockedQuery {
    serde_json::from_str(entry).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what a range query has and others do not")]
fn every(seconds: u64) -> Option<Stepping> {
    Some(Stepping { step: Duration::from_secs(seconds), aligned: true })
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_text_or_an_expression_names_queries() {
    let text = blocked(r#"{"pattern": "sum(up) "}"#);
    assert!(text.blocks(" sum(up)", HOUR, None));
    assert!(!text.blocks("sum(up) + 1", HOUR, None));
    let regex = blocked(r#"{"pattern": "sum.*", "regex": true}"#);
    assert!(regex.blocks("sum(up)", HOUR, None));
    assert!(!regex.blocks("1 + sum(up)", HOUR, None), "the whole query must match");
    assert!(serde_json::from_str::<BlockedQuery>(r#"{"pattern": "(", "regex": true}"#).is_err());
    assert!(serde_json::from_str::<BlockedQuery>(r#"{"patern": "x"}"#).is_err());
}

#[test]
fn all_conditions_must_be_met() {
    let long = blocked(r#"{"time_range_longer_than": "1h"}"#);
    assert!(!long.blocks("up", HOUR, None));
    assert!(long.blocks("up", 2 * HOUR, None));
    let fine = blocked(r#"{"pattern": "up", "step_size_shorter_than": "1m"}"#);
    assert!(fine.blocks("up", HOUR, every(15)));
    assert!(!fine.blocks("up", HOUR, every(60)));
    assert!(!fine.blocks("up", HOUR, None), "an instant query has no step");
    assert!(!fine.blocks("down", HOUR, every(15)));
}

#[test]
fn only_ranges_beside_their_steps_are_unaligned() {
    let unaligned = blocked(r#"{"pattern": "up", "unaligned_range_queries": true}"#);
    let beside = every(60).map(|stepping| Stepping { aligned: false, ..stepping });
    assert!(unaligned.blocks("up", HOUR, beside));
    assert!(!unaligned.blocks("up", HOUR, every(60)));
    assert!(!unaligned.blocks("up", HOUR, None));
}
