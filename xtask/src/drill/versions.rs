//! A Prometheus that sends the same by remote write 1.0 and 2.0, to a tenant each: both have what it has, native histograms too,
//! and of 1.0 the metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::Api;
use super::compare::{Comparison, SCRAPE, Tolerance};
use super::scene::{PATIENCE, Scene, now};
use super::{DrillError, Outcome, queries};
use crate::cluster::services;
use crate::http::Request;

/// The name of the Prometheus, and its tenants: one for each version of the protocol.
const NAME: &str = "prometheus-versions";
const TENANTS: [&str; 2] = ["write-one", "write-two"];

/// How long it writes before it is compared, in milliseconds: longer than a session of the exporter lives.
const WRITES_FOR: i64 = 70_000;

/// What Prometheus tells of itself in native histograms.
const HISTOGRAM: &str = "prometheus_http_request_duration_seconds";

pub(super) fn run(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let port = services::spare_port(&scene.plan, 0);
    let process = services::prometheus_with(&scene.plan, NAME, port, &config(scene)?)?;
    let prometheus = Api { of: NAME, address: process.http.clone(), ..scene.prometheus.clone() };
    let began = now();
    scene.cluster.begin(process)?;
    let done = compare(scene, &prometheus, began);
    scene.dismiss(&[NAME])?;
    done.map(|()| Outcome::Passed)
}

/// It scrapes the exporter and itself.
fn config(scene: &Scene) -> Result<Value, DrillError> {
    let router = scene.cluster.get("router")?.http.clone();
    let itself = format!("127.0.0.1:{}", services::spare_port(&scene.plan, 0));
    let write = |tenant: &str, message: &str| {
        json!({
            "name": tenant,
            "url": format!("http://{router}/api/v1/push"),
            "protobuf_message": message,
            "headers": { "X-Scope-OrgID": tenant },
            "send_native_histograms": true,
            "queue_config": services::one_queue(),
        })
    };
    Ok(json!({
        "global": { "scrape_interval": "2s", "scrape_timeout": "2s" },
        "scrape_configs": [
            { "job_name": "drill", "static_configs": [{ "targets": scene.plan.exporters }] },
            { "job_name": "itself", "scrape_native_histograms": true, "static_configs": [{ "targets": [itself] }] },
        ],
        "remote_write": [write(TENANTS[0], "prometheus.WriteRequest"), write(TENANTS[1], "io.prometheus.write.v2.Request")],
    }))
}

fn compare(scene: &Scene, prometheus: &Api, began: i64) -> Result<(), DrillError> {
    let end = began + WRITES_FOR;
    scene.wait("both versions have sent what was scraped", PATIENCE + Duration::from_millis(70_000), || {
        // What 2.0's answers do not count as written is failed here.
        let failed = scene.metrics(&prometheus.address, "prometheus_remote_storage_samples_failed_total")?;
        let histograms = scene.metrics(&prometheus.address, "prometheus_remote_storage_histograms_failed_total")?;
        if failed.iter().chain(&histograms).any(|failed| *failed > 0.0) {
            return Err(DrillError::Broken(format!("refused for good: {failed:?} samples, {histograms:?} histograms")));
        }
        let sent = scene.metrics(&prometheus.address, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds")?;
        let past = |sent: &&f64| **sent * 1000.0 > (end + 2 * SCRAPE) as f64;
        Ok(sent.len() == TENANTS.len() && sent.iter().filter(past).count() == TENANTS.len())
    })?;
    for tenant in TENANTS {
        let quartet = Api { tenant, ..scene.quartet.clone() };
        let mut comparison = Comparison::new(prometheus, &quartet, began, end);
        comparison.samples()?;
        queries::ask(&mut comparison)?;
        histograms(&mut comparison)?;
        if comparison.ends_seen() == 0 {
            return Err(DrillError::Broken(format!("{tenant}: too little was compared: {comparison}")));
        }
        eprintln!("  {tenant}: {}", comparison.passed(tenant)?);
    }
    // Not of 2.0: this Prometheus keeps no metadata in its log, whatever the features that are enabled, and has none to send from there.
    metadata(scene, prometheus, &Api { tenant: TENANTS[0], ..scene.quartet.clone() })
}

/// All that can be asked of native histograms has the same answers.
fn histograms(comparison: &mut Comparison<'_>) -> Result<(), DrillError> {
    for (expr, tolerance) in [
        (format!("count(histogram_count({HISTOGRAM}))"), Tolerance::Bits),
        (format!("histogram_count({HISTOGRAM})"), Tolerance::Bits),
        (format!("histogram_sum({HISTOGRAM})"), Tolerance::Bits),
        (format!("histogram_quantile(0.9, {HISTOGRAM})"), Tolerance::Relative),
        (format!("histogram_fraction(0.001, 0.01, sum(rate({HISTOGRAM}[20s])))"), Tolerance::Relative),
    ] {
        comparison.query(&expr, Some(5_000), tolerance)?;
    }
    Ok(())
}

/// Every metric that the exporter describes is described alike.
fn metadata(scene: &Scene, prometheus: &Api, quartet: &Api) -> Result<(), DrillError> {
    scene.wait(format!("{}: metadata is Prometheus's", quartet.tenant), PATIENCE, || {
        let (theirs, ours) = (described(prometheus)?, described(quartet)?);
        let differs = theirs.iter().find(|(name, value)| ours.get(*name) != Some(*value));
        match differs {
            _ if theirs.is_empty() => Err(DrillError::Broken("Prometheus describes no metric".to_owned())),
            None => Ok(true),
            Some((name, value)) => Err(DrillError::Broken(format!("{name} is {:?} instead of {value}", ours.get(name)))),
        }
    })
}

/// `/api/v1/metadata` by names, of the exporter's metrics and of Prometheus's own histograms.
fn described(api: &Api) -> Result<BTreeMap<String, Value>, DrillError> {
    let path = format!("{}/api/v1/metadata?limit=-1", api.prefix);
    let headers = [("X-Scope-OrgID", api.tenant)];
    let answer = Request { headers: &headers, ..Request::new("GET", &api.address, &path) }
        .send()
        .map_err(|source| DrillError::Http { what: "ask for metadata".to_owned(), source })?;
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let data: BTreeMap<String, Value> = serde_json::from_value(body["data"].take())
        .map_err(|_| DrillError::Broken(format!("{}: no metadata: {} {}", api.of, answer.status, answer.text())))?;
    Ok(data.into_iter().filter(|(name, _)| name.starts_with("drill_") || name == HISTOGRAM).collect())
}
