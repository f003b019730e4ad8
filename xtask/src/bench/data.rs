//! The data: series of many instances as Prometheus scrapes them, in remote-write 1.0 bodies.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::BenchError;
use crate::message::Message;
use crate::random::Random;

/// Between two scrapes, milliseconds.
const STEP_MS: i64 = 15_000;
/// Samples of one push, as Prometheus sends by default.
const PUSH: usize = 2_000;
/// Bounds of the histograms.
const BOUNDS: [&str; 12] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];

/// A set of data.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Scraped processes of [`PER_INSTANCE`] series each.
    instances: usize,
    scrapes: i64,
    /// Whether `kill -9` and a start are measured.
    pub(super) restarts: bool,
}

/// Series of one instance: 8 routes with 12 buckets, a sum and a count each; 8 × 5 request counters; 8 gauges of a process; 40 of a pool.
pub(super) const PER_INSTANCE: usize = 8 * 14 + 8 * 5 + 8 + 40;

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) samples: u64,
    pub(super) pushes: u64,
    /// Time of the last scrape, ms since the Unix epoch.
    pub(super) end_ms: i64,
}

impl Set {
    /// Six hours of 20,000 series.
    pub(super) const fn a() -> Self {
        Self { name: "A", about: "20,000 series for 6 h, every 15 s", instances: 100, scrapes: 6 * 240, restarts: false }
    }

    /// Twenty-five minutes of 200,000 series.
    pub(super) const fn b() -> Self {
        Self { name: "B", about: "200,000 series for 25 min, every 15 s", instances: 1000, scrapes: 100, restarts: true }
    }

    /// Fewer of everything.
    pub(super) const fn small(self) -> Self {
        Self { about: "a small part of it", instances: self.instances / 10, scrapes: self.scrapes / 10, ..self }
    }

    pub(super) const fn series(&self) -> usize {
        self.instances * PER_INSTANCE
    }

    /// From the first to the last scrape, milliseconds.
    pub(super) const fn length_ms(&self) -> i64 {
        (self.scrapes - 1) * STEP_MS
    }
}

/// A series: its labels as they stand in a body, and how its value goes on.
struct Series {
    labels: Message,
    kind: Kind,
    value: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Grows by about so much at each scrape.
    Counter(f64),
    /// Wanders, with so many decimals.
    Gauge(f64),
    /// Does not change.
    Constant,
}

/// Writes all bodies of a set into one file: before each, its length in four bytes, and in one its part of the scrape, modulo 256.
pub(super) fn write(set: &Set, path: &Path) -> Result<Written, BenchError> {
    let failed = |source| BenchError::Io { what: format!("write {}", path.display()), source };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    #[expect(clippy::disallowed_methods, reason = "servers refuse data that is old or of the future")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis();
    let end_ms = i64::try_from(now).expect("milliseconds of this era") / STEP_MS * STEP_MS;
    let mut random = Random::new(7, 0);
    let mut series = all(set.instances, &mut random);
    let mut written = Written { samples: 0, pushes: 0, end_ms };
    let mut snappy = snap::raw::Encoder::new();
    for scrape in 0..set.scrapes {
        let t = end_ms - (set.scrapes - 1 - scrape) * STEP_MS;
        for (number, part) in (0u8..=u8::MAX).cycle().zip(series.chunks_mut(PUSH)) {
            let mut body = Message::default();
            for one in part {
                one.advance(&mut random);
                put_series(&mut body, &one.labels, t, one.value);
                written.samples += 1;
            }
            let packed = snappy.compress_vec(body.as_bytes()).expect("a body of far less than 4 GiB");
            let len = u32::try_from(packed.len()).expect("a body of far less than 4 GiB");
            let head = [&len.to_le_bytes()[..], &[number]].concat();
            file.write_all(&head).and_then(|()| file.write_all(&packed)).map_err(failed)?;
            written.pushes += 1;
        }
    }
    file.flush().map_err(failed)?;
    Ok(written)
}

fn all(instances: usize, random: &mut Random) -> Vec<Series> {
    let mut series = Vec::with_capacity(instances * PER_INSTANCE);
    for instance in 0..instances {
        let cluster = format!("prod-{}", instance % 4);
        let (host, pod) = (format!("10.{}.{}.{}:8080", instance / 256, instance % 256, instance % 7), format!("api-7d9f-{instance:04}"));
        let common =
            [("cluster", cluster.as_str()), ("instance", &host), ("job", "api-gateway"), ("namespace", "production"), ("pod", &pod)];
        let mut add = |name: &str, more: &[(&str, &str)], kind: Kind, value: f64| {
            let mut pairs: Vec<(&str, &str)> = common.iter().chain(more).copied().collect();
            pairs.push(("__name__", name));
            pairs.sort_unstable();
            series.push(Series { labels: labels(&pairs), kind, value });
        };
        for route in 0..8 {
            let route = format!("/api/v1/resource{route}");
            for (index, le) in BOUNDS.iter().enumerate() {
                add("http_request_duration_seconds_bucket", &[("route", &route), ("le", le)], Kind::Counter(4.0 * (index + 1) as f64), 0.0);
            }
            add("http_request_duration_seconds_sum", &[("route", &route)], Kind::Counter(3.7), 0.0);
            add("http_request_duration_seconds_count", &[("route", &route)], Kind::Counter(48.0), 0.0);
            for code in ["200", "204", "404", "429", "500"] {
                let rate = if code == "200" { 40.0 } else { 0.3 };
                add("http_requests_total", &[("route", &route), ("code", code)], Kind::Counter(rate), 0.0);
            }
        }
        for (index, name) in
            ["process_resident_memory_bytes", "process_open_fds", "go_goroutines", "go_memstats_alloc_bytes"].iter().enumerate()
        {
            add(name, &[], Kind::Gauge(0.0), 1000.0 * (index + 1) as f64);
        }
        add("process_cpu_seconds_total", &[], Kind::Counter(1.37), 0.0);
        for name in ["process_start_time_seconds", "build_info", "up"] {
            add(name, &[], Kind::Constant, 1.0 + (random.unit() * 10.0).floor());
        }
        for worker in 0..40 {
            add("pool_utilisation_ratio", &[("worker", &worker.to_string())], Kind::Gauge(2.0), 0.5);
        }
    }
    series
}

impl Series {
    fn advance(&mut self, random: &mut Random) {
        match self.kind {
            Kind::Constant => {}
            Kind::Counter(rate) if rate.fract() == 0.0 => self.value += (random.unit() * 2.0 * rate).round(),
            Kind::Counter(rate) => self.value += (random.unit() * 2.0 * rate * 1000.0).round() / 1000.0,
            Kind::Gauge(decimals) => {
                let scale = 10f64.powf(decimals);
                self.value = ((self.value + (random.unit() - 0.5) * self.value.abs().max(0.1) * 0.1) * scale).round() / scale;
            }
        }
    }
}

fn labels(pairs: &[(&str, &str)]) -> Message {
    let mut out = Message::default();
    for (name, value) in pairs {
        let mut label = Message::default();
        label.bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
        out.bytes(1, label.as_bytes());
    }
    out
}

fn put_series(out: &mut Message, labels: &Message, t: i64, value: f64) {
    let (mut series, mut sample) = (Message::default(), Message::default());
    sample.double(1, value).signed(2, t);
    series.fields(labels).bytes(2, sample.as_bytes());
    out.bytes(1, series.as_bytes());
}
