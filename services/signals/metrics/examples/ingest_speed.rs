//! How fast one core takes pushes in: `cargo run --release -p quartet-metrics --example ingest_speed`.
//!
//! Scrapes of many series, 1,000 samples a push as Prometheus sends them. Each stage is shown in samples per second of one core; the
//! limit beside it is the decompression of the same bodies, which no receiver can do without.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use quartet_metrics::head::MetricsHeads;
use quartet_metrics::instruments::Instruments;
use quartet_metrics::limits::MetricsLimits;
use quartet_metrics::query::QueryConfig;
use quartet_metrics::wire::LeafQuery;
use quartet_metrics::{Deps, ingest};
use runtime::{Compute, ManualClock};
use signal::{Head, HeadContext, Item, Push, PushItem, ScanQuery, SegmentId, TimeRange};
use tenancy::{Overrides, TenantId};

const SERIES: usize = 50_000;
const PER_PUSH: usize = 1_000;
const SCRAPES: usize = 20;
const START: i64 = 1_768_471_200_000;

fn main() {
    let bodies = bodies();
    let samples = SERIES * SCRAPES;
    println!("{samples} samples of {SERIES} series in {} pushes", bodies.len());
    let limits = MetricsLimits::default();
    let tenant = TenantId::anonymous();
    let now = START + 3_600_000;

    let deps = Deps {
        limits: Overrides::fixed(limits.clone()),
        clock: Arc::new(ManualClock::at(now * 1_000_000)),
        compute: Compute::new(1),
        instruments: Instruments::default(),
        ingest: ingest::IngestConfig::default(),
        ha: None,
        retention: Default::default(),
        query: QueryConfig::default(),
    };
    let context = HeadContext::alone(PathBuf::new(), deps.clock.clone());
    let head = MetricsHeads::new(deps).open_head(&tenant, &context);
    let (mut decompress, mut decode, mut prepare, mut commit) = (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut record = 0;
    for body in &bodies {
        decompress += time(|| drop(ingest::snappy::decompress(body, ingest::MAX_BODY).expect("it was compressed above"))).0;
        let (took, read) = time(|| ingest::read(body, &tenant, &limits, now));
        decode += took;
        let (batch, _) = read.expect("it was encoded above");
        let slice = |item: &Item| batch.bytes.slice(item.start as usize..item.end as usize);
        let items = batch.items.iter().map(|item| PushItem { key: item.key, bytes: slice(item) }).collect();
        let push = Push { format: batch.format, items };
        let (took, prepared) = time(|| head.prepare(&push, SegmentId(1)));
        prepare += took;
        record += prepared.record.len();
        let (took, appended) = time(|| head.commit(prepared.pending));
        commit += took;
        assert!(appended.refused.is_empty(), "all of it is good");
    }
    let everything = LeafQuery::Chunks { matchers: Vec::new(), shard: None }.encode();
    let query = ScanQuery { tenant: tenant.clone(), range: TimeRange::ALL, payload: everything, alone: false, drops: Arc::default() };
    let pool = tokio::runtime::Builder::new_current_thread().build().expect("a thread to wait on");
    let (scan, batches) = time(|| pool.block_on(head.scan(&query).try_collect::<Vec<_>>()));
    let scanned: usize = batches.expect("the head answers").iter().map(|batch| batch.len()).sum();
    let (cut, _) = time(|| head.cut());

    let show = |what: &str, took: Duration| {
        println!("{what:<22} {:>7.2} M samples/s", samples as f64 / took.as_secs_f64() / 1e6);
    };
    show("snappy alone", decompress);
    show("snappy, decode, check", decode);
    show("prepare", prepare);
    show("commit", commit);
    show("all of it", decode + prepare + commit);
    show("scan", scan);
    show("cut", cut);
    println!("{:.1} bytes a sample from a scan", scanned as f64 / samples as f64);
    println!(
        "{:.1} bytes of log and {:.1} bytes of memory a sample",
        record as f64 / samples as f64,
        head.stats().bytes as f64 / samples as f64
    );
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed(), result)
}

/// Snappy blocks of requests, scrape after scrape.
fn bodies() -> Vec<Vec<u8>> {
    let mut encoder = snap::raw::Encoder::new();
    let mut bodies = Vec::new();
    for scrape in 0..SCRAPES {
        for first in (0..SERIES).step_by(PER_PUSH) {
            let mut request = Vec::new();
            for series in first..first + PER_PUSH {
                field(&mut request, 1, &one(scrape, series));
            }
            bodies.push(encoder.compress_vec(&request).expect("far below 4 GiB"));
        }
    }
    bodies
}

/// A series as an exporter behind Kubernetes has it.
fn one(scrape: usize, series: usize) -> Vec<u8> {
    let labels = [
        ("__name__", format!("http_requests_{}_total", series % 100)),
        ("container", "app".to_owned()),
        ("instance", format!("10.0.{}.{}:9090", series % 200, series % 250)),
        ("job", "kubernetes-pods".to_owned()),
        ("method", ["GET", "PUT", "POST"][series % 3].to_owned()),
        ("namespace", format!("team-{}", series % 20)),
        ("pod", format!("app-{:x}-{series}", series.wrapping_mul(0x9e37_79b9))),
        ("status", ["200", "404", "500"][series % 3].to_owned()),
    ];
    let mut out = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut out, 1, &label);
    }
    let t = START + i64::try_from(scrape).unwrap_or_default() * 15_000;
    let mut sample = vec![1 << 3 | 1];
    sample.extend((scrape as f64 * (series % 7) as f64 * 1.5).to_bits().to_le_bytes());
    sample.push(2 << 3);
    quartet_metrics::wire::codec::put_varint(&mut sample, t.cast_unsigned());
    field(&mut out, 2, &sample);
    out
}

/// A field of bytes.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    quartet_metrics::wire::codec::put_bytes(out, bytes);
}
