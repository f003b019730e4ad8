//! A cluster on loopback as separate processes: the role binaries, a real S3, memcached and a real Prometheus.
//!
//! Its state is a file, `target/cluster/cluster.json`: every command, and every drill, finds the processes there.

pub(crate) mod config;
pub(crate) mod orders;
pub(crate) mod process;
pub(crate) mod services;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::http;
use crate::tools::{self, ToolError};
use process::Process;

/// Why a command over the cluster failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("{0}")]
    State(String),
    #[error("{what}")]
    Http { what: String, source: http::HttpError },
    #[error("the role binaries could not be built")]
    Build,
    #[error("{name} has ended; its log: {}", log.display())]
    Ended { name: String, log: PathBuf },
    #[error("{name} was not ready within {}s: {last}; its log: {}", waited.as_secs(), log.display())]
    NotReady { name: String, waited: Duration, last: String, log: PathBuf },
}

impl ClusterError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// How a cluster is laid out.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where everything of it stands.
    pub(crate) directory: PathBuf,
    /// First port; a cluster takes the hundred after it.
    pub(crate) base_port: u16,
    /// Whether a Prometheus scrapes it and writes to it.
    pub(crate) with_prometheus: bool,
    /// YAML that is laid over the configuration of every process.
    pub(crate) extra: Option<PathBuf>,
    /// Settings that are laid over that.
    pub(crate) settings: serde_json::Value,
    /// Addresses that Prometheus scrapes besides the roles.
    pub(crate) exporters: Vec<String>,
    /// Address at which roles find the S3, where something stands between.
    pub(crate) s3: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        let directory = tools::target().join("cluster");
        Self {
            directory,
            base_port: 18_000,
            with_prometheus: true,
            extra: None,
            settings: serde_json::json!({}),
            exporters: Vec::new(),
            s3: None,
        }
    }
}

/// The processes of a cluster that has been started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cluster {
    /// Where everything of it stands.
    pub(crate) directory: PathBuf,
    /// In the order in which they were started.
    pub(crate) processes: Vec<Process>,
}

/// How long a process may take until it answers that it is ready.
const READY: Duration = Duration::from_secs(90);

impl Cluster {
    /// Builds the binaries, starts everything on an empty directory and waits until all of it is ready.
    pub(crate) fn up(plan: &Plan) -> Result<Self, ClusterError> {
        let programs = build()?;
        if let Ok(old) = Self::open(&plan.directory) {
            old.down();
        }
        tools::remove(&plan.directory).map_err(ClusterError::io("clear the cluster's directory"))?;
        fs::create_dir_all(&plan.directory).map_err(ClusterError::io("make the cluster's directory"))?;
        let mut cluster = Self { directory: plan.directory.clone(), processes: Vec::new() };
        let started = cluster.start_all(plan, &programs);
        if started.is_err() {
            cluster.down();
        }
        started.map(|()| cluster)
    }

    fn start_all(&mut self, plan: &Plan, programs: &Path) -> Result<(), ClusterError> {
        for mut process in services::peers(plan)? {
            process.start()?;
            self.add(process)?;
        }
        for process in &self.processes {
            process.wait_ready(READY)?;
        }
        services::make_bucket(plan)?;
        self.begin(services::router(plan)?)?;
        let first_role = self.processes.len();
        for mut process in config::roles(plan, programs)? {
            process.start()?;
            self.add(process)?;
        }
        for process in &self.processes[first_role..] {
            process.wait_ready(READY)?;
        }
        if plan.with_prometheus {
            self.begin(services::prometheus(plan, &self.processes)?)?;
        }
        Ok(())
    }

    /// Starts one more process and waits until it is ready.
    pub(crate) fn begin(&mut self, mut process: Process) -> Result<(), ClusterError> {
        process.start()?;
        // Known before it is ready, so that it is ended with the others.
        self.processes.push(process);
        self.save()?;
        self.processes.last().expect("just pushed").wait_ready(READY)
    }

