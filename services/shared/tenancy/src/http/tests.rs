use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use runtime::{App, Running};

use super::{AuthConfig, Door};
use crate::Tenants;

async fn serving(config: &AuthConfig) -> Running {
    let mut app = App::for_test("test").await.unwrap();
    let routes = Router::new().route("/who", get(async |Extension(tenants): Extension<Tenants>| tenants.to_string()));
    app.http.main(Door::new(config).unwrap().guard(routes));
    app.serve().await
}

/// Status line and body of an answer.
async fn ask(running: &Running, path: &str, header: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(running.http).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap()["HTTP/1.1 ".len()..].to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_door_lets_in_who_has_a_name() {
    let running = serving(&AuthConfig::default()).await;
    for (header, status, body) in [
        ("X-Scope-OrgID: team-a\r\n", "200 OK", "team-a"),
        ("X-Scope-OrgID: b|a|b\r\n", "200 OK", "a|b"),
        ("", "401 Unauthorized", "no org id\n"),
        ("X-Scope-OrgID:\r\n", "401 Unauthorized", "no org id\n"),
        ("X-Scope-OrgID: a/b\r\n", "400 Bad Request", "tenant ID 'a/b' contains unsupported character '/'\n"),
        ("X-Scope-OrgID: ..\r\n", "400 Bad Request", "tenant ID is '.' or '..'\n"),
    ] {
        assert_eq!(ask(&running, "/who", header).await, (status.to_owned(), body.to_owned()), "{header}");
    }
    assert_eq!(ask(&running, "/nowhere", "").await.0, "404 Not Found");
}

#[tokio::test]
async fn the_door_may_be_open_or_know_a_default() {
    let open = serving(&AuthConfig { enabled: false, ..AuthConfig::default() }).await;
    assert_eq!(ask(&open, "/who", "X-Scope-OrgID: team-a\r\n").await.1, "anonymous");
    let default = serving(&AuthConfig { default_tenant: "home".to_owned(), ..AuthConfig::default() }).await;
    assert_eq!(ask(&default, "/who", "").await.1, "home");
    assert_eq!(ask(&default, "/who", "X-Scope-OrgID: team-a\r\n").await.1, "team-a");
}
