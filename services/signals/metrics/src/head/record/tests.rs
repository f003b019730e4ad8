use proptest::prelude::*;

use super::*;

pub(super) fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let labels = prop::collection::btree_map("[a-c_]{1,3}", "[x-z]{1,3}", 0..4).prop_map(Labels::from_iter);
    let sample = (any::<i64>(), any::<u64>()).prop_map(|(t, bits)| Sample { t, v: f64::from_bits(bits) });
    let entry = (any::<u32>(), prop::option::of(labels), prop::collection::vec(sample, 1..5)).prop_map(|(number, labels, samples)| Entry {
        number,
        labels,
        samples,
    });
    prop::collection::vec(entry, 0..20)
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut writer = RecordWriter::with_capacity(0);
    for entry in entries {
        writer.push(entry.number, entry.labels.as_ref(), &entry.samples);
    }
    writer.finish()
}

proptest! {
    #[test]
    fn round_trip(entries in entries()) {
        let record = write(&entries);
        if entries.is_empty() {
            prop_assert!(record.is_empty());
        } else {
            let back: Vec<Entry> = RecordReader::new(&record).unwrap().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(back, entries);
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
                    Ok(read) => prop_assert_eq!(&read, entry),
                    Err(_) => break,
                }
            }
        }
    }
}

#[test]
fn a_scrape_takes_few_bytes() {
    let entries: Vec<_> =
        (0..1000).map(|n| Entry { number: n, labels: None, samples: vec![Sample { t: 1_768_471_200_000, v: f64::from(n) }] }).collect();
    let record = write(&entries);
    assert!(record.len() < 1000 * 7, "{} bytes", record.len());
}

/// Records are on disks: a change of these bytes loses what was acknowledged.
#[test]
fn golden_record() {
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "api")]);
    let entries = [
        Entry { number: 7, labels: Some(labels), samples: vec![Sample { t: 1_768_471_200_000, v: 1.0 }] },
        Entry { number: 5, labels: None, samples: vec![Sample { t: 1_768_471_200_001, v: -0.5 }, Sample { t: 0, v: f64::INFINITY }] },
    ];
    let hex: String = write(&entries).iter().map(|byte| format!("{byte:02x}")).collect();
    expect_test::expect!["011e02085f5f6e616d655f5f027570036a6f6203617069018084c891f866bfe003070202bfc1038184c891f866ffe003"]
        .assert_eq(&hex);
    assert_eq!(RecordReader::new(&write(&entries)).unwrap().collect::<Result<Vec<_>, _>>().unwrap(), entries);
}
