//! The servers of a process: HTTP/1.1 and h2c (or TLS) on every port, gRPC on its own.

pub(crate) mod observe;
pub(crate) mod sockets;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::util::MapRequest;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tracing::{debug, warn};

use crate::config::{ByteSize, HumanDuration};
use crate::http::Uncompressed;
use crate::tasks::Tasks;
use crate::tls::{ServerTls, ServerTlsConfig};
use observe::{Protocol, ServerMetrics};

crate::settings! {
    /// `server:` ports, TLS and shutdown of a process.
    pub struct ServerConfig {
        /// The name of this process among those of its role; empty: the host's name.
        pub id: String = String::new(),
        /// The address that all ports listen on.
        pub listen_address: String = "0.0.0.0".to_owned(),
        /// The port of the HTTP APIs and admin pages; 0: any that is free.
        pub http_port: u16 = 8080,
        /// The port of gRPC; 0: any that is free.
        pub grpc_port: u16 = 9095,
        /// The host under which other processes reach this one; empty: the machine's address, or 127.0.0.1 when listening on loopback.
        pub advertise_address: String = String::new(),
        /// Ports on which single APIs are served at the root, by name (`prometheus: 9090`); absent or 0: off.
        pub alias: BTreeMap<String, u16> = BTreeMap::new(),
        /// Certificates of the servers.
        pub tls: ServerTlsConfig = ServerTlsConfig::default(),
        /// Bytes of one gRPC message, in either direction.
        pub grpc_max_message: ByteSize = ByteSize(100 << 20),
        /// How long a connection is kept on which no request comes.
        pub idle_timeout: HumanDuration = HumanDuration::from_secs(120),
        /// Calls that one HTTP/2 connection may have open at once.
        pub max_concurrent_streams: u32 = 1000,
        /// Threads that wait for sockets; 0: as many as cores.
        pub worker_threads: usize = 0,
        /// Heavy computations that run at once; 0: as many as cores.
        pub compute_threads: usize = 0,
        /// How long a stopping process goes on serving after /ready has failed, so that load balancers notice.
        pub drain_delay: HumanDuration = HumanDuration::from_secs(0),
        /// How long a stopping process waits for requests in flight, and again for its tasks.
        pub shutdown_grace: HumanDuration = HumanDuration::from_secs(30),
        /// Whether POST /shutdown stops the process.
        pub shutdown_endpoint: bool = false,
    }
}

/// The largest frame of HTTP/2 (RFC 9113, section 6.5.2).
const MAX_FRAME: u32 = (1 << 24) - 1;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The other end of the connection that a request came over: in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What all listeners of a process share. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    pub(crate) metrics: ServerMetrics,
    pub(crate) tls: Option<ServerTls>,
    /// Accept loops and connections.
    pub(crate) tasks: Tasks,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) idle_timeout: Duration,
}

impl Servers {
    /// Serves `router` on `listener` until the tasks stop.
    pub(crate) fn serve(&self, listener: TcpListener, protocol: Protocol, router: Router) {
        let router = finish(router, protocol, &self.metrics);
        let servers = self.clone();
        self.tasks.spawn("listen", async move {
            servers.accept(listener, protocol, router).await;
            Ok::<(), Infallible>(())
        });
    }

    async fn accept(self, listener: TcpListener, protocol: Protocol, router: Router) {
        let stop = self.tasks.stopping();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    let open = Open::new(self.metrics.connections(protocol));
                    self.tasks.detach("connection", self.clone().connection(stream, Peer(peer), router.clone(), open));
                }
                Err(err) => {
                    // Out of descriptors, as a rule: connections that end give some back.
                    warn!(error = %err, "accept a connection");
                    stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(100))).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: Peer, router: Router, _open: Open) {
        let stop = self.tasks.stopping();
        // Answers are written whole: waiting for more to send only delays them.
        if let Err(err) = stream.set_nodelay(true) {
            debug!(error = %err, "set TCP_NODELAY");
        }
        let Some(tls) = &self.tls else {
            // Which version is spoken shows with the first bytes, which the protocols' own timers do not wait for.
            return match tokio::time::timeout(self.idle_timeout, stop.run_until_cancelled(stream.peek(&mut [0]))).await {
                Ok(Some(Ok(_))) => self.drive(TokioIo::new(stream), peer, router, stop).await,
                Ok(_) | Err(_) => debug!("connection without a request"),
            };
        };
        match tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.drive(TokioIo::new(stream), peer, router, stop).await,
            Ok(Err(err)) => debug!(error = %err, "TLS handshake"),
            Err(_) => debug!("TLS handshake took too long"),
        }
    }

    async fn drive<S>(&self, io: TokioIo<S>, peer: Peer, router: Router, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // Also runs while a connection that is kept alive waits for its next request.
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.idle_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_frame_size(MAX_FRAME)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(16 << 20)
            .max_concurrent_streams(self.max_concurrent_streams)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20));
        let named = MapRequest::new(router, move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        let mut connection = pin!(builder.serve_connection_with_upgrades(io, TowerToHyperService::new(named)));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(err) = ended {
            debug!(error = err, "connection");
        }
    }
}

/// Counts a connection as long as it lives.
#[derive(Debug)]
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Adds what every request goes through. HTTP: a true 404, compression; both: instruments, a span, panics caught.
fn finish(router: Router, protocol: Protocol, metrics: &ServerMetrics) -> Router {
    let router = match protocol {
        Protocol::Grpc => router,
        Protocol::Http => router
            .fallback(not_found)
            .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest).compress_when(Uncompressed::predicate())),
    };
    router.layer(middleware::from_fn_with_state(metrics.clone(), observe::observe))
}

#[allow(clippy::unused_async, reason = "a handler")]
async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "404 page not found\n")
}

/// The route of a pattern in metrics, as Mimir names it: `/api/v1/push` is `api_v1_push`.
pub(crate) fn route_label(pattern: &str) -> String {
    let mut label = String::with_capacity(pattern.len());
    for part in pattern.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let separator = if label.is_empty() { "" } else { "_" };
        // Writing to a String cannot fail.
        let _ = write!(label, "{separator}{}", part.to_ascii_lowercase());
    }
    if label.is_empty() { "root".to_owned() } else { label }
}

#[cfg(test)]
mod tests {
    use super::route_label;
    use super::sockets::authority;

    #[test]
    fn routes_are_named_as_mimir_names_them() {
        for (pattern, label) in [
            ("/api/v1/push", "api_v1_push"),
            ("/prometheus/api/v1/label/{name}/values", "prometheus_api_v1_label_name_values"),
            ("/-/Ready", "ready"),
            ("/otlp/v1/{*rest}", "otlp_v1_rest"),
            ("/", "root"),
        ] {
            assert_eq!(route_label(pattern), label);
        }
    }

    #[test]
    fn addresses_have_brackets_around_ipv6() {
        assert_eq!(authority("::1", 80), "[::1]:80");
        assert_eq!(authority("[::1]", 80), "[::1]:80");
        assert_eq!(authority("ingester-0.ingester", 80), "ingester-0.ingester:80");
    }
}
