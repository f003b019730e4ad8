use proptest::prelude::*;

use super::super::tests::histograms;
use super::*;
use crate::ingest::protobuf::Field;

fn round_trip(sample: &HistogramSample) -> HistogramSample {
    let mut body = Vec::new();
    put(&mut body, 4, sample);
    let Some(Field { number: 4, value: Value::Bytes(place) }) = Message::whole(&body).next().unwrap() else { panic!("the field is there") };
    read(&body, place).unwrap()
}

proptest! {
    #[test]
    fn round_trips(h in histograms(), t in any::<i64>()) {
        let sample = HistogramSample { t, h: h.into() };
        let read = round_trip(&sample);
        prop_assert_eq!(read.t, t);
        prop_assert!(read.h.same_bits(&sample.h), "{:?}", read.h);
    }

    #[test]
    fn garbage_does_not_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&body, 0..body.len());
    }
}

#[test]
fn fields_may_be_unpacked() {
    // count_int 5, sum 1.5, two positive spans, deltas 2 and -1 one by one, reset_hint 2, timestamp 7
    let body =
        [0x08, 5, 0x19, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x5a, 4, 0x08, 3, 0x10, 1, 0x5a, 2, 0x10, 1, 0x60, 4, 0x60, 1, 0x70, 2, 0x78, 7];
    let sample = read(&body, 0..body.len()).unwrap();
    let expected = Histogram {
        hint: ResetHint::NotReset,
        integer: true,
        count: 5.0,
        sum: 1.5,
        positive: Buckets { spans: vec![Span { offset: -2, length: 1 }, Span { offset: 0, length: 1 }], counts: vec![2.0, 1.0] },
        ..Histogram::default()
    };
    assert_eq!((sample.t, &*sample.h), (7, &expected));
    assert!(read(&body[..28], 0..28).is_err());
    assert_eq!(read(&[0x0a, 0], 0..2), Err(ProtobufError::Type { field: "Histogram.CountInt" }));
}
