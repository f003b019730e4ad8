use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use runtime::App;
use runtime::config::ByteSize;
use runtime::http::{BodyError, read_body, uncompressed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{client, get as page, serving};

fn routes() -> Router {
    Router::new()
        .route("/api/v1/hello", get(async || "hello"))
        .route("/api/v1/label/{name}/values", get(async || "values"))
        .route("/panic", get(async || -> &'static str { panic!("on purpose") }))
        .route("/long", get(async || "long ".repeat(1000)))
        .route("/short", get(async || "short ".repeat(100)))
        .merge(uncompressed(Router::new().route("/api/v1/push", get(async || "long ".repeat(1000)))))
        .route("/limited", post(limited))
}

async fn limited(headers: HeaderMap, body: Body) -> Result<String, BodyError> {
    read_body(&headers, body, ByteSize(1024)).await.map(|body| body.len().to_string())
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let running = serving(routes()).await;
    let url = format!("http://{}/api/v1/hello", running.http);
    let one = client().get(&url).send().await.unwrap();
    assert_eq!((one.version(), one.status()), (reqwest::Version::HTTP_11, StatusCode::OK));
    let h2c = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let two = h2c.get(&url).send().await.unwrap();
    assert_eq!((two.version(), two.text().await.unwrap().as_str()), (reqwest::Version::HTTP_2, "hello"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_meant_is_405() {
    let running = serving(routes()).await;
    assert_eq!(page(&running, "/nowhere").await, (404, "404 page not found\n".to_owned()));
    let response = client().delete(format!("http://{}/api/v1/hello", running.http)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD");
}

#[tokio::test]
async fn a_panic_is_500_and_the_connection_stays() {
    let running = serving(routes()).await;
    let mut stream = TcpStream::connect(running.http).await.unwrap();
    for (path, status) in [("/panic", "500 Internal Server Error"), ("/api/v1/hello", "200 OK"), ("/panic", "500 Internal Server Error")] {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {answer}");
    }
    let (_, metrics) = page(&running, "/metrics").await;
    assert!(metrics.contains("quartet_server_panics_total 2\n"), "{metrics}");
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask_but_not_of_pushes() {
    let running = serving(routes()).await;
    for (path, accepted, encoding) in [
        ("/long", "gzip", Some("gzip")),
        ("/long", "identity", None),
        ("/short", "gzip", None),
        ("/api/v1/push", "gzip", None),
        ("/api/v1/hello", "gzip", None),
    ] {
        let url = format!("http://{}{path}", running.http);
        let response = client().get(url).header("accept-encoding", accepted).send().await.unwrap();
        let found = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(found.as_deref(), encoding, "{path} {accepted}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_of_its_route_is_413() {
    let running = serving(routes()).await;
    let url = format!("http://{}/limited", running.http);
    let whole = client().post(&url).body(vec![b'x'; 1024]).send().await.unwrap();
    assert_eq!(whole.text().await.unwrap(), "1024");
    let declared = client().post(&url).body(vec![b'x'; 1025]).send().await.unwrap();
    assert_eq!(declared.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(declared.text().await.unwrap(), "the request body is larger than the limit of 1KiB\n");
    let chunks = futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 512])));
    let streamed = client().post(&url).body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(streamed.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn requests_are_counted_by_route_as_mimir_names_it() {
    let running = serving(routes()).await;
    for path in ["/api/v1/hello", "/api/v1/hello", "/api/v1/label/a-b/values", "/nowhere", "/other"] {
        page(&running, path).await;
    }
    let (_, metrics) = page(&running, "/metrics").await;
    for (route, status, count) in [("api_v1_hello", 200, 2), ("api_v1_label_name_values", 200, 1), ("notfound", 404, 2)] {
        let line = format!(
            "cortex_request_duration_seconds_count{{method=\"GET\",route=\"{route}\",status_code=\"{status}\",ws=\"false\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert!(metrics.contains("cortex_inflight_requests{method=\"GET\",route=\"api_v1_hello\"} 0\n"), "{metrics}");
    assert!(metrics.contains("cortex_inflight_requests{method=\"GET\",route=\"metrics\"} 1\n"), "{metrics}");
    assert!(metrics.contains("cortex_tcp_connections{protocol=\"http\"} "), "{metrics}");
}

#[tokio::test]
async fn bytes_of_messages_are_counted_by_route() {
    let running = serving(routes()).await;
    let limited = client().post(format!("http://{}/limited", running.http)).body(vec![b'x'; 1024]).send().await.unwrap();
    assert_eq!(limited.text().await.unwrap(), "1024");
    page(&running, "/nowhere").await;
    let (_, metrics) = page(&running, "/metrics").await;
    for line in [
        "cortex_request_message_bytes_sum{method=\"POST\",route=\"limited\"} 1024.0\n",
        "cortex_request_message_bytes_count{method=\"POST\",route=\"limited\"} 1\n",
        "cortex_response_message_bytes_sum{method=\"POST\",route=\"limited\"} 4.0\n",
        "cortex_request_message_bytes_sum{method=\"GET\",route=\"notfound\"} 0.0\n",
        "cortex_response_message_bytes_bucket{le=\"1000000.0\",method=\"GET\",route=\"notfound\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn an_alias_port_serves_its_routes_and_no_others() {
    let mut app = App::for_test("test").await.unwrap();
    app.http.main(routes());
    app.http.alias("prometheus", Router::new().route("/api/v1/query", get(async || "result")));
    let running = app.serve().await;
    let alias = running.aliases["prometheus"];
    let body = client().get(format!("http://{alias}/api/v1/query")).send().await.unwrap().text().await.unwrap();
    assert_eq!(body, "result");
    assert_eq!(client().get(format!("http://{alias}/api/v1/hello")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    // Who takes the port for a Prometheus of its own asks there whether it is up.
    let status = async |path: &str| client().get(format!("http://{alias}{path}")).send().await.unwrap().status().as_u16();
    assert_eq!([status("/ready").await, status("/-/ready").await, status("/-/healthy").await], [503, 503, 200]);
    running.ready();
    assert_eq!([status("/ready").await, status("/-/ready").await, status("/-/healthy").await], [200, 200, 200]);
    assert_eq!(page(&running, "/api/v1/query").await.0, 404);
}

#[tokio::test]
async fn a_taken_alias_port_is_left_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = super::Config::default();
    config.server.alias.insert("prometheus".to_owned(), taken.local_addr().unwrap().port());
    config.server.alias.insert("loki".to_owned(), 0);
    let mut app = super::bound(&config).await;
    app.http.alias("prometheus", Router::new());
    app.http.alias("loki", Router::new());
    let running = app.serve().await;
    assert!(running.aliases.is_empty(), "{running:?}");
    assert_eq!(page(&running, "/ready").await.0, 503);
}

#[tokio::test]
async fn a_taken_main_port_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut config = super::Config::default();
    config.server.http_port = port;
    let err = App::bind("test", &config, runtime::telemetry::Telemetry::detached()).await.unwrap_err();
    assert_eq!(err.to_string(), format!("listen on 127.0.0.1:{port}"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let mut config = super::Config::default();
    config.server.idle_timeout = runtime::config::HumanDuration::from_secs(1);
    let mut app = super::bound(&config).await;
    app.http.main(routes());
    let running = app.serve().await;
    let mut silent = TcpStream::connect(running.http).await.unwrap();
    let mut used = TcpStream::connect(running.http).await.unwrap();
    let mut answer = [0; 4096];
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        used.write_all(b"GET /api/v1/hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let read = used.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
    }
    for (which, stream) in [("silent", &mut silent), ("used", &mut used)] {
        let closed = tokio::time::timeout(std::time::Duration::from_secs(20), stream.read(&mut answer)).await;
        assert_eq!(closed.expect(which).expect(which), 0);
    }
}
