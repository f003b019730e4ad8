//! Asks Quartet and a Prometheus the same random questions over the same random data, and tells where the answers differ.
//!
//! Quartet runs as all-in-one with small splits, half of the data in blocks, and two tenants: one whose queries are sharded, one whose queries are
//! not. Everything follows from a seed.

mod compare;
mod data;
mod grammar;
mod known;
mod request;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use compare::Difference;
use request::Ask;

use crate::cluster::process::Process;
use crate::cluster::{self, ClusterError, orders};
use crate::http::{Answer, HttpError, Request};
use crate::random::Random;
use crate::tools::{self, ToolError};

/// Why the run did not come to its end, or found something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DifferError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("{server} answered a push with {status}: {text}")]
    Push { server: String, status: u16, text: String },
    #[error("{0} answers differ")]
    Differ(u64),
}

/// What a run is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The first seed of data; each seed after it has data of its own.
    pub(crate) seed: u64,
    /// Queries of each seed.
    pub(crate) queries: u64,
    /// Seeds follow each other until this has passed.
    pub(crate) minutes: u64,
    /// Only the request of this number.
    pub(crate) only: Option<u64>,
}

const SHARDED: &str = "sharded";
const WHOLE: &str = "whole";
/// Ports of Quartet and of the Prometheus.
const HTTP: u16 = 19_480;
const PROMETHEUS: u16 = 19_490;

/// Runs it.
pub(crate) fn run(plan: &Plan) -> Result<(), DifferError> {
    let (programs, prometheus) = (cluster::build()?, tools::prometheus()?);
    let begun = Instant::now();
    let mut found = Found::default();
    for seed in plan.seed.. {
        one_seed(plan, seed, &programs, &prometheus, &mut found)?;
        if begun.elapsed() >= Duration::from_secs(plan.minutes * 60) {
            break;
        }
    }
    println!("{} answers compared, {} differ, {} differ as decided: {:?}", found.asked, found.differ, found.known, found.kinds);
    if found.differ == 0 { Ok(()) } else { Err(DifferError::Differ(found.differ)) }
}

#[derive(Debug, Default)]
struct Found {
    asked: u64,
    differ: u64,
    known: u64,
    kinds: BTreeMap<&'static str, u64>,
}

fn one_seed(plan: &Plan, seed: u64, programs: &Path, prometheus: &Path, found: &mut Found) -> Result<(), DifferError> {
    let directory = tools::target().join("differ");
    tools::remove(&directory).map_err(|source| DifferError::Io { what: "clear the directory of the run".to_owned(), source })?;
    fs::create_dir_all(&directory).map_err(|source| DifferError::Io { what: "make the directory of the run".to_owned(), source })?;
    let servers = Servers { quartet: quartet(programs, &directory)?, prometheus: prometheus_of(prometheus, &directory)? };
    let mut running = [servers.quartet.clone(), servers.prometheus.clone()];
    let outcome = (|| {
        for process in &mut running {
            process.start()?;
        }
        for process in &running {
            process.wait_ready(Duration::from_secs(60))?;
        }
        servers.push(seed)?;
        servers.compare(plan, seed, found)
    })();
    for process in &running {
        process.end("KILL");
        process.wait_gone(Duration::from_secs(60))?;
    }
    outcome
}

fn quartet(programs: &Path, directory: &Path) -> Result<Process, DifferError> {
    let overrides = directory.join("overrides.yaml");
    let text = format!(
        "limits: {{ingestion_rate: 1e9, ingestion_burst_size: 1000000000, max_global_series_per_user: 0, native_histograms_ingestion_enabled: true, \
         out_of_order_time_window: 30m, ooo_native_histograms_ingestion_enabled: true, name_validation_scheme: utf8, cache_unaligned_requests: true}}\n\
         overrides: {{{WHOLE}: {{query_sharding_total_shards: 0}}, {SHARDED}: {{query_sharding_total_shards: 3}}}}\n"
    );
    fs::write(&overrides, text).map_err(|source| DifferError::Io { what: "write the limits".to_owned(), source })?;
    let settings = vec![
        format!("--config={}", tools::root().join("deploy/conformance.yaml").display()),
        format!("--overrides.metrics={}", overrides.display()),
        format!("--otlp.grpc_port={}", HTTP + 2),
        format!("--otlp.http_port={}", HTTP + 3),
        "--queries.metrics.split_interval=20m".to_owned(),
        "--queries.metrics.samples_per_shard=1".to_owned(),
    ];
    Ok(Process::all_in_one(programs, directory.join("quartet"), (HTTP, HTTP + 1), settings))
}

fn prometheus_of(program: &Path, directory: &Path) -> Result<Process, DifferError> {
    let config = directory.join("prometheus.yml");
    let text = "global: {}\nstorage: {exemplars: {max_exemplars: 100000}, tsdb: {out_of_order_time_window: 30m}}\n";
    fs::write(&config, text).map_err(|source| DifferError::Io { what: "write prometheus.yml".to_owned(), source })?;
    let settings = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", directory.join("prometheus").display()),
        format!("--web.listen-address=127.0.0.1:{PROMETHEUS}"),
        "--web.enable-remote-write-receiver".to_owned(),
        "--log.level=warn".to_owned(),
        "--enable-feature=promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,promql-binop-fill-modifiers,\
         exemplar-storage"
            .to_owned(),
    ];
    let data = directory.join("prometheus");
    Ok(Process {
        name: "prometheus".to_owned(),
        role: "prometheus".to_owned(),
        zone: String::new(),
        pid: 0,
        http: format!("127.0.0.1:{PROMETHEUS}"),
        grpc: String::new(),
        log: data.with_extension("log"),
        data,
        ready: Some("/-/ready".to_owned()),
        program: program.to_path_buf(),
        args: settings.to_vec(),
        env: Vec::new(),
    })
}

