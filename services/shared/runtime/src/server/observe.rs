//! What every request goes through: a span, instruments, a net for panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt;
use hyper::body::{Frame, SizeHint};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tracing::{Instrument, debug, field, info_span};

use super::route_label;

/// What a listener speaks. gRPC calls on an HTTP port are still counted as calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// A method of the few that servers know; clients may send any word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MethodLabel(&'static str);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: MethodLabel,
    route: String,
    status_code: String,
    ws: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: MethodLabel,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    protocol: Protocol,
}

/// Instruments of all servers of a process. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct ServerMetrics(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    duration: Family<RequestLabels, Histogram, fn() -> Histogram>,
    inflight: Family<RouteLabels, Gauge>,
    received: Family<RouteLabels, Histogram, fn() -> Histogram>,
    sent: Family<RouteLabels, Histogram, fn() -> Histogram>,
    connections: Family<ConnectionLabels, Gauge>,
    panics: Counter,
}

/// The buckets of Mimir's request histogram, in seconds.
const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0];

/// The buckets of the histograms of messages, in bytes: from one MB to 250.
const BYTES: [f64; 8] = [1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8];

impl ServerMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let instruments = Instruments {
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            inflight: Family::default(),
            received: Family::new_with_constructor(|| Histogram::new(BYTES)),
            sent: Family::new_with_constructor(|| Histogram::new(BYTES)),
            connections: Family::default(),
            panics: Counter::default(),
        };
        registry.register(
            "cortex_request_duration_seconds",
            "Time to answer a request, the body of the answer included",
            instruments.duration.clone(),
        );
        registry.register("cortex_inflight_requests", "Requests that are being answered", instruments.inflight.clone());
        registry.register("cortex_request_message_bytes", "Bytes that were read of the body of a request", instruments.received.clone());
        registry.register("cortex_response_message_bytes", "Bytes of the body of an answer", instruments.sent.clone());
        registry.register("cortex_tcp_connections", "Connections that are open", instruments.connections.clone());
        registry.register("quartet_server_panics", "Requests that ended in a panic", instruments.panics.clone());
        Self(Arc::new(instruments))
    }

    pub(crate) fn connections(&self, protocol: Protocol) -> Gauge {
        self.0.connections.get_or_create_owned(&ConnectionLabels { protocol })
    }
}

/// One request: counted as in flight while it lives, observed when it is dropped.
#[derive(Debug)]
struct Exchange {
    metrics: ServerMetrics,
    method: MethodLabel,
    route: String,
    grpc: bool,
    started: Instant,
    inflight: Gauge,
    /// Bytes of the request's body that were read.
    received: Arc<AtomicU64>,
    /// Bytes of the answer's body.
    sent: u64,
    /// `None` as long as nothing is known: the client may hang up before.
    status: Option<String>,
}

impl Exchange {
    fn begin(metrics: &ServerMetrics, request: &Request) -> Self {
        let grpc = is_grpc(request.headers());
        let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        // A pattern's route is one of ours. The path of a call is the client's text until a method has answered to it.
        let route = match matched {
            None => "notfound".to_owned(),
            Some(pattern) if grpc => pattern.split("/{").next().unwrap_or_default().to_owned(),
            Some(pattern) => route_label(pattern),
        };
        let method = if grpc { MethodLabel("gRPC") } else { MethodLabel::of(request.method()) };
        let inflight = metrics.0.inflight.get_or_create_owned(&RouteLabels { method, route: route.clone() });
        inflight.inc();
        Self {
            metrics: metrics.clone(),
            method,
            route,
            grpc,
            started: Instant::now(),
            inflight,
            received: Arc::default(),
            sent: 0,
            status: None,
        }
    }

    fn answered(&mut self, path: &str, status: StatusCode, headers: &HeaderMap) {
        if !self.grpc {
            self.status = Some(status.as_str().to_owned());
            return;
        }
        if headers.get("grpc-status").is_none_or(|status| status != "12") && self.route != "notfound" {
            path.clone_into(&mut self.route);
        }
        self.trailers(headers);
    }

