//! The ingester of a cluster.

use std::process::ExitCode;

use quartet::config::Config;
use quartet::roles;

fn main() -> ExitCode {
    runtime::main("ingester", async |app, config: &Config| roles::ingester(app, config).await)
}
