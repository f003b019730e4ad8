use proptest::prelude::*;

use super::*;
use crate::query::promql::parse;

fn steps(evaluation: Evaluation) -> Vec<i64> {
    match evaluation {
        Evaluation::Instant { at_ms } => vec![at_ms],
        Evaluation::Range { start_ms, end_ms, step_ms } => (start_ms..=end_ms).step_by(usize::try_from(step_ms).unwrap()).collect(),
    }
}

proptest! {
    #[test]
    fn parts_have_every_step_once(start_ms in -5_000_i64..5_000, length in 0..5_000_i64, step_ms in 1..700_i64, interval in 1..900_i64) {
        let whole = Evaluation::Range { start_ms, end_ms: start_ms + length, step_ms };
        let parts = split(&parse("rate(up[5m])").unwrap(), whole, interval);
        prop_assert_eq!(parts.iter().copied().flat_map(steps).collect::<Vec<_>>(), steps(whole));
        for part in parts {
            let times = steps(part);
            prop_assert_eq!(times[0].div_euclid(interval), times[times.len() - 1].div_euclid(interval), "{:?}", part);
        }
    }
}

#[test]
fn the_whole_range_is_kept_where_it_matters() {
    let whole = Evaluation::Range { start_ms: 0, end_ms: 10_000, step_ms: 1_000 };
    let parts = |query: &str| split(&parse(query).unwrap(), whole, 2_000).len();
    for query in ["up @ start()", "sum(rate(up[5m] @ end()))", "max_over_time(up[range()])", "up offset (range() / 2)", "up[1h:5m] @ end()"]
    {
        if let Ok(expr) = parse(query) {
            assert_eq!(split(&expr, whole, 2_000).len(), 1, "{query}");
        }
    }
    assert_eq!(parts("up @ start()"), 1);
    assert_eq!(parts("max_over_time(up[range()])"), 1);
    for query in ["up", "up @ 10", "up offset 1d", "max_over_time(rate(up[5m])[1h:1m])", "time()", "1"] {
        assert_eq!(parts(query), 6, "{query}");
    }
}

#[test]
fn no_interval_and_no_range_are_one_part() {
    let expr = parse("up").unwrap();
    let whole = Evaluation::Range { start_ms: 0, end_ms: 10_000, step_ms: 1_000 };
    assert_eq!(split(&expr, whole, 0), [whole]);
    let instant = Evaluation::Instant { at_ms: 7 };
    assert_eq!(split(&expr, instant, 1_000), [instant]);
}
