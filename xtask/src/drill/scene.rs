//! Where drills take place: a cluster, the exporter whose series Prometheus scrapes, and what stands before the S3.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::DrillError;
use super::api::Api;
use super::compare::{Comparison, SCRAPE};
use super::exporter::Exporter;
use super::faults::Faults;
use super::queries;
use crate::cluster::services::{self, TENANT};
use crate::cluster::{Cluster, Plan};
use crate::http::{self, Answer};
use crate::relay::Relay;

/// How long a state may take to come about where nothing else is said.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// How much before a drill the comparison begins.
const BEFORE: i64 = 15_000;

/// How much of a comparison is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Samples, ends and every query.
    Full,
    /// Samples and ends.
    Samples,
}

/// A cluster under drill; it is ended when the scene is dropped.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) plan: Plan,
    pub(super) faults: Arc<Faults>,
    /// When Prometheus began, in milliseconds.
    pub(super) began: i64,
    pub(super) prometheus: Api,
    pub(super) quartet: Api,
    _exporter: Exporter,
    _relay: Relay,
}

impl Scene {
    /// Starts everything and waits until Prometheus scrapes enough and Quartet has taken some of it.
    pub(super) fn up() -> Result<Self, DrillError> {
        let exporter = Exporter::start().map_err(|source| DrillError::Io { what: "start the exporter", source })?;
        let mut plan = Plan { exporters: vec![exporter.address.to_string()], ..Plan::default() };
        let faults = Arc::new(Faults::new(format!("127.0.0.1:{}", services::s3_port(&plan))));
        let relay = Relay::start("127.0.0.1:0", faults.clone())
            .map_err(|source| DrillError::Io { what: "start the relay before the S3", source })?;
        plan.s3 = Some(relay.address.to_string());
        // Blocks are merged when a drill says so.
        plan.settings = serde_json::json!({
            "compactor": { "plan_period": "1h" },
            // Of what has no such labels nothing is told apart.
            "limits": { "metrics": { "accept_ha_samples": true } },
        });
        let cluster = Cluster::up(&plan)?;
        let address = |name: &str| cluster.get(name).map(|process| process.http.clone());
        let prometheus = Api { of: "Prometheus", address: address("prometheus")?, prefix: "", tenant: TENANT };
        let quartet = Api { of: "Quartet", address: address("router")?, prefix: "/prometheus", tenant: TENANT };
        let scene = Self { cluster, plan, faults, began: now(), prometheus, quartet, _exporter: exporter, _relay: relay };
        scene.wait("Prometheus has sent its first samples", PATIENCE, || Ok(scene.sent()?.until > scene.began))?;
        Ok(scene)
    }

    /// Puts right what a drill has left broken: every process runs, the store answers.
    pub(super) fn heal(&mut self) -> Result<(), DrillError> {
        self.faults.heal();
        let names: Vec<String> = self.cluster.processes.iter().map(|process| process.name.clone()).collect();
        for name in names {
            let process = self.cluster.get(&name)?;
            if process.is_alive() {
                process.signal("CONT")?;
            } else {
                self.cluster.start(&name)?;
            }
        }
        for process in &self.cluster.processes {
            process.wait_ready(PATIENCE)?;
        }
        Ok(())
    }

