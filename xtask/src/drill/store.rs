//! Bad days of the object store.

use std::process::Command;
use std::time::Duration;

use super::api::Api;
use super::scene::{Depth, PATIENCE, Scene, now};
use super::stages::{BLOCKS, PACKED, blocks};
use super::{DrillError, Outcome};
use crate::cluster::services;
use crate::http;

/// How long the store refuses everything, in milliseconds.
const REFUSES: i64 = 60_000;

/// A tenant that has one sample.
const NEIGHBOUR: &str = "neighbour";

/// A minute of 503: writes go on, reads are right or an error, and afterwards everything is as if nothing had been.
pub(super) fn refuses(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    let before = blocks(scene)?;
    scene.faults.refuse(true);
    scene.wait("the store has refused something", PATIENCE, || Ok(scene.faults.refused() > 0))?;
    scene.sent_past(since + REFUSES)?;
    for process in &scene.cluster.processes {
        if !process.is_alive() {
            return Err(DrillError::Broken(format!("{} has ended while the store refused", process.name)));
        }
    }
    scene.faults.refuse(false);
    scene.wait("a flush succeeds", PATIENCE, || Ok(scene.cluster.flush().map(|()| true)?))?;
    if blocks(scene)? <= before {
        return Err(DrillError::Broken("the flush has made no block".to_owned()));
    }
    scene.check("after a minute of 503", since, Depth::Full)?;
    Ok(Outcome::Passed)
}

/// Puts that are done and whose answer never comes: of a block, of an object with small blocks of two tenants, and of a number of the
/// catalog's log.
pub(super) fn answer_lost(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    // What other drills wrote for other tenants goes up first: blocks of one tenant alone are objects of their own.
    scene.cluster.flush()?;
    flush_losing(scene, &["/data.parquet", "/meta.json", "/catalog/inbox/", "/catalog/log/"])?;
    scene.check("with lost answers", since, Depth::Samples)?;
    write_for(scene, NEIGHBOUR)?;
    flush_losing(scene, &[PACKED])?;
    scene.check("with the lost answer of a packed block", since, Depth::Samples)?;
    let neighbour = Api { tenant: NEIGHBOUR, ..scene.quartet.clone() };
    let found = neighbour.instant("neighbour", now())?;
    if found.values().flatten().map(|sample| sample.value()).collect::<Vec<_>>() != [1.0] {
        return Err(DrillError::Broken(format!("of another tenant in the packed block there is {found:?}")));
    }
    scene.faults.lose("/data.parquet");
    scene.faults.lose("/catalog/log/");
    scene.cluster.compact()?;
    scene.check("with lost answers in a compaction", since, Depth::Samples)?;
    Ok(Outcome::Passed)
}

/// Flushes what Prometheus has sent since, while the answers to puts of some keys are lost.
fn flush_losing(scene: &Scene, parts: &[&str]) -> Result<(), DrillError> {
    scene.sent_past(now())?;
    for part in parts {
        scene.faults.lose(part);
    }
    scene.cluster.flush()?;
    let lost = scene.faults.take_lost();
    if lost.len() == parts.len() { Ok(()) } else { Err(DrillError::Broken(format!("lost answers only of {lost:?}"))) }
}

/// Writes one sample of the metric `neighbour` for a tenant.
fn write_for(scene: &Scene, tenant: &str) -> Result<(), DrillError> {
    let path = "/api/v1/push/influx/write?precision=ms";
    let (headers, line) = ([("X-Scope-OrgID", tenant), ("Content-Type", "text/plain")], format!("neighbour value=1 {}\n", now()));
    let request = http::Request::new("POST", &scene.quartet.address, path);
    let answer = http::Request { headers: &headers, body: line.as_bytes(), timeout: Duration::from_secs(20), ..request }
        .send()
        .map_err(|source| DrillError::Http { what: format!("POST {path}"), source })?;
    match answer.status {
        204 => Ok(()),
        status => Err(DrillError::Broken(format!("a line for {tenant} is answered with {status}: {}", answer.text()))),
    }
}

/// The catalog is gone from the bucket, and made anew from what the blocks say of themselves.
pub(super) fn catalog_rebuilt(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    scene.cluster.flush()?;
    let compactors: Vec<String> = scene.cluster.role("compactor").map(|process| process.name.clone()).collect();
    for name in &compactors {
        scene.cluster.kill(name, "TERM")?;
    }
    let address = format!("127.0.0.1:{}", services::s3_port(&scene.plan));
    for key in scene.keys("catalog/")? {
        let path = format!("/{}/{key}", services::BUCKET);
        let answer = scene.ask(&address, "DELETE", &path, Duration::from_secs(20))?;
        if !matches!(answer.status, 200 | 204) {
            return Err(DrillError::Broken(format!("the store does not delete {key}: {}", answer.status)));
        }
    }
    rebuild(scene)?;
    for name in &compactors {
        scene.cluster.start(name)?;
    }
    scene.wait("the catalog has a root", PATIENCE, || Ok(!scene.keys("catalog/root/")?.is_empty()))?;
    // Processes that never saw the old catalog must find every block in the new one.
    for role in ["querier", "store-gateway"] {
        let names: Vec<String> = scene.cluster.role(role).map(|process| process.name.clone()).collect();
        for name in &names {
            scene.cluster.kill(name, "TERM")?;
            scene.cluster.start(name)?;
        }
    }
    if scene.keys(BLOCKS)?.is_empty() {
        return Err(DrillError::Broken("there are no blocks to rebuild from".to_owned()));
    }
    // Much of this range is in blocks alone.
    scene.check("with a rebuilt catalog", since - 120_000, Depth::Full)?;
    scene.cluster.flush()?;
    scene.check("with blocks added to it", since, Depth::Samples)?;
    Ok(Outcome::Passed)
}

/// `quartet catalog rebuild` with the configuration of the cluster.
fn rebuild(scene: &Scene) -> Result<(), DrillError> {
    let programs = scene.cluster.role("compactor").next().and_then(|process| process.program.parent());
    let programs = programs.ok_or_else(|| DrillError::Broken("no compactor, so no place of programs".to_owned()))?;
    let output = Command::new(programs.join("quartet"))
        .args(["catalog", "rebuild"])
        .arg(format!("--config={}", scene.plan.directory.join("quartet.yaml").display()))
        .output()
        .map_err(|source| DrillError::Io { what: "run quartet catalog rebuild", source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(DrillError::Broken(format!("quartet catalog rebuild: {}", said.trim())))
}
