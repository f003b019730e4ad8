use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{active, bucket, follower, wait, writable};

/// One request; the whole answer as text.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub(crate) async fn json(address: SocketAddr, path: &str) -> serde_json::Value {
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n")).await;
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ring_is_shown_to_people_and_tools_and_members_are_forgotten() {
    let bucket = bucket();
    let (a, b) = (active(&bucket, "a").await, active(&bucket, "b").await);
    let distributor = follower(&bucket, "distributor").await;
    for process in [&a, &b, &distributor] {
        wait(&process.cluster, "a whole cluster", |view| writable(view) == 2 && view.all_processes().len() == 3).await;
    }
    let at = distributor.running.http;

    let ring = json(at, "/ring").await;
    assert_eq!(ring["members"][0]["name"], "ingester-a-0");
    assert_eq!(ring["members"][0]["state"], "active");
    assert_eq!(ring["members"][0]["alive"], true);
    assert_eq!(ring["members"][0]["owned_share"], 1.0);
    assert!(ring["members"][0]["age_ms"].as_i64().unwrap() >= 0);
    assert_eq!(json(at, "/ingester/ring").await["members"].as_array().unwrap().len(), 2);
    assert_eq!(json(at, "/compactor/ring").await["members"].as_array().unwrap().len(), 0);
    assert_eq!(json(at, "/distributor/ring").await["processes"][0]["role"], "distributor");
    assert_eq!(json(at, "/cluster").await["processes"].as_array().unwrap().len(), 3);
    let page = ask(at, "GET /ring HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(page.contains("content-type: text/html") && page.contains("<td>ingester-a-0<td>ingester<td>a<td>active<td>yes"), "{page}");
    let metrics = ask(at, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(metrics.contains(r#"cortex_ring_members{name="ingester",state="ACTIVE"} 2"#), "{metrics}");
    assert!(metrics.contains(r#"cortex_ring_tokens_total{name="ingester"} 2048"#), "{metrics}");
    assert!(metrics.contains("memberlist_client_cluster_members_count 3"), "{metrics}");
    let gossip = ask(a.running.http, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let digest = gossip.lines().find_map(|line| line.strip_prefix("quartet_gossip_digest_bytes ")).unwrap();
    assert!(digest.parse::<u64>().unwrap() > 100, "{digest}");

    let post = |name: &str| {
        let body = format!("forget={name}");
        format!(
            "POST /ring HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    b.running.stop().await.unwrap();
    wait(&distributor.cluster, "a missing member", |view| writable(view) == 1).await;
    assert!(ask(at, &post("nobody")).await.starts_with("HTTP/1.1 404"));
    assert!(ask(at, &post("ingester-b-0")).await.starts_with("HTTP/1.1 302"));
    wait(&distributor.cluster, "one member", |view| view.ring("ingester").members().len() == 1).await;
    a.running.stop().await.unwrap();
    distributor.running.stop().await.unwrap();
}
