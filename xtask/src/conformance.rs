//! Replays answers recorded from the original systems against Quartet.
//!
//! Three runs, each on a store of its own: push and all cases; push, flush, then the cases that do not push; and, if asked,
//! the second on a process cluster after compaction, behind a router.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cluster::process::Process;
use crate::cluster::{self, Cluster, ClusterError, Plan};
use crate::tools;

/// What is to be replayed.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    /// `metrics`, `logs` …
    pub(crate) signal: String,
    /// Files of cases instead of the shared one.
    pub(crate) cases: Vec<PathBuf>,
    /// The third run too.
    pub(crate) cluster: bool,
    /// Only cases whose feature begins with one of these.
    pub(crate) features: Vec<String>,
    /// Each difference is printed.
    pub(crate) verbose: bool,
}

/// Why the cases did not run, or did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConformanceError {
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("{}: {text}", path.display())]
    Cases { path: PathBuf, text: String },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("{0}")]
    Failed(String),
}

fn io(what: &str) -> impl FnOnce(io::Error) -> ConformanceError {
    let what = what.to_owned();
    move |source| ConformanceError::Io { what, source }
}

/// Where the cases of a signal stand.
pub(crate) fn folder(signal: &str) -> PathBuf {
    tools::root().join("../shared/conformance").join(signal)
}

/// Runs the cases; prints the last line of each run, and fails when a case failed or was skipped.
pub(crate) fn run(ask: &Ask) -> Result<(), ConformanceError> {
    let runs = replay_all(ask)?;
    let text = lines(&runs);
    println!("{}", text.join("\n"));
    if runs.iter().all(|(_, outcome)| outcome.passed) { Ok(()) } else { Err(ConformanceError::Failed(text.join("; "))) }
}

/// Runs the cases and gives the last line of each run, whatever it says.
pub(crate) fn figures(ask: &Ask) -> Result<String, ConformanceError> {
    Ok(format!("conformance {}: {}", ask.signal, lines(&replay_all(ask)?).join("; ")))
}

fn lines(runs: &[(&str, Outcome)]) -> Vec<String> {
    runs.iter().map(|(run, outcome)| format!("{run}: {}", outcome.line)).collect()
}

/// The runs, each with its name.
fn replay_all(ask: &Ask) -> Result<Vec<(&'static str, Outcome)>, ConformanceError> {
    let folder = folder(&ask.signal);
    if !folder.is_dir() {
        return Err(ConformanceError::Missing(folder));
    }
    let programs = cluster::build()?;
    let directory = tools::target().join("conformance").join(&ask.signal);
    tools::remove(&directory).map_err(io("clear the directory of the runs"))?;
    fs::create_dir_all(&directory).map_err(io("make the directory of the runs"))?;
    let reading = without_pushes(ask, &folder, &directory)?;
    let replay = Replay { ask, folder: &folder };

    let mut runs = Vec::with_capacity(3);
    runs.push(("from memory", in_one_process(&replay, &programs, &directory.join("memory"), None)?));
    runs.push(("from blocks", in_one_process(&replay, &programs, &directory.join("blocks"), Some(&reading))?));
    if ask.cluster {
        runs.push(("from a cluster", in_a_cluster(&replay, &directory.join("cluster"), &reading)?));
    }
    Ok(runs)
}

/// One run on a fresh all-in-one. With `reading`, the data set is pushed and flushed first, and these cases are asked then.
fn in_one_process(replay: &Replay<'_>, programs: &Path, directory: &Path, reading: Option<&Path>) -> Result<Outcome, ConformanceError> {
    let mut server = all_in_one(replay, programs, directory);
    server.start()?;
    let outcome = server.wait_ready(Duration::from_secs(60)).map_err(ConformanceError::from).and_then(|()| match reading {
        None => replay.run(&server.http, &[], &replay.cases()),
        Some(cases) => {
            replay.push(&server.http)?;
            cluster::orders::flush(&server.http)?;
            replay.run(&server.http, &["--skip-push"], &[cases.to_path_buf()])
        }
    });
    server.signal("TERM")?;
    server.wait_gone(Duration::from_secs(60))?;
    outcome
}

