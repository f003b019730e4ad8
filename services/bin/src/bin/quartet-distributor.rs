//! The distributor of a cluster.

use std::process::ExitCode;

use quartet::config::Config;
use quartet::roles;

fn main() -> ExitCode {
    runtime::main("distributor", async |app, config: &Config| roles::distributor(app, config).await)
}
