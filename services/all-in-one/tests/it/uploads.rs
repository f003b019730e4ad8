//! Blocks of Prometheus that clients upload to compactors: what comes of them, and what is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use storage::bucket::{Bucket, FlakyConfig, Memory};
use storage::flaky::{Fault, Flaky};
use storage::time::TimeRange;
use tenancy::TenantId;

use crate::client::{Answer, Client, TENANT, until};
use crate::cluster::{Cluster, Town};

/// A block that Prometheus wrote: 725 samples of six series, of which one minute was deleted afterwards.
const INDEX: &[u8] = include_bytes!("../../../signals/metrics/src/tsdb/testdata/index");
const CHUNKS: &[u8] = include_bytes!("../../../signals/metrics/src/tsdb/testdata/chunks");
const META: &str = include_str!("../../../signals/metrics/src/tsdb/testdata/meta.json");
/// What Prometheus reads out of it.
const EXPECTED: &str = include_str!("../../../signals/metrics/src/tsdb/testdata/expected.txt");

const BLOCK: &str = "01M88CNAFHTFCDGCJS0RMWKA2Z";
const END_MS: i64 = 1_700_007_200_001;

/// `meta.json` as `mimirtool backfill` sends it: with a list of the files.
fn meta() -> Value {
    let mut meta: Value = serde_json::from_str(META).expect("Prometheus writes JSON");
    meta["thanos"] = json!({ "files": [
        { "rel_path": "meta.json" },
        { "rel_path": "index", "size_bytes": INDEX.len() },
        { "rel_path": "chunks/000001", "size_bytes": CHUNKS.len() },
    ] });
    meta
}

/// Who uploads a block.
struct Uploader {
    client: Client,
    at: SocketAddr,
    block: &'static str,
}

impl Uploader {
    fn of(cluster: &Cluster) -> Self {
        Self { client: cluster.town.client.clone(), at: cluster.compactor.http, block: BLOCK }
    }

    async fn post(&self, what: &str, body: impl Into<Vec<u8>>) -> Answer {
        let path = format!("/api/v1/upload/block/{}/{what}", self.block);
        self.client.send(self.at, &path, "application/octet-stream", body.into()).await
    }

    async fn start(&self, meta: &Value) -> Answer {
        self.post("start", meta.to_string()).await
    }

    async fn file(&self, path: &str, bytes: &[u8]) -> Answer {
        self.post(&format!("files?path={path}"), bytes).await
    }

    async fn check(&self) -> Answer {
        self.client.get(self.at, &format!("/api/v1/upload/block/{}/check", self.block), Some(TENANT)).await
    }

    async fn state(&self) -> Value {
        let answer = self.check().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("a state is JSON")
    }

    async fn reaches(&self, state: Value) {
        until("the upload comes so far", async || (self.state().await == state).then_some(())).await;
    }

    /// Uploads all of the block, up to the word that it is whole.
    async fn bring(&self) {
        ok(&self.start(&meta()).await);
        ok(&self.file("index", INDEX).await);
        assert_eq!(self.state().await, json!({ "result": "uploading" }));
        ok(&self.file("chunks%2F000001", CHUNKS).await);
    }
}

fn refused(what: &str, answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, format!("{text}\n").as_str()), "{what}");
}

fn ok(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer:?}");
}

fn town() -> Town {
    let mut town = Town::new();
    town.limits.compactor_block_upload_enabled = true;
    town
}

/// The floats of a series that Prometheus reads out of the block.
fn expected(series: &str) -> Vec<(i64, u64)> {
    let lines = EXPECTED.lines().skip_while(|line| *line != series).skip(1).take_while(|line| !line.starts_with('{'));
    let sample = |line: &str| {
        let (time, bits) = line.split_once(' ').expect("a time and a value");
        (time.parse().expect("a time"), u64::from_str_radix(bits, 16).expect("the bits of a value"))
    };
    lines.map(sample).collect()
}

