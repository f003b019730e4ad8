use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::chunk::tests::runs;
use crate::chunk::{Chunk, Encoding};
use crate::model::STALE_BITS;

fn round(samples: &[Sample]) -> Vec<Sample> {
    let mut back = Vec::new();
    decode(&encode(samples), samples[0].t, u16::try_from(samples.len()).unwrap(), &mut back).unwrap();
    back
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn every_15_s(count: i64, value: impl Fn(f64) -> f64) -> Vec<Sample> {
    (0..count).map(|n| Sample { t: 1_700_000_000_000 + n * 15_000, v: value(n as f64) }).collect()
}

fn decimals() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        20 => (0i32..6, -1_000_000i64..1_000_000).prop_map(|(power, number)| {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let number = number as f64;
            number / 10f64.powi(power)
        }),
        1 => Just(f64::from_bits(STALE_BITS)),
        1 => Just(-0.0),
        1 => Just(f64::NEG_INFINITY),
        1 => any::<u64>().prop_map(f64::from_bits),
    ];
    let step = prop_oneof![8 => Just(15_000i64), 1 => 1i64..100_000];
    prop::collection::vec((step, value), 1..600).prop_map(|all| {
        let mut t = -3_000_000;
        all.into_iter()
            .map(|(step, v)| {
                t += step;
                Sample { t, v }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_run_comes_back_bit_by_bit(samples in runs()) {
        prop_assume!(!samples.is_empty());
        prop_assert_eq!(round(&samples), samples);
    }

    #[test]
    fn decimal_numbers_with_strange_ones_come_back(samples in decimals()) {
        prop_assert_eq!(round(&samples), samples);
    }

    #[test]
    fn garbage_is_an_error_or_samples_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count in any::<u16>()) {
        let mut samples = Vec::new();
        if decode(&bytes, 0, count, &mut samples).is_ok() {
            prop_assert_eq!(samples.len(), usize::from(count));
            prop_assert!(samples.windows(2).all(|pair| pair[0].t < pair[1].t));
        }
    }

    #[test]
    fn damage_is_an_error_or_samples_but_never_a_panic(samples in decimals(), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        let mut bytes = encode(&samples).to_vec();
        let (at, len) = (at.index(bytes.len()), cut.index(bytes.len() + 1));
        bytes[at] ^= flip;
        let count = u16::try_from(samples.len()).unwrap();
        for bytes in [&bytes[..], &bytes[..len]] {
            let mut back = Vec::new();
            if decode(bytes, samples[0].t, count, &mut back).is_ok() {
                prop_assert_eq!(back.len(), samples.len());
            }
        }
    }

    #[test]
    fn pieces_are_few_and_alike(len in 1usize..20_000) {
        let samples = every_15_s(i64::try_from(len).unwrap(), |n| n);
        let pieces: Vec<_> = cut(&samples).map(<[Sample]>::len).collect();
        prop_assert_eq!(pieces.iter().sum::<usize>(), len);
        prop_assert_eq!(pieces.len(), len.div_ceil(PACKED_SAMPLES));
        prop_assert!(pieces.iter().all(|one| *one <= PACKED_SAMPLES && one.abs_diff(pieces[0]) <= pieces.len()));
    }
}

#[test]
fn what_is_steady_takes_a_few_bytes() {
    assert!(encode(&every_15_s(3000, |_| 1.0)).len() < 20);
    assert!(encode(&every_15_s(3000, |n| n * 7.0)).len() < 60);
    assert!(encode(&every_15_s(3000, |n| (n * 25.0).round() / 100.0)).len() < 60);
}

#[test]
fn a_jitter_takes_what_it_says_and_no_more() {
    let mut samples = every_15_s(3000, |_| 1.0);
    for (sample, n) in samples.iter_mut().zip(0i64..) {
        sample.t += n * 7919 % 8;
    }
    assert_eq!(round(&samples), samples);
    // Three bits a sample.
    assert!(encode(&samples).len() < 3000 * 4 / 8, "{} bytes", encode(&samples).len());
}

/// One sample, the ends of time, and values of which each needs another form.
#[test]
fn the_ends_of_what_can_be_said() {
    let at = |t, v| Sample { t, v };
    for samples in [
        vec![at(i64::MIN, 0.0)],
        vec![at(i64::MIN, 0.1), at(i64::MAX, f64::NAN)],
        vec![at(-1, -0.0), at(0, 0.0), at(1, -0.0)],
        vec![at(0, f64::MAX), at(1, f64::MIN_POSITIVE), at(2, f64::INFINITY), at(3, 9_007_199_254_740_993.0)],
        vec![at(0, 1e15), at(1, 0.000_000_1), at(2, 123_456_789.123_456_79)],
    ] {
        assert_eq!(round(&samples), samples);
    }
}

/// These bytes stand in buckets: they must come to the same samples for ever.
#[test]
fn the_bytes_stay_what_they_are() {
    let hex = |samples: &[Sample]| encode(samples).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let mut counter = every_15_s(100, |n| n * n);
    counter.remove(50);
    counter[98].v = f64::from_bits(STALE_BITS);
    expect!["00987531b0ea010198753001000162020000000000f07f04011072030041cfffffffffffffdf612f0000000000000008009c010000000000000200000000000000008001000000000000008b0e060378fe400c00"].assert_eq(&hex(&counter));
    expect!["0098750200000000000000e03f"].assert_eq(&hex(&every_15_s(3, |_| 0.5)));
    let mut uneven = every_15_s(40, |n| (n * 1.37).sin());
    for (sample, n) in uneven.iter_mut().zip(0..) {
        sample.t += n * n % 5;
    }
    expect!["0198751e040100100000000000000000001c000819840c420621839041c820641032020401003600e048988fba5d0a20806c42e7dbcbdfb9211a90efabad2771e19691fdb5013919526c8dc8b08780314868408cbccb7f258e0e7f11a5df51974a2b8b36d185f57379398bebd33dfb0a7a246c19dc117adf0d4b1ff1ff73ddd1f5dbe5d6da55000000000000c0300d3e1d2b403c49b7f4c455d609bea2a2f1b7e1fa4f5a14b34b059b9c38007b8c3091f60826891485f5bcecc6107b000000000000401a4d76dafb24b031d96eb5b59692ef498157a0ed2e43dab4ad2cfbe48d197c4931b2a01ce011e30a7a38f27d7fb28b86835f0e44cf7e349f55e88f25647b65658a342082ebe3670749168e4efffdc4b858264b4a93284f97c332ceb78ffc5e3b4e00a911808e25c832dfe9565ded6c56f67db73fe6e1ede1727bd2c7c477e690542ee3b57404e30f119dd82c054d13ac18df07e80100000000000000"].assert_eq(&hex(&uneven));
}

#[test]
fn a_chunk_of_this_encoding_is_one_like_others() {
    let samples = every_15_s(500, |n| n / 4.0);
    let chunk = Chunk::pack(&samples).unwrap();
    assert_eq!((chunk.min_t, chunk.max_t, chunk.count, chunk.encoding), (samples[0].t, samples[499].t, 500, Encoding::Packed));
    assert_eq!(chunk.decode().unwrap(), samples);
    assert_eq!(Encoding::from_tag(3), Ok(Encoding::Packed));
}
