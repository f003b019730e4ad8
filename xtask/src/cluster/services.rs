//! The programs beside Quartet: S3, memcached, Prometheus.

use std::fs;
use std::time::{Duration, Instant};

use super::process::Process;
use super::{ClusterError, Plan};
use crate::http::Request;
use crate::router::READY_PATH;
use crate::tools;

/// The bucket of the cluster.
pub(crate) const BUCKET: &str = "quartet-test";

/// The tenant that Prometheus writes for.
pub(crate) const TENANT: &str = "drill";

/// Ports from the first of the plan: `services` from 0, roles from 20.
pub(crate) fn s3_port(plan: &Plan) -> u16 {
    plan.base_port
}

/// Port of memcached.
pub(crate) fn memcached_port(plan: &Plan) -> u16 {
    plan.base_port + 9
}

/// Port of Prometheus.
pub(crate) fn prometheus_port(plan: &Plan) -> u16 {
    plan.base_port + 10
}

/// Ports for what a drill begins for itself; there are eight.
pub(crate) fn spare_port(plan: &Plan, at: u16) -> u16 {
    plan.base_port + 12 + at
}

/// S3 and memcached.
pub(crate) fn peers(plan: &Plan) -> Result<Vec<Process>, ClusterError> {
    Ok(vec![s3(plan)?, memcached(plan)?])
}

fn s3(plan: &Plan) -> Result<Process, ClusterError> {
    let data = plan.directory.join("s3");
    let port = plan.base_port;
    let arg = |name: &str, offset: u16| format!("-{name}={}", port + offset);
    let args = vec![
        "server".to_owned(),
        "-s3".to_owned(),
        "-ip=127.0.0.1".to_owned(),
        "-ip.bind=127.0.0.1".to_owned(),
        format!("-dir={}", data.display()),
        arg("s3.port", 0),
        arg("master.port", 1),
        arg("master.port.grpc", 2),
        arg("volume.port", 3),
        arg("volume.port.grpc", 4),
        arg("filer.port", 5),
        arg("filer.port.grpc", 6),
        arg("s3.port.grpc", 7),
        // Off: they would listen on ports of their own, and call home.
        "-s3.port.iceberg=0".to_owned(),
        "-s3.port.lance=0".to_owned(),
        "-master.telemetry=false".to_owned(),
        "-volume.max=0".to_owned(),
        "-master.volumeSizeLimitMB=64".to_owned(),
    ];
    Ok(Process {
        name: "s3".to_owned(),
        role: "s3".to_owned(),
        zone: String::new(),
        pid: 0,
        http: format!("127.0.0.1:{port}"),
        grpc: String::new(),
        log: plan.directory.join("s3.log"),
        data,
        ready: None,
        program: tools::weed()?,
        args,
        env: Vec::new(),
    })
}

fn memcached(plan: &Plan) -> Result<Process, ClusterError> {
    let (program, libraries) = tools::memcached()?;
    let port = memcached_port(plan);
    let mut args = vec!["-l".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string(), "-m".to_owned(), "64".to_owned()];
    // It refuses to run as root unless it is told a user.
    args.extend(["-u".to_owned(), "nobody".to_owned()]);
    Ok(Process {
        name: "memcached".to_owned(),
        role: "memcached".to_owned(),
        zone: String::new(),
        pid: 0,
        http: format!("127.0.0.1:{port}"),
        grpc: String::new(),
        data: plan.directory.join("memcached"),
        log: plan.directory.join("memcached.log"),
        ready: None,
        program,
        args,
        env: vec![("LD_LIBRARY_PATH".to_owned(), libraries.display().to_string())],
    })
}

