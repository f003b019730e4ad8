//! How much memory an active series takes: `cargo run --release -p quartet-metrics --example head_memory [SERIES] [MINUTES]`.
//!
//! Scrapes of many series every 15 s, then what the process holds: anonymous memory of the whole process by its series (the figure that
//! decides how many fit into an ingester), and what the head believes. Full chunks are in a file, which is counted apart.

use std::fs;
use std::sync::Arc;

use quartet_metrics::Deps;
use quartet_metrics::head::MetricsHeads;
use quartet_metrics::ingest::{FORMAT, IngestConfig};
use quartet_metrics::instruments::Instruments;
use quartet_metrics::limits::MetricsLimits;
use quartet_metrics::query::QueryConfig;
use quartet_metrics::wire::codec::{put_bytes, put_varint};
use runtime::{Compute, ManualClock};
use signal::head::Share;
use signal::{Head, HeadContext, Push, PushItem, SegmentId};
use tenancy::{Overrides, TenantId};

const PER_PUSH: usize = 1_000;
const START: i64 = 1_768_471_200_000;
const INTERVAL: i64 = 15_000;

/// One ingester has all series.
struct Alone;

impl Share for Alone {
    fn of(&self, _: &TenantId, limit: u64) -> u64 {
        limit
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("numbers of series and minutes"));
    let series = arguments.next().unwrap_or(200_000);
    let minutes = arguments.next().unwrap_or(25);
    let tenant = TenantId::anonymous();
    let clock = Arc::new(ManualClock::at(START * 1_000_000));
    let limits = MetricsLimits { max_global_series_per_user: 0, ..MetricsLimits::default() };
    let deps = Deps {
        limits: Overrides::fixed(limits),
        clock: clock.clone(),
        compute: Compute::new(1),
        instruments: Instruments::default(),
        ingest: IngestConfig::default(),
        ha: None,
        query: QueryConfig::default(),
    };
    let directory = std::env::temp_dir().join(format!("head-memory-{}", std::process::id()));
    let context = HeadContext { directory: directory.clone(), share: Arc::new(Alone), clock };
    let before = anonymous();
    let head = MetricsHeads::new(deps).open_head(&tenant, &context);
    let mut random = Random(1);
    let mut values: Vec<f64> = vec![0.0; series];
    let own = series * size_of::<f64>();
    let show = |what: &str, head: &dyn Head| {
        let stats = head.stats();
        let per_series = |bytes: u64| bytes / series as u64;
        println!(
            "{what:<28} {:>6} bytes of anonymous memory a series; the head counts {} of memory and {} of fresh rows",
            per_series(anonymous().saturating_sub(before + own as u64)),
            per_series(stats.bytes),
            per_series(stats.fresh_bytes),
        );
    };
    let scrapes = i64::try_from(minutes).unwrap_or(i64::MAX) * 60_000 / INTERVAL;
    println!("{series} series, {scrapes} scrapes");
    for scrape in 0..scrapes {
        for first in (0..series).step_by(PER_PUSH) {
            let items = (first..series.min(first + PER_PUSH)).map(|index| {
                values[index] = next(index, values[index], &mut random);
                PushItem { key: 0, bytes: item(index, START + scrape * INTERVAL, values[index]).into() }
            });
            let push = Push { format: FORMAT, items: items.collect() };
            let appended = head.commit(head.prepare(&push, SegmentId(1)).pending);
            assert!(appended.refused.is_empty(), "all of it is good");
        }
        if scrape == 0 {
            show("one sample each", &head);
        }
    }
    show(&format!("{minutes} minutes"), &head);
    let cut = head.cut().expect("there are rows");
    show("cut", &head);
    let id = cut.id;
    drop(cut);
    head.forget(id);
    show("forgotten", &head);
    // Nothing is in it: files have no names.
    fs::remove_dir(&directory).ok();
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
