//! The samples of a series cut into chunks as Prometheus has them.

use bytes::Bytes;

use super::{histograms, xor};
use crate::histogram::HistogramSample;
use crate::model::Sample;

/// The most samples of a chunk: as many as Prometheus puts into one.
const MAX_SAMPLES: usize = 120;

/// A chunk in Prometheus's encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PrometheusChunk {
    pub(super) min_t: i64,
    pub(super) max_t: i64,
    /// 1: floats, 2: histograms of whole counts, 3: histograms of other counts.
    pub(super) encoding: u8,
    pub(super) bytes: Bytes,
}

/// The chunks of one series, in order of time, each encoded when it is wanted. They do not overlap: a float between two histograms ends
/// a chunk.
pub(super) struct Chunks {
    samples: Vec<Sample>,
    histograms: Vec<HistogramSample>,
    /// How many of each have gone.
    done: (usize, usize),
}

impl Chunks {
    /// Of samples sorted by time, no time in both.
    pub(super) fn new(samples: Vec<Sample>, histograms: Vec<HistogramSample>) -> Self {
        Self { samples, histograms, done: (0, 0) }
    }
}

impl Iterator for Chunks {
    type Item = PrometheusChunk;

    fn next(&mut self) -> Option<PrometheusChunk> {
        let (samples, histograms) = (&self.samples[self.done.0..], &self.histograms[self.done.1..]);
        let (next_float, next_histogram) = (samples.first().map(|one| one.t), histograms.first().map(|one| one.t));
        match (next_float, next_histogram) {
            (None, None) => None,
            (Some(t), other) if other.is_none_or(|other| t < other) => {
                let end = samples.iter().take(MAX_SAMPLES).take_while(|one| other.is_none_or(|other| one.t < other)).count();
                self.done.0 += end;
                let run = &samples[..end];
                Some(PrometheusChunk { min_t: t, max_t: run.last().map_or(t, |one| one.t), encoding: 1, bytes: xor::encode(run) })
            }
            (other, _) => {
                let first = &histograms[0];
                let together = |pair: &&[HistogramSample]| {
                    other.is_none_or(|other| pair[1].t < other) && histograms::go_together(&pair[0].h, &pair[1].h)
                };
                let end = 1 + histograms.windows(2).take(MAX_SAMPLES - 1).take_while(together).count();
                self.done.1 += end;
                let run = &histograms[..end];
                let encoding = if first.h.integer { 2 } else { 3 };
                let max_t = run.last().map_or(first.t, |one| one.t);
                Some(PrometheusChunk { min_t: first.t, max_t, encoding, bytes: histograms::encode(run) })
            }
        }
    }
}
