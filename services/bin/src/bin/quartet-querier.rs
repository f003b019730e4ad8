//! The querier of a cluster.

use std::process::ExitCode;

use quartet::config::Config;
use quartet::roles;

fn main() -> ExitCode {
    runtime::main("querier", async |app, config: &Config| roles::querier(app, config).await)
}