/// Makes the bucket; the store needs some seconds until it takes one.
pub(crate) fn make_bucket(plan: &Plan) -> Result<(), ClusterError> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (address, path) = (format!("127.0.0.1:{}", s3_port(plan)), format!("/{BUCKET}"));
    loop {
        let last = match (Request { timeout: Duration::from_secs(30), ..Request::new("PUT", &address, &path) }).send() {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) => format!("{} {}", answer.status, answer.text()),
            Err(err) => err.to_string(),
        };
        if Instant::now() > deadline {
            return Err(ClusterError::State(format!("the bucket could not be made: {last}")));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What stands before the cluster for clients: it finds the processes in the cluster's own file.
pub(crate) fn router(plan: &Plan) -> Result<Process, ClusterError> {
    let address = format!("127.0.0.1:{}", plan.base_port + 11);
    Ok(Process {
        name: "router".to_owned(),
        role: "router".to_owned(),
        zone: String::new(),
        pid: 0,
        http: address.clone(),
        grpc: String::new(),
        data: plan.directory.join("router"),
        log: plan.directory.join("router.log"),
        ready: Some(READY_PATH.to_owned()),
        program: std::env::current_exe().map_err(ClusterError::io("find this program"))?,
        args: vec!["router".to_owned(), format!("--directory={}", plan.directory.display()), format!("--listen={address}")],
        env: Vec::new(),
    })
}

/// How Prometheus sends: one after the other, so that what was sent tells what else was sent before.
pub(crate) fn one_queue() -> serde_json::Value {
    serde_json::json!({
        "max_shards": 1, "capacity": 20_000, "min_backoff": "50ms", "max_backoff": "500ms",
        "max_samples_per_send": 2000, "batch_send_deadline": "1s",
    })
}

/// A Prometheus that scrapes every role and writes all of it to the distributors in turn.
pub(crate) fn prometheus(plan: &Plan, processes: &[Process]) -> Result<Process, ClusterError> {
    let quartet: Vec<&Process> = processes.iter().filter(|process| !process.grpc.is_empty()).collect();
    let jobs: Vec<serde_json::Value> = quartet
        .iter()
        .map(|process| serde_json::json!({ "targets": [process.http], "labels": { "role": process.role, "name": process.name } }))
        .collect();
    let router = processes.iter().find(|process| process.role == "router").ok_or_else(|| ClusterError::State("no router".to_owned()))?;
    let mut scrapes = vec![serde_json::json!({ "job_name": "quartet", "static_configs": jobs })];
    if !plan.exporters.is_empty() {
        scrapes.push(serde_json::json!({ "job_name": "drill", "static_configs": [{ "targets": plan.exporters }] }));
    }
    let config = serde_json::json!({
        "global": { "scrape_interval": "2s", "scrape_timeout": "2s" },
        "scrape_configs": scrapes,
        "remote_write": [{
            "url": format!("http://{}/api/v1/push", router.http),
            "headers": { "X-Scope-OrgID": TENANT },
            "queue_config": one_queue(),
        }],
    });
    prometheus_with(plan, "prometheus", prometheus_port(plan), &config)
}

/// A Prometheus with a configuration of its own.
pub(crate) fn prometheus_with(plan: &Plan, name: &str, port: u16, config: &serde_json::Value) -> Result<Process, ClusterError> {
    let data = plan.directory.join(name);
    fs::create_dir_all(&data).map_err(ClusterError::io("make Prometheus's directory"))?;
    let path = data.join("prometheus.yaml");
    let text = serde_yaml_ng::to_string(config).map_err(|err| ClusterError::State(err.to_string()))?;
    fs::write(&path, text).map_err(ClusterError::io("write Prometheus's configuration"))?;
    let args = vec![
        format!("--config.file={}", path.display()),
        format!("--storage.tsdb.path={}", data.join("tsdb").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--log.level=warn".to_owned(),
        // For snapshots.
        "--web.enable-admin-api".to_owned(),
    ];
    Ok(Process {
        name: name.to_owned(),
        role: "prometheus".to_owned(),
        zone: String::new(),
        pid: 0,
        http: format!("127.0.0.1:{port}"),
        grpc: String::new(),
        log: plan.directory.join(format!("{name}.log")),
        ready: Some("/-/ready".to_owned()),
        program: tools::prometheus()?,
        args,
        data,
        env: Vec::new(),
    })
}
