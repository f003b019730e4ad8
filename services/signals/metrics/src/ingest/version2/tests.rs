use proptest::prelude::*;
use tenancy::{Budget, TenantId};

use super::*;
use crate::histogram::{Histogram, HistogramSample, protobuf};
use crate::ingest::check::Counts;
use crate::ingest::protobuf::{put_bytes, put_varint};
use crate::ingest::request::tests::NOW;
use crate::limits::MetricsLimits;

/// A request in the making. Text becomes symbols, each once.
#[derive(Default)]
pub(crate) struct Request {
    symbols: Vec<String>,
    series: Vec<Vec<u8>>,
}

fn varint(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn double(out: &mut Vec<u8>, number: u64, value: f64) {
    put_varint(out, number << 3 | 1);
    out.extend(value.to_le_bytes());
}

impl Request {
    fn symbol(&mut self, text: &str) -> u64 {
        if self.symbols.is_empty() {
            self.symbols.push(String::new());
        }
        let known = self.symbols.iter().position(|known| known == text);
        let place = known.unwrap_or_else(|| {
            self.symbols.push(text.to_owned());
            self.symbols.len() - 1
        });
        place as u64
    }

    fn refs(&mut self, labels: &[(&str, &str)]) -> Vec<u8> {
        let mut refs = Vec::new();
        for (name, value) in labels {
            for text in [name, value] {
                let symbol = self.symbol(text);
                put_varint(&mut refs, symbol);
            }
        }
        refs
    }

    /// Adds a series of float samples; `more` adds to its message.
    pub(crate) fn add(&mut self, labels: &[(&str, &str)], samples: &[(i64, f64)], more: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        let mut series = Vec::new();
        let refs = self.refs(labels);
        put_bytes(&mut series, 1, &refs);
        for (t, v) in samples {
            let mut sample = Vec::new();
            double(&mut sample, 1, *v);
            varint(&mut sample, 2, t.cast_unsigned());
            put_bytes(&mut series, 2, &sample);
        }
        more(self, &mut series);
        self.series.push(series);
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.symbols.iter().for_each(|symbol| put_bytes(&mut body, 4, symbol.as_bytes()));
        self.series.iter().for_each(|series| put_bytes(&mut body, 5, series));
        body
    }
}

fn run(body: &[u8], limits: &MetricsLimits) -> Result<Checked, DecodeError> {
    let mut memory = Budget::process("test", None).reserve(0).unwrap();
    check(body, Rules { tenant: &TenantId::anonymous(), limits, now: NOW, replica_label: None }, &mut memory)
}

fn item<'a>(checked: &'a Checked, index: usize) -> RawSeries<'a> {
    let mut series = RawSeries::default();
    let item = checked.items[index];
    series.read(&checked.bytes, item.start as usize..item.end as usize).unwrap();
    series
}

fn exemplar(request: &mut Request, series: &mut Vec<u8>) {
    let mut exemplar = Vec::new();
    let refs = request.refs(&[("trace_id", "abc")]);
    put_bytes(&mut exemplar, 1, &refs);
    double(&mut exemplar, 2, 1.5);
    varint(&mut exemplar, 3, NOW.cast_unsigned());
    put_bytes(series, 4, &exemplar);
}

fn metadata(kind: u64, help: &str, unit: &str) -> impl FnOnce(&mut Request, &mut Vec<u8>) {
    let (help, unit) = (help.to_owned(), unit.to_owned());
    move |request, series| {
        let mut metadata = Vec::new();
        varint(&mut metadata, 1, kind);
        varint(&mut metadata, 3, request.symbol(&help));
        varint(&mut metadata, 4, request.symbol(&unit));
        put_bytes(series, 5, &metadata);
    }
}

const M: &[(&str, &str)] = &[("__name__", "m"), ("job", "t")];

