use proptest::prelude::*;

use super::*;
use crate::histogram::tests::histograms;
use crate::histogram::{Histogram, HistogramSample};
use crate::model::{Metadata, MetricType};
use crate::wire::tests::{exemplars, metadata};

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let labels = prop::collection::btree_map("[a-c_]{1,3}", "[x-z]{1,3}", 0..4).prop_map(Labels::from_iter);
    let sample = (any::<i64>(), any::<u64>()).prop_map(|(t, bits)| Sample { t, v: f64::from_bits(bits) });
    let histogram = (any::<i64>(), histograms()).prop_map(|(t, h)| HistogramSample { t, h: h.into() });
    let parts = (prop::collection::vec(sample, 0..5), prop::collection::vec(histogram, 0..3), exemplars());
    let some = parts.prop_filter("an entry has something", |parts| !parts.0.is_empty() || !parts.1.is_empty() || !parts.2.is_empty());
    let series = (any::<u32>(), prop::option::of(labels), some).prop_map(|(number, labels, (samples, histograms, exemplars))| {
        Entry::Series(SeriesEntry { number, labels, samples: samples.into(), histograms, exemplars })
    });
    let of_metric = ("[a-z]{0,5}", metadata()).prop_map(|(metric, entries)| Entry::Metadata(MetricMetadata { metric, entries }));
    prop::collection::vec(prop_oneof![4 => series, 1 => of_metric], 0..20)
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut writer = RecordWriter::with_capacity(0);
    for entry in entries {
        match entry {
            Entry::Series(SeriesEntry { number, labels, samples, histograms, exemplars }) => {
                writer.push(*number, labels.as_ref(), Parts { samples, histograms, exemplars });
            }
            Entry::Metadata(MetricMetadata { metric, entries }) => writer.push_metadata(metric, entries),
        }
    }
    writer.finish()
}

/// An entry with float samples alone.
fn floats(number: u32, labels: Option<Labels>, samples: Vec<Sample>) -> Entry {
    Entry::Series(SeriesEntry { number, labels, samples: samples.into(), histograms: Vec::new(), exemplars: Vec::new() })
}

/// The hexadecimal digits of bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn read(record: &[u8]) -> Vec<Entry> {
    RecordReader::new(record).unwrap().collect::<Result<_, _>>().unwrap()
}

proptest! {
    #[test]
    fn round_trip(entries in entries()) {
        let record = write(&entries);
        if entries.is_empty() {
            prop_assert!(record.is_empty());
        } else {
            // Histograms may hold NaN: what is equal is what is written of them.
            let back = read(&record);
            prop_assert_eq!(back.len(), entries.len());
            prop_assert_eq!(write(&back), record);
        }
    }

    #[test]
    fn garbage_is_an_error_or_entries_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(reader) = RecordReader::new(&bytes) {
            prop_assert!(reader.count() <= bytes.len());
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error_or_a_beginning(entries in entries(), keep in 0.0..1.0f64) {
        let record = write(&entries);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let keep = (record.len() as f64 * keep) as usize;
        if let Ok(reader) = RecordReader::new(&record[..keep]) {
            for (read, entry) in reader.zip(&entries) {
                match read {
                    Ok(read) => prop_assert_eq!(write(&[read]), write(std::slice::from_ref(entry))),
                    Err(_) => break,
                }
            }
        }
    }
}

#[test]
fn a_scrape_takes_few_bytes() {
    let one = |n: u32| floats(n, None, vec![Sample { t: 1_768_471_200_000, v: f64::from(n) }]);
    let record = write(&(0..1000).map(one).collect::<Vec<_>>());
    assert!(record.len() < 1000 * 7, "{} bytes", record.len());
}

fn golden_floats() -> [Entry; 2] {
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "api")]);
    [
        floats(7, Some(labels), vec![Sample { t: 1_768_471_200_000, v: 1.0 }]),
        floats(5, None, vec![Sample { t: 1_768_471_200_001, v: -0.5 }, Sample { t: 0, v: f64::INFINITY }]),
    ]
}

/// Records are on disks: a change of these bytes loses what was acknowledged.
#[test]
fn golden_record_of_version_1() {
    let record = unhex("011e02085f5f6e616d655f5f027570036a6f6203617069018084c891f866bfe003070202bfc1038184c891f866ffe003");
    assert_eq!(read(&record), golden_floats());
}

#[test]
fn golden_record() {
    let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", "ab")]), value: 0.5, t: 1_768_471_200_000 };
    let histogram = Histogram { count: 3.0, sum: 1.5, zero_count: 3.0, integer: true, ..Histogram::default() };
    let mut entries = golden_floats().to_vec();
    entries.push(Entry::Series(SeriesEntry {
        number: 6,
        labels: Some(Labels::from_pairs([("__name__", "h")])),
        samples: SmallVec::new(),
        histograms: vec![HistogramSample { t: 1_768_471_200_000, h: histogram.into() }],
        exemplars: vec![exemplar],
    }));
    let metadata = Metadata { kind: MetricType::Gauge, help: "Up?".into(), unit: "".into() };
    let entry = MetadataEntry { t: 1_768_471_200_000, metadata };
    entries.push(Entry::Metadata(MetricMetadata { metric: "up".to_owned(), entries: vec![entry] }));
    expect_test::expect!["023a02085f5f6e616d655f5f027570036a6f6203617069018084c891f866bfe0030f0202bfc1038184c891f866ffe0030e01085f5f6e616d655f5f016806018084c891f8660400000000000000000000000000000008400000000000000840000000000000f83f0000000000018084c891f866000000000000e03f010874726163655f69640261620408027570018084c891f866020355703f00"].assert_eq(&hex(&write(&entries)));
    assert_eq!(read(&write(&entries)), entries);
}