    fn add(&mut self, process: Process) -> Result<(), ClusterError> {
        self.processes.push(process);
        self.save()
    }

    /// The cluster that stands in a directory.
    pub(crate) fn open(directory: &Path) -> Result<Self, ClusterError> {
        let path = directory.join("cluster.json");
        let text = fs::read(&path).map_err(ClusterError::io(format!("no cluster is up: {}", path.display())))?;
        serde_json::from_slice(&text).map_err(|err| ClusterError::State(format!("{}: {err}", path.display())))
    }

    /// Writes the state for later commands, and for the router, which reads it at any time.
    pub(crate) fn save(&self) -> Result<(), ClusterError> {
        let text = serde_json::to_vec_pretty(self).map_err(|err| ClusterError::State(err.to_string()))?;
        let (path, new) = (self.directory.join("cluster.json"), self.directory.join("cluster.json.new"));
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(ClusterError::io("write cluster.json"))
    }

    /// A process by its name.
    pub(crate) fn get(&self, name: &str) -> Result<&Process, ClusterError> {
        self.processes.iter().find(|process| process.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.processes.iter().map(|process| process.name.as_str()).collect();
            ClusterError::State(format!("no process {name}; there are {}", names.join(", ")))
        })
    }

    /// The processes of a role.
    pub(crate) fn role(&self, role: &str) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(move |process| process.role == role)
    }

    /// Sends a signal to a process; KILL and TERM wait until it has gone.
    pub(crate) fn kill(&self, name: &str, signal: &str) -> Result<(), ClusterError> {
        let process = self.get(name)?;
        process.signal(signal)?;
        if matches!(signal, "KILL" | "TERM") { process.wait_gone(Duration::from_secs(60)) } else { Ok(()) }
    }

    /// Starts a process that has gone, and waits until it is ready.
    pub(crate) fn start(&mut self, name: &str) -> Result<(), ClusterError> {
        self.get(name)?;
        let process = self.processes.iter_mut().find(|process| process.name == name).expect("just found");
        if process.is_alive() {
            return Err(ClusterError::State(format!("{name} is running")));
        }
        process.start()?;
        self.save()?;
        self.get(name)?.wait_ready(READY)
    }

    /// Ends every process: those of Quartet politely, then what they stand on.
    pub(crate) fn down(&self) {
        let (quartet, peers): (Vec<&Process>, Vec<&Process>) = self.processes.iter().rev().partition(|process| !process.grpc.is_empty());
        for process in &quartet {
            // A stopped process would not see the other signal.
            process.end("CONT");
            process.end("TERM");
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while quartet.iter().any(|process| process.is_alive()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
        for process in quartet.iter().chain(&peers) {
            process.end("KILL");
        }
    }

    /// What `cluster status` prints.
    pub(crate) fn status(&self, json: bool) -> String {
        if json {
            let rows: Vec<serde_json::Value> = self.processes.iter().map(Process::status).collect();
            return serde_json::to_string_pretty(&rows).unwrap_or_default();
        }
        self.processes
            .iter()
            .map(|process| {
                let state = if process.is_alive() { "up" } else { "down" };
                format!("{:<20} {:<5} {:<7} {:<22} {}", process.name, state, process.pid, process.http, process.data.display())
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Builds the role binaries and says where they are.
pub(crate) fn build() -> Result<PathBuf, ClusterError> {
    let profile = std::env::var("QUARTET_CLUSTER_PROFILE").unwrap_or_else(|_| "dev".to_owned());
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "quartet", "--bins", "--profile", &profile])
        .current_dir(tools::root())
        .status()
        .map_err(ClusterError::io("run cargo"))?;
    if !status.success() {
        return Err(ClusterError::Build);
    }
    Ok(tools::target().join(if profile == "dev" { "debug" } else { &profile }))
}
