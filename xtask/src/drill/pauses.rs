//! Processes that stop for longer than the others wait for them, and then go on as if nothing had been.

use super::scene::{Depth, PATIENCE, Scene, now};
use super::stages::NOTICED;
use super::{DrillError, Outcome};
use crate::cluster::orders;

/// The leader stops; a standby takes over; the old one finds itself out of office when it goes on.
pub(super) fn leader(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    scene.cluster.flush()?;
    let old = scene.cluster.compact()?;
    scene.cluster.kill(&old, "STOP")?;
    scene.wait(format!("another than {old} leads"), NOTICED, || {
        let standby = scene.cluster.role("compactor").find(|compactor| compactor.name != old);
        let standby = standby.ok_or_else(|| DrillError::Broken("there is one compactor only".to_owned()))?;
        Ok(orders::compact_at(standby)?.status == 200)
    })?;
    // Its flush needs the new leader: readers must find the blocks before it is done.
    scene.cluster.flush()?;
    scene.check("with the leader paused", since, Depth::Samples)?;

    scene.cluster.kill(&old, "CONT")?;
    scene.cluster.flush()?;
    scene.wait("exactly one compactor leads", PATIENCE, || {
        let mut leading = 0;
        for compactor in scene.cluster.role("compactor") {
            leading += usize::from(orders::compact_at(compactor)?.status == 200);
        }
        Ok(leading == 1)
    })?;
    scene.check("with the old leader back", since, Depth::Samples)?;
    Ok(Outcome::Passed)
}

/// A querier stops with work in its hands; the others do it.
pub(super) fn querier(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    scene.cluster.kill("querier-0", "STOP")?;
    scene.wait("ten queries in a row are answered", NOTICED, || {
        for _ in 0..10 {
            scene.quartet.instant("count({__name__=~\"drill_.*\"})", now())?;
        }
        Ok(true)
    })?;
    scene.check("with a querier paused", since, Depth::Full)?;
    scene.cluster.kill("querier-0", "CONT")?;
    scene.check("with the querier back", since, Depth::Samples)?;
    Ok(Outcome::Passed)
}
