use super::*;

/// An `Exemplar` message.
fn exemplar(labels: &[(&str, &str)], t: i64) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        put_bytes(&mut label, 1, name.as_bytes());
        put_bytes(&mut label, 2, value.as_bytes());
        put_bytes(&mut out, 1, &label);
    }
    out.push(3 << 3);
    crate::ingest::protobuf::put_varint(&mut out, t.cast_unsigned());
    out
}

#[test]
fn exemplars_go_on_sorted_by_time() {
    let mut one = series(&[(b"__name__", b"a")], &[(NOW, 1.0)]);
    [NOW, NOW - 1000].iter().for_each(|t| put_bytes(&mut one, 3, &exemplar(&[("k", "v")], *t)));
    let checked = run(request(&[one]), &MetricsLimits::default());
    let place = |t: i64| checked.bytes.windows(20).rposition(|bytes| bytes.ends_with(&exemplar(&[], t))).unwrap();
    assert!(checked.good.exemplars == 2 && place(NOW - 1000) < place(NOW));
}

#[test]
fn an_exemplar_far_older_than_its_request_was_told_before() {
    const FIVE_MINUTES: i64 = 5 * 60_000;
    let limits = MetricsLimits { max_global_exemplars_per_user: 1, ..limits() };
    let with = |name: &[u8], t: i64, exemplars: &[i64]| {
        let mut one = series(&[(b"__name__", name)], &[(t, 1.0)]);
        exemplars.iter().for_each(|t| put_bytes(&mut one, 3, &exemplar(&[("k", "v")], *t)));
        one
    };
    let begin = NOW - 1000;
    // The earliest sample stands behind the series with the exemplars.
    let body = request(&[with(b"a", NOW, &[begin - FIVE_MINUTES - 1, begin - FIVE_MINUTES]), with(b"b", begin, &[])]);
    let checked = run(body, &limits);
    assert_eq!((checked.good.samples, checked.good.exemplars), (2, 1));
    assert_eq!(checked.discarded_exemplars, [("exemplar_too_old", 1)]);
    // Without any sample there is nothing to be older than.
    let mut alone = series(&[(b"__name__", b"a")], &[]);
    put_bytes(&mut alone, 3, &exemplar(&[("k", "v")], 1000));
    assert_eq!(run(request(&[alone]), &limits).good.exemplars, 1);
}

#[test]
fn bad_exemplars_are_left_out_and_refuse_nothing() {
    let good = exemplar(&[("k", "v")], NOW);
    let long = "x".repeat(128);
    let bad = [
        ("exemplar_labels_missing", exemplar(&[], NOW)),
        ("exemplar_timestamp_invalid", exemplar(&[("k", "v")], 0)),
        ("exemplar_labels_too_long", exemplar(&[("k", &long)], NOW)),
        ("exemplar_labels_blank", exemplar(&[("k", "")], NOW)),
        ("exemplar_too_far_in_future", exemplar(&[("k", "v")], NOW + 3_600_000)),
    ];
    let mut one = series(&[(b"__name__", b"m")], ONE);
    put_bytes(&mut one, 3, &good);
    let clean = one.clone();
    for (_, bad) in &bad {
        put_bytes(&mut one, 3, bad);
    }
    let limits = MetricsLimits { max_global_exemplars_per_user: 1, ..limits() };
    let checked = run(request(&[one.clone(), clean.clone()]), &limits);
    assert!(checked.faults.is_empty());
    assert_eq!((checked.good.samples, checked.good.exemplars, checked.incoming.exemplars), (2, 2, 7));
    assert_eq!(checked.discarded_exemplars, bad.map(|(reason, _)| (reason, 1)));
    let mut read = RawSeries::default();
    for item in &checked.items {
        read.read(&checked.bytes, item.start as usize..item.end as usize).unwrap();
        assert_eq!(read.exemplars.len(), 1);
        assert_eq!(read.labels_of(&read.exemplars[0]), [RawLabel { name: b"k", value: b"v" }]);
        assert_eq!(read.exemplars[0].sample.t, NOW);
    }
    let off = MetricsLimits { max_global_exemplars_per_user: 0, ..limits };
    let checked = run(request(&[one]), &off);
    assert_eq!((checked.good.samples, checked.good.exemplars), (1, 0));
    assert!(checked.discarded_exemplars.is_empty(), "nobody wants to know");
}

#[test]
fn of_many_exemplars_of_a_series_the_first_stay() {
    let with = |name: &[u8], times: &[i64]| {
        let mut one = series(&[(b"__name__", name)], &[(NOW, 1.0)]);
        times.iter().for_each(|t| put_bytes(&mut one, 3, &exemplar(&[("k", "v")], *t)));
        one
    };
    let body = request(&[with(b"a", &[NOW, NOW - 1, NOW - 2, NOW - 3]), with(b"b", &[NOW - 4])]);
    let limits = MetricsLimits { max_exemplars_per_series_per_request: 2, ..MetricsLimits::default() };
    let checked = run(body.clone(), &limits);
    assert_eq!((checked.good.exemplars, checked.incoming.exemplars), (3, 5));
    assert_eq!(checked.discarded_exemplars, [("too_many_exemplars_per_series_per_request", 2)]);
    let mut read = RawSeries::default();
    read.read(&checked.bytes, checked.items[0].start as usize..checked.items[0].end as usize).unwrap();
    assert_eq!(read.exemplars.iter().map(|exemplar| exemplar.sample.t).collect::<Vec<_>>(), [NOW - 1, NOW]);
    assert_eq!(run(body, &MetricsLimits::default()).good.exemplars, 5, "0 is no limit");
}
