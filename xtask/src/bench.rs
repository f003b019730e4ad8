//! Quartet beside others: the same data, on the same machine, one after the other in one run.
//!
//! Bodies are encoded before anything is measured; CPU and memory are those of the server's process, from `/proc`, so what the load
//! generator takes is not counted. What comes out is a table for `docs/performance.md`.

mod data;
mod measure;
mod peers;
mod queries;
mod send;

use std::path::Path;
use std::time::{Duration, Instant};

use data::Set;
use measure::{Process, Usage};
use peers::Peer;

use crate::tools::{self, ToolError};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("there is no benchmark {0}; `metrics` is one")]
    Unknown(String),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("{what}")]
    Io { what: String, source: std::io::Error },
    #[error(transparent)]
    Http(#[from] crate::http::HttpError),
    #[error("{peer}: {what}")]
    Peer { peer: &'static str, what: String },
}

/// What was measured of one server.
#[derive(Debug)]
struct Row {
    peer: &'static str,
    samples: u64,
    ingest: Usage,
    wall: Duration,
    settled: Usage,
    disk: u64,
    restart: Option<Duration>,
    queries: Vec<queries::Timed>,
}

/// Runs the benchmark of a signal.
///
/// * `small`: a hundredth of the data, to see that everything works.
/// * `only`: names of servers; empty: all.
pub(crate) fn run(name: &str, small: bool, only: &[String]) -> Result<(), BenchError> {
    if name != "metrics" {
        return Err(BenchError::Unknown(name.to_owned()));
    }
    let directory = tools::target().join("bench");
    remove(&directory)?;
    std::fs::create_dir_all(&directory).map_err(|source| BenchError::Io { what: format!("make {}", directory.display()), source })?;
    let peers = peers::all(&directory, only)?;
    let sets = if small { [Set::a().small(), Set::b().small()] } else { [Set::a(), Set::b()] };
    for set in sets {
        let bodies = directory.join("bodies");
        let written = data::write(&set, &bodies)?;
        eprintln!("set {}: {} series, {} samples in {} pushes", set.name, set.series(), written.samples, written.pushes);
        let rows = peers.iter().map(|peer| one(peer, &set, &bodies, written)).collect::<Result<Vec<_>, _>>()?;
        println!("{}", table(&set, &rows));
    }
    remove(&directory)
}

/// All figures of one server, which is started on an empty directory and ended.
fn one(peer: &Peer, set: &Set, bodies: &Path, written: data::Written) -> Result<Row, BenchError> {
    let data = peer.directory.clone();
    remove(&data)?;
    let mut process = Process::start(peer, &data)?;
    let before = process.usage()?;
    let begun = Instant::now();
    send::all(peer, bodies, || process.sample())?;
    let wall = begun.elapsed();
    let ingest = process.usage()?.since(before);
    eprintln!("  {}: ingested in {:.0} s, {:.1} CPU seconds", peer.name, wall.as_secs_f64(), ingest.cpu.as_secs_f64());
    let restart = if set.restarts { Some(process.kill_and_restart(peer, &data)?) } else { None };
    peer.settle()?;
    let settled = process.usage()?.since(before);
    let queries = queries::ask(peer, set, written.end_ms)?;
    let disk = measure::disk(&data, &peer.not_data)?;
    process.stop()?;
    remove(&data)?;
    Ok(Row { peer: peer.name, samples: written.samples, ingest, wall, settled, disk, restart, queries })
}

fn remove(path: &Path) -> Result<(), BenchError> {
    tools::remove(path).map_err(|source| BenchError::Io { what: format!("remove {}", path.display()), source })
}

/// The table of a set: a column for each server.
fn table(set: &Set, rows: &[Row]) -> String {
    let mut lines = vec![format!("### Set {}: {}", set.name, set.about), String::new()];
    let line = |name: &str, cell: &dyn Fn(&Row) -> String| {
        let cells: Vec<String> = rows.iter().map(cell).collect();
        format!("| {name} | {} |", cells.join(" | "))
    };
    lines.push(line("", &|row| row.peer.to_owned()));
    lines.push(format!("| --- |{}", " --- |".repeat(rows.len())));
    let millions = |row: &Row| row.samples as f64 / 1e6;
    let mib = |bytes: u64| format!("{}", bytes >> 20);
    lines.push(line("CPU s per million samples, until all are acknowledged", &|row| {
        format!("{:.2}", row.ingest.cpu.as_secs_f64() / millions(row))
    }));
    lines.push(line("the same with flush and compaction", &|row| format!("{:.2}", row.settled.cpu.as_secs_f64() / millions(row))));
    lines.push(line("seconds of ingestion", &|row| format!("{:.0}", row.wall.as_secs_f64())));
    lines.push(line("anonymous memory at most, MiB", &|row| mib(row.ingest.anonymous)));
    lines.push(line("mapped files at most, MiB", &|row| mib(row.ingest.mapped)));
    lines.push(line("bytes on disk per sample", &|row| format!("{:.2}", row.disk as f64 / row.samples as f64)));
    if set.restarts {
        let seconds = |row: &Row| row.restart.map_or_else(String::new, |time| format!("{:.1}", time.as_secs_f64()));
        lines.push(line("seconds from `kill -9` to the first answer", &seconds));
    }
    for index in 0..rows.first().map_or(0, |row| row.queries.len()) {
        let name = rows[0].queries[index].text.clone();
        lines.push(line(&format!("`{name}` ms, median / p95"), &|row| {
            let timed = &row.queries[index];
            format!("{:.0} / {:.0} ({})", timed.median.as_secs_f64() * 1e3, timed.p95.as_secs_f64() * 1e3, timed.series)
        }));
    }
    lines.join("\n") + "\n"
}
