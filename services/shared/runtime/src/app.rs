//! A process in the making, and running: what every role is handed when it starts, and how it ends.

pub mod role;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admin::{Admin, RuntimeConfigPage, probes};
use crate::clock::{Clock, SystemClock};
use crate::compute::Compute;
use crate::config::print::Pages;
use crate::config::{Setting, Tree};
use crate::error::Chain;
use crate::readiness::Readiness;
use crate::server::observe::{Protocol, ServerMetrics};
use crate::server::sockets::{self, Sockets};
use crate::server::{ServerConfig, Servers};
use crate::tasks::Tasks;
use crate::telemetry::{Telemetry, TelemetryConfig};
use crate::tls::ServerTls;
pub use role::{Role, StartError, StopError};

/// What the parts of one process share. Roles take what they need out of it and add their routes, instruments, tasks and checks.
#[derive(Debug)]
pub struct App {
    /// `distributor`, `ingester` …, or `all-in-one`.
    pub role: &'static str,
    /// The name of this process among those of its role: `server.id`, by default the host's name.
    pub id: String,
    /// Instruments of `/metrics`.
    pub registry: Registry,
    /// The tasks of the process.
    pub tasks: Tasks,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The pool for heavy computation.
    pub compute: Compute,
    /// What `/ready` asks.
    pub readiness: Readiness,
    /// HTTP routes that will be served.
    pub http: crate::http::Routes,
    /// gRPC services that will be served.
    pub grpc: crate::grpc::Routes,
    /// `server:` of the configuration.
    pub server: ServerConfig,
    host: String,
    sockets: Sockets,
    servers: Servers,
    /// What serves gRPC: it outlives what serves HTTP, which needs it for its answers.
    calls: Tasks,
    admin: Admin,
    /// Ports that are opened when something is served on them, by name.
    ports: BTreeMap<&'static str, u16>,
    /// Routes of ports with a name get one that is free: in tests.
    any_alias: bool,
}

/// A process that serves.
pub struct Running {
    /// Where the HTTP server listens.
    pub http: SocketAddr,
    /// Where the gRPC server listens.
    pub grpc: SocketAddr,
    /// Where the alias ports listen, by name.
    pub aliases: BTreeMap<String, SocketAddr>,
    readiness: Readiness,
    tasks: Tasks,
    servers: Tasks,
    calls: Tasks,
    shutdown: CancellationToken,
    drain_delay: Duration,
    grace: Duration,
}

crate::settings! {
    /// The configuration of an [`App`] in a test.
    struct TestConfig {
        /// Ports.
        server: ServerConfig = test_server(),
        /// Logs.
        telemetry: TelemetryConfig = TelemetryConfig::default(),
    }
}

fn test_server() -> ServerConfig {
    ServerConfig { listen_address: "127.0.0.1".to_owned(), http_port: 0, grpc_port: 0, ..ServerConfig::default() }
}

