//! Runs the promqltest scripts of a directory: `promqltest [--verbose] DIRECTORY`.
//!
//! Prints a line for each script and one for all; `--verbose` prints what failed. Ends with 1 when something failed and with 2 when
//! it could not be run.

use std::path::PathBuf;
use std::process::ExitCode;

use quartet_metrics::promqltest::{self, RunError};
use runtime::Chain;

fn main() -> ExitCode {
    let (flags, paths): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let verbose = flags.iter().any(|flag| flag == "--verbose");
    let [directory] = paths.as_slice() else {
        eprintln!("usage: promqltest [--verbose] DIRECTORY");
        return ExitCode::from(2);
    };
    match run(&PathBuf::from(directory), verbose) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("{}", Chain(&err));
            ExitCode::from(2)
        }
    }
}

/// Runs all scripts; returns how many queries failed.
fn run(directory: &PathBuf, verbose: bool) -> Result<usize, RunError> {
    let mut scripts = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    scripts.sort();
    let (mut passed, mut failed) = (0, 0);
    for script in scripts {
        let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let report = promqltest::run_file(&script)?;
        println!("{name}: {} passed, {} failed", report.passed, report.failed.len());
        if verbose {
            for failure in &report.failed {
                println!("  {name}:{}: {}\n    {}", failure.line, failure.query, failure.reason);
            }
        }
        passed += report.passed;
        failed += report.failed.len();
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}
