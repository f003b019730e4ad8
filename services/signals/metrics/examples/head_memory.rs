//! How much memory an active series takes: `cargo run --release -p quartet-metrics --example head_memory [SERIES] [MINUTES]`.
//!
//! Scrapes of many series every 15 s, a cut that is written as blocks, and the log read again by another process, as after `kill -9`. After each
//! of these: the most anonymous memory that the process had meanwhile, by its series (the figure that decides how many fit into an
//! ingester), and what the head believes. Full chunks are in a file, which is counted apart.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use prometheus_client::registry::Registry;
use quartet_metrics::Deps;
use quartet_metrics::block::MetricsBlocks;
use quartet_metrics::head::{MetricsHead, MetricsHeads};
use quartet_metrics::ingest::{FORMAT, IngestConfig};
use quartet_metrics::instruments::Instruments;
use quartet_metrics::limits::MetricsLimits;
use quartet_metrics::query::QueryConfig;
use quartet_metrics::wire::codec::{put_bytes, put_varint};
use runtime::{Compute, ManualClock};
use signal::{BlockFormat, Head, HeadContext, Prepared, Push, PushItem, SegmentId, WriteOptions};
use storage::wal::{Fsync, Replay, Wal, WalConfig, WalError, WalMetrics};
use tenancy::{Overrides, TenantId};

const PER_PUSH: usize = 1_000;
const START: i64 = 1_768_471_200_000;
const INTERVAL: i64 = 15_000;
const HOUR_NS: i64 = 3_600_000_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: usize| arguments.get(at).map_or(or, |text| text.parse().expect("numbers of series and minutes"));
    let (series, minutes) = (number(0, 200_000), number(1, 25));
    match arguments.get(2) {
        Some(directory) => replay(series, Path::new(directory)),
        None => {
            let directory = std::env::temp_dir().join(format!("head-memory-{}", std::process::id()));
            scrape(series, minutes, &directory);
            // Another process has the memory of none before it.
            let mut again = Command::new(std::env::current_exe().expect("this program"));
            let again = again.args([series, minutes].map(|number| number.to_string())).arg(&directory).status();
            assert!(again.expect("this program runs").success(), "the log can be read");
            fs::remove_dir_all(&directory).expect("what was made here");
        }
    }
}

/// Takes scrapes, and writes a cut.
fn scrape(series: usize, minutes: usize, directory: &Path) {
    let (wal, _) = log(directory);
    let gauge = Gauge::new(series);
    let head = head(directory);
    let mut random = Random(1);
    let mut values: Vec<f64> = vec![0.0; series];
    let scrapes = i64::try_from(minutes).unwrap_or(i64::MAX) * 60_000 / INTERVAL;
    println!("{series} series, {scrapes} scrapes");
    for scrape in 0..scrapes {
        for first in (0..series).step_by(PER_PUSH) {
            let items = (first..series.min(first + PER_PUSH)).map(|index| {
                values[index] = next(index, values[index], &mut random);
                PushItem { key: 0, bytes: item(index, START + scrape * INTERVAL, values[index]).into() }
            });
            let push = Push { format: FORMAT, items: items.collect() };
            let prepared = prepared(&head, &wal, &push);
            let appended = head.commit(prepared.pending);
            assert!(appended.refused.is_empty(), "all of it is good");
        }
        if scrape == 0 {
            gauge.show("one sample each", &head);
        }
    }
    gauge.show(&format!("{minutes} minutes"), &head);
    let cut = head.cut().expect("there are rows");
    gauge.show("cut", &head);
    let options = WriteOptions { tenant: TenantId::anonymous(), window_ns: 2 * HOUR_NS };
    let blocks = MetricsBlocks.write(&cut, &options).expect("the cut becomes blocks");
    gauge.show("cut written as blocks", &head);
    let id = cut.id;
    drop((cut, blocks));
    head.forget(id);
    gauge.show("forgotten", &head);
}

/// Prepares a push and writes it to the log.
fn prepared(head: &MetricsHead, wal: &Wal, push: &Push) -> Prepared {
    loop {
        let segment = wal.segment();
        let prepared = head.prepare(push, SegmentId(segment.0));
        match wal.append(segment, &TenantId::anonymous(), prepared.record.clone()) {
            Ok(appended) => {
                appended.durable.wait().expect("the disk takes it");
                return prepared;
            }
            Err(WalError::SegmentClosed(_)) => {}
            Err(err) => panic!("the log does not take a record: {err}"),
        }
    }
}

