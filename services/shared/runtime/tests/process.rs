//! `runtime::main` in a process of its own: exit codes, signals, what goes to which stream.
//! Started with [`ROLE`] in its environment this is that process, else it is the test.

// The name that the workspace gives the crate.
extern crate quartet_runtime as runtime;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use runtime::app::{App, StartError};
use runtime::config::{ConfigError, Tree, at_least};
use runtime::server::ServerConfig;
use runtime::telemetry::{LogFormat, TelemetryConfig};

/// The variable that makes this the process under test.
const ROLE: &str = "RUN_AS_A_ROLE";

runtime::settings! {
    /// The configuration of the process.
    struct Config {
        /// Ports.
        server: ServerConfig = ServerConfig { http_port: 0, grpc_port: 0, listen_address: "127.0.0.1".to_owned(), ..ServerConfig::default() },
        /// Logs.
        telemetry: TelemetryConfig = TelemetryConfig { log_format: LogFormat::Json, ..TelemetryConfig::default() },
        /// A number.
        workers: u32 = 2,
        /// Whether the start fails.
        broken: bool = false,
    }
}

impl Tree for Config {
    fn server(&self) -> &ServerConfig {
        &self.server
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn check(&self) -> Result<(), ConfigError> {
        at_least("workers", self.workers, 1).map(|_| ())
    }
}

async fn start(app: &mut App, config: &Config) -> Result<(), StartError> {
    let slow = get(async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        "done"
    });
    app.http.main(Router::new().route("/slow", slow));
    tokio::task::yield_now().await;
    if config.broken { Err(StartError::new("open the store", std::io::Error::other("no such bucket"))) } else { Ok(()) }
}

fn main() -> ExitCode {
    if std::env::var_os(ROLE).is_some() {
        return runtime::main("greeter", async |app: &mut App, config: &Config| start(app, config).await);
    }
    texts_go_to_standard_output();
    a_bad_configuration_is_78();
    a_failed_start_is_1();
    sigterm_lets_requests_finish();
    ExitCode::SUCCESS
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
    command.args(args).env(ROLE, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, standard output, standard error of a process that ends by itself.
fn ran(args: &[&str]) -> (Option<i32>, String, String) {
    let output = command(args).output().expect("this program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn texts_go_to_standard_output() {
    let (code, out, err) = ran(&["--print-config", "--workers=3"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("# A number.\n# integer, default 2\nworkers: 3\n"), "{out}");
    assert_eq!(ran(&["--check-config"]).1, "the configuration is valid\n");
    assert!(ran(&["--help"]).1.contains("--server.http_port=INTEGER\n"));
    assert_eq!(ran(&["--version"]).1, format!("greeter {}\n", env!("CARGO_PKG_VERSION")));
}

fn a_bad_configuration_is_78() {
    for (args, expected) in [
        (["--worker=1"].as_slice(), "greeter: worker: unknown setting; did you mean workers? (in --worker)\n"),
        (&["--workers=0"], "greeter: workers: 0 is below the minimum of 1\n"),
        (&["--workers=0", "--check-config"], "greeter: workers: 0 is below the minimum of 1\n"),
        (&["--telemetry.log_level=loud"], "greeter: telemetry.log_level: unrecognized log level \"loud\"\n"),
        (&["--config=/nowhere.yaml"], "greeter: read the configuration /nowhere.yaml: No such file or directory (os error 2)\n"),
    ] {
        assert_eq!(ran(args), (Some(78), String::new(), expected.to_owned()));
    }
}

fn a_failed_start_is_1() {
    let (code, _, err) = ran(&["--broken"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("\"error\":\"open the store: no such bucket\""), "{err}");
}

fn sigterm_lets_requests_finish() {
    let mut process = command(&[]).spawn().expect("this program can be run");
    let mut log = BufReader::new(process.stderr.take().expect("it is a pipe"));
    let http = listening(&mut log);
    let mut stream = TcpStream::connect(&http).expect("the process listens");
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").expect("the process reads");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !page(&http, "/metrics").contains("cortex_inflight_requests{method=\"GET\",route=\"slow\"} 1\n") {
        assert!(Instant::now() < deadline, "the request is not taken");
    }
    assert!(page(&http, "/ready").ends_with("\r\n\r\nready"));
    terminate(&process);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the process answers and closes");
    assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
    assert_eq!(process.wait().expect("it was started").code(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("the log is text");
    assert!(rest.contains("\"message\":\"stopped\""), "{rest}");
}

/// The answer to a request on a connection of its own.
fn page(http: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(http).expect("the process listens");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).expect("the process reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the process answers");
    answer
}

/// The address in the line of the log that says what is served.
fn listening(log: &mut impl BufRead) -> String {
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(&line.expect("the log is text")).expect("a line is JSON");
        if line["message"] == "serving" {
            return line["http"].as_str().expect("it is a text").to_owned();
        }
    }
    panic!("the process ended before it served");
}

fn terminate(process: &Child) {
    let killed = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().expect("kill can be run");
    assert!(killed.success());
}
