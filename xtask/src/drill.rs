//! Drills over the process cluster: a real Prometheus writes, something breaks, and Quartet must still have what Prometheus has.

mod api;
mod compare;
mod exporter;
mod faults;
mod import;
mod joining;
mod losses;
mod pauses;
mod queries;
mod replicas;
mod scene;
mod stages;
mod store;
mod versions;

use std::time::{Duration, Instant};

use crate::cluster::ClusterError;
use api::ApiError;
use scene::Scene;

/// Why a drill failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrillError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("{what}")]
    Http { what: String, source: crate::http::HttpError },
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
    #[error("after {}s still not: {what} ({last})", waited.as_secs())]
    Deadline { what: String, waited: Duration, last: String },
    #[error("{stage}: {text}")]
    Differs { stage: String, text: String },
    #[error("{0}")]
    Broken(String),
    #[error("no drill {name}; there are {known}")]
    Unknown { name: String, known: String },
    #[error("failed: {0}")]
    Failed(String),
}

/// How a drill ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// It cannot run on this machine.
    Skipped(String),
}

/// A drill by its name.
struct Drill {
    name: &'static str,
    run: fn(&mut Scene) -> Result<Outcome, DrillError>,
}

/// All of them, by value: what an operator meets most comes first.
const DRILLS: [Drill; 15] = [
    Drill { name: "main", run: stages::run },
    Drill { name: "power-cut", run: losses::power_cut },
    Drill { name: "two-ingesters-gone", run: losses::two_ingesters_gone },
    Drill { name: "leader-paused", run: pauses::leader },
    Drill { name: "store-refuses", run: store::refuses },
    Drill { name: "answer-lost", run: store::answer_lost },
    Drill { name: "querier-paused", run: pauses::querier },
    Drill { name: "joining", run: joining::run },
    Drill { name: "import", run: import::run },
    Drill { name: "write-versions", run: versions::run },
    Drill { name: "replicas", run: replicas::run },
    Drill { name: "catalog-rebuilt", run: store::catalog_rebuilt },
    Drill { name: "disk-full", run: losses::disk_full },
    Drill { name: "memcached-gone", run: losses::memcached_gone },
    // The last: an ingester without its disk is not read for an hour, so no other may be stopped after it.
    Drill { name: "empty-ingester", run: losses::empty_ingester },
];

/// The drills that every change must pass. The others take a quarter of an hour together: `cargo xtask drill` runs all of them.
const GATE: [&str; 3] = ["main", "power-cut", "two-ingesters-gone"];

/// Runs the drills of the gate.
pub(crate) fn run_gate() -> Result<(), DrillError> {
    run(&GATE.map(str::to_owned))
}

/// Runs the drills of these names, all if there are none, on one cluster. A drill that fails does not keep the next from running.
pub(crate) fn run(names: &[String]) -> Result<(), DrillError> {
    if let Some(name) = names.iter().find(|name| DRILLS.iter().all(|drill| drill.name != name.as_str())) {
        let known = DRILLS.map(|drill| drill.name).join(", ");
        return Err(DrillError::Unknown { name: name.clone(), known });
    }
    let begun = Instant::now();
    let mut scene = Scene::up()?;
    eprintln!("drill: the cluster is up after {:.0} s", begun.elapsed().as_secs_f64());
    let mut failed = Vec::new();
    for drill in DRILLS.iter().filter(|drill| names.is_empty() || names.iter().any(|name| name == drill.name)) {
        let begun = Instant::now();
        let outcome = scene.heal().and_then(|()| (drill.run)(&mut scene));
        let took = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed) => eprintln!("drill {}: passed, {took:.0} s", drill.name),
            Ok(Outcome::Skipped(why)) => eprintln!("SKIPPED: drill {}: {why}", drill.name),
            Err(err) => {
                eprintln!("drill {}: FAILED after {took:.0} s: {}", drill.name, crate::chain(&err));
                failed.push(drill.name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(DrillError::Failed(failed.join(", "))) }
}
