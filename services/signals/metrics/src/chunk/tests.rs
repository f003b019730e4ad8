use proptest::prelude::*;

use super::*;
use crate::model::{STALE_BITS, Sample};

/// Runs as scrapes make them, and wild ones.
pub(crate) fn runs() -> impl Strategy<Value = Vec<Sample>> {
    let step = prop_oneof![6 => Just(15_000i64), 3 => 14_900i64..15_100, 1 => 1i64..4_000_000, 1 => Just(i64::MAX / 1000)];
    let value = prop_oneof![
        Just(0u64),
        Just(STALE_BITS),
        any::<u64>(),
        (0u32..100).prop_map(|n| f64::from(n).to_bits()),
        (0u32..100).prop_map(|n| (f64::from(n) * 0.1).to_bits()),
    ];
    (-1_000_000_000_000i64..2_000_000_000_000, prop::collection::vec((step, value), 0..300)).prop_map(|(start, steps)| {
        let mut t = start;
        let mut samples = Vec::new();
        for (step, bits) in steps {
            let Some(next) = t.checked_add(step) else { break };
            t = next;
            samples.push(Sample { t, v: f64::from_bits(bits) });
        }
        samples
    })
}

proptest! {
    #[test]
    fn round_trip(samples in runs()) {
        match Chunk::encode(&samples) {
            None => prop_assert!(samples.is_empty()),
            Some(chunk) => {
                prop_assert_eq!(chunk.min_t, samples[0].t);
                prop_assert_eq!(chunk.max_t, samples[samples.len() - 1].t);
                prop_assert_eq!(chunk.decode().unwrap(), samples);
            }
        }
    }

    #[test]
    fn garbage_is_an_error_or_samples_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count in any::<u16>()) {
        let mut samples = Vec::new();
        if xor::decode(&bytes, count, &mut samples).is_ok() {
            prop_assert_eq!(samples.len(), usize::from(count));
            prop_assert!(samples.windows(2).all(|pair| pair[0].t < pair[1].t));
        }
    }

    #[test]
    fn a_run_is_cut_at_120(samples in runs()) {
        let chunks: Vec<_> = encode_run(&samples).collect();
        prop_assert!(chunks.iter().all(|chunk| chunk.count <= MAX_SAMPLES));
        let mut back = Vec::new();
        for chunk in &chunks {
            chunk.decode_into(&mut back).unwrap();
        }
        prop_assert_eq!(back, samples);
    }
}

#[test]
fn a_steady_counter_is_small() {
    let samples: Vec<_> = (0..120).map(|n| Sample { t: 1_700_000_000_000 + i64::from(n) * 15_000, v: f64::from(n) }).collect();
    let chunk = Chunk::encode(&samples).unwrap();
    assert!(chunk.bytes.len() < 300, "{} bytes", chunk.bytes.len());
}

#[test]
fn a_constant_takes_two_bits_a_sample() {
    let samples: Vec<_> = (0..120).map(|n| Sample { t: n * 15_000, v: 1.0 }).collect();
    let chunk = Chunk::encode(&samples).unwrap();
    assert!(chunk.bytes.len() <= 16 + 4 + 30, "{} bytes", chunk.bytes.len());
}
