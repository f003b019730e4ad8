use super::*;
use crate::model::Labels;

const ALL: u64 = 1000;

fn exemplar(t: i64, value: f64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", format!("{t}-{value}"))]), value, t }
}

fn times(exemplars: &Exemplars) -> Vec<(u32, i64)> {
    exemplars.within(i64::MIN, i64::MAX, |_| true).map(|(series, exemplar)| (series, exemplar.t)).collect()
}

#[test]
fn the_newest_of_a_series_decides() {
    let mut all = Exemplars::default();
    assert_eq!(all.judge(1, &exemplar(10, 1.0)), Verdict::New);
    assert!(all.put(1, exemplar(10, 1.0), ALL));
    assert_eq!(all.judge(1, &exemplar(10, 1.0)), Verdict::Known);
    assert_eq!(all.judge(1, &exemplar(9, 5.0)), Verdict::OutOfOrder);
    // Several of one instant come in the order of their values.
    assert_eq!(all.judge(1, &exemplar(10, 2.0)), Verdict::New);
    assert_eq!(all.judge(1, &exemplar(10, 0.5)), Verdict::OutOfOrder);
    assert_eq!(all.judge(2, &exemplar(9, 5.0)), Verdict::New);
}

#[test]
fn the_oldest_arrival_goes_first() {
    let mut all = Exemplars::default();
    for t in 0..5 {
        all.put(u32::from(t >= 2), exemplar(t, 1.0), 3);
    }
    assert_eq!(times(&all), [(1, 2), (1, 3), (1, 4)]);
    assert!(!all.has(0) && all.has(1));
    // A series whose exemplars are gone begins anew.
    assert_eq!(all.judge(0, &exemplar(0, 1.0)), Verdict::New);
    // A smaller limit holds from the next exemplar on.
    all.put(0, exemplar(9, 1.0), 1);
    assert_eq!(times(&all), [(0, 9)]);
}

#[test]
fn what_is_committed_in_another_order_is_stored_once() {
    let mut all = Exemplars::default();
    assert!(all.put(1, exemplar(20, 1.0), ALL));
    assert!(all.put(1, exemplar(10, 1.0), ALL));
    assert!(!all.put(1, exemplar(10, 1.0), ALL));
    assert!(!all.put(1, exemplar(20, 1.0), ALL));
    assert_eq!(times(&all), [(1, 20), (1, 10)]);
    assert_eq!(all.judge(1, &exemplar(15, 1.0)), Verdict::OutOfOrder);
}

#[test]
fn a_cut_takes_what_no_other_took() {
    let mut all = Exemplars::default();
    let taken = |all: &mut Exemplars, id| all.cut(CutId(id)).into_iter().map(|(series, found)| (series, found.len())).collect::<Vec<_>>();
    all.put(1, exemplar(2, 1.0), ALL);
    all.put(1, exemplar(1, 1.0), ALL);
    assert_eq!(taken(&mut all, 1), [(1, 2)]);
    all.put(2, exemplar(3, 1.0), ALL);
    assert_eq!(taken(&mut all, 2), [(2, 1)]);
    assert_eq!(taken(&mut all, 3), []);
    assert_eq!(times(&all).len(), 3);
    all.forget(CutId(1));
    assert_eq!(times(&all), [(2, 3)]);
    all.forget(CutId(2));
    assert_eq!((times(&all), all.bytes), (vec![], 0));
}
