//! What a process takes, from `/proc`, and what stands on the disk.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BenchError;
use super::peers::Peer;

/// How long a server may take to come up.
const START: Duration = Duration::from_secs(120);
/// Ticks of `/proc/PID/stat` in a second: `sysconf(_SC_CLK_TCK)` on every Linux of today.
const TICKS: u64 = 100;

/// What a process has taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    /// Anonymous memory at most, bytes.
    pub(super) anonymous: u64,
    /// Mapped files in memory at most, bytes.
    pub(super) mapped: u64,
}

impl Usage {
    /// The time since an earlier look; memory as it is.
    pub(super) fn since(self, before: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(before.cpu), ..self }
    }
}

/// A server under measurement; it is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    peer: &'static str,
    /// CPU of runs that have ended.
    earlier: Duration,
    peak: Usage,
    looked: Instant,
}

impl Process {
    /// Starts a server and waits until it answers.
    pub(super) fn start(peer: &Peer, data: &Path) -> Result<Self, BenchError> {
        let child = spawn(peer, data)?;
        let mut process = Self { child, peer: peer.name, earlier: Duration::ZERO, peak: Usage::default(), looked: Instant::now() };
        process.wait(peer)?;
        Ok(process)
    }

    fn wait(&mut self, peer: &Peer) -> Result<(), BenchError> {
        let begun = Instant::now();
        while !peer.answers() {
            if begun.elapsed() > START {
                return Err(BenchError::Peer { peer: self.peer, what: "it does not answer".to_owned() });
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(BenchError::Peer { peer: self.peer, what: format!("it has ended: {status}") });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it at once, starts it on what it has left, and returns how long it took until it answered.
    pub(super) fn kill_and_restart(&mut self, peer: &Peer, data: &Path) -> Result<Duration, BenchError> {
        // Some acknowledge before anything is on the disk, and write it within seconds: what they would lose is not the question here.
        std::thread::sleep(Duration::from_secs(10));
        self.earlier = self.cpu()?;
        self.end();
        let begun = Instant::now();
        self.child = spawn(peer, data)?;
        self.wait(peer)?;
        Ok(begun.elapsed())
    }

    fn end(&mut self) {
        // What has ended already needs no end.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Ends it.
    pub(super) fn stop(mut self) -> Result<(), BenchError> {
        self.end();
        Ok(())
    }

    fn read(&self, file: &str) -> Result<String, BenchError> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).map_err(|source| BenchError::Io { what: format!("read {path}"), source })
    }

    /// CPU of all runs.
    fn cpu(&self) -> Result<Duration, BenchError> {
        let stat = self.read("stat")?;
        // The name in brackets may hold anything; the fields after it count from the state, the third of all.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(self.earlier + Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Looks at the memory, at most a few times a second.
    pub(super) fn sample(&mut self) {
        if self.looked.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.looked = Instant::now();
        let Ok(status) = self.read("status") else { return };
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        self.peak.anonymous = self.peak.anonymous.max(kib("RssAnon") << 10);
        self.peak.mapped = self.peak.mapped.max(kib("RssFile") << 10);
    }

    /// What it has taken so far.
    pub(super) fn usage(&mut self) -> Result<Usage, BenchError> {
        self.sample();
        Ok(Usage { cpu: self.cpu()?, ..self.peak })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(peer: &Peer, data: &Path) -> Result<Child, BenchError> {
    let failed = |what: String| move |source| BenchError::Io { what, source };
    std::fs::create_dir_all(data).map_err(failed(format!("make {}", data.display())))?;
    let log = data.with_extension("log");
    let log = std::fs::File::options().create(true).append(true).open(&log).map_err(failed(format!("open {}", log.display())))?;
    let again = log.try_clone().map_err(failed("open the log".to_owned()))?;
    Command::new(&peer.program)
        .args(&peer.args)
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(again)
        .spawn()
        .map_err(failed(format!("start {}", peer.program.display())))
}

/// Bytes of all files below a directory, without those that a server drops when their rows are in blocks.
pub(super) fn disk(path: &Path, without: &[&str]) -> Result<u64, BenchError> {
    let failed = |source| BenchError::Io { what: format!("look into {}", path.display()), source };
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if without.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let meta = entry.metadata().map_err(failed)?;
        bytes += if meta.is_dir() { disk(&entry.path(), without)? } else { meta.len() };
    }
    Ok(bytes)
}
