//! The programs beside Quartet: S3, memcached, Prometheus.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::Process;
use super::{ClusterError, Plan};
use crate::tools;

/// The bucket of the cluster.
pub(crate) const BUCKET: &str = "quartet-test";

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
    let weed = tools::weed()?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let script = format!("s3.bucket.create -name {BUCKET}\n");
    let commands = plan.directory.join("bucket.weed");
    fs::write(&commands, script).map_err(ClusterError::io("write a script"))?;
    loop {
        let input = fs::File::open(&commands).map_err(ClusterError::io("read a script"))?;
        let output = Command::new(&weed)
            .args(["shell", &format!("-master=127.0.0.1:{}.{}", plan.base_port + 1, plan.base_port + 2)])
            .arg(format!("-filer=127.0.0.1:{}.{}", plan.base_port + 5, plan.base_port + 6))
            .stdin(input)
            .output()
            .map_err(ClusterError::io("run weed shell"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() && said.contains("create bucket") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(ClusterError::State(format!("the bucket could not be made: {}", said.trim())));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A Prometheus that scrapes every role and writes all of it to the distributors in turn.
pub(crate) fn prometheus(plan: &Plan, processes: &[Process]) -> Result<Process, ClusterError> {
    let data = plan.directory.join("prometheus");
    fs::create_dir_all(&data).map_err(ClusterError::io("make Prometheus's directory"))?;
    let quartet: Vec<&Process> = processes.iter().filter(|process| !process.grpc.is_empty()).collect();
    let jobs: Vec<serde_json::Value> = quartet
        .iter()
        .map(|process| serde_json::json!({ "targets": [process.http], "labels": { "role": process.role, "name": process.name } }))
        .collect();
    let distributor = quartet
        .iter()
        .find(|process| process.role == "distributor")
        .ok_or_else(|| ClusterError::State("no distributor to write to".to_owned()))?;
    let config = serde_json::json!({
        "global": { "scrape_interval": "2s", "scrape_timeout": "2s", "external_labels": {} },
        "scrape_configs": [{ "job_name": "quartet", "static_configs": jobs }],
        "remote_write": [{
            "url": format!("http://{}/api/v1/push", distributor.http),
            "headers": { "X-Scope-OrgID": "drill" },
            "queue_config": { "min_backoff": "50ms", "max_backoff": "500ms", "max_samples_per_send": 2000, "batch_send_deadline": "1s" },
        }],
    });
    let path = data.join("prometheus.yaml");
    let text = serde_yaml_ng::to_string(&config).map_err(|err| ClusterError::State(err.to_string()))?;
    fs::write(&path, text).map_err(ClusterError::io("write Prometheus's configuration"))?;
    let port = prometheus_port(plan);
    Ok(Process {
        name: "prometheus".to_owned(),
        role: "prometheus".to_owned(),
        zone: String::new(),
        pid: 0,
        http: format!("127.0.0.1:{port}"),
        grpc: String::new(),
        log: plan.directory.join("prometheus.log"),
        ready: Some("/-/ready".to_owned()),
        program: tools::prometheus()?,
        args: vec![
            format!("--config.file={}", path.display()),
            format!("--storage.tsdb.path={}", data.join("tsdb").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=warn".to_owned(),
        ],
        data,
        env: Vec::new(),
    })
}
