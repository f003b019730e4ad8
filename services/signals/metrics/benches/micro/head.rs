//! Appending to a head: pushes of 1,000 samples to series that are known, of 50,000 in turn.
//!
//! The limit is what no store can do without: one hash of a series' labels, one look-up, one append of time and value to what the series
//! has and to the log, nothing checked and nothing compressed.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use quartet_metrics::Deps;
use quartet_metrics::head::{MetricsHead, MetricsHeads};
use quartet_metrics::ingest::{FORMAT, IngestConfig};
use quartet_metrics::instruments::Instruments;
use quartet_metrics::limits::MetricsLimits;
use quartet_metrics::model::Sample;
use quartet_metrics::query::QueryConfig;
use runtime::{Compute, ManualClock};
use rustc_hash::FxHashMap;
use signal::{Head, HeadContext, Push, PushItem, SegmentId};
use tenancy::{Overrides, TenantId};
use xxhash_rust::xxh3::xxh3_64;

use crate::data::{INTERVAL, START, item, labels};

const SERIES: usize = 50_000;
const PER_PUSH: usize = 1_000;

/// Scrapes without an end, in pushes.
#[derive(Default)]
struct Scrapes {
    scrape: i64,
    first: usize,
}

impl Scrapes {
    /// The next push: its first series, and what all of them get.
    fn next(&mut self) -> (usize, Sample) {
        let (first, scrape) = (self.first, self.scrape);
        self.first = (first + PER_PUSH) % SERIES;
        self.scrape += i64::from(self.first == 0);
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        (first, Sample { t: START + scrape * INTERVAL, v: scrape as f64 })
    }
}

#[divan::bench(sample_count = 50, sample_size = 20)]
fn append(bencher: Bencher<'_, '_>) {
    let (head, mut scrapes) = (head(), Scrapes::default());
    let mut next = || {
        let (first, sample) = scrapes.next();
        let items = (first..first + PER_PUSH).map(|series| PushItem { key: 0, bytes: item(series, sample).into() });
        Push { format: FORMAT, items: items.collect() }
    };
    for _ in 0..2 * SERIES / PER_PUSH {
        head.commit(head.prepare(&next(), SegmentId(1)).pending);
    }
    bencher.counter(ItemsCount::new(PER_PUSH)).with_inputs(next).bench_local_refs(|push| {
        let prepared = head.prepare(push, SegmentId(1));
        let appended = head.commit(prepared.pending);
        assert!(appended.refused.is_empty(), "all of it is good");
        prepared.record
    });
}

#[divan::bench(sample_count = 50, sample_size = 20)]
fn append_limit(bencher: Bencher<'_, '_>) {
    let text = |series: usize| labels(series).into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect::<String>();
    let keys: Vec<Bytes> = (0..SERIES).map(|series| text(series).into()).collect();
    let mut known: FxHashMap<u64, Vec<Sample>> = keys.iter().map(|key| (xxh3_64(key), Vec::with_capacity(120))).collect();
    let mut scrapes = Scrapes::default();
    bencher.counter(ItemsCount::new(PER_PUSH)).with_inputs(|| scrapes.next()).bench_local_values(|(first, sample)| {
        let mut log = Vec::with_capacity(PER_PUSH * size_of::<Sample>());
        for key in &keys[first..first + PER_PUSH] {
            let Some(series) = known.get_mut(&xxh3_64(key)) else { continue };
            series.push(sample);
            log.extend(sample.t.to_le_bytes());
            log.extend(sample.v.to_le_bytes());
        }
        log
    });
}

fn head() -> MetricsHead {
    let clock = Arc::new(ManualClock::at(START * 1_000_000));
    let deps = Deps {
        limits: Overrides::fixed(MetricsLimits::default()),
        clock: clock.clone(),
        compute: Compute::new(1),
        instruments: Instruments::default(),
        ingest: IngestConfig::default(),
        ha: None,
        retention: Default::default(),
        query: QueryConfig::default(),
    };
    let context = HeadContext::alone(PathBuf::new(), clock);
    MetricsHeads::new(deps).open_head(&TenantId::anonymous(), &context)
}
