//! `prometheus_engine_query_duration_seconds`: what queriers spend on a query, in quantiles as Prometheus's engine shows them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// The quantiles that are shown, and their label.
const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99")];

/// Durations count for at least nine of ten minutes, then their window is forgotten.
const WINDOWS: usize = 10;
/// How long a window takes what comes.
const WINDOW: Duration = Duration::from_secs(60);

/// Durations that differ by less than a factor of 2^(1/8), 9 %, fall into one bucket; the first ends at a microsecond.
const PER_OCTAVE: f64 = 8.0;
/// So many of them reach over an hour.
const BUCKETS: usize = 256;
const FIRST_SECONDS: f64 = 1e-6;

/// A part of what is done for a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Waiting for a thread to compute on.
    QueueTime,
    /// Getting the series.
    PrepareTime,
    /// Computing, and packing the result, in which series have an order already.
    InnerEval,
}

impl Slice {
    const ALL: [Self; 3] = [Self::QueueTime, Self::PrepareTime, Self::InnerEval];

    const fn label(self) -> &'static str {
        match self {
            Self::QueueTime => "queue_time",
            Self::PrepareTime => "prepare_time",
            Self::InnerEval => "inner_eval",
        }
    }
}

/// The instrument. Clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct EngineDurations {
    slices: [Arc<Mutex<Summary>>; Slice::ALL.len()],
}

impl EngineDurations {
    /// Registers it below `prometheus`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.sub_registry_with_prefix("prometheus").register_collector(Box::new(self.clone()));
    }

    /// Counts how long a part of a query took.
    pub fn observe(&self, slice: Slice, took: Duration) {
        self.slices[slice as usize].lock().observe(Instant::now(), took);
    }
}

impl Collector for EngineDurations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = Instant::now();
        let name = "engine_query_duration_seconds";
        let mut quantiles = encoder.encode_descriptor(name, "Quantiles of the last minutes", None, MetricType::Unknown)?;
        for slice in Slice::ALL {
            let mut summary = self.slices[slice as usize].lock();
            for (quantile, label) in QUANTILES {
                let value = summary.quantile(now, quantile).unwrap_or(f64::NAN);
                quantiles.encode_family(&[("slice", slice.label()), ("quantile", label)])?.encode_gauge(&value)?;
            }
        }
        let name = "engine_query_duration_seconds_sum";
        let mut sums = encoder.encode_descriptor(name, "All of them together", None, MetricType::Unknown)?;
        for slice in Slice::ALL {
            let sum = self.slices[slice as usize].lock().sum.as_secs_f64();
            sums.encode_family(&[("slice", slice.label())])?.encode_gauge(&sum)?;
        }
        let name = "engine_query_duration_seconds_count";
        let mut counts = encoder.encode_descriptor(name, "How many there were", None, MetricType::Unknown)?;
        for slice in Slice::ALL {
            let count = self.slices[slice as usize].lock().count;
            counts.encode_family(&[("slice", slice.label())])?.encode_gauge(&count)?;
        }
        Ok(())
    }
}

/// Durations of one slice.
#[derive(Debug, Default)]
struct Summary {
    sum: Duration,
    count: u64,
    /// The newest window last; empty until something comes.
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    counts: Box<[u32; BUCKETS]>,
}

impl Summary {
    fn observe(&mut self, now: Instant, took: Duration) {
        self.sum += took;
        self.count += 1;
        self.forget(now);
        match self.windows.last_mut().filter(|window| now.saturating_duration_since(window.since) < WINDOW) {
            Some(window) => window.add(took),
            None => {
                let mut window = Window { since: now, counts: Box::new([0; BUCKETS]) };
                window.add(took);
                self.windows.push(window);
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        let most = WINDOW * u32::try_from(WINDOWS).unwrap_or(u32::MAX);
        self.windows.retain(|window| now.saturating_duration_since(window.since) < most);
    }

    /// A quantile of what came of late, seconds. `None`: nothing did.
    fn quantile(&mut self, now: Instant, quantile: f64) -> Option<f64> {
        self.forget(now);
        let of_bucket = |bucket: usize| self.windows.iter().map(|window| u64::from(window.counts[bucket])).sum::<u64>();
        let all: u64 = (0..BUCKETS).map(of_bucket).sum();
        let mut before = 0;
        (0..BUCKETS).find_map(|bucket| {
            before += of_bucket(bucket);
            (all > 0 && before as f64 >= quantile * all as f64).then(|| middle(bucket))
        })
    }
}

impl Window {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn add(&mut self, took: Duration) {
        let octaves = (took.as_secs_f64() / FIRST_SECONDS).max(1.0).log2();
        let bucket = (octaves * PER_OCTAVE).ceil().min((BUCKETS - 1) as f64) as usize;
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
    }
}

/// Seconds in the middle of a bucket.
fn middle(bucket: usize) -> f64 {
    FIRST_SECONDS * ((bucket as f64 - 0.5) / PER_OCTAVE).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_minutes() {
        let (begin, mut summary) = (Instant::now(), Summary::default());
        assert_eq!(summary.quantile(begin, 0.5), None);
        (1..=100).for_each(|ms| summary.observe(begin, Duration::from_millis(ms)));
        for (quantile, seconds) in [(0.5, 0.050), (0.9, 0.090), (0.99, 0.099)] {
            let found = summary.quantile(begin, quantile).unwrap();
            assert!((found / seconds - 1.0).abs() < 0.05, "{quantile}: {found}");
        }
        let later = begin + WINDOW * 5;
        summary.observe(later, Duration::from_secs(2));
        assert!(summary.quantile(later, 0.5).unwrap() < 0.1, "one of a hundred and one");
        let latest = begin + WINDOW * 10;
        assert!(summary.quantile(latest, 0.5).unwrap() > 1.9, "the others are forgotten");
        assert_eq!(summary.quantile(latest + WINDOW * 5, 0.5), None);
        assert_eq!((summary.count, summary.sum), (101, Duration::from_millis(5050 + 2000)));
    }

    #[test]
    fn durations_of_all_lengths_have_a_bucket() {
        let (now, mut summary) = (Instant::now(), Summary::default());
        summary.observe(now, Duration::ZERO);
        assert!(summary.quantile(now, 0.99).unwrap() < 1e-6);
        summary.observe(now, Duration::from_secs(1 << 40));
        assert!(summary.quantile(now, 0.99).unwrap() > 3600.0);
    }

    #[test]
    fn it_is_shown_as_prometheus_shows_it() {
        let (mut registry, durations) = (Registry::default(), EngineDurations::default());
        durations.register(&mut registry);
        durations.observe(Slice::InnerEval, Duration::from_millis(1500));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let has = |start: &str| text.lines().any(|line| line.starts_with(start));
        assert!(has(r#"prometheus_engine_query_duration_seconds{slice="inner_eval",quantile="0.9"} 1."#), "{text}");
        assert!(has(r#"prometheus_engine_query_duration_seconds{slice="queue_time",quantile="0.9"} NaN"#), "{text}");
        assert!(has(r#"prometheus_engine_query_duration_seconds_sum{slice="inner_eval"} 1.5"#), "{text}");
        assert!(has(r#"prometheus_engine_query_duration_seconds_count{slice="inner_eval"} 1"#), "{text}");
    }
}