/// Reads the log of [`scrape`] again.
fn replay(series: usize, directory: &Path) {
    let gauge = Gauge::new(series);
    let (_wal, replay) = log(directory);
    let head = head(directory);
    for row in replay.rows(|_, _| false) {
        head.replay(&row.payload, SegmentId(row.segment.0)).expect("records are good");
    }
    gauge.show("the log read again", &head);
}

/// A head of the only tenant.
fn head(directory: &Path) -> MetricsHead {
    let clock = Arc::new(ManualClock::at(START * 1_000_000));
    let limits = MetricsLimits { max_global_series_per_user: 0, ..MetricsLimits::default() };
    let deps = Deps {
        limits: Overrides::fixed(limits),
        clock: clock.clone(),
        compute: Compute::new(1),
        instruments: Instruments::default(),
        ingest: IngestConfig::default(),
        ha: None,
        retention: Default::default(),
        query: QueryConfig::default(),
    };
    let context = HeadContext::alone(directory.join("heads"), clock);
    MetricsHeads::new(deps).open_head(&TenantId::anonymous(), &context)
}

/// Its log, and what stands in it.
fn log(directory: &Path) -> (Wal, Replay) {
    let config = WalConfig { fsync: Fsync::Never, ..WalConfig::default() };
    let instruments = WalMetrics::register(&mut Registry::default()).of("metrics");
    let clock = Arc::new(ManualClock::at(START * 1_000_000));
    Wal::open(directory.join("wal"), config, clock, instruments).expect("a log in the directory for temporary files")
}

/// The memory of this process.
struct Gauge {
    series: u64,
    /// Before there was a head.
    before: u64,
    /// The most since it was shown.
    most: Arc<AtomicU64>,
}

impl Gauge {
    /// Begins to look; values of series, which the one who scrapes has, are taken off.
    fn new(series: usize) -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let seen = most.clone();
        thread::spawn(move || {
            loop {
                seen.fetch_max(anonymous(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { series: series as u64, before: anonymous() + (series * size_of::<f64>()) as u64, most }
    }

    fn show(&self, what: &str, head: &dyn Head) {
        let stats = head.stats();
        let most = self.most.swap(0, Ordering::Relaxed).max(anonymous());
        println!(
            "{what:<28} {:>6} bytes of anonymous memory a series; the head counts {} of memory and {} of fresh rows",
            most.saturating_sub(self.before) / self.series,
            stats.bytes / self.series,
            stats.fresh_bytes / self.series,
        );
    }
}

/// The next value of a series: half of them counters, the others gauges of whole numbers, of decimals, and constants.
fn next(index: usize, value: f64, random: &mut Random) -> f64 {
    match index % 8 {
        0..4 => value + random.below(200),
        4 => random.below(50),
        5 => random.below(10_000) / 100.0,
        6 => random.below(1_000_000) / 1e6,
        _ => 1.0,
    }
}

/// Numbers that look random: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits are left") % bound)
    }
}

/// Anonymous memory of this process, bytes.
fn anonymous() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() * 1024
}

/// A series as an exporter behind Kubernetes has it, with one sample: an item as receivers make them.
fn item(index: usize, t: i64, value: f64) -> Vec<u8> {
    let labels = [
        ("__name__", format!("http_requests_{}_total", index % 100)),
        ("container", "app".to_owned()),
        ("instance", format!("10.0.{}.{}:9090", index / 1000 % 200, index / 100 % 250)),
        ("job", "kubernetes-pods".to_owned()),
        ("method", ["GET", "PUT", "POST"][index % 3].to_owned()),
        ("namespace", format!("team-{}", index / 10_000 % 20)),
        ("pod", format!("app-{:x}-{}", (index / 100).wrapping_mul(0x9e37_79b9), index / 100)),
        ("status", ["200", "404", "500"][index / 3 % 3].to_owned()),
    ];
    let mut out = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut out, 1, &label);
    }
    let mut sample = vec![1 << 3 | 1];
    sample.extend(value.to_bits().to_le_bytes());
    sample.push(2 << 3);
    put_varint(&mut sample, t.cast_unsigned());
    field(&mut out, 2, &sample);
    out
}

/// A field of bytes.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_bytes(out, bytes);
}
