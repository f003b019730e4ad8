//! What the charts render runs: each pod as a process on loopback with the program, the arguments, the variables and the files of its manifest. A
//! sample that is written to the distributor is asked of the query-frontend, also after every ingester came back at another address.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::objects::{Pods, Release, list};
use super::{ALL_IN_ONE, ChartsError, io};
use crate::cluster::process::Process;
use crate::http::{Answer, Request};
use crate::tools;

/// The first port; each start of a process takes the next three.
const FIRST_PORT: u16 = 19_700;

/// How long a pod may take until it is ready: a new ingester takes writes after a minute.
const READY: Duration = Duration::from_secs(150);

/// The processes of a release.
struct Cluster {
    directory: PathBuf,
    processes: Vec<Process>,
    port: u16,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.processes.iter().for_each(|process| process.end("TERM"));
        for process in &self.processes {
            if let Err(err) = process.wait_gone(Duration::from_secs(60)) {
                eprintln!("{err}");
                process.end("KILL");
            }
        }
    }
}

/// Starts all pods of a release and asks them.
pub(super) fn run(release: &Release, programs: &Path) -> Result<(), ChartsError> {
    let directory = tools::target().join("charts/run");
    tools::remove(&directory).map_err(io("clear the directory of the pods"))?;
    let mut cluster = Cluster { directory, processes: Vec::new(), port: FIRST_PORT };
    for pods in release.pods().iter().filter(|pods| pods.serves) {
        for ordinal in 0..pods.owner.0["spec"]["replicas"].as_u64().unwrap_or(1) {
            let mut process = cluster.process(release, pods, ordinal, programs)?;
            process.start()?;
            cluster.processes.push(process);
        }
    }
    cluster.wait_ready()?;
    cluster.write()?;
    cluster.ask()?;
    for at in 0..cluster.processes.len() {
        if ["ingester", ALL_IN_ONE].contains(&cluster.processes[at].role.as_str()) {
            cluster.move_away(at)?;
        }
    }
    cluster.ask()?;
    println!("charts: {} pods of {} ran, and answered what they were sent", cluster.processes.len(), release.name);
    Ok(())
}

