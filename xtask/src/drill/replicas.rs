//! Two replicas of a Prometheus write to the distributors in turn: the samples of one are stored, and when it falls silent, those of the
//! other after the failover timeout.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::Api;
use super::compare::{Comparison, SCRAPE};
use super::scene::{PATIENCE, Scene, now};
use super::{DrillError, Outcome};
use crate::cluster::process::Process;
use crate::cluster::services;
use crate::http::Request;

const TENANT: &str = "replicas";
const PAIR: &str = "pair";
const REPLICAS: [&str; 2] = ["prometheus-replica-a", "prometheus-replica-b"];

/// How long an elected replica is silent before another one is elected, in milliseconds: `ingest.metrics.ha_tracker_failover_timeout`.
const FAILOVER: i64 = 30_000;

/// How much later than that the first sample of the other one may be, in milliseconds: distributors tell each other every few seconds what
/// they hear, a scrape must follow, and the machine may be busy.
const SLACK: i64 = 20_000;

/// How long each stage lasts, in milliseconds.
const STAGE: i64 = 25_000;

/// How long a sample may be under way from its scrape to a distributor, in milliseconds.
const UNDER_WAY: i64 = 3 * SCRAPE;

pub(super) fn run(scene: &mut Scene) -> Result<Outcome, DrillError> {
    for (name, at) in REPLICAS.into_iter().zip(1..) {
        let port = services::spare_port(&scene.plan, at);
        let process = services::prometheus_with(&scene.plan, name, port, &config(scene, name)?)?;
        scene.cluster.begin(process)?;
    }
    let done = fail_over(scene);
    scene.dismiss(&REPLICAS)?;
    done.map(|()| Outcome::Passed)
}

/// Both have the label of the pair on what they scrape, so that theirs and Quartet's series have the same labels.
fn config(scene: &Scene, name: &str) -> Result<Value, DrillError> {
    let router = scene.cluster.get("router")?.http.clone();
    let target = json!({ "targets": scene.plan.exporters, "labels": { "cluster": PAIR } });
    Ok(json!({
        "global": { "scrape_interval": "2s", "scrape_timeout": "2s", "external_labels": { "cluster": PAIR, "__replica__": name } },
        "scrape_configs": [{ "job_name": "drill", "static_configs": [target] }],
        "remote_write": [{
            "url": format!("http://{router}/api/v1/push"),
            "headers": { "X-Scope-OrgID": TENANT },
            "queue_config": services::one_queue(),
        }],
    }))
}

fn fail_over(scene: &mut Scene) -> Result<(), DrillError> {
    scene.wait("a replica is elected", PATIENCE, || Ok(elected(scene)?.is_some()))?;
    let first = elected(scene)?.ok_or_else(|| DrillError::Broken("nobody is elected any more".to_owned()))?;
    let second = REPLICAS.into_iter().find(|name| *name != first).unwrap_or(REPLICAS[0]);
    // The first samples may have met a distributor that knew of no election.
    let begin = now();
    same(scene, &first, "with both replicas", begin, begin + STAGE)?;
    for distributor in scene.cluster.role("distributor") {
        if scene.metric(&distributor.http, "cortex_distributor_deduped_samples_total")? <= 0.0 {
            return Err(DrillError::Broken(format!("{} has met no samples of {second}", distributor.name)));
        }
    }

    scene.cluster.kill(&first, "KILL")?;
    let silent = now();
    scene.wait(format!("{second} is elected"), PATIENCE, || Ok(elected(scene)?.as_deref() == Some(second)))?;
    let after = newest_gap(scene, silent)?;
    if !(FAILOVER - UNDER_WAY..FAILOVER + SLACK).contains(&after) {
        return Err(DrillError::Broken(format!("the first sample after {first} fell silent came {after} ms later")));
    }
    eprintln!("  the first sample of {second} is {:.1} s younger than the end of {first}", after as f64 / 1000.0);
    let begin = silent + after + UNDER_WAY;
    same(scene, second, "after the failover", begin, begin + STAGE)?;

    scene.cluster.start(&first)?;
    let begin = now();
    same(scene, second, "with the first replica back", begin, begin + STAGE)?;
    match elected(scene)? {
        Some(name) if name == second => Ok(()),
        other => Err(DrillError::Broken(format!("{other:?} is elected instead of {second}"))),
    }
}

/// The elected replica, where all distributors say the same.
fn elected(scene: &Scene) -> Result<Option<String>, DrillError> {
    let mut said: Vec<Option<String>> = scene.cluster.role("distributor").map(elected_of).collect::<Result<_, _>>()?;
    said.dedup();
    Ok(if said.len() == 1 { said.remove(0) } else { None })
}

fn elected_of(distributor: &Process) -> Result<Option<String>, DrillError> {
    let headers = [("Accept", "application/json")];
    let answer = Request { headers: &headers, ..Request::new("GET", &distributor.http, "/distributor/ha_tracker") }
        .send()
        .map_err(|source| DrillError::Http { what: format!("ask {} who is elected", distributor.name), source })?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let rows = body["elected"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = rows.iter().find(|row| row["userID"] == TENANT && row["cluster"] == PAIR);
    Ok(row.and_then(|row| row["replica"].as_str()).map(ToOwned::to_owned))
}

/// How long after `silent` the first stored sample is that came after a silence, in milliseconds.
fn newest_gap(scene: &Scene, silent: i64) -> Result<i64, DrillError> {
    let quartet = Api { tenant: TENANT, ..scene.quartet.clone() };
    let first = || -> Result<Option<i64>, DrillError> {
        // What the replica scraped before it was ended is older than that.
        let length = now() - silent;
        let matrix = quartet.instant(&format!("up[{length}ms]"), silent + length)?;
        Ok(matrix.values().flatten().map(|sample| sample.at).min())
    };
    scene.wait("a sample of the other replica is stored", PATIENCE, || Ok(first()?.is_some()))?;
    Ok(first()?.unwrap_or(silent) - silent)
}

/// What Quartet has is what this replica has, and nothing of the other.
fn same(scene: &Scene, replica: &str, stage: &str, begin: i64, end: i64) -> Result<(), DrillError> {
    let address = scene.cluster.get(replica)?.http.clone();
    let prometheus = Api { of: "the elected replica", address, ..scene.prometheus.clone() };
    let quartet = Api { tenant: TENANT, ..scene.quartet.clone() };
    scene.wait(format!("{replica} has sent what it scraped until {end}"), PATIENCE + Duration::from_millis(30_000), || {
        let sent = scene.metric(&prometheus.address, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds")?;
        Ok(sent * 1000.0 > (end + 2 * SCRAPE) as f64)
    })?;
    let mut comparison = Comparison::new(&prometheus, &quartet, begin, end);
    // Not when series end: those that end while nobody is elected have no staleness marker, here as in Mimir.
    comparison.raw()?;
    eprintln!("  {stage}: {}", comparison.passed(stage)?);
    Ok(())
}
