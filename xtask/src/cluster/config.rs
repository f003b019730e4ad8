//! The configuration of each role's processes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::process::Process;
use super::services::{BUCKET, memcached_port, s3_port};
use super::{Cluster, ClusterError, Plan};

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// A process in the making: role, name, zone.
struct Place {
    role: &'static str,
    name: String,
    zone: &'static str,
}

/// All processes of the roles, members of the ring first.
pub(crate) fn roles(plan: &Plan, programs: &Path) -> Result<Vec<Process>, ClusterError> {
    let shared = plan.directory.join("quartet.yaml");
    let text = serde_yaml_ng::to_string(&shared_config(plan)?).map_err(|err| ClusterError::State(err.to_string()))?;
    fs::write(&shared, text).map_err(ClusterError::io("write quartet.yaml"))?;
    places().into_iter().zip(0u16..).map(|(place, index)| Ok(process(plan, programs, &shared, &place, index))).collect()
}

/// A process of a role without zones, besides those that a cluster has.
pub(crate) fn one_more(plan: &Plan, cluster: &Cluster, role: &'static str) -> Result<Process, ClusterError> {
    let like = cluster.role(role).next().ok_or_else(|| ClusterError::State(format!("no {role} to start another like it")))?;
    let programs = like.program.parent().unwrap_or(Path::new("")).to_path_buf();
    let name = format!("{role}-{}", cluster.role(role).count());
    // Each process has its index among all: its ports follow from it.
    let index = u16::try_from(cluster.processes.len()).map_err(|_| ClusterError::State("too many processes".to_owned()))?;
    Ok(process(plan, &programs, &plan.directory.join("quartet.yaml"), &Place { role, name, zone: "" }, index))
}

fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for zone in ZONES {
        places.push(Place { role: "ingester", name: format!("ingester-{zone}-0"), zone });
    }
    for (role, zones) in [
        ("store-gateway", &ZONES[..2]),
        ("compactor", &ZONES[..2]),
        ("distributor", &["", ""]),
        ("query-frontend", &["", ""]),
        ("querier", &["", ""]),
    ] {
        for (zone, index) in zones.iter().zip(0..) {
            places.push(Place { role, name: format!("{role}-{index}"), zone });
        }
    }
    places
}

fn process(plan: &Plan, programs: &Path, shared: &Path, place: &Place, index: u16) -> Process {
    let Place { role, name, zone } = place;
    let port = plan.base_port + 20 + index * 3;
    let data = plan.directory.join(name);
    let args = vec![
        format!("--config={}", shared.display()),
        format!("--server.id={name}"),
        format!("--server.http_port={port}"),
        format!("--server.grpc_port={}", port + 1),
        format!("--ring.bind=127.0.0.1:{}", port + 2),
        format!("--ring.zone={zone}"),
    ];
    Process {
        name: name.clone(),
        role: (*role).to_owned(),
        zone: (*zone).to_owned(),
        pid: 0,
        http: format!("127.0.0.1:{port}"),
        grpc: format!("127.0.0.1:{}", port + 1),
        log: plan.directory.join(format!("{name}.log")),
        data,
        ready: Some("/ready".to_owned()),
        program: programs.join(format!("quartet-{role}")),
        args,
        env: Vec::new(),
    }
}

/// What all processes have in common. Periods and graces are short, so that a drill's minutes are seconds.
fn shared_config(plan: &Plan) -> Result<Value, ClusterError> {
    let s3 = plan.s3.clone().unwrap_or_else(|| format!("127.0.0.1:{}", s3_port(plan)));
    let mut config = json!({
        "server": { "listen_address": "127.0.0.1", "advertise_address": "127.0.0.1" },
        "telemetry": { "log_format": "text" },
        "auth": { "enabled": true },
        "storage": {
            "url": format!("s3://{BUCKET}"),
            "s3": {
                "endpoint": format!("http://{s3}"),
                "access_key_id": "any", "secret_access_key": "any", "path_style": true, "allow_http": true,
            },
        },
        "cache": { "memcached": { "addresses": [format!("127.0.0.1:{}", memcached_port(plan))] } },
        "ring": { "zones": ZONES, "replication_factor": 3, "missing_after": "4s", "read_period": "3s", "join_grace": "8s" },
        "catalog": { "follow_every": "500ms", "announce_every": "1s", "office_pause": "3s", "roots_every": "10s" },
        "wal": { "keep_read_back": "30s" },
        "ingester": { "data_dir": ".", "keep_after_upload": "10s", "cut_check": "1s", "upload_retry": "1s", "leave_grace": "9s" },
        "query_frontend": { "worker_timeout": "5s" },
        "querier": { "heartbeat": "1s", "leaf_timeout": "5s", "max_catalog_age": "8s" },
        "compactor": { "settle": "1s", "poll": "500ms" },
        "limits": { "metrics": {
            "ingestion_rate": 1e9, "ingestion_burst_size": 1_000_000_000, "max_global_series_per_user": 0,
            "out_of_order_time_window": "30m",
        } },
    });
    if let Some(extra) = &plan.extra {
        let text = fs::read_to_string(extra).map_err(ClusterError::io(format!("read {}", extra.display())))?;
        let extra: Value = serde_yaml_ng::from_str(&text).map_err(|err| ClusterError::State(format!("{}: {err}", extra.display())))?;
        lay_over(&mut config, extra);
    }
    lay_over(&mut config, plan.settings.clone());
    Ok(config)
}

/// Lays one tree over another: maps are merged, everything else is replaced.
fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}
