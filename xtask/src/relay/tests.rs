use std::io::{Read, Write};
use std::net::TcpListener as StdListener;
use std::time::Duration;

use super::*;
use crate::http as client;

/// Every request has the same fate.
struct Always(fn(&str) -> Fate, String);

impl Policy for Always {
    fn fate(&self, _: &Parts) -> Fate {
        (self.0)(&self.1)
    }
}

fn relay(fate: fn(&str) -> Fate, upstream: &str) -> Relay {
    Relay::start("127.0.0.1:0", Arc::new(Always(fate, upstream.to_owned()))).expect("a free port")
}

/// A server that says what it was asked, by which version of HTTP.
fn echo() -> (String, Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let connections = TaskTracker::new();
    let serve = async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                let said = format!("{:?} {} {}", request.version(), request.method(), request.uri().path());
                let body = request.into_body().collect().await?.to_bytes();
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from([said.as_bytes(), b" ", &body].concat()))))
            });
            connections.spawn(async move {
                drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
            });
        }
    };
    drop(TaskTracker::new().spawn_on(serve, runtime.handle()));
    (address, runtime)
}

/// An address where nobody listens.
fn nobody() -> String {
    StdListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").to_string()
}

fn post(relay: &Relay, body: &[u8]) -> Result<client::Answer, client::HttpError> {
    client::Request { body, ..client::Request::new("POST", &relay.address.to_string(), "/a?b=c") }.send()
}

#[test]
fn a_request_and_its_answer_pass() {
    let (upstream, _runtime) = echo();
    let relay = relay(|to| Fate::Forward(vec![to.to_owned()]), &upstream);
    let answer = post(&relay, b"body").expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "HTTP/1.1 POST /a body"));
}

#[test]
fn an_address_that_is_gone_is_passed_over() {
    let (upstream, _runtime) = echo();
    let relay = relay(|to| Fate::Forward(vec![nobody(), to.to_owned()]), &upstream);
    assert_eq!(post(&relay, b"body").expect("an answer").text(), "HTTP/1.1 POST /a body");
    let relay = self::relay(|to| Fate::Forward(vec![to.to_owned()]), &nobody());
    assert_eq!(post(&relay, b"body").expect("an answer").status, 502);
}

#[test]
fn a_lost_answer_is_no_answer() {
    let (upstream, _runtime) = echo();
    let relay = relay(|to| Fate::Lose(to.to_owned()), &upstream);
    assert!(post(&relay, b"body").is_err());
}

#[test]
fn grpc_passes_over_http2() {
    let (upstream, runtime) = echo();
    let relay = relay(|to| Fate::Forward(vec![to.to_owned()]), &upstream);
    let text = runtime.block_on(async {
        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let body = Full::new(Bytes::from_static(b"frames")).map_err(|never| match never {}).boxed_unsync();
        let request = Request::post(format!("http://{}/a.Service/Call", relay.address))
            .header("content-type", "application/grpc")
            .body(body)
            .expect("a request");
        let answer = client.request(request).await.expect("an answer");
        answer.into_body().collect().await.expect("a body").to_bytes()
    });
    assert_eq!(text, "HTTP/2.0 POST /a.Service/Call frames");
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
    let upstream = listener.local_addr().expect("bound").to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        assert!(String::from_utf8_lossy(&head).to_lowercase().contains("upgrade: websocket"));
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").expect("written");
        let mut three = [0; 3];
        stream.read_exact(&mut three).expect("three bytes");
        three.reverse();
        stream.write_all(&three).expect("written");
    });
    let relay = relay(|to| Fate::Forward(vec![to.to_owned()]), &upstream);
    let mut stream = client::connect(&relay.address.to_string(), Duration::from_secs(5)).expect("connected");
    stream.write_all(b"GET /tail HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").expect("written");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"abc").expect("written");
    let mut three = [0; 3];
    stream.read_exact(&mut three).expect("three bytes");
    assert_eq!(&three, b"cba");
    server.join().expect("the server ends");
}
