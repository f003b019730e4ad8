use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use runtime::grpc::{Channels, ClientConfig, kind, status};
use runtime::http::BodyError;
use runtime::{App, ErrorKind, Running};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Service, ServiceExt};

use super::get;

/// A service without generated code: `Good` answers `OK` in its trailers, `Bad` `UNAVAILABLE`, `Panic` panics.
#[derive(Clone)]
pub(crate) struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let code = match request.uri().path() {
            "/test.Echo/Good" => "0",
            "/test.Echo/Bad" => "14",
            "/test.Echo/Panic" => panic!("on purpose"),
            _ => return ready(Ok(tonic::Status::unimplemented("").into_http())),
        };
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))]);
        let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"\0\0\0\0\0"))), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures::stream::iter(frames));
        let response = Response::builder().header("content-type", "application/grpc").body(Body::new(body));
        ready(Ok(response.expect("the header is valid")))
    }
}

/// Calls a method and returns the status of the call.
pub(crate) async fn call(channels: &Channels, address: &str, path: &str) -> Result<String, tonic::transport::Error> {
    let channel = channels.get(address).expect("the address is one");
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Empty::<Bytes>::new()))
        .expect("the request is valid");
    let response = channel.oneshot(request).await?;
    let status = |headers: &HeaderMap| headers.get("grpc-status").map(|code| code.to_str().expect("a number").to_owned());
    if let Some(code) = status(response.headers()) {
        return Ok(code);
    }
    let collected = response.into_body().collect().await.expect("the body is whole");
    Ok(collected.trailers().and_then(status).expect("there are trailers"))
}

async fn serving() -> Running {
    let mut app = App::for_test("test").await.expect("free ports can be bound");
    app.grpc.add(Echo);
    app.serve().await
}

/// As [`serving`], where another one has stopped.
async fn serving_again(address: std::net::SocketAddr) -> Running {
    let mut config = super::Config::default();
    config.server.grpc_port = address.port();
    let mut app = super::bound(&config).await;
    app.grpc.add(Echo);
    app.serve().await
}

#[tokio::test]
async fn calls_are_answered_and_counted_by_method() {
    let running = serving().await;
    let address = running.grpc.to_string();
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    for (path, code) in [
        ("/test.Echo/Good", "0"),
        ("/test.Echo/Bad", "14"),
        ("/test.Echo/Panic", "13"),
        ("/test.Echo/Good", "0"),
        ("/test.Echo/Unknown", "12"),
        ("/test.Nothing/Unknown", "12"),
    ] {
        assert_eq!(call(&channels, &address, path).await.unwrap(), code, "{path}");
    }
    let (_, metrics) = get(&running, "/metrics").await;
    for (route, status, count) in [
        ("/test.Echo/Good", "success", 2),
        ("/test.Echo/Bad", "error", 1),
        ("/test.Echo/Panic", "error", 1),
        ("/test.Echo", "error", 1),
        ("notfound", "error", 1),
    ] {
        let line = format!(
            "cortex_request_duration_seconds_count{{method=\"gRPC\",route=\"{route}\",status_code=\"{status}\",ws=\"false\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert!(!metrics.contains("Unknown"), "{metrics}");
    assert!(metrics.contains("cortex_tcp_connections{protocol=\"grpc\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_port_with_a_name_serves_its_services_alone() {
    let mut app = App::for_test("test").await.expect("free ports can be bound");
    app.grpc.add_to("calls", Echo);
    let running = app.serve().await;
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    let named = running.aliases["calls"].to_string();
    assert_eq!(call(&channels, &named, "/test.Echo/Good").await.unwrap(), "0");
    assert_eq!(call(&channels, &running.grpc.to_string(), "/test.Echo/Good").await.unwrap(), "12");
    running.stop().await.unwrap();
    assert!(call(&channels, &named, "/test.Echo/Good").await.is_err());
}

#[tokio::test]
async fn channels_are_shared_by_address_and_dropped_when_idle() {
    let config = ClientConfig { idle: runtime::config::HumanDuration::from_millis(20), ..ClientConfig::default() };
    let channels = Channels::new(&config).unwrap();
    channels.get("127.0.0.1:1").unwrap();
    channels.get("127.0.0.1:1").unwrap();
    assert_eq!(channels.len(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    channels.get("127.0.0.1:2").unwrap();
    assert_eq!(channels.len(), 1);
    channels.forget("127.0.0.1:2");
    assert!(channels.is_empty());
    assert!(channels.get("not an address").is_err());
}

#[tokio::test]
async fn a_channel_comes_back_with_its_peer() {
    let first = serving().await;
    let address = first.grpc;
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    assert_eq!(call(&channels, &address.to_string(), "/test.Echo/Good").await.unwrap(), "0");
    first.stop().await.unwrap();
    assert!(call(&channels, &address.to_string(), "/test.Echo/Good").await.is_err());
    let _second = serving_again(address).await;
    assert_eq!(call(&channels, &address.to_string(), "/test.Echo/Good").await.unwrap(), "0");
}

#[tokio::test]
async fn a_failure_that_nobody_waited_for_is_not_told_later() {
    let first = serving().await;
    let address = first.grpc;
    first.stop().await.unwrap();
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    // Given up while it connects, as a query is that another replica's failure ends.
    {
        let name = address.to_string();
        let mut given_up = std::pin::pin!(call(&channels, &name, "/test.Echo/Good"));
        assert!(futures::poll!(given_up.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let _second = serving_again(address).await;
    assert_eq!(call(&channels, &address.to_string(), "/test.Echo/Good").await.unwrap(), "0");
}

#[test]
fn the_kind_of_an_error_survives_the_wire() {
    let err = BodyError::TooLarge { limit: runtime::config::ByteSize(1) };
    assert_eq!(kind(&status(&err)), ErrorKind::BadInput);
    assert_eq!(kind(&tonic::Status::unavailable("gone")), ErrorKind::Unavailable);
}
