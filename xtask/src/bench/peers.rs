//! The servers: how each is started, written to and asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::BenchError;
use crate::http::Request;
use crate::tools;

/// How long each goes on by itself once it has been asked to bring everything into its final form.
const QUIET: Duration = Duration::from_secs(40);

/// A server.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// Where it keeps its data; it runs there.
    pub(super) directory: PathBuf,
    /// `host:port`.
    pub(super) address: String,
    pub(super) write_path: &'static str,
    /// What stands before `/api/v1`.
    pub(super) query_prefix: &'static str,
    /// What keeps it from answering out of a cache, as part of a query.
    pub(super) no_cache: &'static str,
    /// The page that counts series by names and values of labels.
    pub(super) cardinality: &'static str,
    /// Folders of logs whose rows are in blocks too.
    pub(super) not_data: Vec<&'static str>,
    /// What answers when it is ready.
    ready: &'static str,
    /// Requests that bring everything into its final form.
    settle: &'static [(&'static str, &'static str)],
}

/// All servers, or those that are named.
pub(super) fn all(directory: &Path, only: &[String]) -> Result<Vec<Peer>, BenchError> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let mut peers = Vec::new();
    if wanted("quartet") {
        peers.push(quartet(directory));
    }
    if wanted("victoriametrics") {
        peers.push(victoria(directory)?);
    }
    if wanted("prometheus") {
        peers.push(prometheus(directory)?);
    }
    Ok(peers)
}

fn quartet(directory: &Path) -> Peer {
    let program = tools::target().join("release/quartet");
    let settings = [
        "--server.http_port=18301",
        "--server.grpc_port=18302",
        "--server.listen_address=127.0.0.1",
        "--server.advertise_address=127.0.0.1",
        "--self_scrape.period=0s",
        "--limits.metrics.ingestion_rate=1e9",
        "--limits.metrics.ingestion_burst_size=1000000000",
        "--limits.metrics.cardinality_analysis_enabled=true",
        "--limits.metrics.max_global_series_per_user=0",
        "--limits.metrics.out_of_order_time_window=10m",
        // What takes hours in the long run has minutes here: heads give up what is in blocks, and files of merged blocks go.
        "--ingester.keep_after_upload=9s",
        "--querier.max_catalog_age=8s",
        "--compactor.settle=1s",
        "--compactor.windows=[2h,1d]",
        "--catalog.removal_delay=10s",
        "--catalog.remove_every=5s",
    ];
    Peer {
        name: "quartet",
        program,
        args: settings.iter().map(|&text| text.to_owned()).collect(),
        directory: directory.join("quartet"),
        address: "127.0.0.1:18301".to_owned(),
        write_path: "/api/v1/push",
        query_prefix: "/prometheus",
        no_cache: "",
        cardinality: "/prometheus/api/v1/cardinality/label_values?label_names[]=__name__&label_names[]=pod&limit=50",
        not_data: vec!["wal", "heads"],
        ready: "/ready",
        settle: &[("POST", "/ingester/flush?wait=true"), ("POST", "/compactor/compact")],
    }
}

fn victoria(directory: &Path) -> Result<Peer, BenchError> {
    let data = directory.join("victoriametrics");
    Ok(Peer {
        name: "victoriametrics",
        program: tools::victoria_metrics()?,
        args: vec![
            "-httpListenAddr=127.0.0.1:18311".to_owned(),
            format!("-storageDataPath={}", data.display()),
            "-retentionPeriod=1y".to_owned(),
            "-search.latencyOffset=0s".to_owned(),
            "-search.maxSeries=1000000".to_owned(),
            "-loggerLevel=WARN".to_owned(),
        ],
        directory: data,
        address: "127.0.0.1:18311".to_owned(),
        write_path: "/api/v1/write",
        query_prefix: "/prometheus",
        no_cache: "&nocache=1",
        cardinality: "/prometheus/api/v1/status/tsdb?topN=50",
        not_data: Vec::new(),
        ready: "/health",
        settle: &[("GET", "/internal/force_flush"), ("GET", "/internal/force_merge")],
    })
}

fn prometheus(directory: &Path) -> Result<Peer, BenchError> {
    let data = directory.join("prometheus");
    let config = directory.join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").map_err(|source| BenchError::Io { what: "write prometheus.yml".to_owned(), source })?;
    Ok(Peer {
        name: "prometheus",
        program: tools::prometheus()?,
        args: vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            "--web.listen-address=127.0.0.1:18321".to_owned(),
            "--web.enable-remote-write-receiver".to_owned(),
            "--log.level=warn".to_owned(),
        ],
        directory: data,
        address: "127.0.0.1:18321".to_owned(),
        write_path: "/api/v1/write",
        query_prefix: "",
        no_cache: "",
        cardinality: "/api/v1/status/tsdb?limit=50",
        not_data: vec!["wal"],
        ready: "/-/ready",
        // It makes blocks by itself, of what is older than its head; the rest stays in the mapped chunks of the head.
        settle: &[],
    })
}

impl Peer {
    /// Whether it answers.
    pub(super) fn answers(&self) -> bool {
        Request { timeout: Duration::from_secs(5), ..Request::new("GET", &self.address, self.ready) }
            .send()
            .is_ok_and(|answer| answer.status == 200)
    }

    /// Brings everything into its final form.
    pub(super) fn settle(&self) -> Result<(), BenchError> {
        for (method, path) in self.settle {
            let answer = Request { timeout: Duration::from_secs(600), ..Request::new(method, &self.address, path) }.send()?;
            if !(200..300).contains(&answer.status) {
                return Err(BenchError::Peer { peer: self.name, what: format!("{path} was answered with {}", answer.status) });
            }
        }
        std::thread::sleep(QUIET);
        Ok(())
    }
}
