//! The query-frontend of a cluster.

use std::process::ExitCode;

use quartet::config::Config;
use quartet::roles;

fn main() -> ExitCode {
    runtime::main("query-frontend", async |app, config: &Config| roles::query_frontend(app, config).await)
}
