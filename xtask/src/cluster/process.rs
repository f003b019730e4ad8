//! One process of the cluster: how it is started, asked whether it is ready, signalled and waited for.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ClusterError;
use crate::http;

/// A process: what it is and how it is started again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    /// `ingester-zone-a-0`.
    pub(crate) name: String,
    /// `ingester`, `s3` …
    pub(crate) role: String,
    /// Empty where there are no zones.
    pub(crate) zone: String,
    /// The last pid it had; 0 before the first start.
    pub(crate) pid: u32,
    /// Address of its HTTP server; of its only port where that is no HTTP.
    pub(crate) http: String,
    /// Address of its gRPC server; empty where there is none.
    pub(crate) grpc: String,
    /// Where it keeps its data.
    pub(crate) data: PathBuf,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// A path that answers 200 when it is ready; none: its port is open.
    pub(crate) ready: Option<String>,
    /// Program, arguments and environment.
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Process {
    /// Everything in one process, with its data in a directory and its log beside it.
    ///
    /// * `args`: what it is told beside its ports.
    pub(crate) fn all_in_one(programs: &Path, data: PathBuf, (http, grpc): (u16, u16), args: Vec<String>) -> Self {
        let ports = [format!("--server.http_port={http}"), format!("--server.grpc_port={grpc}")];
        Self {
            name: "quartet".to_owned(),
            role: "all-in-one".to_owned(),
            zone: String::new(),
            pid: 0,
            http: format!("127.0.0.1:{http}"),
            grpc: format!("127.0.0.1:{grpc}"),
            log: data.with_extension("log"),
            data,
            ready: Some("/ready".to_owned()),
            program: programs.join("quartet"),
            args: args.into_iter().chain(ports).collect(),
            env: Vec::new(),
        }
    }

    /// Starts it; it outlives this command. Nothing waits for it: [`Self::is_alive`] knows a zombie from a process.
    pub(crate) fn start(&mut self) -> Result<(), ClusterError> {
        fs::create_dir_all(&self.data).map_err(ClusterError::io(format!("make the data directory of {}", self.name)))?;
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(ClusterError::io("open a log"))?;
        let errors = log.try_clone().map_err(ClusterError::io("open a log"))?;
        let child = Command::new(&self.program)
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.data)
            .stdin(Stdio::null())
            // Not of this command's group: what ends the command at a terminal does not end the cluster.
            .process_group(0)
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(ClusterError::io(format!("start {}", self.name)))?;
        self.pid = child.id();
        Ok(())
    }

    /// True when it runs or is stopped, and while any of its threads still holds its sockets and files; then a zombie has gone.
    pub(crate) fn is_alive(&self) -> bool {
        if self.pid == 0 {
            return false;
        }
        // The state follows the name in parentheses, which may hold anything.
        let state = fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .ok()
            .and_then(|stat| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()));
        match state {
            None => false,
            // Its first thread has ended, maybe before the others.
            Some('Z' | 'X') => fs::read_dir(format!("/proc/{}/task", self.pid)).is_ok_and(|threads| threads.count() > 1),
            Some(_) => true,
        }
    }

    /// Sends a signal by its name without SIG.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), ClusterError> {
        let status =
            Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", self.pid)).status().map_err(ClusterError::io("run kill"))?;
        if status.success() { Ok(()) } else { Err(ClusterError::State(format!("{} ({}) could not be sent {signal}", self.name, self.pid))) }
    }

    /// Sends a signal, unless it has gone.
    pub(crate) fn end(&self, signal: &str) {
        if self.is_alive()
            && let Err(err) = self.signal(signal)
            && self.is_alive()
        {
            eprintln!("{}: {err}", self.name);
        }
    }

    /// Waits until it has gone.
    pub(crate) fn wait_gone(&self, within: Duration) -> Result<(), ClusterError> {
        let deadline = Instant::now() + within;
        while self.is_alive() {
            if Instant::now() > deadline {
                return Err(ClusterError::State(format!("{} has not ended within {}s", self.name, within.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_ready(&self, within: Duration) -> Result<(), ClusterError> {
        let deadline = Instant::now() + within;
        loop {
            let last = match self.look() {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            if !self.is_alive() {
                return Err(ClusterError::Ended { name: self.name.clone(), log: self.log.clone() });
            }
            if Instant::now() > deadline {
                return Err(ClusterError::NotReady { name: self.name.clone(), waited: within, last, log: self.log.clone() });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn look(&self) -> Result<(), String> {
        match &self.ready {
            None => http::connect(&self.http, Duration::from_secs(2)).map(drop).map_err(|err| err.to_string()),
            Some(path) => match http::get(&self.http, path) {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
                Err(err) => Err(err.to_string()),
            },
        }
    }

    /// A row of `status --json`.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name, "role": self.role, "zone": self.zone, "pid": self.pid, "alive": self.is_alive(),
            "http": self.http, "grpc": self.grpc, "data": self.data, "log": self.log,
        })
    }
}
