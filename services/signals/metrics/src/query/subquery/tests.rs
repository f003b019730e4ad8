use proptest::prelude::*;
use syntax::{LabelMatcher, MatchOp};

use super::*;

fn evaluations() -> impl Strategy<Value = Evaluation> {
    let time = -9_000_000_000_000_i64..9_000_000_000_000;
    prop_oneof![
        time.clone().prop_map(|at_ms| Evaluation::Instant { at_ms }),
        (time, 0..1_000_000_000_i64, 1..1_000_000_i64).prop_map(|(start_ms, length, step_ms)| Evaluation::Range {
            start_ms,
            end_ms: start_ms + length,
            step_ms
        }),
    ]
}

proptest! {
    #[test]
    fn evaluations_round_trip(query in ".*", evaluation in evaluations(), lookback_ms: i64, subquery_step_ms: i64, oldest_ms: i64, stats: bool) {
        let task = Task::Evaluate(Evaluate { query, evaluation, lookback_ms, subquery_step_ms, oldest_ms, stats });
        prop_assert_eq!(Task::decode(&task.encode()), Ok(task));
    }

    #[test]
    fn garbage_is_refused(bytes: Vec<u8>) {
        // What is read is written as it was, or the bytes are refused; nothing panics.
        if let Ok(task) = Task::decode(&bytes) {
            prop_assert_eq!(Task::decode(&task.encode()), Ok(task));
        }
    }
}

#[test]
fn lists_round_trip() {
    let sets = vec![vec![LabelMatcher::new("job", MatchOp::Regex, "a|b")], vec![]];
    let task = Task::List(LeafQuery::LabelValues { name: "instance".to_owned(), sets, limit: 7 });
    assert_eq!(Task::decode(&task.encode()), Ok(task));
}

#[test]
fn other_versions_are_refused() {
    assert_eq!(Task::decode(&[9, 1]), Err(DecodeError::Version { what: "sub-query", version: 9 }));
}
