//! `quartet export` writes what an all-in-one has in blocks, and DuckDB reads in it what PromQL answers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cluster::process::Process;
use crate::cluster::{self, ClusterError};
use crate::http::{HttpError, Request, encode};
use crate::otlp::{self, OtlpError};
use crate::tools::{self, ToolError};

/// Why the tables are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Server(#[from] OtlpError),
    #[error("{path}")]
    Http { path: String, source: HttpError },
    #[error("{path} was answered with {status}: {text}")]
    Answer { path: String, status: u16, text: String },
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
    #[error("{program}: {output}")]
    Failed { program: &'static str, output: String },
    #[error("{found} samples of {tables} are as answered, and there should be {expected}")]
    Count { tables: String, found: String, expected: usize },
}

const TENANT: &str = "exported";

/// Seconds from one sample to the next.
const STEP: u64 = 15;

/// Series, and which of their samples each cut has: the second repeats some of the first.
const JOBS: [&str; 3] = ["a", "b", "c"];
const CUTS: [(u64, u64); 2] = [(0, 100), (60, 160)];

/// The samples of job `b` that are deleted.
const DELETED: (u64, u64) = (20, 80);

/// Writes, exports, compares.
pub(crate) fn run() -> Result<(), ExportError> {
    let python = tools::duckdb()?;
    let mut server = otlp::all_in_one(&cluster::build()?, "export")?;
    // The second cut repeats samples that are older than the newest.
    server.args.push("--limits.metrics.out_of_order_time_window=1h".to_owned());
    server.start()?;
    let compared = server.wait_ready(Duration::from_secs(60)).map_err(ExportError::from).and_then(|()| compare(&server, &python));
    server.signal("TERM")?;
    server.wait_gone(Duration::from_secs(60))?;
    compared
}

fn compare(server: &Process, python: &Path) -> Result<(), ExportError> {
    #[expect(clippy::disallowed_methods, reason = "a command of its own, without a process whose clock it could take")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let begin = (now / STEP - 170) * STEP;
    for (from, to) in CUTS {
        write(server, begin, from, to)?;
        ask(server, "POST", "/ingester/flush?wait=true", b"")?;
    }
    let (first, last) = (begin + DELETED.0 * STEP, begin + (DELETED.1 - 1) * STEP);
    let selector = encode("m{job=\"b\"}");
    ask(server, "POST", &format!("/prometheus/api/v1/admin/tsdb/delete_series?match[]={selector}&start={first}&end={last}"), b"")?;

    let all = count(0, CUTS[1].1) * JOBS.len() - count(DELETED.0, DELETED.1);
    let tables = export(server, "all", &[])?.join("*.parquet");
    same(server, python, "{__name__!=\"\"}[1h]", now, &tables, all)?;

    // The window of a query does not hold its own begin: no sample is at either end.
    let end = begin + 90 * STEP + 7;
    let times = [format!("--start={}", end - 600), format!("--end={end}")];
    let table = export(server, "some.parquet", &["--match={job!~\"c\"}".to_owned(), times[0].clone(), times[1].clone()])?;
    same(server, python, "{__name__!=\"\",job!~\"c\"}[10m]", end, &table, 40 + 11)
}

fn count(from: u64, to: u64) -> usize {
    usize::try_from(to - from).expect("a few samples")
}

/// Sends samples of all series as lines of Influx.
fn write(server: &Process, begin: u64, from: u64, to: u64) -> Result<(), ExportError> {
    let lines = (from..to).flat_map(|n| JOBS.map(|job| format!("m,job={job} value={n}.25 {}000000000\n", begin + n * STEP)));
    ask(server, "POST", "/api/v1/push/influx/write", lines.collect::<String>().as_bytes()).map(drop)
}

fn ask(server: &Process, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, ExportError> {
    let timeout = Duration::from_secs(60);
    let request = Request { headers: &[("X-Scope-OrgID", TENANT)], body, timeout, ..Request::new(method, &server.http, path) };
    let answer = request.send().map_err(|source| ExportError::Http { path: path.to_owned(), source })?;
    if answer.status / 100 == 2 {
        return Ok(answer.body);
    }
    Err(ExportError::Answer { path: path.to_owned(), status: answer.status, text: answer.text() })
}

/// Exports with the configuration of the server, from its directory. Returns what was written.
fn export(server: &Process, name: &str, options: &[String]) -> Result<PathBuf, ExportError> {
    let output = server.data.join("exports").join(name);
    let failed = |source| ExportError::Io { what: "make a directory for tables", source };
    fs::create_dir_all(server.data.join("exports")).map_err(failed)?;
    let mut command = Command::new(&server.program);
    command.arg("export").arg(&output).arg(format!("--tenant={TENANT}")).args(options).args(&server.args);
    said("quartet export", command.current_dir(&server.data))?;
    Ok(output)
}

/// Compares tables with the answer to a query for raw samples.
fn same(server: &Process, python: &Path, query: &str, time: u64, tables: &Path, expected: usize) -> Result<(), ExportError> {
    let answer = ask(server, "GET", &format!("/prometheus/api/v1/query?query={}&time={time}", encode(query)), b"")?;
    let file = server.data.join("answer.json");
    fs::write(&file, answer).map_err(|source| ExportError::Io { what: "keep an answer", source })?;
    let mut command = Command::new(python);
    let found = said("compare.py", command.arg(tools::root().join("xtask/tools/export/compare.py")).arg(file).arg(tables))?;
    if found != expected.to_string() {
        return Err(ExportError::Count { tables: tables.display().to_string(), found, expected });
    }
    eprintln!("export: {found} samples of {query} are the same in DuckDB");
    Ok(())
}

/// What a program says on its standard output.
fn said(program: &'static str, command: &mut Command) -> Result<String, ExportError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| ExportError::Io { what: "run a program", source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(ExportError::Failed { program, output: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}
