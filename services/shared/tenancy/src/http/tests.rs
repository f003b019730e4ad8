use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use runtime::{App, Running};

use super::{AuthConfig, Door, FederationConfig};
use crate::{LabelPolicies, Tenants};

async fn serving(config: &AuthConfig) -> Running {
    serve(Door::new(config).unwrap()).await
}

async fn serve(door: Door) -> Running {
    let mut app = App::for_test("test").await.unwrap();
    let who = async |Extension(tenants): Extension<Tenants>, Extension(policies): Extension<LabelPolicies>| {
        let policies: Vec<&str> = tenants.all().iter().flat_map(|tenant| policies.of(tenant)).map(String::as_str).collect();
        format!("{tenants}{}", policies.join(","))
    };
    app.http.main(door.guard(Router::new().route("/who", get(who))));
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

#[tokio::test]
async fn reads_have_as_many_tenants_as_federation_allows() {
    let of = |enabled, max_tenants| Door::new(&AuthConfig::default()).unwrap().for_reads(&FederationConfig { enabled, max_tenants });
    let refused = |max| format!("too many tenant IDs present. max: {max} actual: 3\n");
    for (door, expected) in
        [(of(false, 0), refused(1)), (of(true, 2), refused(2)), (of(true, 3), "a|b|c".to_owned()), (of(true, 0), "a|b|c".to_owned())]
    {
        let running = serve(door).await;
        assert_eq!(ask(&running, "/who", "X-Scope-OrgID: a|b|c\r\n").await.1, expected);
        assert_eq!(ask(&running, "/who", "X-Scope-OrgID: a\r\n").await.1, "a");
    }
}

#[tokio::test]
async fn label_policies_are_read_where_they_are_obeyed() {
    let config = AuthConfig { label_access_control_enabled: true, ..AuthConfig::default() };
    let obeying = serve(Door::new(&config).unwrap().for_reads(&FederationConfig::default())).await;
    let headers = "X-Scope-OrgID: a\r\nX-Prom-Label-Policy: a:%7Bx%3D%221%22%7D\r\n";
    assert_eq!(ask(&obeying, "/who", headers).await.1, "a{x=\"1\"}");
    let malformed = "X-Scope-OrgID: a\r\nX-Prom-Label-Policy: a\r\n";
    assert_eq!(ask(&obeying, "/who", malformed).await.0, "400 Bad Request");
    // Writes, and processes that do not obey them, take no notice.
    for door in [Door::new(&config).unwrap(), Door::new(&AuthConfig::default()).unwrap().for_reads(&FederationConfig::default())] {
        let other = serve(door).await;
        assert_eq!(ask(&other, "/who", malformed).await, ("200 OK".to_owned(), "a".to_owned()));
    }
}
