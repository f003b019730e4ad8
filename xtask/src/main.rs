//! Developer commands of the workspace: `cargo xtask help` lists them.
mod protobuf;
use std::process::ExitCode;
fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("proto") => match protobuf::generate() {
            Ok(()) => ExitCode::SUCCESS,
            Err(err) => {
                eprintln!("{err}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: cargo xtask proto");
            ExitCode::FAILURE
        }
    }
}
