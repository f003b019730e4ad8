//! The all-in-one.

use std::process::ExitCode;

use quartet::config::AllInOneConfig;

fn main() -> ExitCode {
    runtime::main("all-in-one", async |app, config: &AllInOneConfig| quartet::quartet::start(app, config).await)
}
