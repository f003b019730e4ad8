//! Processes that lose what they had, and too many that are gone.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scene::{Depth, PATIENCE, Scene, now};
use super::{DrillError, Outcome};

/// Two of three replicas are gone: reads must say so, and writes wait at their sender; nothing may be answered short.
pub(super) fn two_ingesters_gone(scene: &mut Scene) -> Result<Outcome, DrillError> {
    const GONE: [&str; 2] = ["ingester-zone-b-0", "ingester-zone-c-0"];
    let since = now();
    for name in GONE {
        scene.cluster.kill(name, "KILL")?;
    }
    for attempt in 0..20 {
        match scene.quartet.instant("count({__name__=~\"drill_.*\"})", now()) {
            Err(err) if err.status().is_some_and(|status| status >= 500) => {}
            Err(err) => return Err(err.into()),
            Ok(answer) => {
                return Err(DrillError::Broken(format!(
                    "attempt {attempt}: two of three ingesters are gone, and the answer is {answer:?}"
                )));
            }
        }
    }
    let retried = scene.sent()?.retried;
    scene.wait("Prometheus has to send again", PATIENCE, || Ok(scene.sent()?.retried > retried))?;
    for name in GONE {
        scene.cluster.start(name)?;
    }
    scene.check("with both ingesters back", since, Depth::Full)?;
    Ok(Outcome::Passed)
}

/// Every ingester crashes at once: what was acknowledged comes out of their logs, since no replica has it in memory.
pub(super) fn power_cut(scene: &mut Scene) -> Result<Outcome, DrillError> {
    // Something that is in no block yet.
    let since = now();
    scene.sent_past(since + 15_000)?;
    let names: Vec<String> = scene.cluster.role("ingester").map(|process| process.name.clone()).collect();
    for name in &names {
        scene.cluster.kill(name, "KILL")?;
    }
    for name in &names {
        scene.cluster.start(name)?;
    }
    scene.check("after every ingester crashed", since, Depth::Full)?;
    Ok(Outcome::Passed)
}

/// An ingester comes back without its disk, after another was away for a while: one replica alone has what was written then. The empty
/// one must not be taken for one that knows.
pub(super) fn empty_ingester(scene: &mut Scene) -> Result<Outcome, DrillError> {
    const AWAY: &str = "ingester-zone-a-0";
    const NAME: &str = "ingester-zone-c-0";
    let since = now();
    scene.cluster.kill(AWAY, "KILL")?;
    scene.sent_past(since + 10_000)?;
    scene.cluster.start(AWAY)?;
    scene.check("with an ingester back that was away", since, Depth::Samples)?;
    scene.cluster.kill(NAME, "KILL")?;
    let data = scene.cluster.get(NAME)?.data.clone();
    fs::remove_dir_all(&data).map_err(|source| DrillError::Io { what: "remove the ingester's data", source })?;
    scene.cluster.start(NAME)?;
    scene.check("with an ingester that lost its disk", since, Depth::Full)?;
    Ok(Outcome::Passed)
}

/// memcached goes: that costs time, never answers.
pub(super) fn memcached_gone(scene: &mut Scene) -> Result<Outcome, DrillError> {
    let since = now();
    scene.cluster.kill("memcached", "KILL")?;
    scene.check("without memcached", since, Depth::Full)?;
    Ok(Outcome::Passed)
}

/// A small disk below one ingester, full.
struct SmallDisk(PathBuf);

impl SmallDisk {
    const SIZE: &str = "96m";

    /// None where this user may not mount.
    fn mount(at: &Path) -> Option<Self> {
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={}", Self::SIZE), "tmpfs"]).arg(at).status().ok()?;
        status.success().then(|| Self(at.to_path_buf()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Writes until there is no room for one byte more.
    fn fill(&self) -> Result<(), DrillError> {
        let failed = |source| DrillError::Io { what: "fill a disk", source };
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).map_err(failed)?;
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(err) if err.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(err) => return Err(failed(err)),
                }
            }
        }
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it.
        match Command::new("umount").arg("-l").arg(&self.0).status() {
            Ok(status) if status.success() => {}
            other => eprintln!("{}: could not be unmounted: {other:?}", self.0.display()),
        }
    }
}

/// The disk of one log is full: that ingester refuses writes and is read from; the others take them.
pub(super) fn disk_full(scene: &mut Scene) -> Result<Outcome, DrillError> {
    const NAME: &str = "ingester-zone-a-0";
    let since = now();
    scene.cluster.flush()?;
    scene.cluster.kill(NAME, "TERM")?;
    let data = scene.cluster.get(NAME)?.data.clone();
    let Some(disk) = SmallDisk::mount(&data) else {
        return Ok(Outcome::Skipped("a small disk cannot be mounted here".to_owned()));
    };
    let done = with_small_disk(scene, NAME, &disk, since);
    // Before the disk goes.
    scene.cluster.kill(NAME, "KILL")?;
    drop(disk);
    done?;
    scene.cluster.start(NAME)?;
    scene.check("on the old disk again", since, Depth::Samples)?;
    Ok(Outcome::Passed)
}

fn with_small_disk(scene: &mut Scene, name: &str, disk: &SmallDisk, since: i64) -> Result<(), DrillError> {
    scene.cluster.start(name)?;
    let address = scene.cluster.get(name)?.http.clone();
    scene.wait("the disk is full and writes fail", PATIENCE, || {
        // Again and again: what the log gives free must not help.
        disk.fill()?;
        Ok(scene.metric(&address, "cortex_ingester_tsdb_wal_writes_failed_total")? > 0.0)
    })?;
    if !scene.cluster.get(name)?.is_alive() {
        return Err(DrillError::Broken(format!("{name} has ended on a full disk")));
    }
    scene.check("with a full disk", since, Depth::Full)?;
    fs::remove_file(disk.filler()).map_err(|source| DrillError::Io { what: "make room on a disk", source })?;
    scene.check_until(now() + 5_000, "with room on the disk again", since, Depth::Samples)
}