fn all_in_one(replay: &Replay<'_>, programs: &Path, directory: &Path) -> Process {
    let overrides = format!("--overrides.{}={}", replay.ask.signal, replay.overrides());
    let args = vec![format!("--config={}", configuration().display()), overrides];
    Process::all_in_one(programs, directory.to_path_buf(), (18_180, 18_195), args)
}

/// The run on a process cluster behind its router: pushed, flushed and compacted; then the cases that do not push.
fn in_a_cluster(replay: &Replay<'_>, directory: &Path, reading: &Path) -> Result<Outcome, ConformanceError> {
    let plan = Plan {
        directory: directory.to_path_buf(),
        base_port: 18_200,
        with_prometheus: false,
        extra: Some(configuration()),
        settings: serde_json::json!({ "overrides": { (replay.ask.signal.as_str()): replay.overrides() } }),
        ..Plan::default()
    };
    let cluster = Cluster::up(&plan)?;
    let ask = || -> Result<Outcome, ConformanceError> {
        let router = &cluster.get("router")?.http;
        replay.push(router)?;
        cluster.flush()?;
        cluster.compact()?;
        replay.run(router, &["--skip-push"], &[reading.to_path_buf()])
    };
    let outcome = ask();
    cluster.down();
    outcome
}

/// What the recorded answers ask of the server under test.
fn configuration() -> PathBuf {
    tools::root().join("deploy/conformance.yaml")
}

/// Writes the cases that do not push into a file of their own.
fn without_pushes(ask: &Ask, folder: &Path, directory: &Path) -> Result<PathBuf, ConformanceError> {
    let files = if ask.cases.is_empty() { vec![folder.join("cases.jsonl")] } else { ask.cases.clone() };
    let mut kept = String::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(io("read the cases"))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let case: serde_json::Value =
                serde_json::from_str(line).map_err(|err| ConformanceError::Cases { path: path.clone(), text: err.to_string() })?;
            if !case["feature"].as_str().unwrap_or_default().starts_with("push") {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    let path = directory.join("reading.jsonl");
    fs::write(&path, kept).map_err(io("write the cases"))?;
    Ok(path)
}

struct Replay<'a> {
    ask: &'a Ask,
    folder: &'a Path,
}

/// What one run of the script said.
struct Outcome {
    line: String,
    passed: bool,
}

impl Replay<'_> {
    /// The limits that the answers depend on, loaded as they are.
    fn overrides(&self) -> String {
        self.folder.join("overrides.yaml").display().to_string()
    }

    fn cases(&self) -> Vec<PathBuf> {
        self.ask.cases.clone()
    }

    /// Pushes the data set and asks nothing.
    fn push(&self, address: &str) -> Result<(), ConformanceError> {
        let outcome = self.run(address, &[], &[PathBuf::from("/dev/null")])?;
        if outcome.passed { Ok(()) } else { Err(ConformanceError::Failed(format!("the data set could not be pushed: {}", outcome.line))) }
    }

    fn run(&self, address: &str, more: &[&str], cases: &[PathBuf]) -> Result<Outcome, ConformanceError> {
        let mut command = Command::new("python3");
        command.arg(self.folder.join("replay.py")).arg("--base-url").arg(format!("http://{address}")).args(more);
        for path in cases {
            command.arg("--cases").arg(path);
        }
        for feature in &self.ask.features {
            command.arg("--feature").arg(feature);
        }
        if self.ask.verbose {
            command.arg("--verbose");
        }
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(io("run the replay script"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if self.ask.verbose {
            print!("{said}");
        }
        let line = said.lines().last().unwrap_or("no answer").to_owned();
        // A case that was skipped was not shown to pass.
        let passed = output.status.success() && !line.contains("skipped");
        Ok(Outcome { line, passed })
    }
}
