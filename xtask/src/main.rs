//! Developer commands of the workspace: `cargo xtask help` lists them.

mod bench;
mod charts;
mod cluster;
mod conformance;
mod differ;
mod drill;
mod export;
mod gate;
mod graph;
mod http;
mod message;
mod otlp;
mod promqltest;
mod promtool;
mod protobuf;
mod random;
mod relay;
mod router;
mod tidy;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cluster::{Cluster, Plan};

/// Developer commands of Quartet.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need, then run everything that a change must pass.
    Test,
    /// Write proto/src/gen from the .proto files.
    Proto,
    /// A cluster of separate processes on loopback, with a real S3, memcached and Prometheus.
    Cluster {
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Break parts of a cluster while Prometheus writes, and compare what Quartet has with what Prometheus has.
    Drill {
        /// Only these.
        names: Vec<String>,
    },
    /// Measure Quartet beside VictoriaMetrics and Prometheus, with the release build.
    Bench {
        /// `metrics`.
        name: String,
        /// A small part of the data, to see that everything works.
        #[arg(long)]
        small: bool,
        /// Only this server: quartet, victoriametrics or prometheus; may be repeated.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Ask Quartet and a Prometheus the same random queries over the same random data, and tell where the answers differ.
    Differ {
        /// Of data and queries; the next seeds follow while there is time.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many queries each seed has.
        #[arg(long, default_value_t = 2_000)]
        queries: u64,
        /// How long seeds follow each other; at least one is run.
        #[arg(long, default_value_t = 0)]
        minutes: u64,
        /// Only the query of this number.
        #[arg(long)]
        only: Option<u64>,
    },
    /// Send metrics with the SDK of OpenTelemetry, over gRPC and HTTP, and ask for them.
    Otlp,
    /// Export tables out of blocks, and compare what DuckDB reads in them with what PromQL answers.
    Export,
    /// Render the Helm charts with Helm itself, and check everything that comes out.
    Charts {
        /// Write what is generated of the charts instead of comparing it.
        #[arg(long)]
        write: bool,
        /// Where programs of Quartet are: each checks the configuration of its pods.
        #[arg(long)]
        programs: Option<PathBuf>,
        /// Run them as the pods of a cluster, on loopback.
        #[arg(long, requires = "programs")]
        start: bool,
    },
    /// The proxy before a cluster; `cluster up` starts it.
    #[command(hide = true)]
    Router {
        /// Where the cluster stands.
        #[arg(long)]
        directory: PathBuf,
        /// Where to listen.
        #[arg(long)]
        listen: String,
    },
    /// Push metrics with promtool to an all-in-one, and ask for them with it.
    Promtool,
    /// Replay recorded answers of the original systems against Quartet.
    Conformance {
        /// `metrics`.
        signal: String,
        /// A file of cases instead of the shared one; may be repeated.
        #[arg(long)]
        cases: Vec<PathBuf>,
        /// Ask a process cluster after flush and compaction too.
        #[arg(long)]
        cluster: bool,
        /// Only cases whose feature begins with this.
        #[arg(long)]
        feature: Vec<String>,
        /// Print each difference.
        #[arg(long, short)]
        verbose: bool,
    },
    /// Run Prometheus's own test scripts against the query engine.
    Promqltest {
        /// Directory of the scripts.
        directory: Option<PathBuf>,
        /// Print each failure.
        #[arg(long, short)]
        verbose: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Build, start everything on an empty directory, wait until it is ready.
    Up {
        /// YAML that is laid over the configuration of every process.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Without a Prometheus that scrapes and writes.
        #[arg(long)]
        without_prometheus: bool,
    },
    /// End every process.
    Down,
    /// Role, zone, pid, addresses and data directory of each process.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send a signal to a process.
    Kill {
        /// Its name in `status`.
        name: String,
        /// KILL, TERM, STOP, CONT …
        #[arg(long, default_value = "KILL")]
        signal: String,
    },
    /// Start a process again that has gone.
    Start {
        /// Its name in `status`.
        name: String,
    },
}

fn main() -> ExitCode {
    let done: Result<(), Box<dyn std::error::Error>> = match Cli::parse().command {
        Command::Test => gate::run().map_err(Into::into),
        Command::Proto => protobuf::generate().map_err(Into::into),
        Command::Cluster { command } => run_cluster(command).map_err(Into::into),
        Command::Drill { names } => drill::run(&names).map_err(Into::into),
        Command::Bench { name, small, only } => bench::run(&name, small, &only).map_err(Into::into),
        Command::Differ { seed, queries, minutes, only } => differ::run(&differ::Plan { seed, queries, minutes, only }).map_err(Into::into),
        Command::Otlp => otlp::run().map_err(Into::into),
        Command::Promtool => promtool::run().map_err(Into::into),
        Command::Export => export::run().map_err(Into::into),
        Command::Charts { write, programs, start } => charts::run(&charts::Ask { write, programs, start }).map_err(Into::into),
        Command::Router { directory, listen } => router::run(directory, &listen).map_err(Into::into),
        Command::Conformance { signal, cases, cluster, feature, verbose } => {
            conformance::run(&conformance::Ask { signal, cases, cluster, features: feature, verbose }).map_err(Into::into)
        }
        Command::Promqltest { directory, verbose } => promqltest::run(directory, verbose).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {}", chain(err.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run_cluster(command: ClusterCommand) -> Result<(), cluster::ClusterError> {
    let plan = Plan::default();
    match command {
        ClusterCommand::Up { config, without_prometheus } => {
            let plan = Plan { extra: config, with_prometheus: !without_prometheus, ..plan };
            println!("{}", Cluster::up(&plan)?.status(false));
        }
        ClusterCommand::Down => Cluster::open(&plan.directory)?.down(),
        ClusterCommand::Status { json } => println!("{}", Cluster::open(&plan.directory)?.status(json)),
        ClusterCommand::Kill { name, signal } => Cluster::open(&plan.directory)?.kill(&name, signal.trim_start_matches("SIG"))?,
        ClusterCommand::Start { name } => Cluster::open(&plan.directory)?.start(&name)?,
    }
    Ok(())
}

fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text = format!("{text}: {err}");
        source = err.source();
    }
    text
}
