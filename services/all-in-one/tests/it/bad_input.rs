//! What a client may send to the all-in-one that it should not: each has its answer, and the process goes on.

use std::net::SocketAddr;

use all_in_one::{AllInOne, Roles, SelfScrapeConfig};
use metrics::limits::MetricsLimits;
use node::{ClusterConfig, Settings};
use runtime::config::HumanDuration;
use runtime::{App, Running};
use signal::Plugins;
use storage::bucket::StorageConfig;
use tenancy::Overrides;
use tenancy::http::AuthConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, TENANT, compressed, series};
use crate::cluster::now_ms;

/// An all-in-one with authentication, in memory but for its log.
struct Process {
    client: Client,
    http: SocketAddr,
    running: Running,
    role: AllInOne,
    _directory: tempfile::TempDir,
}

impl Process {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let mut app = App::for_test("all-in-one").await.expect("free ports can be bound");
        let deps = metrics::Deps {
            limits: Overrides::fixed(MetricsLimits::default()),
            clock: app.clock.clone(),
            compute: app.compute.clone(),
            instruments: metrics::instruments::Instruments::register(&mut app.registry),
            ingest: metrics::ingest::IngestConfig::default(),
            ha: None,
            retention: metrics::Retention::default(),
            query: metrics::query::QueryConfig::default(),
        };
        let plugins = Plugins::new(vec![metrics::plugin(&deps)]);
        let settings = Settings {
            cluster: &ClusterConfig::default(),
            storage: &StorageConfig { url: "memory://".to_owned(), ..StorageConfig::default() },
            catalog: &Default::default(),
            cache: &Default::default(),
            client: &Default::default(),
            ring: &Default::default(),
        };
        let roles = Roles {
            auth: &AuthConfig::default(),
            tenant_federation: &Default::default(),
            wal: &Default::default(),
            distributor: &Default::default(),
            otlp: &Default::default(),
            ingester: &ingester::IngesterConfig {
                data_dir: directory.path().to_string_lossy().into_owned(),
                ..ingester::IngesterConfig::default()
            },
            querier: &Default::default(),
            query_frontend: &Default::default(),
            store_gateway: &Default::default(),
            compactor: &compactor::CompactorConfig { alone: true, ..compactor::CompactorConfig::default() },
            self_scrape: &SelfScrapeConfig { period: HumanDuration::from_secs(0), ..SelfScrapeConfig::default() },
        };
        let role = Box::pin(all_in_one::start(&mut app, settings, roles, |_, _| Ok(plugins))).await.expect("it starts");
        let running = app.serve().await;
        running.ready();
        let client = Client::new();
        client.ready(running.http).await;
        Self { client, http: running.http, running, role, _directory: directory }
    }

    /// A body of a push that must be refused.
    async fn refuses(&self, what: &str, body: Vec<u8>, status: u16, text: &str) {
        let answer = self.client.post(self.http, "/api/v1/push", Some(TENANT), body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.body.contains(text), "{what}: {answer:?}");
    }

    /// It still takes and answers.
    async fn goes_on(self) {
        let now = now_ms();
        let pushed = self.client.push(self.http, vec![series(&[("__name__", "after")], &[(now, 7.0)])]).await;
        assert_eq!(pushed.status, 200, "{pushed:?}");
        let answer = self.client.query(self.http, "after", now).await;
        assert!(answer.status == 200 && answer.body.contains(r#""7"]"#), "{answer:?}");
        self.running.stop_role(self.role).await.expect("it leaves no work behind");
    }
}

/// A snappy block that says how long it is, and nothing more.
fn declares(length: u64) -> Vec<u8> {
    let mut block = Vec::new();
    prost::encoding::encode_varint(length, &mut block);
    block
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_push_are_refused() {
    let process = Process::start().await;
    let good = compressed(vec![series(&[("__name__", "m"), ("job", "a long enough value to be cut")], &[(now_ms(), 1.0)])]);
    process.refuses("truncated", good[..good.len() - 9].to_vec(), 400, "snappy: corrupt input").await;
    process.refuses("not snappy at all", vec![0xff; 64], 400, "snappy: corrupt input").await;
    let garbage = snap::raw::Encoder::new().compress_vec(&[0xff; 64]).expect("small input");
    process.refuses("not protobuf", garbage, 400, "proto: ").await;
    let limit = "err-mimir-distributor-max-write-message-size";
    process.refuses("declared above the limit", declares((100 << 20) + 1), 400, limit).await;
    process.refuses("declared far above the limit", declares(u64::from(u32::MAX)), 400, limit).await;
    process.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_it_is_too_long_is_refused_before_it_comes() {
    let process = Process::start().await;
    let mut stream = tokio::net::TcpStream::connect(process.http).await.expect("it listens");
    let head = format!(
        "POST /api/v1/push HTTP/1.1\r\nhost: test\r\nx-scope-orgid: {TENANT}\r\ncontent-encoding: snappy\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        (100 << 20) + 1
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = vec![0; 2048];
    let length = stream.read(&mut answer).await.expect("it answers");
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    drop(stream);
    process.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_part_of_a_mixed_batch_is_stored() {
    let process = Process::start().await;
    let now = now_ms();
    let many: Vec<(String, String)> = (0..10_000).map(|number| (format!("l{number:05}"), "v".to_owned())).collect();
    let mut labels = vec![("__name__", "wide")];
    labels.extend(many.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let batch = vec![
        series(&labels, &[(now, 1.0)]),
        series(&[("__name__", "narrow")], &[(now, 2.0)]),
        series(&[("job", "nameless")], &[(now, 3.0)]),
    ];
    let answer = process.client.push(process.http, batch).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("err-mimir-max-label-names-per-series"), "{answer:?}");
    assert!(answer.body.contains("(actual: 10001, limit: 30)"), "{answer:?}");
    let stored = process.client.query(process.http, "{__name__=~'wide|narrow|'}", now).await;
    assert!(stored.status == 400, "a selector needs a name: {stored:?}");
    let stored = process.client.query(process.http, "count({__name__=~'.+'})", now).await;
    assert!(stored.body.contains(r#""1"]"#), "{stored:?}");
    let stored = process.client.query(process.http, "narrow", now).await;
    assert!(stored.body.contains(r#""2"]"#), "{stored:?}");
    process.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_have_their_answers() {
    let process = Process::start().await;
    let (client, at) = (&process.client, process.http);
    let pushed = client.post(at, "/api/v1/push", None, compressed(Vec::new())).await;
    assert_eq!((pushed.status, pushed.body.trim_end()), (401, "no org id"));
    let asked = client.get(at, "/prometheus/api/v1/query?query=up", None).await;
    assert_eq!((asked.status, asked.body.trim_end()), (401, "no org id"));
    for (path, text) in [
        ("query?query=sum(", "parse error: unclosed left parenthesis"),
        ("query", "no expression found in input"),
        ("query_range?query=up&start=2&end=1&step=1", "end timestamp must not be before start time"),
        ("query_range?query=up&start=1&end=2&step=0", "zero or negative query resolution step widths are not accepted"),
        ("labels?start=2&end=1", "end timestamp must not be before start time"),
        ("series", "no match[] parameter provided"),
    ] {
        let answer = client.get(at, &format!("/prometheus/api/v1/{path}"), Some(TENANT)).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.body.contains(r#""errorType":"bad_data""#) && answer.body.contains(text), "{path}: {answer:?}");
    }
    for path in [
        "/ingester/unregister-on-shutdown",
        "/ingester/prepare-instance-ring-downscale",
        "/ingester/prepare-partition-downscale",
        "/ingester/tsdb_metrics",
        "/store-gateway/prepare-shutdown",
        "/memberlist",
        "/debug/pprof/heap",
    ] {
        let answer = client.get(at, path, None).await;
        assert!(answer.status == 501 && answer.body.len() > 20, "{path}: {answer:?}");
    }
    let answer = client.get(at, "/prometheus/api/v1/query?query=up", Some("no/tenant")).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    process.goes_on().await;
}
