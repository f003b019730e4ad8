//! How old the data of this ingester is. One that has lost its disk comes back under its old name, and would answer for rows that it
//! had acknowledged and does not have any more: together with another that was away when they were written, a read would be short.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// The file in the data directory that tells when what was there before was lost.
const FILE: &str = "lost-before";

/// How much younger than its membership a new data directory may be: a first start joins the ring a moment before it opens its logs.
const SLACK_MS: i64 = 5_000;

/// Since when the data directory holds everything that this member has acknowledged, ms since the Unix epoch; `None`: always.
///
/// To be asked before the logs are opened. A directory without logs whose member is older has lost them: that is written down,
/// so that a restart still knows.
///
/// * `member_since_ms`: when the member began to take writes.
///
/// Errors: the directory cannot be read or written.
pub fn lost_before(directory: &Path, member_since_ms: i64, now_ms: i64) -> io::Result<Option<i64>> {
    let path = directory.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().parse().ok()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {}
        Err(err) => return Err(err),
    }
    let lost = !directory.join("wal").exists() && member_since_ms.saturating_add(SLACK_MS) < now_ms;
    fs::create_dir_all(directory)?;
    let mut file = fs::File::create(&path)?;
    if lost {
        writeln!(file, "{now_ms}")?;
    }
    file.sync_all()?;
    Ok(lost.then_some(now_ms))
}

#[cfg(test)]
mod tests {
    use super::lost_before;

    #[test]
    fn a_first_start_has_lost_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(lost_before(directory.path(), 100_000, 100_200).unwrap(), None);
        // Nor has a restart, however old the member is by then.
        assert_eq!(lost_before(directory.path(), 100_000, 900_000).unwrap(), None);
    }

    #[test]
    fn an_empty_directory_of_an_old_member_has_lost_everything_before() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(lost_before(directory.path(), 100_000, 900_000).unwrap(), Some(900_000));
        assert_eq!(lost_before(directory.path(), 100_000, 950_000).unwrap(), Some(900_000), "a restart still knows");
    }

    #[test]
    fn logs_of_an_earlier_release_are_no_loss() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("wal")).unwrap();
        assert_eq!(lost_before(directory.path(), 100_000, 900_000).unwrap(), None);
    }
}
