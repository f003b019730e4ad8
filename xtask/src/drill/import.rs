//! Data of Prometheus taken over: its own blocks, and the same in the layout of Mimir.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::api::Api;
use super::compare::Comparison;
use super::scene::{PATIENCE, Scene, now};
use super::{DrillError, Outcome};

/// How much of the past is compared, in milliseconds.
const PAST: i64 = 60_000;

/// What Prometheus answers, Quartet answers out of the blocks that were imported.
pub(super) fn run(scene: &mut Scene) -> Result<Outcome, DrillError> {
    // Enough for many chunks a series, and a staleness marker here and there.
    let begin = (now() - PAST).max(scene.began);
    scene.sent_past(begin + PAST)?;
    let end = now();
    let snapshot = snapshot(scene)?;
    let text = import(scene, &["prometheus", &snapshot.display().to_string(), "--tenant=imported"])?;
    eprintln!("  {}", text.trim().replace('\n', "; "));
    same(scene, "imported", begin, end)?;

    // Begun again, it has nothing to do.
    let again = import(scene, &["prometheus", &snapshot.display().to_string(), "--tenant=imported"])?;
    if !again.starts_with("0 blocks taken over") {
        return Err(DrillError::Broken(format!("a second import does something: {again}")));
    }
    let bucket = scene.plan.directory.join("mimir");
    let failed = |source| DrillError::Io { what: "make a bucket like Mimir's", source };
    std::fs::create_dir_all(&bucket).map_err(failed)?;
    std::fs::rename(&snapshot, bucket.join("from-mimir")).map_err(failed)?;
    import(scene, &["mimir", &format!("file://{}", absolute(&bucket)?.display())])?;
    same(scene, "from-mimir", begin, end)?;
    Ok(Outcome::Passed)
}

/// All samples of both are the same.
fn same(scene: &Scene, tenant: &'static str, begin: i64, end: i64) -> Result<(), DrillError> {
    let imported = Api { tenant, ..scene.quartet.clone() };
    scene.wait("the imported series are found", PATIENCE, || Ok(!imported.names(begin, end)?.is_empty()))?;
    let mut comparison = Comparison::new(&scene.prometheus, &imported, begin, end);
    comparison.samples()?;
    eprintln!("  {tenant}: {}", comparison.passed(tenant)?);
    Ok(())
}

/// Makes Prometheus write all that it has, its head too, into blocks beside its own.
fn snapshot(scene: &Scene) -> Result<PathBuf, DrillError> {
    let answer = scene.ask(&scene.prometheus.address, "POST", "/api/v1/admin/tsdb/snapshot", PATIENCE)?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let name = body["data"]["name"].as_str().ok_or_else(|| DrillError::Broken(format!("no snapshot: {}", answer.text())))?;
    Ok(scene.cluster.get("prometheus")?.data.join("tsdb/snapshots").join(name))
}

/// `quartet import` with the configuration of the cluster. What it says.
fn import(scene: &Scene, order: &[&str]) -> Result<String, DrillError> {
    let programs = scene.cluster.role("compactor").next().and_then(|process| process.program.parent());
    let programs = programs.ok_or_else(|| DrillError::Broken("no compactor, so no place of programs".to_owned()))?;
    let output = Command::new(programs.join("quartet"))
        .arg("import")
        .args(order)
        .arg(format!("--config={}", scene.plan.directory.join("quartet.yaml").display()))
        .output()
        .map_err(|source| DrillError::Io { what: "run quartet import", source })?;
    let (said, erred) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.into_owned()) } else { Err(DrillError::Broken(format!("quartet import: {said}{}", erred.trim()))) }
}

fn absolute(path: &Path) -> Result<PathBuf, DrillError> {
    path.canonicalize().map_err(|source| DrillError::Io { what: "find the bucket", source })
}
