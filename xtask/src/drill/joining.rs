//! Processes that come while the cluster runs must serve alone soon after.

use super::scene::{Depth, PATIENCE, Scene, now};
use super::{DrillError, Outcome};
use crate::cluster::config;

pub(super) fn run(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    for role in ["querier", "distributor"] {
        let old: Vec<String> = scene.cluster.role(role).map(|process| process.name.clone()).collect();
        let joined = config::one_more(&scene.plan, &scene.cluster, role)?;
        let name = joined.name.clone();
        if scene.cluster.get(&name).is_err() {
            scene.cluster.begin(joined)?;
        }
        for name in &old {
            scene.cluster.kill(name, "TERM")?;
        }
    }
    let expr = "count({__name__=~\"drill_.*\"})";
    scene.wait("the new querier answers", PATIENCE, || Ok(!scene.quartet.instant(expr, now())?.is_empty()))?;
    scene.check("with a new querier and a new distributor alone", since, Depth::Full)?;
    scene.heal()?;
    scene.check("with the old ones back", since, Depth::Samples)?;
    Ok(Outcome::Passed)
}
