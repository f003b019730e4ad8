//! A reverse proxy on loopback. What becomes of a request is decided by a [`Policy`]; HTTP/1.1, gRPC (h2c) and upgrades such as
//! WebSocket pass through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It goes to the first of these addresses that can be reached; its answer comes back.
    Forward(Vec<String>),
    /// It goes there and is done; the connection breaks instead of an answer.
    Lose(String),
    /// It goes nowhere; this is the answer.
    Answer(StatusCode, &'static str),
}

/// Decides what becomes of each request.
pub(crate) trait Policy: Send + Sync + 'static {
    /// Asked once per request, when its head has been read.
    fn fate(&self, head: &Parts) -> Fate;
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Relay {
    /// Listens and serves on threads of its own.
    pub(crate) fn start(address: &str, policy: Arc<dyn Policy>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("relay").build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        // Owned by the runtime, which ends it.
        drop(TaskTracker::new().spawn_on(serve(listener, Arc::new(Shared::new(policy))), runtime.handle()));
        Ok(Self { address, _runtime: runtime })
    }
}

struct Shared {
    policy: Arc<dyn Policy>,
    http1: Client<HttpConnector, Body>,
    http2: Client<HttpConnector, Body>,
    tunnels: TaskTracker,
}

/// The answer that is not given.
#[derive(Debug, thiserror::Error)]
#[error("the connection breaks here")]
struct Lost;

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let connections = TaskTracker::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, shared.clone()));
            }
            Err(err) => eprintln!("relay: {err}"),
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { shared.handle(request).await }
    });
    let served = auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(TokioIo::new(stream), service).await;
    // It ends so when a client goes away, and when an answer is lost on purpose: nobody needs to know.
    drop(served);
}

impl Shared {
    fn new(policy: Arc<dyn Policy>) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        let http1 = builder.build_http();
        let http2 = builder.http2_only(true).build_http();
        Self { policy, http1, http2, tunnels: TaskTracker::new() }
    }

    async fn handle(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Lost> {
        let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        match self.policy.fate(&head) {
            Fate::Answer(status, text) => Ok(plain(status, text)),
            Fate::Lose(to) => {
                if let Ok(answer) = self.send(&head, body.boxed_unsync(), &to).await {
                    // Done to its end before the connection breaks; what was said does not matter.
                    drop(answer.into_body().collect().await);
                }
                Err(Lost)
            }
            Fate::Forward(to) if upgrade.is_some() || is_grpc(&head.headers) => self.stream(&head, body, &to, upgrade).await,
            Fate::Forward(to) => self.try_each(&head, body, &to).await,
        }
    }

    /// Passes a body on as it comes: to the first address alone, since it cannot be sent twice.
    async fn stream(&self, head: &Parts, body: Incoming, to: &[String], upgrade: Option<OnUpgrade>) -> Result<Response<Body>, Lost> {
        let Some(to) = to.first() else { return Ok(plain(StatusCode::BAD_GATEWAY, "nobody to send this to")) };
        let mut answer = match self.send(head, body.boxed_unsync(), to).await {
            Ok(answer) => answer,
            Err(err) => return Ok(plain(StatusCode::BAD_GATEWAY, &format!("{to}: {err}"))),
        };
        if let (Some(client), StatusCode::SWITCHING_PROTOCOLS) = (upgrade, answer.status()) {
            let server = hyper::upgrade::on(&mut answer);
            self.tunnels.spawn(tunnel(client, server));
        }
        Ok(back(answer))
    }

    async fn try_each(&self, head: &Parts, body: Incoming, to: &[String]) -> Result<Response<Body>, Lost> {
        // A client that breaks off in its request gets no answer.
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        let mut failures = Vec::new();
        for to in to {
            let body = Full::new(body.clone()).map_err(|never| match never {}).boxed_unsync();
            match self.send(head, body, to).await {
                Ok(answer) => return Ok(back(answer)),
                Err(err) => {
                    failures.push(format!("{to}: {err}"));
                    if !err.is_connect() {
                        break;
                    }
                }
            }
        }
        Ok(plain(StatusCode::BAD_GATEWAY, &failures.join("; ")))
    }

    async fn send(&self, head: &Parts, body: Body, to: &str) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let grpc = is_grpc(&head.headers);
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = format!("http://{to}{path}").parse::<Uri>().expect("an address and a path that were parsed before");
        *request.version_mut() = if grpc { Version::HTTP_2 } else { Version::HTTP_11 };
        *request.headers_mut() = head.headers.clone();
        if !head.headers.contains_key(UPGRADE) {
            of_the_connection(request.headers_mut());
        }
        if grpc { &self.http2 } else { &self.http1 }.request(request).await
    }
}

async fn tunnel(client: OnUpgrade, server: OnUpgrade) {
    if let (Ok(client), Ok(server)) = tokio::join!(client, server) {
        // Either side may end it in any way.
        drop(tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await);
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Takes away what is between two neighbours only (RFC 9110, section 7.6.1).
fn of_the_connection(headers: &mut HeaderMap) {
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")] {
        headers.remove(name);
    }
}

fn back(answer: Response<Incoming>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        of_the_connection(&mut head.headers);
    }
    Response::from_parts(head, body.boxed_unsync())
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests;
