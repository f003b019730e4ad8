//! The SDK of OpenTelemetry sends metrics over gRPC and HTTP to an all-in-one, and PromQL finds them.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::cluster::process::Process;
use crate::cluster::{self, ClusterError};
use crate::http::{HttpError, Request, encode};
use crate::tools::{self, ToolError};

/// Why the metrics did not arrive as they should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OtlpError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
    #[error("the SDK could not send over {protocol}: {output}")]
    Send { protocol: &'static str, output: String },
    #[error("ask for {query}")]
    Ask { query: String, source: HttpError },
    #[error("over {protocol}: {query} is {found}, not {expected}")]
    Differs { protocol: &'static str, query: String, found: String, expected: &'static str },
}

/// Ports of the process, by what they serve.
const PORTS: [(&str, u16); 4] =
    [("server.http_port", 18_180), ("server.grpc_port", 18_195), ("otlp.grpc_port", 18_187), ("otlp.http_port", 18_188)];

/// What the script sends, as PromQL finds it; `$by` is the protocol.
const FOUND: [(&str, &str); 11] = [
    ("requests_total{job=\"eu/shop\",instance=\"by-$by\",http_method=\"GET\"}", "7"),
    ("connections", "2"),
    ("temperature_celsius", "21.5"),
    ("latency_seconds_bucket{le=\"0.1\"}", "1"),
    ("latency_seconds_bucket{le=\"1\"}", "2"),
    ("latency_seconds_bucket{le=\"+Inf\"}", "3"),
    ("latency_seconds_sum", "5.55"),
    ("histogram_count(size_bytes)", "3"),
    ("histogram_sum(size_bytes)", "303"),
    ("histogram_fraction(0, 128, size_bytes) > bool 0.6", "1"),
    ("target_info{job=\"eu/shop\",instance=\"by-$by\",host_arch=\"arm64\",telemetry_sdk_language=\"python\"}", "1"),
];

/// Sends, and asks.
pub(crate) fn run() -> Result<(), OtlpError> {
    let python = tools::opentelemetry()?;
    let mut server = all_in_one(&cluster::build()?, "otlp")?;
    server.start()?;
    let outcome = server.wait_ready(Duration::from_secs(60)).map_err(OtlpError::from).and_then(|()| {
        for (protocol, port) in [("grpc", PORTS[2].1), ("http", PORTS[3].1)] {
            send(&python, protocol, port)?;
            check(&server.http, protocol)?;
            eprintln!("otlp over {protocol}: {} answers are right", FOUND.len());
        }
        Ok(())
    });
    server.signal("TERM")?;
    server.wait_gone(Duration::from_secs(60))?;
    outcome
}

/// An all-in-one that has not started, with an empty directory of this name beside the builds.
pub(crate) fn all_in_one(programs: &Path, directory: &str) -> Result<Process, OtlpError> {
    let data = tools::target().join(directory);
    tools::remove(&data).map_err(|source| OtlpError::Io { what: "clear the directory of the run", source })?;
    let mut args = vec![
        format!("--config={}", tools::root().join("deploy/conformance.yaml").display()),
        "--limits.metrics.otel_metric_suffixes_enabled=true".to_owned(),
    ];
    args.extend(PORTS[2..].iter().map(|(key, port)| format!("--{key}={port}")));
    Ok(Process::all_in_one(programs, data, (PORTS[0].1, PORTS[1].1), args))
}

/// Each protocol has a tenant of its own name.
fn send(python: &Path, protocol: &'static str, port: u16) -> Result<(), OtlpError> {
    let mut command = Command::new(python);
    command.arg(tools::root().join("xtask/tools/otlp/send.py")).args([protocol, &format!("127.0.0.1:{port}"), protocol]);
    let output = command.stdin(Stdio::null()).output().map_err(|source| OtlpError::Io { what: "run the SDK's script", source })?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(OtlpError::Send { protocol, output })
}

fn check(address: &str, protocol: &'static str) -> Result<(), OtlpError> {
    for (query, expected) in FOUND {
        let query = query.replace("$by", protocol);
        let found = ask(address, protocol, &query).map_err(|source| OtlpError::Ask { query: query.clone(), source })?;
        if found != expected {
            return Err(OtlpError::Differs { protocol, query, found, expected });
        }
    }
    Ok(())
}

/// The value of the only series that there is; else the whole answer.
fn ask(address: &str, tenant: &str, query: &str) -> Result<String, HttpError> {
    let path = format!("/prometheus/api/v1/query?query={}", encode(query));
    let request = Request { headers: &[("X-Scope-OrgID", tenant)], ..Request::new("GET", address, &path) };
    let answer = request.send()?.text();
    let value = serde_json::from_str::<Value>(&answer).ok().and_then(|answer| match answer["data"]["result"].as_array()?.as_slice() {
        [only] => only["value"][1].as_str().map(str::to_owned),
        _ => None,
    });
    Ok(value.unwrap_or(answer))
}
