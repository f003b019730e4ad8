//! Metrics of the process itself, as Prometheus clients name them, and what was built.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

/// Ticks of the kernel's accounting in a second. Linux tells programs this number whatever it counts with (`man 5 proc`).
const TICKS: f64 = 100.0;

/// Adds `process_*` and `cortex_build_info`.
pub(crate) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
    let build = Family::<Vec<(&str, &str)>, Gauge>::default();
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision", option_env!("QUARTET_REVISION").unwrap_or_default()),
        ("branch", option_env!("QUARTET_BRANCH").unwrap_or_default()),
        ("goversion", ""),
    ];
    build.get_or_create(&labels).set(1);
    registry.register("cortex_build_info", "What was built", build);
}

/// Asks `/proc` at each scrape. Elsewhere than on Linux it has nothing to say.
#[derive(Debug)]
struct Process;

/// What `/proc/self` says.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    cpu_seconds: Option<f64>,
    start_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let facts = Facts::read();
        if let Some(seconds) = facts.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let help = "Total user and system CPU time spent in seconds";
            counter.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in [
            ("process_start_time_seconds", "Start time of the process since unix epoch in seconds", facts.start_seconds),
            ("process_resident_memory_bytes", "Resident memory size in bytes", facts.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory size in bytes", facts.virtual_bytes),
            ("process_open_fds", "Number of open file descriptors", facts.open_fds),
            ("process_max_fds", "Maximum number of open file descriptors", facts.max_fds),
        ] {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}

impl Facts {
    fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let (status, limits) = (text("/proc/self/status"), text("/proc/self/limits"));
        let (cpu_seconds, age) = match times(&text("/proc/self/stat")) {
            Some((cpu, started)) => (Some(cpu), Some(started)),
            None => (None, None),
        };
        let boot = after(&text("/proc/stat"), "btime ");
        Self {
            cpu_seconds,
            start_seconds: boot.zip(age).map(|(boot, age)| boot + age),
            resident_bytes: after(&status, "VmRSS:").map(|kib| kib * 1024.0),
            virtual_bytes: after(&status, "VmSize:").map(|kib| kib * 1024.0),
            // Reading the directory holds one of them.
            open_fds: fs::read_dir("/proc/self/fd").ok().and_then(|fds| u32::try_from(fds.count()).ok()).map(|n| f64::from(n) - 1.0),
            max_fds: after(&limits, "Max open files"),
        }
    }
}

/// Seconds of CPU, and seconds after boot at which the process started: fields 14, 15 and 22 of `/proc/PID/stat`.
/// The name of the program, in brackets, may hold anything.
fn times(stat: &str) -> Option<(f64, f64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let field = |number: usize| rest.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
    Some(((field(14)? + field(15)?) / TICKS, field(22)? / TICKS))
}

/// The first number of the line that begins with `name`.
fn after(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Facts, after, times};

    #[test]
    fn fields_are_found() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 8 0 1200 1 2";
        assert_eq!(times(stat), Some((2.0, 12.0)));
        assert_eq!(after("VmSize:\t 8 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(after("", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_memory_and_files() {
        let facts = Facts::read();
        assert!(facts.resident_bytes.unwrap() > 1e6, "{facts:?}");
        assert!(facts.open_fds.unwrap() >= 3.0, "{facts:?}");
        assert!(facts.start_seconds.unwrap() > 1.5e9, "{facts:?}");
    }
}
