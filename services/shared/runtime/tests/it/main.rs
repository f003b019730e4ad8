//! Whole processes on free ports, spoken to over HTTP and gRPC.

// The name that the workspace gives the crate.
extern crate quartet_runtime as runtime;

mod admin;
mod grpc;
mod http;
mod profile;
mod shutdown;
mod tls;

use std::time::Duration;

use axum::Router;
use runtime::server::ServerConfig;
use runtime::telemetry::{Telemetry, TelemetryConfig};
use runtime::{App, Running, config};

runtime::settings! {
    /// The configuration of a process in these tests.
    struct Config {
        /// Ports.
        server: ServerConfig = ServerConfig {
            listen_address: "127.0.0.1".to_owned(),
            http_port: 0,
            grpc_port: 0,
            ..ServerConfig::default()
        },
        /// Logs.
        telemetry: TelemetryConfig = TelemetryConfig::default(),
    }
}

impl config::Tree for Config {
    fn server(&self) -> &ServerConfig {
        &self.server
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// A process by its configuration, bound.
async fn bound(config: &Config) -> App {
    runtime::tls::install_provider();
    App::bind("test", config, Telemetry::detached()).await.expect("free ports can be bound")
}

/// A process that serves `routes`.
async fn serving(routes: Router) -> Running {
    let mut app = App::for_test("test").await.expect("free ports can be bound");
    app.http.main(routes);
    let running = app.serve().await;
    running.ready();
    running
}

/// A client of HTTP/1.1.
fn client() -> reqwest::Client {
    runtime::tls::install_provider();
    reqwest::Client::builder().http1_only().timeout(Duration::from_secs(20)).build().expect("a plain client can be built")
}

/// The body of a page.
async fn get(running: &Running, path: &str) -> (u16, String) {
    let response = client().get(format!("http://{}{path}", running.http)).send().await.expect("the process answers");
    let status = response.status().as_u16();
    (status, response.text().await.expect("the answer is whole"))
}