#[test]
fn a_series_becomes_an_item_of_the_first_version() {
    let mut request = Request::default();
    let limits = MetricsLimits { max_global_exemplars_per_user: 1, ..MetricsLimits::default() };
    request.add(M, &[(NOW, 1.0), (NOW + 1, f64::NAN)], |request, series| {
        exemplar(request, series);
        metadata(1, "help", "s")(request, series);
    });
    let checked = run(&request.body(), &limits).unwrap();
    let series = item(&checked, 0);
    let label = |name: &'static str, value: &'static str| RawLabel { name: name.as_bytes(), value: value.as_bytes() };
    assert_eq!(series.labels, [label("__name__", "m"), label("job", "t")]);
    assert_eq!(series.samples, [Sample { t: NOW, v: 1.0 }, Sample { t: NOW + 1, v: f64::NAN }]);
    assert_eq!(series.labels_of(&series.exemplars[0]), [label("trace_id", "abc")]);
    assert_eq!(series.exemplars[0].sample, Sample { t: NOW, v: 1.5 });
    let message = series.metadata.unwrap();
    let metadata = RawMetadata::read(&message, 0..message.len()).unwrap();
    assert_eq!(metadata, RawMetadata { kind: 1, metric: b"m", help: b"help", unit: b"s" });
    assert_eq!(checked.good, Counts { samples: 2, histograms: 0, exemplars: 1, metadata: 1 });
}

#[test]
fn metadata_of_a_family_goes_on_once() {
    let mut request = Request::default();
    for (name, le) in [("d_bucket", "1"), ("d_bucket", "+Inf"), ("d_sum", ""), ("d_count", "")] {
        request.add(&[("__name__", name), ("le", le)], &[(NOW, 1.0)], metadata(3, "durations", "s"));
    }
    request.add(&[("__name__", "d_count")], &[(NOW, 1.0)], metadata(2, "another", ""));
    request.add(&[("__name__", "nothing")], &[(NOW, 1.0)], metadata(0, "", ""));
    let checked = run(&request.body(), &MetricsLimits::default()).unwrap();
    let metrics = (0..6).filter_map(|index| {
        let message = item(&checked, index).metadata?;
        let metadata = RawMetadata::read(&message, 0..message.len()).unwrap();
        Some((String::from_utf8(metadata.metric.to_vec()).unwrap(), metadata.kind))
    });
    assert_eq!(metrics.collect::<Vec<_>>(), [("d".to_owned(), 3), ("d_count".to_owned(), 2)]);
}

#[test]
fn references_that_lead_nowhere() {
    let limits = MetricsLimits::default();
    let refused = |more: fn(&mut Vec<u8>)| {
        let mut request = Request::default();
        request.add(M, &[(NOW, 1.0)], |_, series| more(series));
        run(&request.body(), &limits).unwrap_err().to_string()
    };
    let label = refused(|series| put_bytes(series, 1, &[3, 99]));
    assert_eq!(label, "labelRefs 3 (name) = 99 (value) outside of symbols table (size 5)");
    assert_eq!(refused(|series| varint(series, 1, 1)), "invalid labelRefs length 5");
    assert_eq!(refused(|series| put_bytes(series, 5, &[3 << 3, 77])), "invalid HelpRef 77: exceeds symbols length 5");
    assert_eq!(refused(|series| put_bytes(series, 5, &[4 << 3, 77])), "invalid UnitRef 77: exceeds symbols length 5");
    assert_eq!(refused(|series| put_bytes(series, 2, b"\xff")), "unexpected EOF");
}

#[test]
fn a_bad_series_does_not_refuse_the_others() {
    let mut request = Request::default();
    request.add(&[("job", "t")], &[(NOW, 1.0)], |_, _| {});
    request.add(&[("__name__", "m"), ("job", "a"), ("job", "b")], &[(NOW, 1.0)], |_, _| {});
    request.add(M, &[(NOW, 1.0)], |_, _| {});
    let checked = run(&request.body(), &MetricsLimits::default()).unwrap();
    assert_eq!(checked.discarded_samples, [("missing_metric_name", 1), ("duplicate_label_names", 1)]);
    assert_eq!((checked.items.len(), checked.faults.len()), (1, 2));
}

