//! Prometheus's own test scripts against the query engine.

use std::path::PathBuf;
use std::process::Command;

use crate::tools;

/// Why the scripts did not run, or did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromqltestError {
    #[error("{} does not exist: name a directory of .test files", .0.display())]
    Missing(PathBuf),
    #[error("cargo could not be run")]
    Cargo(#[from] std::io::Error),
    #[error("some evaluations failed")]
    Failed,
}

/// Where the scripts stand when nothing is said.
pub(crate) fn default_directory() -> PathBuf {
    tools::root().join("../shared/conformance/promqltest")
}

/// Runs every script of a directory and prints the figures.
pub(crate) fn run(directory: Option<PathBuf>, verbose: bool) -> Result<(), PromqltestError> {
    let mut command = command(directory)?;
    if verbose {
        command.arg("--verbose");
    }
    if command.status()?.success() { Ok(()) } else { Err(PromqltestError::Failed) }
}

/// Runs every script and gives the last line that the runner prints.
pub(crate) fn figures() -> Result<String, PromqltestError> {
    let output = command(None)?.stderr(std::process::Stdio::inherit()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().last().map(|line| format!("promqltest: {line}")).ok_or(PromqltestError::Failed)
}

fn command(directory: Option<PathBuf>) -> Result<Command, PromqltestError> {
    let directory = directory.unwrap_or_else(default_directory);
    if !directory.is_dir() {
        return Err(PromqltestError::Missing(directory));
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "quartet-metrics", "--example", "promqltest", "--"]).arg(directory);
    command.current_dir(tools::root());
    Ok(command)
}
