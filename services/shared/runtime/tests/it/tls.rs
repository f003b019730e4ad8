use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use reqwest::{Certificate, Identity};
use runtime::config::HumanDuration;
use runtime::grpc::{Channels, ClientConfig};
use runtime::tls::ClientTlsConfig;

use super::grpc::{Echo, call};
use super::{Config, bound};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn path(name: &str) -> String {
    file(name).to_str().expect("the path is text").to_owned()
}

fn with_tls() -> Config {
    let mut config = Config::default();
    config.server.tls.cert_file = path("server.pem");
    config.server.tls.key_file = path("server.key");
    config
}

/// A client that knows only our authority; `name` is resolved to the process.
fn client(name: &str, address: std::net::SocketAddr, identity: Option<Identity>) -> reqwest::Client {
    let authority = Certificate::from_pem(&std::fs::read(file("ca.pem")).expect("the file is there")).expect("it is a certificate");
    let builder = reqwest::Client::builder().tls_certs_only([authority]).resolve(name, address);
    match identity {
        Some(identity) => builder.identity(identity),
        None => builder,
    }
    .build()
    .expect("the client can be built")
}

#[tokio::test]
async fn the_same_port_speaks_http2_over_tls() {
    let mut app = bound(&with_tls()).await;
    app.http.main(Router::new().route("/hello", get(async || "hello")));
    let running = app.serve().await;
    let url = format!("https://first.test:{}/hello", running.http.port());
    let response = client("first.test", running.http, None).get(url).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.text().await.unwrap(), "hello");
    assert!(super::client().get(format!("http://{}/hello", running.http)).send().await.is_err());
}

#[tokio::test]
async fn clients_need_a_certificate_where_an_authority_is_named() {
    let mut config = with_tls();
    config.server.tls.client_ca_file = path("ca.pem");
    let mut app = bound(&config).await;
    app.http.main(Router::new().route("/hello", get(async || "hello")));
    app.grpc.add(Echo);
    let running = app.serve().await;

    let url = format!("https://first.test:{}/hello", running.http.port());
    assert!(client("first.test", running.http, None).get(&url).send().await.is_err());
    let pem = [std::fs::read(file("client.key")).unwrap(), std::fs::read(file("client.pem")).unwrap()].concat();
    let identity = Identity::from_pem(&pem).unwrap();
    assert_eq!(client("first.test", running.http, Some(identity)).get(&url).send().await.unwrap().status(), 200);

    let tls = ClientTlsConfig { enabled: true, ca_file: path("ca.pem"), ..ClientTlsConfig::default() };
    let anonymous = Channels::new(&ClientConfig { tls: tls.clone(), ..ClientConfig::default() }).unwrap();
    assert!(call(&anonymous, &running.grpc.to_string(), "/test.Echo/Good").await.is_err());
    let tls = ClientTlsConfig { cert_file: path("client.pem"), key_file: path("client.key"), ..tls };
    let known = Channels::new(&ClientConfig { tls, ..ClientConfig::default() }).unwrap();
    assert_eq!(call(&known, &running.grpc.to_string(), "/test.Echo/Good").await.unwrap(), "0");
}

#[tokio::test]
async fn changed_certificates_are_used_without_a_restart_and_broken_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::copy(file("server.pem"), &cert).unwrap();
    std::fs::copy(file("server.key"), &key).unwrap();
    let mut config = Config::default();
    config.server.tls.cert_file = cert.to_str().unwrap().to_owned();
    config.server.tls.key_file = key.to_str().unwrap().to_owned();
    config.server.tls.reload_period = HumanDuration::from_millis(10);
    let running = bound(&config).await.serve().await;
    let answers = async |name: &str| {
        let url = format!("https://{name}:{}/", running.http.port());
        client(name, running.http, None).get(url).send().await.is_ok()
    };
    assert!(answers("first.test").await && !answers("second.test").await);

    std::fs::write(&cert, "broken").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(answers("first.test").await);

    std::fs::copy(file("renewed.key"), &key).unwrap();
    std::fs::copy(file("renewed.pem"), &cert).unwrap();
    let renewed = async {
        while !answers("second.test").await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), renewed).await.unwrap();
}

#[tokio::test]
async fn channels_use_changed_authorities_for_new_connections() {
    let dir = tempfile::tempdir().unwrap();
    let authorities = dir.path().join("ca.pem");
    // Not an authority of the server's certificate.
    std::fs::copy(file("client.pem"), &authorities).unwrap();
    let mut app = bound(&with_tls()).await;
    app.grpc.add(Echo);
    let running = app.serve().await;
    let tls = ClientTlsConfig {
        enabled: true,
        ca_file: authorities.to_str().unwrap().to_owned(),
        server_name: "first.test".to_owned(),
        reload_period: HumanDuration::default(),
        ..ClientTlsConfig::default()
    };
    let channels = Channels::new(&ClientConfig { tls, ..ClientConfig::default() }).unwrap();
    let address = running.grpc.to_string();
    assert!(call(&channels, &address, "/test.Echo/Good").await.is_err());
    std::fs::copy(file("ca.pem"), &authorities).unwrap();
    assert_eq!(call(&channels, &address, "/test.Echo/Good").await.unwrap(), "0");
}

#[tokio::test]
async fn tls_that_cannot_work_is_an_error_at_the_start() {
    let mut config = with_tls();
    config.server.tls.key_file = String::new();
    let refused = async |config: &Config| {
        let err = runtime::App::bind("test", config, runtime::telemetry::Telemetry::detached()).await.unwrap_err();
        runtime::Chain(&err).to_string()
    };
    let expected = "set up TLS of the servers: server.tls.key_file is needed with server.tls.cert_file";
    assert_eq!(refused(&config).await, expected);
    config.server.tls.key_file = path("client.key");
    assert!(refused(&config).await.starts_with("set up TLS of the servers: use the certificates: "));
    let tls = ClientTlsConfig { enabled: true, ..ClientTlsConfig::default() };
    let err = Channels::new(&ClientConfig { tls, ..ClientConfig::default() }).unwrap_err();
    assert_eq!(err.to_string(), "client.tls.ca_file is needed with client.tls.enabled");
}
