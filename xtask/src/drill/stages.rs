//! The main drill: what Prometheus has written is there from memory, through a crash and a restart, after the flush, after the
//! compaction, and with a zone gone.

use std::time::Duration;

use super::exporter::SERIES;
use super::scene::{Depth, PATIENCE, Scene, now};
use super::{DrillError, Outcome};

/// The zone that is stopped in the end, and the ingester that crashes before.
const ZONE: &str = "zone-a";
const CRASHING: &str = "ingester-zone-b-0";

/// How long Prometheus writes before the first comparison, in milliseconds: longer than a session of the exporter lives.
const FIRST: i64 = 65_000;

/// How long it writes between two events.
const BETWEEN: i64 = 12_000;

/// Where the blocks of Prometheus's tenant stand.
pub(super) const BLOCKS: &str = "tenants/drill/metrics/";
/// Where small blocks of several tenants stand.
pub(super) const PACKED: &str = "packed/metrics/";

pub(super) fn run(scene: &mut Scene) -> Result<Outcome, DrillError> {
    scene.wait(format!("Prometheus has {SERIES} series"), PATIENCE, || {
        let series = scene.prometheus.instant("count({__name__=~\"drill_.*\"})", now())?;
        Ok(series.values().flatten().any(|sample| sample.value() >= SERIES as f64))
    })?;
    check(scene, scene.began + FIRST, "from memory")?;

    scene.cluster.kill(CRASHING, "KILL")?;
    check(scene, now() + BETWEEN, "with an ingester killed")?;

    scene.cluster.start(CRASHING)?;
    check(scene, now() + BETWEEN, "with the ingester back")?;

    scene.cluster.flush()?;
    let flushed = blocks(scene)?;
    if flushed < 3 {
        return Err(DrillError::Broken(format!("{flushed} blocks after the flush of three ingesters")));
    }
    // Until the ingesters have forgotten what is in blocks.
    check(scene, now() + BETWEEN, "after the flush")?;

    let leader = scene.cluster.compact()?;
    let compacted = blocks(scene)?;
    if compacted <= flushed {
        return Err(DrillError::Broken(format!("{leader} has compacted and {flushed} blocks have become {compacted}")));
    }
    check(scene, now(), "after the compaction")?;

    let names: Vec<String> =
        scene.cluster.processes.iter().filter(|process| process.zone == ZONE).map(|process| process.name.clone()).collect();
    for name in &names {
        scene.cluster.kill(name, "KILL")?;
    }
    check(scene, now() + BETWEEN, "with a zone gone")?;
    scene.heal()?;
    Ok(Outcome::Passed)
}

fn check(scene: &Scene, end: i64, stage: &str) -> Result<(), DrillError> {
    scene.check_until(end, stage, scene.began, Depth::Full)
}

/// How many blocks were ever made: a merge adds one, and those that it replaces stay for a while. What stands in an object with blocks of
/// other tenants counts as one.
pub(super) fn blocks(scene: &Scene) -> Result<usize, DrillError> {
    let own = scene.keys(BLOCKS)?.iter().filter(|key| key.ends_with("/meta.json")).count();
    Ok(own + scene.keys(PACKED)?.len())
}

/// Longer than anybody takes to notice that a process does not answer.
pub(super) const NOTICED: Duration = Duration::from_secs(60);
