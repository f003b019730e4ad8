use super::*;

fn blocked(entry: &str) -> BlockedQuery {
    serde_json::from_str(entry).unwrap()
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
    assert!(fine.blocks("up", HOUR, Some(Duration::from_secs(15))));
    assert!(!fine.blocks("up", HOUR, Some(Duration::from_secs(60))));
    assert!(!fine.blocks("up", HOUR, None), "an instant query has no step");
    assert!(!fine.blocks("down", HOUR, Some(Duration::from_secs(15))));
}