impl Tree for TestConfig {
    fn server(&self) -> &ServerConfig {
        &self.server
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

impl App {
    /// A process with its sockets bound, not yet serving. Errors: a main port that is taken, certificates that cannot be used.
    pub async fn bind<C>(role: &'static str, config: &C, telemetry: Telemetry) -> Result<Self, StartError>
    where
        C: Tree + Setting + Default + Serialize,
    {
        let server = config.server().clone();
        let tls = ServerTls::load(&server.tls).map_err(|err| StartError::new("set up TLS of the servers", err))?;
        let sockets = Sockets::bind(&server).await?;
        let host = sockets::advertised(&server, sockets.http_bound);
        let mut registry = Registry::default();
        let metrics = ServerMetrics::register(&mut registry);
        crate::admin::process::register(&mut registry);
        let servers = Servers {
            metrics,
            tls,
            tasks: Tasks::default(),
            max_concurrent_streams: server.max_concurrent_streams,
            idle_timeout: server.idle_timeout.get(),
        };
        let ports = config.ports();
        let config = Pages::of(config).map_err(|err| StartError::new("print the configuration", err))?;
        let readiness = Readiness::default();
        Ok(Self {
            role,
            id: if server.id.is_empty() { host_name().unwrap_or_else(|| role.to_owned()) } else { server.id.clone() },
            registry,
            tasks: Tasks::default(),
            clock: Arc::new(SystemClock),
            compute: if server.compute_threads == 0 { Compute::default() } else { Compute::new(server.compute_threads) },
            admin: Admin::new(role, config, readiness.clone(), telemetry, server.shutdown_endpoint),
            readiness,
            http: crate::http::Routes::default(),
            grpc: crate::grpc::Routes::default(),
            host,
            sockets,
            servers,
            calls: Tasks::default(),
            server,
            ports,
            any_alias: false,
        })
    }

    /// A process on free ports of the loopback, for tests. Several of them live in one test process.
    pub async fn for_test(role: &'static str) -> Result<Self, StartError> {
        let config = TestConfig::default();
        crate::tls::install_provider();
        let app = Self::bind(role, &config, Telemetry::detached()).await?;
        Ok(Self { any_alias: true, id: format!("{role}-{}", app.sockets.grpc_bound.port()), ..app })
    }

    /// The host under which other processes reach this one: `server.advertise_address`, else the machine's address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `host:port` of the HTTP server, as other processes reach it. Known before anything is served.
    #[must_use]
    pub fn http_addr(&self) -> String {
        sockets::authority(&self.host, self.sockets.http_bound.port())
    }

    /// `host:port` of the gRPC server, as other processes reach it. Known before anything is served.
    #[must_use]
    pub fn grpc_addr(&self) -> String {
        sockets::authority(&self.host, self.sockets.grpc_bound.port())
    }

    /// Bytes of one gRPC message: services are made with `max_decoding_message_size` and `max_encoding_message_size` of it.
    #[must_use]
    pub fn grpc_max_message(&self) -> usize {
        usize::try_from(self.server.grpc_max_message.0).unwrap_or(usize::MAX)
    }

    /// Fires when HTTP is accepted no more: streams that would go on for ever end then, so that the drain can.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.servers.tasks.stopping()
    }

    /// Fires when the last request over HTTP has ended and gRPC is accepted no more: streams that such requests need end then.
    #[must_use]
    pub fn draining_calls(&self) -> CancellationToken {
        self.calls.stopping()
    }

    /// Stops the process when it is cancelled, as SIGTERM does.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.admin.shutdown.clone()
    }

    /// Names a page in the index at `/`.
    pub fn page(&mut self, path: impl Into<String>, title: impl Into<String>) {
        self.admin.page(path, title);
    }

    /// Adds what `/runtime_config` shows for one signal.
    pub fn runtime_config(&mut self, page: RuntimeConfigPage) {
        self.admin.runtime_config.push(page);
    }

    /// Serves what has been added so far. The process is not ready before [`Running::ready`].
    pub async fn serve(self) -> Running {
        let Self { role, id, registry, tasks, readiness, http, grpc, server, mut sockets, servers, calls, admin, ports, any_alias, .. } =
            self;
        let (main, aliases) = http.into_parts();
        let named = named(aliases, &grpc);
        for name in named.keys() {
            match ports.get(name) {
                _ if any_alias => sockets.open(name, 0),
                None | Some(0) => {}
                Some(port) => sockets.open(name, *port),
            }
        }
        let shutdown = admin.shutdown.clone();
        if let Some(tls) = &servers.tls {
            tls.watch(&tasks);
        }
        let (main, probes) = (main.merge(admin.routes(registry)), probes::routes(&readiness));
        let aliases = serve_aliases(&servers, sockets.aliases, named, &probes);
        servers.serve(sockets.http, Protocol::Http, main);
        let rpc = Servers { tasks: calls.clone(), ..servers.clone() };
        rpc.serve(sockets.grpc, Protocol::Grpc, grpc.build().prepare().into_axum_router());
        info!(role, id, http = %sockets.http_bound, grpc = %sockets.grpc_bound, ?aliases, "serving");
        // The accept loops take their first turn.
        tokio::task::yield_now().await;
        Running {
            http: sockets.http_bound,
            grpc: sockets.grpc_bound,
            aliases,
            readiness,
            tasks,
            servers: servers.tasks,
            calls,
            shutdown,
            drain_delay: server.drain_delay.get(),
            grace: server.shutdown_grace.get(),
        }
    }
}

/// What is served on ports with a name: HTTP routes, or gRPC services.
type Named = BTreeMap<&'static str, (Protocol, Router)>;

fn named(aliases: BTreeMap<&'static str, Router>, grpc: &crate::grpc::Routes) -> Named {
    let http = aliases.into_iter().map(|(name, router)| (name, (Protocol::Http, router)));
    let calls = grpc.build_named().into_iter().map(|(name, services)| (name, (Protocol::Grpc, services.prepare().into_axum_router())));
    http.chain(calls).collect()
}

/// Serves each port with a name that has routes, and closes the others. Returns where they listen.
///
/// * `probes`: what HTTP has on each of them, so that whoever knows the one port can ask whether it is ready.
fn serve_aliases(
    servers: &Servers,
    listeners: BTreeMap<String, TcpListener>,
    mut routes: Named,
    probes: &Router,
) -> BTreeMap<String, SocketAddr> {
    let mut addresses = BTreeMap::new();
    for (name, listener) in listeners {
        match (routes.remove(name.as_str()), listener.local_addr()) {
            (Some((protocol, router)), Ok(address)) => {
                addresses.insert(name, address);
                let router = if protocol == Protocol::Http { router.merge(probes.clone()) } else { router };
                servers.serve(listener, protocol, router);
            }
            (Some(_), Err(err)) => warn!(alias = name, error = %err, "alias port is left out"),
            (None, _) => warn!(alias = name, "nothing to serve on this alias port: it is closed"),
        }
    }
    addresses
}

impl Running {
    /// Everything has been started: `/ready` now asks the parts.
    pub fn ready(&self) {
        self.readiness.started();
    }