struct Servers {
    quartet: Process,
    prometheus: Process,
}

impl Servers {
    /// Pushes the data of a seed in pieces of ten minutes, by the two versions in turn; the first half goes into blocks.
    fn push(&self, seed: u64) -> Result<(), DifferError> {
        const PIECE: i64 = 600_000;
        let series = data::all(seed);
        for (number, from) in (data::BEGIN..data::BEGIN + data::LENGTH + 60_000).step_by(600_000).enumerate() {
            let piece: Vec<_> = series.iter().filter_map(|series| data::part(series, from, from + PIECE)).collect();
            if piece.is_empty() {
                continue;
            }
            let second = number % 2 == 1;
            let body = if second { wire::version2(&piece) } else { wire::version1(&piece) };
            let body = snap::raw::Encoder::new().compress_vec(&body).expect("a body of far less than 4 GiB");
            for tenant in [SHARDED, WHOLE] {
                push(&self.quartet.http, "/api/v1/push", tenant, second, &body)?;
            }
            push(&self.prometheus.http, "/api/v1/write", WHOLE, second, &body)?;
            if number == 6 {
                orders::flush(&self.quartet.http)?;
            }
        }
        Ok(())
    }

    fn compare(&self, plan: &Plan, seed: u64, found: &mut Found) -> Result<(), DifferError> {
        let numbers = plan.only.map_or(0..plan.queries, |only| only..only + 1);
        for number in numbers {
            let mut random = Random::new(seed, number + 1000);
            let tenant = random.pick(&[SHARDED, WHOLE]);
            let ask = request::random(&mut random);
            let times = if ask.endpoint == "query_range" && random.percent(20) { 2 } else { 1 };
            for time in 0..times {
                found.asked += 1;
                let Some(difference) = self.differs(&ask, tenant)? else { continue };
                if known::decided(&ask, &difference) {
                    found.known += 1;
                    continue;
                }
                let (small, tenant_of_small, difference) = self.smaller(&ask, tenant, difference)?;
                if known::free(&small, tenant_of_small == SHARDED, &difference) {
                    found.known += 1;
                    continue;
                }
                found.differ += 1;
                let Difference { kind, expected, found: answered } = difference;
                *found.kinds.entry(kind).or_default() += 1;
                println!(
                    "== seed {seed} request {number} (time {time}, {tenant}): {kind}\n{}\nsmaller ({tenant_of_small}): {}\nprometheus: {}\nquartet:    {}\n",
                    ask.text(),
                    small.text(),
                    short(&expected),
                    short(&answered)
                );
            }
        }
        Ok(())
    }

    /// The smallest expression within that of a request whose answers differ too, and how.
    fn smaller(&self, ask: &Ask, tenant: &'static str, mut difference: Difference) -> Result<(Ask, &'static str, Difference), DifferError> {
        let mut ask = ask.clone();
        'smaller: while let Some(expr) = ask.expr.clone() {
            for inner in expr.inner() {
                let smaller = ask.with(inner);
                if let Some(found) = self.differs(&smaller, tenant)?
                    && !known::decided(&smaller, &found)
                {
                    (ask, difference) = (smaller, found);
                    continue 'smaller;
                }
            }
            break;
        }
        Ok(self.differs(&ask, WHOLE)?.map_or_else(|| (ask.clone(), tenant, difference), |whole| (ask.clone(), WHOLE, whole)))
    }

    fn differs(&self, ask: &Ask, tenant: &str) -> Result<Option<Difference>, DifferError> {
        Ok(compare::difference(ask, &self.expected(ask)?, &self.found(ask, tenant)?))
    }

    fn expected(&self, ask: &Ask) -> Result<Answer, DifferError> {
        get(&self.prometheus.http, &ask.path(), WHOLE)
    }

    fn found(&self, ask: &Ask, tenant: &str) -> Result<Answer, DifferError> {
        get(&self.quartet.http, &format!("/prometheus{}", ask.path()), tenant)
    }
}

fn get(address: &str, path: &str, tenant: &str) -> Result<Answer, DifferError> {
    let request = Request::new("GET", address, path);
    Ok(Request { headers: &[("X-Scope-OrgID", tenant)], timeout: Duration::from_secs(60), ..request }.send()?)
}

fn push(address: &str, path: &str, tenant: &str, second: bool, body: &[u8]) -> Result<(), DifferError> {
    let (kind, version) =
        if second { ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0") } else { ("application/x-protobuf", "0.1.0") };
    let headers =
        [("X-Scope-OrgID", tenant), ("Content-Type", kind), ("Content-Encoding", "snappy"), ("X-Prometheus-Remote-Write-Version", version)];
    let request = Request { headers: &headers, body, timeout: Duration::from_secs(60), ..Request::new("POST", address, path) };
    let answer = request.send()?;
    match answer.status {
        200..300 => Ok(()),
        status => Err(DifferError::Push { server: address.to_owned(), status, text: answer.text() }),
    }
}

fn short(text: &str) -> String {
    text.chars().take(900).collect()
}
