//! `promtool` pushes metrics to an all-in-one, and asks for them in each way that it knows.
//!
//! It pushes in remote write 1.0: what promtool 3.14 sends as 2.0 is a message of 1.0 under the other name, in which no receiver finds anything.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cluster::{self, ClusterError};
use crate::otlp::{self, OtlpError};
use crate::tools::{self, ToolError};

/// Why the metrics did not arrive as they should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromtoolError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Server(#[from] OtlpError),
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
    #[error("promtool {command}: {output}")]
    Failed { command: String, output: String },
    #[error("promtool {command} prints {found:?}, not {expected:?}")]
    Differs { command: String, found: String, expected: &'static str },
}

/// Whose metrics they are.
const TENANT: &str = "promtool";

/// What is pushed.
const METRICS: &str = "\
# HELP requests_total Requests by path.
# TYPE requests_total counter
requests_total{path=\"/a\"} 7
requests_total{path=\"/b\"} 5
# HELP latency_seconds How long they took.
# TYPE latency_seconds histogram
latency_seconds_bucket{le=\"0.1\"} 1
latency_seconds_bucket{le=\"1\"} 2
latency_seconds_bucket{le=\"+Inf\"} 3
latency_seconds_sum 5.55
latency_seconds_count 3
";

/// Commands, and what they print. `$server` is where queries go, `$end` when the metrics were pushed, `$later` a second after that. Of values the times are left out.
const ASKED: [(&[&str], &str); 6] = [
    (&["query", "instant", "--time=$end", "$server", "sum by (job) (requests_total)"], "{job=\"promtool\"} => 12"),
    (&["query", "instant", "--time=$end", "$server", "histogram_quantile(0.5, latency_seconds_bucket)"], "{job=\"promtool\"} => 0.55"),
    (&["query", "range", "--start=$end", "--end=$later", "--step=1m", "$server", "max(requests_total)"], "{} =>\n7"),
    (
        &["query", "series", "--match=requests_total", "$server"],
        "{__name__=\"requests_total\", job=\"promtool\", path=\"/a\"}\n{__name__=\"requests_total\", job=\"promtool\", path=\"/b\"}",
    ),
    (&["query", "labels", "$server", "path"], "/a\n/b"),
    (&["query", "labels", "$server", "le"], "+Inf\n0.1\n1"),
];

/// Pushes, and asks.
pub(crate) fn run() -> Result<(), PromtoolError> {
    let promtool = tools::promtool()?;
    let mut server = otlp::all_in_one(&cluster::build()?, "promtool")?;
    server.start()?;
    let data = &server.data;
    let ready = server.wait_ready(Duration::from_secs(60)).map_err(PromtoolError::from);
    let outcome = ready.and_then(|()| {
        let metrics = data.join("metrics.txt");
        fs::write(&metrics, METRICS).map_err(|source| PromtoolError::Io { what: "write the metrics", source })?;
        push(&promtool, &server.http, &metrics)?;
        let client = data.join("client.yaml");
        let headers = format!("http_headers:\n  X-Scope-OrgID:\n    values: [{TENANT}]\n");
        fs::write(&client, headers).map_err(|source| PromtoolError::Io { what: "write the headers of the client", source })?;
        ask(&promtool, &server.http, &client)
    });
    server.signal("TERM")?;
    server.wait_gone(Duration::from_secs(60))?;
    outcome
}

fn push(promtool: &Path, address: &str, metrics: &Path) -> Result<(), PromtoolError> {
    let url = format!("http://{address}");
    let mut command = Command::new(promtool);
    command.args(["push", "metrics", "--remote-write.path=/api/v1/push"]);
    command.args([&format!("--header=X-Scope-OrgID={TENANT}"), &url]).arg(metrics);
    output(&mut command, "push metrics").map(drop)
}

fn ask(promtool: &Path, address: &str, client: &Path) -> Result<(), PromtoolError> {
    let server = format!("http://{address}/prometheus");
    #[expect(clippy::disallowed_methods, reason = "promtool gives the metrics the time that it is")]
    let end = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() + 1);
    let places = [("$server", server), ("$end", end.to_string()), ("$later", (end + 1).to_string())];
    let client = format!("--http.config.file={}", client.display());
    for (args, expected) in ASKED {
        let args: Vec<String> =
            args.iter().map(|arg| places.iter().fold((*arg).to_owned(), |arg, (place, text)| arg.replace(place, text))).collect();
        let text = args.join(" ");
        let mut command = Command::new(promtool);
        command.args(&args[..2]).arg(&client).args(&args[2..]);
        let printed = output(&mut command, &text)?;
        let values: Vec<&str> = printed.trim().lines().map(|line| line.split(" @[").next().unwrap_or(line).trim_end()).collect();
        let found = values.join("\n");
        if found != expected {
            return Err(PromtoolError::Differs { command: text, found, expected });
        }
    }
    eprintln!("promtool: {} answers are right", ASKED.len());
    Ok(())
}

fn output(command: &mut Command, text: &str) -> Result<String, PromtoolError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| PromtoolError::Io { what: "run promtool", source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let told = [output.stdout, output.stderr].concat();
    Err(PromtoolError::Failed { command: text.to_owned(), output: String::from_utf8_lossy(&told).trim().to_owned() })
}
