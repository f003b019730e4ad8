use proptest::prelude::*;
use syntax::{LabelMatcher, MatchOp};
use tenancy::{LabelPolicies, Tenants};

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
        let access = Access::default();
        prop_assert_eq!(Task::decode(&task.encode(&access)), Ok((task, access)));
    }

    #[test]
    fn shares_round_trip(start in 0..100_usize, length in 0..100_usize, merging in prop::sample::select(&MERGINGS[..]), shard in prop::option::of(0..16_u32)) {
        let whole = Evaluate {
            query: "sum(up)".to_owned(),
            evaluation: Evaluation::Instant { at_ms: 5 },
            lookback_ms: 1,
            subquery_step_ms: 2,
            oldest_ms: 3,
            stats: false,
        };
        let shard = shard.map(|index| SeriesShard { index, of: 16 });
        let task = Task::Share(ShareOf { whole, span: Span::new(start, start + length), merging, shard });
        prop_assert_eq!(Task::decode(&task.encode(&Access::default())), Ok((task, Access::default())));
    }

    #[test]
    fn garbage_is_refused(bytes: Vec<u8>) {
        // What is read is written as it was, or the bytes are refused; nothing panics.
        if let Ok((task, access)) = Task::decode(&bytes) {
            prop_assert_eq!(Task::decode(&task.encode(&access)), Ok((task, access)));
        }
    }
}

#[test]
fn lists_round_trip() {
    let sets = vec![vec![LabelMatcher::new("job", MatchOp::Regex, "a|b")], vec![]];
    let task = Task::List(LeafQuery::LabelValues { name: "instance".to_owned(), sets, limit: 7 });
    let policies = LabelPolicies::parse([&b"a:{env=\"dev\"},a:{env=~\"x.*\"},c:{y!=\"1\"}"[..]]).unwrap();
    let access = Access::of(&policies, &Tenants::parse("a|b|c").unwrap()).unwrap();
    assert_eq!(Task::decode(&task.encode(&access)), Ok((task, access)));
}

#[test]
fn other_versions_are_refused() {
    assert_eq!(Task::decode(&[9, 1]), Err(DecodeError::Version { what: "sub-query", version: 9 }));
}