    /// Waits until `done`; errors on the way count as not yet.
    pub(super) fn wait(&self, what: impl Display, within: Duration, done: impl Fn() -> Result<bool, DrillError>) -> Result<(), DrillError> {
        let begun = Instant::now();
        loop {
            let last = match done() {
                Ok(true) => return Ok(()),
                Ok(false) => "not yet".to_owned(),
                Err(err) => crate::chain(&err),
            };
            if begun.elapsed() > within {
                return Err(DrillError::Deadline { what: what.to_string(), waited: begun.elapsed(), last });
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// The greatest value of a metric that a process tells of itself.
    pub(super) fn metric(&self, address: &str, name: &str) -> Result<f64, DrillError> {
        let values = self.metrics(address, name)?;
        values.into_iter().reduce(f64::max).ok_or_else(|| DrillError::Broken(format!("{address} tells no {name}")))
    }

    /// The values of all series of a metric that a process tells of itself.
    pub(super) fn metrics(&self, address: &str, name: &str) -> Result<Vec<f64>, DrillError> {
        let text = self.ask(address, "GET", "/metrics", Duration::from_secs(10))?.text();
        let lines = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        Ok(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).collect())
    }

    /// Ends processes that a drill has begun for itself, and forgets them.
    pub(super) fn dismiss(&mut self, names: &[&str]) -> Result<(), DrillError> {
        for process in self.cluster.processes.iter().filter(|process| names.contains(&process.name.as_str())) {
            process.end("KILL");
        }
        self.cluster.processes.retain(|process| !names.contains(&process.name.as_str()));
        Ok(self.cluster.save()?)
    }

    /// How far Prometheus has got with sending.
    pub(super) fn sent(&self) -> Result<Sent, DrillError> {
        let value = |name: &str| self.metric(&self.prometheus.address, name);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of this century")]
        let until = value("prometheus_remote_storage_queue_highest_sent_timestamp_seconds")? as i64 * 1000;
        Ok(Sent {
            until,
            failed: value("prometheus_remote_storage_samples_failed_total")?,
            retried: value("prometheus_remote_storage_samples_retried_total")?,
        })
    }

    /// Waits until everything that was scraped until `end` is acknowledged.
    ///
    /// A scrape may last as long as the interval, and is dated by its begin; so something later than that must have been sent. There is
    /// one queue, in the order of the scrapes.
    pub(super) fn sent_past(&self, end: i64) -> Result<(), DrillError> {
        self.wait(format!("Prometheus has sent what it scraped until {end}"), PATIENCE, || {
            let sent = self.sent()?;
            if sent.failed > 0.0 {
                return Err(DrillError::Broken(format!("Quartet has refused {} samples for good", sent.failed)));
            }
            Ok(sent.until > end + 2 * SCRAPE)
        })
    }

    /// Compares everything from before `since` until now.
    pub(super) fn check(&self, stage: &str, since: i64, depth: Depth) -> Result<(), DrillError> {
        self.check_until(now(), stage, since, depth)
    }

    /// Waits until everything that was scraped until `end` is acknowledged, and compares it from before `since`.
    pub(super) fn check_until(&self, end: i64, stage: &str, since: i64, depth: Depth) -> Result<(), DrillError> {
        let begun = Instant::now();
        self.sent_past(end)?;
        let settled = begun.elapsed();
        let start = (since - BEFORE).max(self.began);
        let mut comparison = Comparison::new(&self.prometheus, &self.quartet, start, end);
        comparison.samples()?;
        if depth == Depth::Full {
            queries::ask(&mut comparison)?;
        }
        if depth == Depth::Full && comparison.ends_seen() == 0 {
            return Err(DrillError::Broken(format!("{stage}: no series has ended: staleness was not looked at")));
        }
        let text = comparison.passed(stage)?;
        eprintln!("  {stage}: {text}; waited {:.0} s, {:.0} s in all", settled.as_secs_f64(), begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// The keys below a prefix of the bucket.
    pub(super) fn keys(&self, prefix: &str) -> Result<Vec<String>, DrillError> {
        let address = format!("127.0.0.1:{}", services::s3_port(&self.plan));
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/{}?list-type=2&prefix={}&start-after={}", services::BUCKET, http::encode(prefix), http::encode(&after));
            let text = self.ask(&address, "GET", &path, Duration::from_secs(20))?.text();
            let page: Vec<String> =
                text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).map(ToOwned::to_owned).collect();
            let more = text.contains("<IsTruncated>true");
            after = page.last().cloned().unwrap_or_default();
            keys.extend(page);
            if !more {
                return Ok(keys);
            }
        }
    }

    /// One request; whatever status comes back is an answer.
    pub(super) fn ask(&self, address: &str, method: &str, path: &str, timeout: Duration) -> Result<Answer, DrillError> {
        http::Request { timeout, ..http::Request::new(method, address, path) }
            .send()
            .map_err(|source| DrillError::Http { what: format!("{method} {path}"), source })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.cluster.down();
    }
}

/// How far Prometheus has got with sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Milliseconds.
    pub(super) until: i64,
    /// Samples that were refused for good.
    pub(super) failed: f64,
    /// Samples that were refused for now and sent again, each time anew.
    pub(super) retried: f64,
}

/// Milliseconds since the epoch.
pub(super) fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a drill lives in the time of the processes around it")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_millis()).expect("milliseconds of this era")
}