#[test]
fn where_a_counter_began() {
    let mut request = Request::default();
    request.add(M, &[(NOW, 5.0)], |_, series| varint(series, 6, (NOW - 1000).cast_unsigned()));
    // As the later drafts of the protocol have it: with each sample.
    request.add(&[("__name__", "n")], &[], |_, series| {
        for (start, t) in [(NOW - 500, NOW - 300), (NOW - 500, NOW - 200), (NOW - 100, NOW)] {
            let mut sample = Vec::new();
            double(&mut sample, 1, 7.0);
            varint(&mut sample, 2, t.cast_unsigned());
            varint(&mut sample, 3, start.cast_unsigned());
            put_bytes(series, 2, &sample);
        }
    });
    let limits = MetricsLimits { created_timestamp_zero_ingestion_enabled: true, ..MetricsLimits::default() };
    let checked = run(&request.body(), &limits).unwrap();
    let times = |index| item(&checked, index).samples.iter().map(|sample| (sample.t - NOW, sample.v)).collect::<Vec<_>>();
    assert_eq!(times(0), [(-1000, 0.0)]);
    assert_eq!(times(1), [(0, 5.0)]);
    assert_eq!(times(2), [(-500, 0.0), (-100, 0.0)]);
    assert_eq!(times(3), [(-300, 7.0), (-200, 7.0), (0, 7.0)]);
    assert_eq!(checked.extras, [0, 2].into_iter().collect());
    assert_eq!(checked.items[0].key, checked.items[1].key);
    assert_eq!(checked.good.samples, 4, "what is added is nobody's sample");
    let without = run(&request.body(), &MetricsLimits::default()).unwrap();
    assert_eq!((without.items.len(), without.extras.len()), (2, 0));
}

#[test]
fn where_the_counter_of_a_histogram_began() {
    let histogram = Histogram { integer: true, schema: 1, count: 2.0, zero_count: 2.0, zero_threshold: 0.5, ..Histogram::default() };
    let mut request = Request::default();
    request.add(M, &[], |_, series| {
        protobuf::put(series, 3, &HistogramSample { t: NOW, h: histogram.into() });
        varint(series, 6, (NOW - 1000).cast_unsigned());
    });
    let limits = MetricsLimits { created_timestamp_zero_ingestion_enabled: true, ..MetricsLimits::default() };
    let checked = run(&request.body(), &limits).unwrap();
    assert_eq!((checked.items.len(), checked.good.histograms), (2, 1));
    let read = |index| {
        let series = item(&checked, index);
        protobuf::read(&series.histograms[0], 0..series.histograms[0].len()).unwrap()
    };
    let (start, first) = (read(0), read(1));
    assert_eq!((start.t, start.h.schema, start.h.count, start.h.zero_threshold), (NOW - 1000, 1, 0.0, 0.5));
    assert_eq!((first.t, first.h.count), (NOW, 2.0));
}

#[test]
fn no_request_at_all() {
    let checked = run(&[], &MetricsLimits::default()).unwrap();
    assert!(checked.items.is_empty() && checked.faults.is_empty());
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_request_but_never_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = run(&body, &MetricsLimits::default());
    }

    #[test]
    fn a_request_that_is_cut_is_an_error_or_a_shorter_one(cut in any::<prop::sample::Index>()) {
        let mut request = Request::default();
        request.add(M, &[(NOW, 1.0)], metadata(1, "help", "s"));
        request.add(M, &[(NOW + 1, 1.0)], exemplar);
        let body = request.body();
        if let Ok(checked) = run(&body[..cut.index(body.len())], &MetricsLimits::default()) {
            prop_assert!(checked.good.samples < 2);
        }
    }
}
