//! What the main function of every binary does, in the order in which it happens.

use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::app::{App, Ended, Role, StartError};
use crate::config::{Command, ConfigError, Setting, Tree, command};
use crate::error::Chain;
use crate::telemetry::{self, Telemetry};

/// The stack of each thread. What recurses over a query, as deep as its language allows, takes up to 4 MiB where nothing is
/// optimized; pages that nothing touches are never there.
const STACK_BYTES: usize = 8 << 20;

/// The code for a bad configuration: `EX_CONFIG` of sysexits.h.
pub const BAD_CONFIG: u8 = 78;

/// Loads the configuration, starts the role, serves until SIGTERM, SIGINT or `POST /shutdown`, and stops in order.
///
/// * `start` makes the role's clients, stores and services and adds their routes, instruments and checks to the [`App`]:
///   sockets are bound by then, and served when it returns. It must not wait for other processes to appear.
/// * Returns 0, 78 for a bad configuration, 1 when the start failed or work was left behind.
///
/// ```no_run
/// # extern crate quartet_runtime as runtime;
/// runtime::settings! {
///     /// Everything that can be set.
///     pub struct Config {
///         /// Ports.
///         pub server: runtime::server::ServerConfig = Default::default(),
///         /// Logs.
///         pub telemetry: runtime::telemetry::TelemetryConfig = Default::default(),
///     }
/// }
///
/// impl runtime::config::Tree for Config {
///     fn server(&self) -> &runtime::server::ServerConfig {
///         &self.server
///     }
///
///     fn telemetry(&self) -> &runtime::telemetry::TelemetryConfig {
///         &self.telemetry
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     runtime::main("greeter", async |app: &mut runtime::App, _config: &Config| {
///         app.http.main(axum::Router::new().route("/hello", axum::routing::get(async || "hello")));
///         tokio::task::yield_now().await;
///         Ok(()) // a role that has nothing to end
///     })
/// }
/// ```
pub fn main<C, R>(role: &'static str, start: impl AsyncFnOnce(&mut App, &C) -> Result<R, StartError>) -> ExitCode
where
    C: Tree + Setting + Default + Serialize + DeserializeOwned,
    R: Role,
{
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let env = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let config = match command::<C>(role, args, env) {
        Ok(Command::Run(config)) => config,
        Ok(Command::Print(text)) => return print(&text),
        Ok(Command::Check(config)) => {
            return match config.check() {
                Ok(()) => print("the configuration is valid\n"),
                Err(err) => bad_config(role, &err),
            };
        }
        Err(err) => return bad_config(role, &err),
    };
    crate::tls::install_provider();
    let telemetry = match config.check().and_then(|()| telemetry::init(config.telemetry())) {
        Ok(telemetry) => telemetry,
        Err(err) => return bad_config(role, &err),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.thread_stack_size(STACK_BYTES);
    if config.server().worker_threads > 0 {
        builder.worker_threads(config.server().worker_threads);
    }
    match builder.enable_all().build() {
        Ok(threads) => threads.block_on(Box::pin(run(role, &*config, telemetry, start))),
        Err(err) => failed(&StartError::new("start threads", err)),
    }
}

async fn run<C, R>(
    role: &'static str,
    config: &C,
    telemetry: Telemetry,
    start: impl AsyncFnOnce(&mut App, &C) -> Result<R, StartError>,
) -> ExitCode
where
    C: Tree + Setting + Default + Serialize,
    R: Role,
{
    let (mut app, mut signals) = match prepare(role, config, telemetry).await {
        Ok(prepared) => prepared,
        Err(err) => return failed(&err),
    };
    let started = tokio::select! {
        biased;
        started = start(&mut app, config) => started,
        () = signals.next() => {
            info!("stopped before everything was started");
            return ExitCode::SUCCESS;
        }
    };
    let role = match started {
        Ok(role) => role,
        Err(err) => return failed(&err),
    };
    let running = app.serve().await;
    running.ready();
    let ended = tokio::select! {
        ended = running.ended() => ended,
        () = signals.next() => Ended::Asked,
    };
    info!(?ended, "stopping");
    let stopped = tokio::select! {
        stopped = running.stop_role(role) => stopped.is_ok(),
        () = signals.next() => {
            warn!("a second signal: leaving at once");
            false
        }
    };
    info!("stopped");
    if stopped && ended == Ended::Asked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn prepare<C>(role: &'static str, config: &C, telemetry: Telemetry) -> Result<(App, Signals), StartError>
where
    C: Tree + Setting + Default + Serialize,
{
    let signals = Signals::new().map_err(|err| StartError::new("listen for signals", err))?;
    Ok((App::bind(role, config, telemetry).await?, signals))
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// The log is not up yet: plain text.
fn bad_config(role: &str, err: &ConfigError) -> ExitCode {
    eprintln!("{role}: {}", Chain(err));
    ExitCode::from(BAD_CONFIG)
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    // A reader that has closed the pipe (`| head`) has what it wanted.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn failed(err: &StartError) -> ExitCode {
    error!(error = %Chain(err), "the process cannot start");
    ExitCode::FAILURE
}