/// Queries find the block, each sample once.
async fn is_found(cluster: &Cluster) {
    let (client, at) = (&cluster.town.client, cluster.query_frontend.http);
    let count = |name| format!("sum(count_over_time({name}[3h]))");
    let all = ["counter_total", "gauge", "native_int", "native_gauge", "native_custom"].map(count).join(" + ");
    until("queries find the block", async || {
        let answer = client.query(at, &all, END_MS).await;
        // Of 720 samples one says that its series has gone.
        answer.body.contains(r#""719"]"#).then_some(())
    })
    .await;
    let rows = client.rows(at, "counter_total[3h]", END_MS).await.expect("it is answered");
    let found: Vec<(i64, u64)> =
        rows.values().flatten().map(|(time, value)| (*time, value.parse::<f64>().expect("a number").to_bits())).collect();
    assert_eq!(found.len(), 300);
    // What was deleted in Prometheus is a file that is not uploaded.
    let expected = expected(r#"{__name__="counter_total", job="a"}"#);
    assert_eq!(expected.len(), 296);
    assert!(expected.iter().all(|sample| found.contains(sample)), "{found:?}");
}

fn blocks(cluster: &Cluster) -> usize {
    let tenant = TenantId::parse(TENANT).expect("a good name");
    cluster.compactor.catalog.map().blocks(&tenant, "metrics", TimeRange::ALL).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_prometheus_is_uploaded_and_found() {
    let cluster = Cluster::start(town()).await;
    let uploader = Uploader::of(&cluster);
    uploader.bring().await;
    ok(&uploader.post("finish", "").await);
    uploader.reaches(json!({ "result": "complete" })).await;
    is_found(&cluster).await;
    for (what, answer) in [
        ("start", uploader.start(&meta()).await),
        ("files", uploader.file("index", INDEX).await),
        ("finish", uploader.post("finish", "").await),
    ] {
        refused(what, &answer, 409, "block already exists");
    }
    assert_eq!(cluster.compactor.gauge(&cluster.town.client, "cortex_block_upload_api_blocks_total").await, Some(1.0));
    assert_eq!(cluster.compactor.gauge(&cluster.town.client, "cortex_block_upload_api_files_total").await, Some(2.0));
    until("what was uploaded is removed", async || {
        cluster.town.bucket.list("uploads/", None).await.expect("it is in memory").is_empty().then_some(())
    })
    .await;
    cluster.stop().await;
}

/// A cluster whose store answers one request to write a key with this word late, when it is asked for a block; the compactor is stopped
/// meanwhile, and comes back.
async fn interrupted_at(key: &str) {
    let mut town = town();
    let flaky = Flaky::new(Arc::new(Memory::new(Arc::new(runtime::SystemClock))), &FlakyConfig::default());
    let bucket: Arc<dyn Bucket> = Arc::new(flaky.clone());
    town.bucket = bucket;
    // No merge changes how many blocks there are.
    town.compactor.settle = runtime::config::HumanDuration::from_secs(36_000);
    let cluster = Cluster::start(town).await;
    let uploader = Uploader::of(&cluster);
    uploader.bring().await;
    flaky.order("put", key, Fault::Delay(Duration::from_secs(3600)));
    ok(&uploader.post("finish", "").await);
    assert_eq!(uploader.state().await, json!({ "result": "validating" }));
    for (what, answer) in [("start", uploader.start(&meta()).await), ("finish", uploader.post("finish", "").await)] {
        refused(what, &answer, 400, "block validation in progress");
    }
    until("the request is made", async || (flaky.ordered() == 0).then_some(())).await;
    let before = blocks(&cluster);
    let cluster = cluster.restart_compactor().await;
    let uploader = Uploader::of(&cluster);
    uploader.reaches(json!({ "result": "complete" })).await;
    is_found(&cluster).await;
    // All of the block is in the window of two hours in which it begins, and that of its last samples.
    assert!(before <= 2 && blocks(&cluster) <= 2, "{before}, {}", blocks(&cluster));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compactor_that_stops_before_the_first_block_goes_on_later() {
    Box::pin(interrupted_at("data.parquet")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compactor_that_stops_before_the_last_word_takes_nothing_over_twice() {
    Box::pin(interrupted_at("import/")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_have_their_answers() {
    let cluster = Cluster::start(town()).await;
    let uploader = Uploader::of(&cluster);
    let nameless = Uploader { block: "01M88CNAFHTFCDGCJS0RMWKA2", ..Uploader::of(&cluster) };
    for what in ["start", "files?path=index", "finish"] {
        refused(what, &nameless.post(what, "x").await, 400, "invalid block ID");
    }
    refused("check", &nameless.check().await, 400, "invalid block ID");
    refused("check", &uploader.check().await, 404, "block doesn't exist");
    refused("file", &uploader.file("index", INDEX).await, 404, "block upload not started");
    refused("finish", &uploader.post("finish", "").await, 404, "block upload not started");
    refused("no meta", &uploader.post("start", "{").await, 400, "malformed request body");
    let long = format!("{{\"version\":1{}}}", " ".repeat(1 << 20));
    let text = "The block metadata was too large (maximum size allowed is 1048576 bytes)";
    refused("a long meta", &uploader.post("start", long).await, 413, text);

    ok(&uploader.start(&meta()).await);
    for (path, bytes, text) in [
        ("", INDEX, "missing or invalid file path"),
        ("meta.json", INDEX, "meta.json is not allowed"),
        ("..%2Fmeta.json", INDEX, "meta.json is not allowed"),
        ("tombstones", INDEX, "invalid path: \"tombstones\""),
        ("chunks%2F1", INDEX, "invalid path: \"chunks/1\""),
        ("..%2Findex", INDEX, "invalid path: \"../index\""),
        ("index", &[], "file cannot be empty"),
        ("chunks%2F000002", CHUNKS, "unexpected file"),
        ("index", CHUNKS, "file size doesn't match meta.json"),
    ] {
        refused(path, &uploader.file(path, bytes).await, 400, text);
    }
    let several = uploader.client.get(uploader.at, &format!("/api/v1/upload/block/{BLOCK}/check"), Some("a|b")).await;
    refused("two tenants", &several, 400, "invalid tenant ID");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_does_not_pass_is_told_so() {
    let cluster = Cluster::start(town()).await;
    let uploader = Uploader::of(&cluster);
    ok(&uploader.start(&meta()).await);
    ok(&uploader.file("index", INDEX).await);
    ok(&uploader.post("finish", "").await);
    uploader.reaches(json!({ "result": "failed", "error": "failed to stat chunks/000001: no such file or directory" })).await;
    refused("start", &uploader.start(&meta()).await, 400, "block validation failed");

    let early = Uploader { block: "01M88CNAFHTFCDGCJS0RMWKA30", ..Uploader::of(&cluster) };
    let mut times = meta();
    (times["minTime"], times["maxTime"]) = (json!(1), json!(2));
    ok(&early.start(&times).await);
    ok(&early.file("index", INDEX).await);
    ok(&early.file("chunks/000001", CHUNKS).await);
    ok(&early.post("finish", "").await);
    let text = "error validating block: found 11 chunks completely outside the block time range";
    early.reaches(json!({ "result": "failed", "error": text })).await;

    let broken = Uploader { block: "01M88CNAFHTFCDGCJS0RMWKA31", ..Uploader::of(&cluster) };
    let mut chunks = CHUNKS.to_vec();
    chunks[100] ^= 1;
    ok(&broken.start(&meta()).await);
    ok(&broken.file("index", INDEX).await);
    ok(&broken.file("chunks/000001", &chunks).await);
    ok(&broken.post("finish", "").await);
    until("it does not pass", async || (broken.state().await["result"] == "failed").then_some(())).await;
    assert!(broken.state().await["error"].as_str().is_some_and(|text| text.contains("checksum")), "{:?}", broken.state().await);
    assert_eq!(blocks(&cluster), 0, "nothing of them is left");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_tenant_hold() {
    let cluster = Cluster::start(Town::new()).await;
    let uploader = Uploader::of(&cluster);
    refused("off", &uploader.start(&meta()).await, 400, "block upload is disabled");
    refused("off", &uploader.check().await, 400, "block upload is disabled");
    cluster.stop().await;

    // The same where only the compactor says how long blocks are kept.
    for (tenants, compactors) in [(86_400, 0), (0, 86_400), (86_400, 1_000_000_000)] {
        let mut town = town();
        town.limits.compactor_blocks_retention_period = runtime::config::HumanDuration::from_secs(tenants);
        town.compactor.default_retention = runtime::config::HumanDuration::from_secs(compactors);
        town.limits.compactor_block_upload_max_block_size_bytes = (INDEX.len() + CHUNKS.len()) as u64;
        let cluster = Cluster::start(town).await;
        let uploader = Uploader::of(&cluster);
        let text = "block max time (2023-11-15 00:13:20.001 +0000 UTC) older than retention period";
        refused("old", &uploader.start(&meta()).await, 422, text);
        let mut larger = meta();
        larger["thanos"]["files"][1]["size_bytes"] = json!(INDEX.len() + 1);
        let text = format!("block exceeds the maximum block size limit of {} bytes", INDEX.len() + CHUNKS.len());
        refused("large", &uploader.start(&larger).await, 400, &text);
        cluster.stop().await;
    }
}