    /// Resolves when the process should end: [`App::shutdown`] was cancelled, or a task failed.
    pub async fn ended(&self) -> Ended {
        let failed = self.tasks.stopping();
        tokio::select! {
            biased;
            () = failed.cancelled() => Ended::TaskFailed,
            () = self.shutdown.cancelled() => Ended::Asked,
        }
    }

    /// Stops a process without a role.
    pub async fn stop(self) -> Result<(), StopError> {
        self.stop_role(()).await
    }

    /// Stops the process in order: readiness fails; a role that leaves for good hands over; after `server.drain_delay` the listeners of HTTP close and requests in flight
    /// finish, then those of gRPC; the role stops; the tasks stop. Each is done even if the one before left work behind.
    ///
    /// Errors: the first that did.
    pub async fn stop_role<R: Role>(self, mut role: R) -> Result<(), StopError> {
        self.readiness.stopping();
        role.leave().await;
        tokio::time::sleep(self.drain_delay).await;
        let requests = self.servers.stop(self.grace).await.map_err(StopError::Requests);
        log_left_over(&requests);
        let calls = self.calls.stop(self.grace).await.map_err(StopError::Requests);
        log_left_over(&calls);
        let role = Box::new(role).stop().await;
        log_left_over(&role);
        let tasks = self.tasks.stop(self.grace).await.map_err(StopError::Tasks);
        log_left_over(&tasks);
        requests.and(calls).and(role).and(tasks)
    }
}

/// Why a running process should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it.
    Asked,
    /// One of its tasks failed.
    TaskFailed,
}

fn log_left_over(stopped: &Result<(), StopError>) {
    if let Err(err) = stopped {
        error!(error = %Chain(err), "the process leaves work behind");
    }
}

/// The host's name: in Kubernetes that of the pod.
#[must_use]
pub fn host_name() -> Option<String> {
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    std::env::var("HOSTNAME").ok().or_else(kernel).filter(|name| !name.is_empty())
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { http, grpc, aliases, .. } = self;
        f.debug_struct("Running").field("http", http).field("grpc", grpc).field("aliases", aliases).finish_non_exhaustive()
    }
}
