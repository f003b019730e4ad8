//! The store-gateway of a cluster.

use std::process::ExitCode;

use quartet::config::Config;
use quartet::roles;

fn main() -> ExitCode {
    runtime::main("store-gateway", async |app, config: &Config| roles::store_gateway(app, config).await)
}