    /// The status of a call stands in the trailers, or in the header of an answer without a body.
    fn trailers(&mut self, trailers: &HeaderMap) {
        if let (true, Some(status)) = (self.grpc, trailers.get("grpc-status")) {
            let word = match status.as_bytes() {
                b"0" => "success",
                b"1" => "cancel",
                _ => "error",
            };
            self.status = Some(word.to_owned());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.inflight.dec();
        let gone = if self.grpc { "cancel" } else { "499" };
        let status_code = self.status.take().unwrap_or_else(|| gone.to_owned());
        let all = &self.metrics.0;
        let labels = RouteLabels { method: self.method, route: std::mem::take(&mut self.route) };
        all.received.get_or_create(&labels).observe(self.received.load(Ordering::Relaxed) as f64);
        all.sent.get_or_create(&labels).observe(self.sent as f64);
        let labels = RequestLabels { method: self.method, route: labels.route, status_code, ws: "false" };
        all.duration.get_or_create(&labels).observe(self.started.elapsed().as_secs_f64());
    }
}

/// The middleware of all servers. A panic has been logged by the hook of [`crate::telemetry`], with its place, before it arrives here.
pub(crate) async fn observe(State(metrics): State<ServerMetrics>, request: Request, next: Next) -> Response {
    let mut exchange = Exchange::begin(&metrics, &request);
    let path = if exchange.grpc { request.uri().path().to_owned() } else { String::new() };
    let received = exchange.received.clone();
    let request = request.map(|inner| Body::new(Counted { inner, read: received }));
    let span = info_span!(parent: None, "request", method = exchange.method.0, route = exchange.route, tenant = field::Empty);
    let ran = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span).await;
    let response = ran.unwrap_or_else(|panic| {
        metrics.0.panics.inc();
        debug!(route = exchange.route, panic = text(panic.as_ref()), "a handler panicked");
        if exchange.grpc { grpc_internal() } else { (StatusCode::INTERNAL_SERVER_ERROR, "internal error\n").into_response() }
    });
    exchange.answered(&path, response.status(), response.headers());
    response.map(|inner| Body::new(Watched { inner, exchange, broken: false }))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// An answer to a call that says `INTERNAL`.
fn grpc_internal() -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("13"));
    headers.insert("grpc-message", HeaderValue::from_static("internal error"));
    response
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("not a text")
}

/// The body of an answer, which ends its request. A panic in a stream breaks off this answer alone.
struct Watched {
    inner: Body,
    exchange: Exchange,
    broken: bool,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.broken {
            return Poll::Ready(None);
        }
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.inner).poll_frame(cx))) {
            Ok(polled) => {
                if let Poll::Ready(Some(Ok(frame))) = &polled
                    && let Some(trailers) = frame.trailers_ref()
                {
                    this.exchange.trailers(trailers);
                }
                this.exchange.sent += data_length(&polled);
                polled
            }
            Err(panic) => {
                this.broken = true;
                this.exchange.metrics.0.panics.inc();
                debug!(route = this.exchange.route, panic = text(panic.as_ref()), "the stream of an answer panicked");
                Poll::Ready(Some(Err(axum::Error::new(std::io::Error::other("internal error")))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a request, whose bytes are counted as they are read.
struct Counted {
    inner: Body,
    read: Arc<AtomicU64>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        this.read.fetch_add(data_length(&polled), Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes of data in a frame, if it is one.
fn data_length(polled: &Poll<Option<Result<Frame<Bytes>, axum::Error>>>) -> u64 {
    match polled {
        Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, |data| data.len() as u64),
        _ => 0,
    }
}

impl MethodLabel {
    fn of(method: &Method) -> Self {
        const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"];
        Self(KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other"))
    }
}

impl EncodeLabelValue for MethodLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

impl EncodeLabelValue for Protocol {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
        .encode(encoder)
    }
}