impl Cluster {
    /// A pod as a process: what its manifest says, with paths of its mounts and addresses of its own.
    fn process(&mut self, release: &Release, pods: &Pods<'_>, ordinal: u64, programs: &Path) -> Result<Process, ChartsError> {
        let name = format!("{}-{ordinal}", pods.owner.name());
        let data = self.directory.join(&name);
        let container = pods.containers().next().unwrap_or(&Value::Null);
        let role = container["name"].as_str().unwrap_or_default().to_owned();
        let mounts = mounts(release, pods, container, &data)?;
        let local = |text: &str| mounts.iter().rev().fold(text.to_owned(), |text, (path, folder)| text.replace(path, folder));
        for (_, folder) in &mounts {
            rewrite(Path::new(folder), &local)?;
        }
        let args = list(&container["args"]).filter_map(Value::as_str).map(local);
        let variable = |variable: &Value| {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.name") => name.clone(),
                Some(_) => "127.0.0.1".to_owned(),
                None => variable["value"].as_str().unwrap_or_default().to_owned(),
            };
            (variable["name"].as_str().unwrap_or_default().to_owned(), value)
        };
        let mut process = Process {
            name: name.clone(),
            zone: String::new(),
            pid: 0,
            http: String::new(),
            grpc: String::new(),
            log: data.with_extension("log"),
            ready: Some(container["readinessProbe"]["httpGet"]["path"].as_str().unwrap_or_default().to_owned()),
            program: programs.join(list(&container["command"]).filter_map(Value::as_str).next().unwrap_or_default()),
            args: args.chain([format!("--storage.url=file://{}", self.directory.join("bucket").display())]).collect(),
            env: list(&container["env"]).map(variable).collect(),
            role,
            data,
        };
        self.address(&mut process);
        Ok(process)
    }

    /// Gives a process other ports than any had before.
    fn address(&mut self, process: &mut Process) {
        let (http, grpc, gossip) = (self.port, self.port + 1, self.port + 2);
        self.port += 3;
        process.http = format!("127.0.0.1:{http}");
        process.grpc = format!("127.0.0.1:{grpc}");
        // The last of several equal flags holds.
        process.args.extend([
            "--server.listen_address=127.0.0.1".to_owned(),
            format!("--server.http_port={http}"),
            format!("--server.grpc_port={grpc}"),
            format!("--ring.bind=127.0.0.1:{gossip}"),
            "--otlp.grpc_port=0".to_owned(),
            "--otlp.http_port=0".to_owned(),
        ]);
    }

    fn wait_ready(&self) -> Result<(), ChartsError> {
        self.processes.iter().try_for_each(|process| Ok(process.wait_ready(READY)?))
    }

    /// What an upgrade does to a pod: it stops, and comes back at another address.
    fn move_away(&mut self, at: usize) -> Result<(), ChartsError> {
        let mut process = self.processes[at].clone();
        process.signal("TERM")?;
        process.wait_gone(Duration::from_secs(60))?;
        self.address(&mut process);
        let started = process.start();
        self.processes[at] = process;
        started?;
        Ok(self.processes[at].wait_ready(READY)?)
    }

    fn send(&self, role: &str, method: &str, path: &str, body: &[u8]) -> Result<Answer, ChartsError> {
        let wanted = || ChartsError::Faults(vec![format!("the release has no {role}")]);
        let process = self.processes.iter().find(|process| process.role == role || process.role == ALL_IN_ONE).ok_or_else(wanted)?;
        let headers = [("X-Scope-OrgID", "default")];
        Ok(Request { headers: &headers, body, ..Request::new(method, &process.http, path) }.send()?)
    }

    fn write(&self) -> Result<(), ChartsError> {
        let answer = self.send("distributor", "POST", "/api/v1/push/influx/write", b"charts,chart=quartet value=42")?;
        if answer.status < 300 { Ok(()) } else { Err(ChartsError::Faults(vec![format!("a push: {} {}", answer.status, answer.text())])) }
    }

    /// Asks until what was written is answered; other processes may just be learning of an address.
    fn ask(&self) -> Result<(), ChartsError> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.send("query-frontend", "GET", "/prometheus/api/v1/query?query=charts", b"")?;
            if answer.status == 200 && answer.text().contains("\"42\"") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ChartsError::Faults(vec![format!("a query: {} {}", answer.status, answer.text())]));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Makes a folder for each mount of a container, with the files that a ConfigMap has for it.
fn mounts(release: &Release, pods: &Pods<'_>, container: &Value, data: &Path) -> Result<Vec<(String, String)>, ChartsError> {
    let mut mounts = Vec::new();
    for mount in list(&container["volumeMounts"]) {
        let (name, path) = (mount["name"].as_str().unwrap_or_default(), mount["mountPath"].as_str().unwrap_or_default());
        let folder = data.join(name);
        fs::create_dir_all(&folder).map_err(io(format!("make {}", folder.display())))?;
        let volume = list(&pods.spec["volumes"]).find(|volume| volume["name"] == name);
        let map = volume.and_then(|volume| volume["configMap"]["name"].as_str());
        let map = map.and_then(|map| release.of_kind("ConfigMap").find(|object| object.name() == map));
        for (file, text) in map.and_then(|map| map.0["data"].as_object()).into_iter().flatten() {
            fs::write(folder.join(file), text.as_str().unwrap_or_default()).map_err(io(format!("write {file}")))?;
        }
        mounts.push((path.to_owned(), folder.display().to_string()));
    }
    Ok(mounts)
}

/// Puts folders in place of mounts in the files of a folder.
fn rewrite(folder: &Path, local: &dyn Fn(&str) -> String) -> Result<(), ChartsError> {
    let failed = || io(format!("read {}", folder.display()));
    for entry in fs::read_dir(folder).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let text = fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
        fs::write(&path, local(&text)).map_err(io(format!("write {}", path.display())))?;
    }
    Ok(())
}
