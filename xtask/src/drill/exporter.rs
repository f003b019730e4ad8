//! More than five thousand series that Prometheus scrapes: counters that restart, histograms, gauges with every kind of value, and
//! series that end and begin. What is told depends on the time alone.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// At least so many series are told at any time.
pub(crate) const SERIES: usize = 5_000;

/// A server of `/metrics` on a thread of its own; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Exporter {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Listens on a free port.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (begun, stopped) = (Instant::now(), stop.clone());
        let thread = std::thread::Builder::new().name("exporter".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(err) = stream.and_then(|stream| answer(stream, begun.elapsed())) {
                    eprintln!("exporter: {err}");
                }
            }
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread out of its wait for a connection.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join());
        }
    }
}

/// Answers one request, whatever it asks.
fn answer(mut stream: TcpStream, age: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            n => head.extend_from_slice(&piece[..n]),
        }
    }
    let text = page(age.as_secs_f64());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

/// The page at an age in seconds.
fn page(age: f64) -> String {
    let mut out = String::with_capacity(1 << 19);
    counters(&mut out, age);
    histograms(&mut out, age);
    gauges(&mut out, age);
    sessions(&mut out, age);
    special(&mut out, age);
    out
}

/// Writes one line. Writing to a text cannot fail.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => {
        writeln!($out, $($arg)*).expect("a text takes everything")
    };
}

/// 2,000 counters; every fifth belongs to an instance that restarts, each with a period of its own.
fn counters(out: &mut String, age: f64) {
    line!(out, "# TYPE drill_requests_total counter");
    for shard in 0..50_u32 {
        let since_restart = if shard % 5 == 0 { age % (17.0 + f64::from(shard)) } else { age };
        for (at, path) in ["/", "/login", "/cart", "/pay", "/search", "/help", "/api/a", "/api/b"].iter().enumerate() {
            for (kind, code) in ["200", "302", "404", "500", "503"].iter().enumerate() {
                let rate = 0.1 + f64::from(shard) * 0.37 + at as f64 * 1.9 + kind as f64 * 0.013;
                let value = (since_restart * rate).floor() * 0.1;
                line!(out, "drill_requests_total{{shard=\"{shard}\",path=\"{path}\",code=\"{code}\"}} {value}");
            }
        }
    }
}

/// 90 classic histograms of 12 buckets.
fn histograms(out: &mut String, age: f64) {
    const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    line!(out, "# TYPE drill_latency_seconds histogram");
    for route in 0..90_u32 {
        let total = (age * (3.0 + f64::from(route % 17))).floor();
        for (at, bound) in BOUNDS.iter().enumerate() {
            let below = (total * (1.0 - 0.8_f64.powi(i32::try_from(at).unwrap_or(0) + 1))).floor();
            line!(out, "drill_latency_seconds_bucket{{route=\"r{route}\",le=\"{bound}\"}} {below}");
        }
        line!(out, "drill_latency_seconds_bucket{{route=\"r{route}\",le=\"+Inf\"}} {total}");
        line!(out, "drill_latency_seconds_sum{{route=\"r{route}\"}} {}", total * 0.123_456_7);
        line!(out, "drill_latency_seconds_count{{route=\"r{route}\"}} {total}");
    }
}

/// 1,200 gauges, no two of one value.
fn gauges(out: &mut String, age: f64) {
    line!(out, "# TYPE drill_temperature_celsius gauge");
    for sensor in 0..1_200_u32 {
        let value = 20.0 + f64::from(sensor) * 0.01 + 15.0 * (age * 0.05 + f64::from(sensor)).sin();
        line!(out, "drill_temperature_celsius{{room=\"{}\",sensor=\"s{sensor}\"}} {value}", sensor % 40);
    }
}

/// How long a session lives, and how many begin at once every [`SESSION_BEAT`] seconds.
const SESSION_LIFE: u32 = 60;
const SESSION_BEAT: u32 = 4;
const SESSIONS_AT_ONCE: u32 = 50;

/// About 750 series of which 50 end and 50 begin every four seconds.
fn sessions(out: &mut String, age: f64) {
    line!(out, "# TYPE drill_session_bytes gauge");
    let now = whole_seconds(age) + SESSION_LIFE;
    let newest = now / SESSION_BEAT;
    for beat in newest - SESSION_LIFE / SESSION_BEAT + 1..=newest {
        for at in 0..SESSIONS_AT_ONCE {
            let value = f64::from(beat * 7 + at) + age.floor() * 0.25;
            line!(out, "drill_session_bytes{{session=\"{beat}-{at}\",user=\"u{}\"}} {value}", at % 7);
        }
    }
}

/// What a float can be except -0, which Prometheus's own encoding of remote write sends as 0; a series that flaps, and text that needs escapes.
fn special(out: &mut String, age: f64) {
    line!(out, "# TYPE drill_special gauge");
    for (kind, value) in [
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("tiny", 5e-324),
        ("huge", 1.797e308),
        ("third", 1.0 / 3.0),
        ("moving", age * 1e-9),
    ] {
        line!(out, "drill_special{{kind=\"{kind}\"}} {value}");
    }
    line!(out, "drill_special{{kind=\"text\",text=\"a\\\"b\\\\c\\nd ü 🚀\"}} 1");
    if (whole_seconds(age) / 6).is_multiple_of(2) {
        for at in 0..20 {
            line!(out, "drill_flapping{{at=\"{at}\"}} {}", age.floor() + f64::from(at));
        }
    }
}

fn whole_seconds(age: f64) -> u32 {
    // A drill lasts minutes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age is positive, and small")]
    let seconds = age as u32;
    seconds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn series(age: f64) -> BTreeSet<String> {
        let page = page(age);
        page.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
    }

    #[test]
    fn tells_enough_series_of_which_some_end_and_some_begin() {
        let (early, late) = (series(1.0), series(9.0));
        assert!(early.len() >= SERIES, "{}", early.len());
        assert!(early.difference(&late).count() >= 100, "some end");
        assert!(late.difference(&early).count() >= 100, "some begin");
    }
}
