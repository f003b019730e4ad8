//! Samples that wait for their commit: mostly none or one, in a third of a cache line.

use crate::model::Sample;

/// Samples sorted by time; several may have one time.
#[derive(Debug, Default)]
pub(super) enum Waiting {
    #[default]
    None,
    One(Sample),
    Many(Vec<Sample>),
}

impl Waiting {
    pub(super) fn as_slice(&self) -> &[Sample] {
        match self {
            Self::None => &[],
            Self::One(sample) => std::slice::from_ref(sample),
            Self::Many(samples) => samples,
        }
    }

    /// Adds a sample behind those of its time.
    pub(super) fn add(&mut self, sample: Sample) {
        match self {
            Self::None => *self = Self::One(sample),
            Self::One(first) => {
                let pair = if first.t <= sample.t { vec![*first, sample] } else { vec![sample, *first] };
                *self = Self::Many(pair);
            }
            Self::Many(samples) => {
                let at = samples.partition_point(|known| known.t <= sample.t);
                samples.insert(at, sample);
            }
        }
    }

    /// Takes out one sample for each of these, which are sorted, of the same time.
    pub(super) fn remove(&mut self, gone: &[Sample]) {
        let mut gone = gone.iter().peekable();
        let mut leaves = |known: &Sample| gone.next_if(|sample| sample.t == known.t).is_some();
        match self {
            Self::None => {}
            Self::One(sample) => {
                if leaves(sample) {
                    *self = Self::None;
                }
            }
            Self::Many(samples) => samples.retain(|known| !leaves(known)),
        }
    }

    /// Heap that the samples take, bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::None | Self::One(_) => 0,
            Self::Many(samples) => samples.capacity() * size_of::<Sample>(),
        }
    }
}
