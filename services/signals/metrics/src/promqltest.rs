//! Runs test scripts in the format of Prometheus's `promqltest` against the [engine](crate::query::engine).
//!
//! A script loads series in a short notation and says what queries over them answer. Each instant query is asked three times: as
//! it is; with its time pinned by `@` and evaluated at other times; and as the middle step of a range query.

mod compare;
mod histogram;
mod notation;
mod pinned;
mod script;
mod session;
mod store;

use std::io;
use std::path::Path;

pub use notation::NotationError;
pub use script::ScriptError;

/// What became of a script's queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many answered as expected.
    pub passed: usize,
    /// Those that did not.
    pub failed: Vec<Failure>,
}

/// A query that did not answer as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the script, from 1.
    pub line: usize,
    /// The query.
    pub query: String,
    /// What was wrong.
    pub reason: String,
}

/// A script that could not be run at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The file could not be read.
    #[error("read the script")]
    Read(#[from] io::Error),
    /// The file is no script.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// Runs the script in a file.
pub fn run_file(path: &Path) -> Result<Report, RunError> {
    Ok(run_text(&std::fs::read_to_string(path)?)?)
}

/// Runs a script.
pub fn run_text(text: &str) -> Result<Report, ScriptError> {
    let mut session = session::Session::default();
    let mut report = Report::default();
    for block in script::parse(text)? {
        match block.command {
            script::Command::Clear => session.clear(),
            script::Command::Load(load) => session.load(&load),
            script::Command::Eval(eval) => match session.check(&eval) {
                Ok(()) => report.passed += 1,
                Err(reason) => report.failed.push(Failure { line: block.line, query: eval.query, reason }),
            },
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
