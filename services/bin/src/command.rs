//! What the commands of `quartet` beside the server have in common: configuration, threads, errors on the terminal, progress.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use runtime::Chain;
use runtime::config::{Command, command};

use crate::config::AllInOneConfig;

/// Reads the configuration out of `args` and the environment, and does the work. What goes wrong is said on the standard error.
pub(crate) fn run<E>(
    name: &'static str,
    args: impl Iterator<Item = String>,
    work: impl AsyncFnOnce(&AllInOneConfig) -> Result<ExitCode, E>,
) -> ExitCode
where
    E: std::error::Error + 'static,
{
    let env = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let config = match command::<AllInOneConfig>(name, args, env) {
        Ok(Command::Run(config)) => config,
        Ok(Command::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(_) => return ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("{}", Chain(&err));
            return ExitCode::from(runtime::process::BAD_CONFIG);
        }
    };
    runtime::tls::install_provider();
    let threads = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(threads) => threads,
        Err(err) => return failed(&err),
    };
    threads.block_on(work(&config)).unwrap_or_else(|err| failed(&err))
}

/// A bar on the standard error; where that is no terminal it is not seen.
pub(crate) fn progress(samples: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} samples, {per_sec}, {eta} left: {msg}");
    let bar = ProgressBar::new(samples);
    bar.set_style(style.expect("a good template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn failed(err: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {}", Chain(err));
    ExitCode::FAILURE
}
