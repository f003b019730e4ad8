use proptest::prelude::*;
use prost::Message as _;
use proto::prometheus as pb;

use super::*;

/// A field of bytes whose length takes `extra` more bytes than it must.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8], extra: usize) {
    out.push(number << 3 | 2);
    let mut len = bytes.len();
    for _ in 0..extra {
        out.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    put_varint(out, len as u64);
    out.extend_from_slice(bytes);
}

/// How a label is written: its order, its lengths, where it stands.
#[derive(Clone, Debug)]
struct Written {
    name: Vec<u8>,
    value: Vec<u8>,
    value_first: bool,
    extra: usize,
    after_samples: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let text = prop_oneof![8 => "[a-z_]{0,12}", 1 => "[a-z]{120,140}", 1 => "[äöü]{1,9}"].prop_map(String::into_bytes);
    (text.clone(), text, prop::bool::weighted(0.1), prop_oneof![8 => Just(0usize), 1 => 1usize..3], prop::bool::weighted(0.1))
        .prop_map(|(name, value, value_first, extra, after_samples)| Written { name, value, value_first, extra, after_samples })
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1_700_000_000_000i64..1_800_000_000_000, 1 => any::<i64>(), 1 => Just(0)]
}

fn encode(labels: &[Written], samples: &[(f64, i64, bool)]) -> Vec<u8> {
    let mut out = Vec::new();
    let put_labels = |out: &mut Vec<u8>, after: bool| {
        for label in labels.iter().filter(|label| label.after_samples == after) {
            let mut message = Vec::new();
            let mut parts = [(1, &label.name), (2, &label.value)];
            if label.value_first {
                parts.reverse();
            }
            parts.iter().for_each(|(number, bytes)| field(&mut message, *number, bytes, label.extra));
            field(out, 1, &message, label.extra);
        }
    };
    put_labels(&mut out, false);
    for (v, t, plain) in samples {
        let mut message = Vec::new();
        if *plain {
            put_sample(&mut message, 1, Sample { t: *t, v: *v });
        } else {
            message = pb::Sample { value: *v, timestamp: *t }.encode_to_vec();
        }
        field(&mut out, 2, &message, usize::from(!plain));
    }
    put_labels(&mut out, true);
    out
}

proptest! {
    /// Whatever way a series is written in, it is read as generated code reads it.
    #[test]
    fn every_encoding_is_read_alike(
        labels in prop::collection::vec(written(), 0..6),
        samples in prop::collection::vec((any::<f64>(), time(), any::<bool>()), 0..4),
    ) {
        let body = encode(&labels, &samples);
        let expected = pb::TimeSeries::decode(&body[..]).unwrap();
        let mut series = RawSeries::default();
        series.read(&body, 0..body.len()).unwrap();
        let read: Vec<_> = series.labels.iter().map(|label| (label.name, label.value)).collect();
        let wanted: Vec<_> = expected.labels.iter().map(|label| (label.name.as_bytes(), label.value.as_bytes())).collect();
        prop_assert_eq!(read, wanted);
        let read: Vec<_> = series.samples.iter().map(|sample| (sample.v.to_bits(), sample.t)).collect();
        let wanted: Vec<_> = expected.samples.iter().map(|sample| (sample.value.to_bits(), sample.timestamp)).collect();
        prop_assert_eq!(read, wanted);
        let ascii = series.labels.iter().all(|label| label.name.is_ascii() && label.value.is_ascii());
        prop_assert!(ascii || !series.ascii, "what is not ASCII is not called so");
    }

    /// A damaged series is refused exactly if generated code refuses it for its shape.
    #[test]
    fn cut_off_series_are_refused(labels in prop::collection::vec(written(), 1..4), cut in any::<prop::sample::Index>()) {
        let whole = encode(&labels, &[(1.0, 1_700_000_000_000, true)]);
        let body = &whole[..cut.index(whole.len())];
        let mut series = RawSeries::default();
        let read = series.read(body, 0..body.len());
        prop_assert_eq!(read.is_ok(), pb::TimeSeries::decode(body).is_ok());
    }
}

#[test]
fn labels_of_a_plain_request_are_known_to_be_ascii() {
    let label = |value: &str| Written { name: b"a".to_vec(), value: value.into(), value_first: false, extra: 0, after_samples: false };
    for (value, ascii) in [("b", true), ("ä", false)] {
        let body = encode(&[label(value)], &[(1.0, 1, true)]);
        let mut series = RawSeries::default();
        series.read(&body, 0..body.len()).unwrap();
        assert_eq!(series.ascii, ascii, "{value}");
    }
}
