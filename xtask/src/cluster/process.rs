//! One process of the cluster: how it is started, asked whether it is ready, signalled and waited for.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ClusterError;

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
    /// Starts it; it outlives this command.
    pub(crate) fn start(&mut self) -> Result<(), ClusterError> {
        fs::create_dir_all(&self.data).map_err(ClusterError::io(format!("make the data directory of {}", self.name)))?;
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(ClusterError::io("open a log"))?;
        let errors = log.try_clone().map_err(ClusterError::io("open a log"))?;
        let child = Command::new(&self.program)
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.data)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(ClusterError::io(format!("start {}", self.name)))?;
        self.pid = child.id();
        Ok(())
    }

    /// True when it runs or is stopped; a zombie has gone.
    pub(crate) fn is_alive(&self) -> bool {
        if self.pid == 0 {
            return false;
        }
        // The state follows the name in parentheses, which may hold anything.
        fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .ok()
            .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X')))
            .unwrap_or(false)
    }

    /// Sends a signal by its name without SIG.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), ClusterError> {
        let status =
            Command::new("kill").arg(format!("-{signal}")).arg(self.pid.to_string()).status().map_err(ClusterError::io("run kill"))?;
        if status.success() { Ok(()) } else { Err(ClusterError::State(format!("{} ({}) could not be sent {signal}", self.name, self.pid))) }
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
            if Instant::now() > deadline || !self.is_alive() {
                return Err(ClusterError::NotReady { name: self.name.clone(), waited: within, last, log: self.log.clone() });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn look(&self) -> Result<(), String> {
        match &self.ready {
            None => connect(&self.http).map(drop),
            Some(path) => match get(&self.http, path)? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{status} {}", body.trim())),
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

fn connect(address: &str) -> Result<TcpStream, String> {
    let timeout = Duration::from_secs(2);
    let address = address.to_socket_addrs().map_err(|err| err.to_string())?.next().ok_or_else(|| format!("{address} has no address"))?;
    let stream = TcpStream::connect_timeout(&address, timeout).map_err(|err| err.to_string())?;
    stream.set_read_timeout(Some(timeout)).map_err(|err| err.to_string())?;
    Ok(stream)
}

/// A GET as plain as can be, for health checks: status and the rest of the answer.
pub(crate) fn get(address: &str, path: &str) -> Result<(u16, String), String> {
    let mut stream = connect(address)?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .map_err(|err| err.to_string())?;
    let mut answer = Vec::new();
    // Servers that keep the connection open end it by the timeout: what has come is enough.
    if let Err(err) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(err.to_string());
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| "no HTTP answer".to_owned())?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
