//! How old samples are when they come.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The upper bounds of all buckets but the last, seconds: those of Mimir.
const BOUNDS: [f64; 12] = [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 86_400.0];

/// `cortex_distributor_sample_delay_seconds`: how long before their arrival samples were taken. Clones share the figures.
///
/// A histogram that takes the samples of a request at once: one lock for each sample would cost more than to check it.
#[derive(Clone, Debug, Default)]
pub struct SampleDelays(Arc<Mutex<Delays>>);

/// The delays of some samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delays {
    /// By bucket, each sample in one.
    counts: [u64; BOUNDS.len() + 1],
    /// Of all, ms.
    sum: u64,
}

impl Delays {
    /// Counts a sample. One that is not of the past has no delay and does not count.
    ///
    /// * `ms`: how long before its arrival it was taken.
    pub fn add(&mut self, ms: i64) {
        let Ok(ms @ 1..) = u64::try_from(ms) else { return };
        let seconds = ms as f64 / 1000.0;
        self.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum = self.sum.saturating_add(ms);
    }
}

impl SampleDelays {
    /// Counts the samples of a request.
    pub fn observe(&self, delays: &Delays) {
        let mut all = self.0.lock();
        for (sum, count) in all.counts.iter_mut().zip(delays.counts) {
            *sum += count;
        }
        all.sum = all.sum.saturating_add(delays.sum);
    }
}

impl EncodeMetric for SampleDelays {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Delays { counts, sum } = self.0.lock().clone();
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        encoder.encode_histogram::<NoLabelSet>(sum as f64 / 1000.0, counts.iter().sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for SampleDelays {
    const TYPE: MetricType = MetricType::Histogram;
}
