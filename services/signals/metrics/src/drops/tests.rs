use proptest::prelude::*;
use signal::TimeRange;

use super::*;
use crate::chunk::tests::runs;
use crate::chunk::{encode_run, pack_run};
use crate::model::Sample;

fn drop(sets: &[Vec<LabelMatcher>], start: i64, end: i64) -> RowDrop {
    RowDrop { range: TimeRange::from_ms(start, end), what: encode(sets) }
}

fn job(op: MatchOp, value: &str) -> Vec<LabelMatcher> {
    vec![LabelMatcher::new("job", op, value)]
}

#[test]
fn series_are_meant_by_any_of_the_sets() {
    let labels = |job: &str| Labels::from_pairs([("__name__", "up"), ("job", job)]);
    let drops = Drops::compile(&[
        drop(&[job(MatchOp::Equal, "a"), job(MatchOp::Regex, "b+")], 10, 20),
        drop(&[job(MatchOp::NotRegex, "a|c")], 15, 40),
        drop(&[job(MatchOp::Equal, "a")], 21, 30),
    ])
    .unwrap();
    assert_eq!(drops.of(&labels("a")), [(10, 30)]);
    assert_eq!(drops.of(&labels("bb")), [(10, 40)]);
    assert_eq!(drops.of(&labels("c")), []);
    assert_eq!(drops.of(&Labels::from_pairs([("__name__", "up")])), [(15, 40)]);
}

#[test]
fn no_words_mean_everything() {
    let all = RowDrop { range: TimeRange::ALL, what: String::new() };
    let drops = Drops::compile(&[all]).unwrap();
    assert_eq!(drops.of(&Labels::from_pairs([("a", "b")])), [(i64::MIN, i64::MAX)]);
}

#[test]
fn what_cannot_be_understood_is_an_error() {
    let with = |what: &str| Drops::compile(&[RowDrop { range: TimeRange::ALL, what: what.to_owned() }]).unwrap_err().to_string();
    assert_eq!(with("up"), "read matchers of dropped rows");
    assert_eq!(with(r#"[[["a","==","b"]]]"#), "unknown operator \"==\" in matchers of dropped rows");
    assert_eq!(with(r#"[[["a","=~","("]]]"#), "error parsing regexp: missing closing ): `(`");
}

proptest! {
    #[test]
    fn chunks_lose_what_is_dropped_and_nothing_else(samples in runs(), packed in any::<bool>(), at in any::<prop::sample::Index>(), len in 0i64..4_000_000) {
        prop_assume!(!samples.is_empty());
        let mut chunks: Vec<Chunk> = if packed { pack_run(&samples).collect() } else { encode_run(&samples).collect() };
        let before = chunks.clone();
        let from = samples[at.index(samples.len())].t;
        let spans = [(from, from.saturating_add(len))];
        thin(&mut chunks, &spans).unwrap();
        let mut left = Vec::new();
        for chunk in &chunks {
            prop_assert!(before.contains(chunk) || before.iter().any(|old| touches(&spans, old.min_t, old.max_t)));
            chunk.decode_into(&mut left).unwrap();
        }
        let expected: Vec<Sample> = samples.into_iter().filter(|sample| !drops(&spans, sample.t)).collect();
        prop_assert_eq!(left, expected);
    }
}
