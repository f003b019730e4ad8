//! The compactor of a cluster.

use std::process::ExitCode;

use quartet::config::Config;
use quartet::roles;

fn main() -> ExitCode {
    runtime::main("compactor", async |app, config: &Config| roles::compactor(app, config).await)
}
